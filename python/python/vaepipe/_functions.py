"""The functions of the module."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vaepipe import _vaepipe
from vaepipe._data import Data, Path, Rows, is_frame, source
from vaepipe._frames import like
from vaepipe._model import Model
from vaepipe._options import TransformOptions
from vaepipe._progress import Callback, shown
from vaepipe._reader import Reader
from vaepipe._report import Report
from vaepipe.errors import DataError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from vaepipe._options import FitOptions


def _some(data: Data, where: str | None, types: Mapping[str, str] | None = None) -> Rows:
    rows = source(data, where, types=types)
    if rows is None:
        raise DataError("no batch was given, so that there is nothing to read")
    return rows


def fit(
    data: Data,
    *,
    where: str | None = None,
    types: Mapping[str, str] | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool | Callback = False,
    **options: Unpack[FitOptions],
) -> Model:
    """Fits a VAE to rows. Without options, columns are chosen, typed and scaled, the network is sized, and training stops
    by itself.

    The same data, options and seed give the same model, bit for bit on one build and CPU model, for any number of threads.

    >>> import polars as pl, vaepipe
    >>> points = pl.DataFrame({"x": [n * 7 % 300 / 10 for n in range(300)], "y": [n % 9 / 8 for n in range(300)]})
    >>> vaepipe.fit(points, latent_dim=1, epochs=2, seed=7)
    <vaepipe.Model of 2 columns in 1 latent dimensions, fitted to 300 rows>

    :param data: files, a frame, an Arrow stream, or batches
    :param where: of files, only rows for which this SQL condition is true
    :param types: what the values of columns are, where their stored type does not say it, as ``{"dep_time": "hhmm"}``:
        ``string``, ``integer``, ``float``, ``boolean``, ``date``, ``timestamp``, ``epoch_s``, ``epoch_ms``, ``epoch_us``,
        ``epoch_ns`` or ``hhmm``. The model remembers them
    :param device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``
    :param threads: worker threads, by default the machine's; they never change a number
    :param progress: show a bar; or a callable that is given each :class:`Progress`
    :raises DataError: if the data cannot be read, or has no column or too few rows to learn from
    :raises UsageError: for an option that does not fit
    :raises KeyboardInterrupt: on Ctrl-C, within a second
    """
    rows = _some(data, where, types)
    with shown(progress) as bar:
        return Model(_vaepipe.fit(rows.native, device, threads, bar, options))


def fit_transform(
    data: Data,
    *,
    where: str | None = None,
    types: Mapping[str, str] | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: bool | Callback = False,
    **options: Any,
) -> Any:
    """Fits a VAE to rows and transforms them: options are those of :func:`fit` and of :meth:`Model.transform`.

    The result is a frame or a :class:`Reader`, as of :meth:`Model.transform`. Rows that can be read only once are copied to
    a scratch file.
    """
    rows = _some(data, where, types)
    native = rows.native.reread()
    both = {"alpha", "threshold", "contamination", "fdr"}
    of_transform = {name: options.pop(name) for name in _TRANSFORM - both if name in options}
    with shown(progress) as bar:
        model = _vaepipe.fit(native, device, threads, bar, options)
    scored = model.transform(native, threads, of_transform)
    return like(data, Reader(scored)) if is_frame(data) else Reader(scored, rows.batches_of)


_TRANSFORM = set(TransformOptions.__annotations__)


def inspect(
    data: Data | Model,
    *,
    where: str | None = None,
    types: Mapping[str, str] | None = None,
    threads: int | None = None,
    **options: Unpack[FitOptions],
) -> dict[str, Any]:
    """What a fit with these options would make of data: its ``columns``, learned, given or carried and why, and the sizes
    of the ``model``. Of a :class:`Model` or a file ``*.safetensors``, what the model stores.

    >>> import polars as pl, vaepipe
    >>> points = pl.DataFrame({"x": [n * 7 % 300 / 10 for n in range(300)], "y": [n % 9 / 8 for n in range(300)], "c": [1] * 300})
    >>> [(column["column"], column["reason"]) for column in vaepipe.inspect(points)["columns"]]
    [('x', None), ('y', None), ('c', 'is constant (1)')]
    """
    if isinstance(data, (str, os.PathLike)) and os.fspath(data).endswith(".safetensors"):
        data = Model.load(data)
    if isinstance(data, Model):
        if options:
            raise TypeError(f"{next(iter(options))} decides what a fit makes of data; this is a model")
        return data.metadata
    return _vaepipe.plan(_some(data, where, types).native, threads, options)


def evaluate(
    data: Data,
    label: str,
    *,
    score: str | Sequence[str] = (),
    threshold: float | None = None,
    top: int | None = None,
    order_by: str | None = None,
    by: str | Sequence[str] = (),
    window: int | None = None,
    thresholds: int | None = None,
    where: str | None = None,
) -> dict[str, Any]:
    """How well the scores of transformed rows find known anomalies: AUROC, average precision, precision and recall among
    the rows of highest score, the best F1, and the confusion matrix of ``is_anomaly``. With ``order_by`` also of events, which
    are runs of anomalous rows: VUS-PR and VUS-ROC, the share of events that were found, and the delay.

    :param label: the column of labels: 1, true, yes or anomaly for an anomaly, 0, false, no or normal for none; or
        ``"COL=VALUE"``, where rows of this value are anomalies
    :param score: columns of scores, the main one first; by default the one the rows are ranked by
    :param threshold: count as found what scores at least this, instead of what ``is_anomaly`` says
    :param top: rows of highest score to look at; by default as many as there are anomalies
    :param order_by: the column of numbers or times that puts rows in order
    :param by: columns; rows of the same values in them are one series
    :param window: the largest tolerance of VUS around events, in rows; by default the period of the first learned number
    :param thresholds: scores of a series that VUS tries as thresholds; by default 250
    """
    if order_by is None and (by or window is not None or thresholds is not None):
        raise TypeError("by, window and thresholds are for rows in order: order_by is missing")
    scores, groups = ([of] if isinstance(of, str) else list(of) for of in (score, by))
    return _vaepipe.evaluate(
        _some(data, where).native, label, scores, threshold, top, order_by, groups, window, thresholds
    )


def report(
    data: Data,
    model: Model | Path | None = None,
    *,
    label: str | None = None,
    color: str | None = None,
    dimensions: tuple[int, int] | None = None,
    image: tuple[int, int] | None = None,
    show: str | Sequence[str] = (),
    time: str | None = None,
    top: int | None = None,
    where: str | None = None,
) -> Report:
    """A page about transformed rows. Without a ``model`` it leaves out what needs one.

    :param label: the column of known anomalies, or ``"COL=VALUE"``, where rows of this value are anomalies
    :param color: the column that colours rows in latent space; by default the label, or else the score
    :param dimensions: the two dimensions of the latent space to show; by default those that vary most
    :param image: width and height of the image that a row's numbers form
    :param show: columns of the listed rows to show; by default those that identify rows, and those that reasons mention
    :param time: the column by whose days odd rows are counted; by default files, or of one file its first date or time
    :param top: rows of highest score to list
    """
    if model is not None and not isinstance(model, Model):
        model = Model.load(model)
    native = None if model is None else model._native
    rows = _some(data, where).native
    columns = [show] if isinstance(show, str) else list(show)
    return Report(_vaepipe.report(rows, native, label, color, dimensions, image, top, columns, time))
