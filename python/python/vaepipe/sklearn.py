"""An estimator for scikit-learn: a transformer to latents, and an outlier detector.

>>> from sklearn.datasets import load_digits
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.linear_model import LogisticRegression
>>> from vaepipe.sklearn import VAE
>>> images, digits = load_digits(return_X_y=True)
>>> classifier = make_pipeline(VAE(n_components=8, max_iter=5, random_state=0), LogisticRegression(max_iter=1000))
>>> classifier.fit(images, digits).predict(images).shape
(1797,)
"""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

import vaepipe
from vaepipe._arrays import Array, array_batches, batches, columns_of, columns_of_numbers, floats
from vaepipe._data import is_frame, is_of, source
from vaepipe._rebuilt import ArrayLike, FrameLike, labels, with_columns
from vaepipe.errors import UsageError

#: Parameters by the option of :func:`vaepipe.fit` that each sets.
_PARAMETERS = {
    "latent_dim": "n_components",
    "hidden": "hidden_layer_sizes",
    "activation": "activation",
    "lr": "learning_rate_init",
    "batch_size": "batch_size",
    "epochs": "max_iter",
    "patience": "n_iter_no_change",
    "val_fraction": "validation_fraction",
    "contamination": "contamination",
    "preset": "preset",
    "seed": "random_state",
}
#: What comes before the name of a new column, which no column of a frame is likely to begin with.
_PREFIX = "vaepipe_"
#: Share of the fitted rows that are outliers if there are no p-values.
_SHARE = 0.01


class VAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator):
    """Variational autoencoder: latents, anomaly scores and rebuilt rows of arrays and of frames of mixed types.

    Arrays are learned as numbers, NaN as missing. Frames of polars, pandas and pyarrow, and whatever else has
    ``__arrow_c_stream__``, need no preparation: numbers, strings, categories, Booleans, dates and times are encoded by
    their type, missing values stay missing, and what looks like an identifier is not learned, unless ``options`` name
    it in ``columns``. :func:`vaepipe.inspect` tells what becomes of each column of a frame.

    Parameters
    ----------
    n_components : int, "auto" or None, default=None
        Width of the latent space. "auto" finds the width after which held-out rows gain no more; None decides by the
        number of columns.

    hidden_layer_sizes : sequence of int or None, default=None
        Widths of the encoder's hidden layers; the decoder mirrors them. ``()`` makes a linear model; None decides by
        the number of columns.

    activation : {"silu", "relu", "tanh"} or None, default=None
        Activation function of the hidden layers; None is "silu".

    learning_rate_init : float or None, default=None
        Highest learning rate of Adam; None is 0.004, with preset "anomaly" 0.002, with preset "map" and fewer than 32
        columns 0.008.

    batch_size : int or None, default=None
        Most rows of a gradient step; None decides by the number of rows.

    max_iter : int or None, default=None
        Most epochs; None decides by the number of rows.

    n_iter_no_change : int or None, default=None
        Epochs without improvement before training stops; 0 trains them all. None is 30 % of the epochs, at least 10,
        and with preset "anomaly" 0.

    validation_fraction : float or None, default=None
        Share of rows held out of training: half for validation, half for calibration. None is 0.1.

    contamination : float or "auto", default="auto"
        Share of the fitted rows that are outliers. With "auto" a row is an outlier if the model says so: if its p-value
        is at most 0.01, or by ``alpha`` or ``threshold`` of ``options``. If no p-value can be that low, as after a fit
        to fewer than 100 rows or without held-out rows, a row is one if it is odder than 99 % of the fitted rows.

    preset : {"reduce", "anomaly", "map"} or None, default=None
        Defaults for a purpose: latents of every row, scores, or two latents that keep similar rows together. None is
        "reduce".

    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, order, noise and held-out rows. The same integer gives the same model, bit for bit
        on one build and CPU model, and the one of ``vaepipe.fit(seed=...)``.

    n_jobs : int or None, default=None
        Threads, which never change a number. None and -1 are all of the machine, -2 all but one.

    verbose : bool or int, default=False
        Show a bar while the model is fitted.

    device : str, default="auto"
        "auto", "cpu", "cuda" or "cuda:N".

    options : dict or None, default=None
        Other options of :func:`vaepipe.fit`, such as ``{"beta": 4, "given": ["site"]}``. Columns of arrays are called
        "x0", "x1" and so on.

    Attributes
    ----------
    model_ : vaepipe.Model
        The fitted model, which can be saved for the program, impute, generate, compare and more.

    n_components_ : int
        Width of the latent space.

    n_iter_ : int
        Epochs trained.

    offset_ : float
        ``decision_function`` is ``score_samples`` minus this.

    labels_ : ndarray of shape (n_samples,)
        1 for the fitted rows that are outliers, else 0, as in PyOD.

    decision_scores_ : ndarray of shape (n_samples,)
        Anomaly scores of the fitted rows, as in PyOD: higher is odder.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if all are strings.

    Notes
    -----
    A row without a known value has the score NaN and is an inlier: nothing odd is known of it.

    Examples
    --------
    >>> import numpy as np
    >>> from vaepipe.sklearn import VAE
    >>> angle = np.linspace(0, 6, 500)
    >>> X = np.column_stack([np.sin(angle), np.cos(angle), np.sin(2 * angle)])
    >>> vae = VAE(n_components=2, max_iter=20, contamination=0.1, random_state=0).fit(X)
    >>> vae.transform(X).shape
    (500, 2)
    >>> int(vae.labels_.sum())
    50
    """

    def __init__(
        self,
        n_components: int | Literal["auto"] | None = None,
        *,
        hidden_layer_sizes: Sequence[int] | None = None,
        activation: str | None = None,
        learning_rate_init: float | None = None,
        batch_size: int | None = None,
        max_iter: int | None = None,
        n_iter_no_change: int | None = None,
        validation_fraction: float | None = None,
        contamination: float | Literal["auto"] = "auto",
        preset: str | None = None,
        random_state: int | numpy.random.RandomState | None = None,
        n_jobs: int | None = None,
        verbose: bool | int = False,
        device: str = "auto",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.contamination = contamination
        self.preset = preset
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.device = device
        self.options = options

    def fit(self, X: Any, y: Any = None) -> VAE:
        """Fit a model to rows.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        X = self._validated(_table(X), reset=True)
        if is_frame(X):
            self._columns, options = labels(X), self._fit_options()
        else:
            # Every column that is not constant is learned, even one that looks like an identifier.
            self._columns = [f"x{n}" for n in range(self.n_features_in_)]
            options = {"columns": self._columns, **self._fit_options()}
        self.model_ = vaepipe.fit(
            self._rows(X), device=self.device, threads=self._threads(), progress=bool(self.verbose), **options
        )
        metadata = self.model_.metadata
        self.n_components_ = self._n_features_out = metadata["network"]["latent_dim"]
        self.n_iter_ = len(metadata["history"]["epochs"])
        constants = {column["column"] for column in metadata["carried"] if column.get("constant") is not None}
        self._like = FrameLike(X, constants) if is_frame(X) else ArrayLike(X, self._columns, constants)

        scores = self._scores(X)
        threshold = self.model_._native.threshold()
        if threshold is not None and self.contamination == "auto":
            # An outlier of the model has at least the threshold, one of scikit-learn less than the offset.
            self.offset_ = float(numpy.nextafter(-threshold, numpy.inf))
        else:
            # The model's contamination is that of its training rows, scikit-learn's that of all fitted rows.
            share = _SHARE if self.contamination == "auto" else float(self.contamination)
            known = numpy.sort(scores[~numpy.isnan(scores)])
            # Rounding may place a decimal share just below a whole number of rows.
            self.offset_ = float(known[min(int(share * len(known) * (1 + 1e-12)), len(known) - 1)])
        self.decision_scores_ = -scores
        self.labels_ = (scores < self.offset_).astype(int)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit a model to rows, and transform them to latents.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        Z : ndarray or frame of shape (n_samples, n_components_)
            The latents.
        """
        X = _table(X)
        return self.fit(X).transform(X)

    def transform(self, X: Any) -> Any:
        """Transform rows to latents: the means of their posterior distributions.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        Z : ndarray or frame of shape (n_samples, n_components_)
            The latents, of float32; a frame if :meth:`set_output` says so.
        """
        check_is_fitted(self)
        names = [f"z_{n}" for n in range(self.n_components_)]
        return self._new_columns(self._validated(_table(X)), names, numpy.float32)

    def inverse_transform(self, X: Any, given: Any = None) -> Any:
        """Rebuild rows from latents: numbers as expected, categories as most likely.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_components_)
            The latents.

        given : array-like or frame of shape (n_samples, n_features_in_), default=None
            The rows whose given columns the rebuilt rows have; needed only if the model has some. Dates and times of a
            frame are given unless ``options`` say otherwise.

        Returns
        -------
        X_original : ndarray or frame of shape (n_samples, n_features_in_)
            The rows: an array if the model was fitted to an array, else a frame of the kind and types it was fitted to.
            Columns that were not learned are those of ``given``; without it, those that were constant have their
            constant, and the others are missing.
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=numpy.float32, input_name="X")
        if Z.shape[1] != self.n_components_:
            raise ValueError(f"X has {Z.shape[1]} columns, but the model has {self.n_components_} latent dimensions")
        latents = {f"{_PREFIX}z_{n}": Z[:, n] for n in range(self.n_components_)}
        names = [column["column"] for column in self.model_.metadata.get("given", ())]
        if not names:
            rows = batches(latents)
        elif given is None:
            raise ValueError(f"the model learned its columns given {', '.join(names)}: pass rows with these as `given`")
        else:
            given = self._validated(_table(given))
            if len(given) != len(Z):
                raise ValueError(f"X has {len(Z)} rows, but given has {len(given)}")
            columns = self._columns_of(given)
            rows = with_columns(given, latents) if columns is None else batches({**columns, **latents})
        options = {"latents": True, "prefix": _PREFIX}
        return self._like.rebuilt(self.model_._native.reconstruct(_native(rows), self._threads(), options), len(Z))

    def score_samples(self, X: Any) -> Array:
        """Score rows: the negative of the model's ``anomaly_score``.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more normal.
        """
        check_is_fitted(self)
        return self._scores(self._validated(_table(X)))

    def decision_function(self, X: Any) -> Array:
        """Score rows so that outliers are below 0.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Array:
        """Tell outliers from inliers.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,)
            -1 for outliers, 1 for inliers.
        """
        # NaN is below nothing.
        return numpy.where(self.decision_function(X) < 0, -1, 1)

    def fit_predict(self, X: Any, y: Any = None) -> Array:
        """Fit a model to rows, and tell the outliers among them.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        is_inlier : ndarray of shape (n_samples,)
            -1 for outliers, 1 for inliers.
        """
        return numpy.where(self.fit(X).labels_ == 1, -1, 1)

    def score(self, X: Any, y: Any = None) -> float:
        """Score the model: how normal rows are to it on average.

        Parameters
        ----------
        X : array-like or frame of shape (n_samples, n_features)
            The rows.

        y : Ignored
            Not used, present for consistency.

        Returns
        -------
        score : float
            The mean of ``score_samples`` over the rows with a known value.
        """
        return float(numpy.nanmean(self.score_samples(X)))

    def _fit_options(self) -> dict[str, Any]:
        """The options of :func:`vaepipe.fit` that the parameters set."""
        options = {option: getattr(self, parameter) for option, parameter in _PARAMETERS.items()}
        for name, value in (self.options or {}).items():
            if name in _PARAMETERS:
                raise UsageError(f"options: {name} is set by the parameter {_PARAMETERS[name]}")
            if name == "fdr":
                raise UsageError("options: fdr decides on all rows of a call together, which predict cannot do")
            options[name] = value
        if options["contamination"] == "auto":
            options["contamination"] = None
        if options["hidden"] is not None:
            widths = options["hidden"]
            options["hidden"] = [widths] if isinstance(widths, numbers.Integral) else list(widths) or "none"
        if not isinstance(self.random_state, numbers.Integral):
            options["seed"] = int(check_random_state(self.random_state).randint(2**31 - 1))
        return options

    def _threads(self) -> int | None:
        if self.n_jobs is None or self.n_jobs == -1:
            return None
        return self.n_jobs if self.n_jobs >= 0 else max(1, (os.cpu_count() or 1) + 1 + self.n_jobs)

    def _validated(self, X: Any, *, reset: bool = False) -> Any:
        """X, checked by scikit-learn: a frame as it is, or an array."""
        if is_frame(X) and (reset or isinstance(self._like, FrameLike)):
            validate_data(self, X, reset=reset, skip_check_array=True)
            return X
        # An array of objects may stand for the rows of a frame.
        dtype = [numpy.float64, numpy.float32] if reset or isinstance(self._like, ArrayLike) else None
        checks = {"dtype": dtype, "ensure_all_finite": "allow-nan", "ensure_min_samples": 2 if reset else 1}
        return validate_data(self, X, reset=reset, **checks)

    def _rows(self, X: Any) -> Any:
        """Validated rows as data of :mod:`vaepipe`."""
        if not is_frame(X) and X.dtype.kind != "O":
            return array_batches(X, self._columns)
        columns = self._columns_of(X)
        return X if columns is None else batches(columns)

    def _columns_of(self, X: Any) -> dict[str, Array] | None:
        """The columns of validated rows as arrays; ``None`` for a frame of other types than numbers."""
        return columns_of_numbers(X) if is_frame(X) else columns_of(X, self._columns)

    def _new_columns(self, X: Any, names: Sequence[str], dtype: type = numpy.float64) -> Array:
        """New columns of a transform of validated rows, ``[rows, names]``."""
        options = {"prefix": _PREFIX, "drop_features": True}
        rows = self.model_._native.transform(_native(self._rows(X)), self._threads(), options)
        return floats(rows, [_PREFIX + name for name in names], dtype)

    def _scores(self, X: Any) -> Array:
        """``score_samples`` of validated rows."""
        return -self._new_columns(X, ["anomaly_score"])[:, 0]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "model_") and self.device != "auto":
            self.model_ = vaepipe.Model.from_bytes(self.model_.to_bytes(), device=self.device)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _table(X: Any) -> Any:
    """A stream of Arrow as a frame, which can be read twice; all else as it is."""
    if is_of(X, "polars", "LazyFrame"):
        return X.collect()
    if is_frame(X) or not hasattr(X, "__arrow_c_stream__") or len(getattr(X, "shape", (0, 0))) != 2:
        return X
    try:
        import pyarrow

        return pyarrow.table(X)
    except ImportError:
        import polars

        return polars.DataFrame(X)


def _native(rows: Any) -> Any:
    """Rows for the native module."""
    found = source(rows)
    assert found is not None, "there is always a batch, if an empty one"
    return found.native
