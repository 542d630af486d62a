"""The options of the functions, which are the flags of the program. Made by tests/test_options.py."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict


class FitOptions(TypedDict, total=False):
    """Options of :func:`vaepipe.fit`."""

    #: Learn only these columns: names, globs, or re:REGEX. What looks like an identifier or a time needs its
    #: name
    columns: str | Sequence[str] | None

    #: Do not learn these columns; they are still written by a transform
    exclude: str | Sequence[str] | None

    #: Give these columns to the model as circumstances: they are never scored. Other columns are learned given
    #: them. Names, globs, or re:REGEX [default: the hour, weekday and day of year of dates and times]
    given: str | Sequence[str] | None

    #: Learn these columns as categories: integers, and strings that look like identifiers, which are hashed
    categorical: str | Sequence[str] | None

    #: Most classes of a category; rarer and unseen words share one more class [default: 64]
    max_categories: int | None

    #: Apply a curve to skewed numbers before scaling: COL=asinh, log1p, quantile, auto or none; the last match
    #: counts
    map: Mapping[str, str] | Sequence[str] | None

    #: How the numbers of a vector are scaled: each by itself, or all as one [default: element]
    vector_scale: Literal["element", "whole"] | None

    #: Tell the encoder which values are missing, for columns with missing values [default: true]
    missing_indicator: bool | None

    #: How numbers are scaled [default: minmax; with preset anomaly asinh]
    scale: Literal["robust", "asinh", "standard", "minmax", "none"] | None

    #: Defaults for a purpose: reduce for latents of every row, anomaly for scores [default: reduce]
    preset: Literal["reduce", "anomaly"] | None

    #: Width of the latent space; auto finds the width after which held-out rows gain no more [default: by the
    #: number of features]
    latent_dim: int | Literal["auto"] | None

    #: Widths of the encoder's hidden layers, like 256,128; the decoder mirrors them; "none" for a linear model
    #: [default: by the number of features]
    hidden: Sequence[int] | Literal["none"] | None

    #: Networks to train, one after the other, whose scores are averaged; latents are the first one's [default:
    #: 1]
    members: int | None

    #: The score that anomaly_score holds and that p-values are of; neighbor_distance and combined store
    #: training rows in the model [default: elbo; with preset anomaly combined]
    anomaly_score: str | None

    #: Activation function of the hidden layers [default: silu]
    activation: Literal["relu", "silu", "tanh"] | None

    #: Most passes over the training rows [default: by the number of rows]
    epochs: int | None

    #: Most rows of a gradient step [default: by the number of rows]
    batch_size: int | None

    #: Highest learning rate of Adam; with preset anomaly and given it is 0.008 [default: 0.004; with preset
    #: anomaly 0.002]
    lr: float | None

    #: Weight of the KL term after the warm-up [default: 1]
    beta: float | None

    #: Share of the steps over which the KL weight rises from 0 [default: 0.3]
    kl_warmup: float | None

    #: Nats of KL per latent dimension that are free of cost [default: 0]
    free_bits: float | None

    #: Largest global gradient norm; 0 is off [default: 10 times the number of features]
    clip_norm: float | None

    #: Share of each batch, the rows of highest loss, left out of the gradient; with preset anomaly and given it
    #: is 0.05 [default: 0; with preset anomaly 0.2]
    trim: float | None

    #: Share of the known values that each step hides from the encoder, or auto [default: 0.1 if a learned
    #: column misses values in the training rows, else 0]
    mask_rate: float | Literal["auto"] | None

    #: Epochs without improvement before training stops; 0 trains them all [default: 30 % of the epochs, at
    #: least 10; with preset anomaly 0]
    patience: int | None

    #: Share of rows held out of training: half for validation, half for calibration [default: 0.1]
    val_fraction: float | None

    #: Rows shuffled together [default: all while they take at most 2 GiB, else as many as take 512 MiB]
    shuffle_rows: int | None

    #: Most rows that take part, a random sample [default: as many as the steps can reach]
    sample: int | None

    #: Most gradient steps [default: 50000, unless epochs is given]
    max_steps: int | None

    #: Memory for rows, like 512MiB; never changes a result. Rows that do not fit are kept in a scratch file; a
    #: page of a column that does not fit is an error [default: 2GiB for encoded rows, and up to 320MiB on their
    #: way]
    memory: int | str | None

    #: Existing directory for scratch files: rows that do not fit in memory, and stdin, CSV and Arrow, which are
    #: read twice [default: that of the model or output]
    spool_dir: str | os.PathLike[str] | None

    #: Seed of the initial weights, order, noise, sample and held-out rows
    seed: int | None

    #: Call rows anomalies whose p-value is at most this [default: as at fit, and there 0.01]
    alpha: float | None

    #: Call rows anomalies whose anomaly_score is at least this [default: none]
    threshold: float | None

    #: Call rows anomalies whose anomaly_score at most this share of the training rows reach; auto: the share
    #: that looks like anomalies. At fit it also says that the training rows hold anomalies [default: none]
    contamination: float | Literal["auto"] | None

    #: Call so many rows of an output anomalies that this share of them is expected to be none; reads the input
    #: twice [default: none]
    fdr: float | None

    #: Start from this base model: keep its columns, categories, scaling and network [default: none, from random
    #: weights]
    init: str | os.PathLike[str] | None

    #: Scale the columns of the base model by the new rows
    refit_scaling: bool | None

    #: Accept a model whose calibration loss is worse than that of the base model
    accept_worse: bool | None


class TransformOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.transform`."""

    #: Write only these input columns: names, globs, or re:REGEX
    keep: str | Sequence[str] | None

    #: Leave out the columns the model learned from
    drop_features: bool | None

    #: Put this before the name of every new column
    prefix: str | None

    #: Add z_std_0 ..., the posterior standard deviations
    std: bool | None

    #: Add these scores, or all
    score: str | Sequence[str] | None

    #: Add top_features, the K source columns that raise an anomaly's score most, with value and expected value
    explain: int | None

    #: Explain these rows: anomalies, or all
    explain_rows: Literal["anomalies", "all"] | None

    #: Call rows anomalies whose p-value is at most this [default: as at fit, and there 0.01]
    alpha: float | None

    #: Call rows anomalies whose anomaly_score is at least this [default: none]
    threshold: float | None

    #: Call rows anomalies whose anomaly_score at most this share of the training rows reach; auto: the share
    #: that looks like anomalies. At fit it also says that the training rows hold anomalies [default: none]
    contamination: float | Literal["auto"] | None

    #: Call so many rows of an output anomalies that this share of them is expected to be none; reads the input
    #: twice [default: none]
    fdr: float | None


class ImputeOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.impute`."""

    #: Draws from the posterior of a row, whose weighted average fills it
    samples: int | None

    #: Add COL_draw_0 ...: N draws of every filled column
    draws: int | None

    #: Add COL_low and COL_high of every filled number: the bounds that hold its value with this probability
    #: [default: none]
    intervals: float | None

    #: Add COL_imputed, true where a value was filled
    flag: bool | None

    #: Put this before the name of every new column
    prefix: str | None


class ReconstructOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.reconstruct`."""

    #: Take the latents from the columns z_0 ..., even if the learned columns exist
    latents: bool | None

    #: The prefix that the transform put before the names of these columns
    prefix: str | None


class GenerateOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.generate`."""

    #: Seed of the draws
    seed: int | None

    #: How far draws go from the middle, 0 to 10: 1 is as the data, less is more usual, 0 the most likely
    temperature: float | None

    #: Draw from the prior, even if a density fitted to the latents explained held-out rows better
    prior: bool | None

    #: Fix given columns, like device=7,site=north; the others are those of training rows drawn at random
    at: Mapping[str, object] | Sequence[str] | None

    #: Leave out values as often as the training data did
    nulls: bool | None


class TraverseOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.traverse`."""

    #: Places along each dimension, 2 to 10,000
    steps: int | None

    #: Fix given columns, like device=7,site=north; the others are those of a typical training row
    at: Mapping[str, object] | Sequence[str] | None

    #: Put this before the names of the columns `dimension` and `z`
    prefix: str | None
