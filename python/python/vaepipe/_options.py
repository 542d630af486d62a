"""The options of the functions, which are the flags of the program. Made by tests/test_options.py."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict


class FitOptions(TypedDict, total=False):
    """Options of :func:`vaepipe.fit`."""

    #: Learn only these columns: names, globs, or re:REGEX. Identifiers and elapsed times are learned only if
    #: named exactly
    columns: str | Sequence[str] | None

    #: Do not learn these columns; they are still written by a transform
    exclude: str | Sequence[str] | None

    #: Give these columns to the model as context: other columns are learned given them, and they are never
    #: scored. Names, globs, or re:REGEX [default: the hour, weekday and day of year of dates and times]
    given: str | Sequence[str] | None

    #: Learn these columns as categories: integers, or strings that look like identifiers (these are hashed)
    categorical: str | Sequence[str] | None

    #: Maximum classes of a category; rarer and unseen values share one more class [default: 64]
    max_categories: int | None

    #: Apply a curve to skewed numbers before scaling: COL=asinh, log1p, quantile, auto or none; the last match
    #: counts
    map: Mapping[str, str] | Sequence[str] | None

    #: Only values above (COL=high), or only values below (COL=low), what other columns lead to expect count in
    #: scores; for numbers and lists of numbers [default: both]
    direction: Mapping[str, str] | Sequence[str] | None

    #: Scale each number of a vector by itself (element), or all as one (whole) [default: element]
    vector_scale: Literal["element", "whole"] | None

    #: Tell the encoder which values are missing, for columns with missing values [default: true]
    missing_indicator: bool | None

    #: The rows are in the order of this column, a time or a number: each is learned and scored together with
    #: those before it [default: none]
    order_by: str | None

    #: The rows are sequences, told apart by the values of these columns, such as a device; their rows may
    #: alternate [default: all rows are one sequence]
    by: str | Sequence[str] | None

    #: Rows of a window, the row itself included: a power of two [default: 64]
    window: int | None

    #: A longer step between two rows of a sequence begins a new window: a time, as in 10m, or a number
    #: [default: none]
    max_gap: str | None

    #: Sequences whose windows are kept at a time; those without a row for longest are dropped first, and begin
    #: again [default: 16384]
    max_groups: int | None

    #: How numbers are scaled; with order_by the default is standard [default: minmax; with preset anomaly
    #: asinh]
    scale: Literal["robust", "asinh", "standard", "minmax", "none"] | None

    #: Defaults for a purpose: reduce for latents of every row, map for two latents that keep neighbours
    #: together, anomaly for scores, and by default with order_by [default: reduce]
    preset: Literal["reduce", "anomaly", "map"] | None

    #: Number of latent dimensions; auto doubles it until the loss of held-out rows stops improving [default: by
    #: the number of features; with preset map 2]
    latent_dim: int | Literal["auto"] | None

    #: Widths of the encoder's hidden layers, like 256,128; the decoder mirrors them; "none" for a linear model,
    #: the default with order_by [default: by the number of features]
    hidden: Sequence[int] | Literal["none"] | None

    #: Nearest neighbours of a training row to keep near to it in the latents, at most 100; 0 is none, and with
    #: preset map the default is 15 [default: 0]
    neighbors: int | None

    #: Weight of the neighbours beside the ELBO, in nats a feature [default: 1, below 32 features 0.1; two
    #: thirds of that for three latents; 0.2 / latents for more]
    neighbor_weight: float | None

    #: Networks to train in one model; scores are averaged, latents come from the first [default: 1]
    members: int | None

    #: Find clusters in the latents, so many or auto; a transform adds cluster, numbered from 0 by size, and
    #: cluster_p, its probability [default: none]
    clusters: int | Literal["auto"] | None

    #: The score in the column anomaly_score, which also makes the p-values; neighbor_distance, the default with
    #: order_by, marginal_nll and combined store training rows in the model [default: elbo; with preset anomaly
    #: combined]
    anomaly_score: str | None

    #: Activation function of the hidden layers [default: silu]
    activation: Literal["relu", "silu", "tanh"] | None

    #: Maximum passes over the training rows [default: by the number of rows]
    epochs: int | None

    #: Maximum rows per gradient step [default: by the number of rows]
    batch_size: int | None

    #: Peak learning rate of Adam; with preset anomaly and given, or preset map below 32 features, the default
    #: is 0.008 [default: 0.004; with preset anomaly 0.002]
    lr: float | None

    #: Weight of the KL term after the warm-up [default: 1]
    beta: float | None

    #: Share of the steps in which the KL weight rises from 0 [default: 0.3]
    kl_warmup: float | None

    #: KL divergence per latent dimension that costs nothing, in nats [default: 0]
    free_bits: float | None

    #: Maximum global gradient norm; 0 is off [default: 10 times the number of features]
    clip_norm: float | None

    #: Share of each batch to leave out of the gradient: the rows whose numbers have the highest loss; with
    #: preset anomaly and given the default is 0.05, and with order_by 0 [default: 0; with preset anomaly 0.2]
    trim: float | None

    #: Share of the known values to hide from the encoder in each step, or auto [default: 0.1 if a learned
    #: column has missing values, else 0]
    mask_rate: float | Literal["auto"] | None

    #: Stop after this many epochs without improvement; 0 never stops early, as with neighbors [default: 30 % of
    #: the epochs, at least 10; with preset anomaly 0]
    patience: int | None

    #: Share of rows to hold out of training: half for validation, half for calibration [default: 0.1]
    val_fraction: float | None

    #: Rows to shuffle at a time [default: all while they take at most 2 GiB, else as many as take 512 MiB]
    shuffle_rows: int | None

    #: Train on at most this many rows, drawn at random [default: as many as the steps can reach]
    sample: int | None

    #: Maximum gradient steps [default: 50000, unless epochs is given]
    max_steps: int | None

    #: Memory for rows, like 512MiB; never changes a result. Rows that do not fit go to a scratch file; a column
    #: page that does not fit is an error [default: 2GiB for encoded rows, and up to 320MiB for reading them]
    memory: int | str | None

    #: Existing directory for scratch files: rows that do not fit in memory, and inputs that are read twice
    #: (stdin, CSV, Arrow) [default: that of the model or output]
    spool_dir: str | os.PathLike[str] | None

    #: Seed of everything random: initial weights, row order, noise, sample and held-out rows
    seed: int | None

    #: Sort the rows of each file by the column of order_by first
    sort: bool | None

    #: A row is an anomaly if its p-value is at most this [default: that of the fit, 0.01 unless set]
    alpha: float | None

    #: A row is an anomaly if its anomaly_score is at least this [default: none]
    threshold: float | None

    #: A row is an anomaly if it scores as high as the top of the training rows, of this share: 0.002 flags
    #: about 2 of 1,000; auto estimates the share. In a fit it also states that the training rows hold anomalies
    #: [default: none]
    contamination: float | Literal["auto"] | None

    #: As many rows are anomalies as keep the share of false alarms among them at this (false discovery rate,
    #: Benjamini-Hochberg); reads the input twice [default: none]
    fdr: float | None

    #: Beside the rule above, an anomaly must have a p-value of at most this: bounds threshold, contamination
    #: and fdr [default: that of the fit, none unless set]
    ignore_above_p: float | None

    #: Start from this base model: keep its columns, categories, scaling and network [default: none, from random
    #: weights]
    init: str | os.PathLike[str] | None

    #: Scale the columns of the base model by the new rows
    refit_scaling: bool | None

    #: Accept a model whose calibration loss is worse than that of the base model
    accept_worse: bool | None

    #: Keep this note in the model; inspect and compare show it [default: none]
    note: str | None

    #: Keep the time of the fit, in UTC, and the names of its inputs in the model. The same data then gives
    #: other bytes at another time, unless SOURCE_DATE_EPOCH sets it
    stamp: bool | None


class TransformOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.transform`."""

    #: Write only these input columns: names, globs, or re:REGEX
    keep: str | Sequence[str] | None

    #: Leave out the columns the model learned from
    drop_features: bool | None

    #: Put this before the name of every new column
    prefix: str | None

    #: Write latents as columns z_0 ..., or as one column z, a list of fixed size, which vector stores take
    latents: Literal["columns", "list"] | None

    #: Add z_std_0 ..., the posterior standard deviations: how uncertain each latent is
    std: bool | None

    #: Add these scores, or all
    score: str | Sequence[str] | None

    #: Add top_features, the K source columns that raise an anomaly's score most, with value and expected value
    explain: int | None

    #: Explain these rows: anomalies, or all
    explain_rows: Literal["anomalies", "all"] | None

    #: Add COL_expected, COL_low and COL_high for every learned number: what the rows before led to expect of
    #: it, and an interval that holds it with this probability. For a model of rows in order
    expected: float | None

    #: Earlier rows of the same sequences, whose windows go on into each input: files, directories or globs,
    #: read in this order and not written. For a model of rows in order
    history: str | Sequence[str] | None

    #: Sort the rows of each file first; they are written in this order. For a model of rows in order
    sort: bool | None

    #: Write the rows that are anomalies here, with top_features (not in CSV), and not to the output: a file, or
    #: a directory where the output is one. Both appear together
    quarantine: str | os.PathLike[str] | None

    #: Count the anomalies of a group from the N-th on, in the order of the rows of an output: those before it
    #: keep their scores and reasons, and is_anomaly is false [default: 1]
    min_alerts: int | None

    #: The groups of min_alerts: rows with the same values in these columns [default: all rows are one group]
    alerts_per: str | Sequence[str] | None

    #: A row is an anomaly if its p-value is at most this [default: that of the fit, 0.01 unless set]
    alpha: float | None

    #: A row is an anomaly if its anomaly_score is at least this [default: none]
    threshold: float | None

    #: A row is an anomaly if it scores as high as the top of the training rows, of this share: 0.002 flags
    #: about 2 of 1,000; auto estimates the share. In a fit it also states that the training rows hold anomalies
    #: [default: none]
    contamination: float | Literal["auto"] | None

    #: As many rows are anomalies as keep the share of false alarms among them at this (false discovery rate,
    #: Benjamini-Hochberg); reads the input twice [default: none]
    fdr: float | None

    #: Beside the rule above, an anomaly must have a p-value of at most this: bounds threshold, contamination
    #: and fdr [default: that of the fit, none unless set]
    ignore_above_p: float | None


class ImputeOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.impute`."""

    #: Fill only these columns: names, globs, or re:REGEX [default: all that the model learned]
    columns: str | Sequence[str] | None

    #: Draws to average for each filled value; more are slower and steadier
    samples: int | None

    #: Add COL_draw_0 ...: N draws of every filled column
    draws: int | None

    #: Add COL_low and COL_high for every filled number: an interval that holds its value with this probability
    #: [default: none]
    intervals: float | None

    #: Add COL_imputed, true where a value was filled
    flag: bool | None

    #: Put this before the name of every new column
    prefix: str | None

    #: Earlier rows of the same sequences, whose windows go on into each input: files, directories or globs,
    #: read in this order and not written. For a model of rows in order
    history: str | Sequence[str] | None

    #: Sort the rows of each file first; they are written in this order. For a model of rows in order
    sort: bool | None


class ReconstructOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.reconstruct`."""

    #: Take the latents from the columns z_0 ..., even if the learned columns exist
    latents: bool | None

    #: The prefix that the transform put before the names of these columns
    prefix: str | None

    #: Earlier rows of the same sequences, whose windows go on into each input: files, directories or globs,
    #: read in this order and not written. For a model of rows in order
    history: str | Sequence[str] | None

    #: Sort the rows of each file first; they are written in this order. For a model of rows in order
    sort: bool | None


class GenerateOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.generate`."""

    #: Seed of the draws
    seed: int | None

    #: Spread of the draws, 0 to 10: 1 is that of the data, less gives more typical rows, 0 the most likely row
    temperature: float | None

    #: Draw sequences of N rows, 1 to 100000, in which each row follows from those before it. For a model of
    #: rows in order
    steps: int | None

    #: Draw from the standard normal prior instead of the density fitted to the latents
    prior: bool | None

    #: Fix given columns, like device=7,site=north, or parts of given times, like hour=3 or ts.weekday=monday;
    #: other given columns are drawn from training rows
    at: Mapping[str, object] | Sequence[str] | None

    #: Leave out values as often as the training data did
    nulls: bool | None


class TraverseOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.traverse`."""

    #: Places along each dimension, 2 to 10,000
    steps: int | None

    #: Fix given columns, like device=7,site=north, or parts of given times, like hour=3 or ts.weekday=monday;
    #: other given columns are those of a typical training row
    at: Mapping[str, object] | Sequence[str] | None

    #: Put this before the names of the columns `dimension` and `z`
    prefix: str | None


class DriftOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.drift` and :meth:`vaepipe.Model.compare`."""

    #: Earlier rows of the same sequences, whose windows go on into each input: files, directories or globs,
    #: read in this order and not written. For a model of rows in order
    history: str | Sequence[str] | None

    #: Sort the rows of each file first; they are written in this order. For a model of rows in order
    sort: bool | None


class ExportOptions(TypedDict, total=False):
    """Options of :meth:`vaepipe.Model.to_onnx`."""

    #: Version of the ONNX operators, 13 to 23; onnxruntime runs 17 since version 1.12
    opset: int | None

    #: Put this before the name of every output
    prefix: str | None

    #: Add z_std, the posterior standard deviations
    std: bool | None

    #: Add these scores, or all but elbo_iw, which draws random numbers
    score: str | Sequence[str] | None

    #: Add reconstruction, what the decoder expects of every learned value: a number on the model's scale, the
    #: probability of a true Boolean or of each class
    reconstruction: bool | None

    #: A row is an anomaly if its p-value is at most this [default: that of the fit, 0.01 unless set]
    alpha: float | None

    #: A row is an anomaly if its anomaly_score is at least this [default: none]
    threshold: float | None

    #: A row is an anomaly if it scores as high as the top of the training rows, of this share: 0.002 flags
    #: about 2 of 1,000; auto estimates the share. In a fit it also states that the training rows hold anomalies
    #: [default: none]
    contamination: float | Literal["auto"] | None

    #: As many rows are anomalies as keep the share of false alarms among them at this (false discovery rate,
    #: Benjamini-Hochberg); reads the input twice [default: none]
    fdr: float | None

    #: Beside the rule above, an anomaly must have a p-value of at most this: bounds threshold, contamination
    #: and fdr [default: that of the fit, none unless set]
    ignore_above_p: float | None
