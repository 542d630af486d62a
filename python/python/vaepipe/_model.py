"""A fitted model."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from vaepipe import _vaepipe
from vaepipe._data import Data, Path, Rows, is_frame, source
from vaepipe._frames import in_order, like, without_enums
from vaepipe._progress import Callback, shown
from vaepipe._reader import Reader
from vaepipe.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from vaepipe._options import (
        DriftOptions,
        ExportOptions,
        GenerateOptions,
        ImputeOptions,
        ReconstructOptions,
        TransformOptions,
        TraverseOptions,
    )


class Model:
    """A fitted VAE, with the columns it learned, their scaling, and what its scores are compared with.

    :func:`vaepipe.fit` makes one. It can be pickled, and shared between threads.

    >>> import polars as pl, vaepipe
    >>> points = pl.DataFrame({"x": [n * 7 % 300 / 10 for n in range(300)], "y": [n % 9 / 8 for n in range(300)]})
    >>> model = vaepipe.fit(points, latent_dim=1, epochs=2)
    >>> model.transform(points).columns
    ['x', 'y', 'z_0', 'recon_error', 'anomaly_score', 'p_value', 'is_anomaly']
    """

    def __init__(self, native: _vaepipe.NativeModel) -> None:
        self._native = native

    @classmethod
    def load(cls, path: Path, *, device: str = "auto") -> Model:
        """Reads a model file, which :meth:`save` or the program wrote.

        Raises :class:`~vaepipe.NotFoundError` if there is none, :class:`~vaepipe.ModelError` if it is not a valid model.
        """
        return cls(_vaepipe.NativeModel.load(os.fspath(path), device))

    @classmethod
    def from_bytes(cls, data: bytes, *, device: str = "auto") -> Model:
        """Reads the bytes of a model file."""
        return cls(_vaepipe.NativeModel.from_bytes(data, device))

    def to_bytes(self) -> bytes:
        """The bytes of the model file: the same data, options and seed give the same bytes."""
        return self._native.to_bytes()

    def save(self, path: Path, *, force: bool = False) -> None:
        """Writes the model file, whole or not at all.

        Raises :class:`~vaepipe.ExistsError` if the file exists, unless ``force`` is set.
        """
        self._native.save(os.fspath(path), force)

    def __reduce__(self) -> tuple[Any, ...]:
        return Model.from_bytes, (self.to_bytes(),)

    def __repr__(self) -> str:
        metadata = self.metadata
        learned, latent_dim = len(metadata["features"]), metadata["network"]["latent_dim"]
        rows = metadata["provenance"]["rows"]
        return f"<vaepipe.Model of {learned} columns in {latent_dim} latent dimensions, fitted to {rows:,} rows>"

    @property
    def hash(self) -> str:
        """SHA-256 of the model file, in hexadecimal, which outputs store."""
        return self._native.hash

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the model file stores beside the weights: columns, network, training and its history, calibration,
        provenance."""
        return self._native.metadata()

    @cached_property
    def _types(self) -> dict[str, str]:
        """The Arrow types of the learned and given columns."""
        kinds = self.metadata["features"] + self.metadata.get("given", [])
        return {_name(kind["column"]): kind.get("type", "") for kind in kinds if not isinstance(kind["column"], dict)}

    def _in_order(self, data: Data, sort: bool | None) -> Any:
        """The data, sorted on request if it is a frame, for a model of rows in order."""
        sequence = self.metadata.get("sequence")
        return in_order(data, _name(sequence["order_by"])) if sort and sequence else data

    def _columns(self, *, constants: bool = False) -> set[str]:
        """The columns that it learned, and on request those that were constant. A field of a struct counts as its column."""
        learned = [_name(feature["column"]) for feature in self.metadata["features"]]
        constant = [column["column"] for column in self.metadata["carried"] if column.get("constant") is not None]
        names = learned + (constant if constants else [])
        return {top for name in map(str, names) for top in (name, name.split(".")[0])}

    def transform(
        self,
        data: Data,
        *,
        where: str | None = None,
        types: Mapping[str, str] | None = None,
        threads: int | None = None,
        **options: Unpack[TransformOptions],
    ) -> Any:
        """Every row with new columns: the latents ``z_0`` ... (float32), ``recon_error`` (0 or more), ``anomaly_score``
        (higher is odder), ``p_value`` and ``is_anomaly``; if the fit had ``clusters`` also ``cluster`` and ``cluster_p``.

        A frame gives a frame of the same kind, with its own columns and index as they were; anything else a
        :class:`Reader`, whose batches are of the kind of those that went in. Rows stay in order unless ``sort`` changes it, and
        the numbers of a row do not depend on other rows.

        :param data: files, a frame, an Arrow stream, or batches
        :param where: of files, only rows for which this SQL condition is true
        :param types: what the values of columns are, if it is not what the model remembers, as of :func:`fit`
        :param threads: worker threads, by default the machine's; they never change a number
        :raises DataError: if a learned column is missing or of another type, or the data cannot be read
        :raises UsageError: for an option that does not fit
        """
        data = self._in_order(data, options.get("sort"))
        rows = source(data, where, self._types, types)
        if rows is None:
            return Reader(None)
        return _result(data, rows, self._native.transform(rows.native, threads, options))

    def impute(
        self,
        data: Data,
        *,
        where: str | None = None,
        types: Mapping[str, str] | None = None,
        threads: int | None = None,
        **options: Unpack[ImputeOptions],
    ) -> Any:
        """Every row with its missing values filled by what the model expects given the rest of the row; known values
        stay the same bits. The data is read twice; rows that come only once are copied to a scratch file.

        The result is a frame or a :class:`Reader`, as of :meth:`transform`.
        """
        data = self._in_order(data, options.get("sort"))
        rows = source(without_enums(data), where, self._types, types)
        if rows is None:
            return Reader(None)
        return _result(data, rows, self._native.impute(rows.native, threads, options), filled=self._columns(constants=True))

    def reconstruct(
        self,
        data: Data,
        *,
        where: str | None = None,
        threads: int | None = None,
        **options: Unpack[ReconstructOptions],
    ) -> Any:
        """Every row with its learned columns rebuilt from its latents. If a learned column is missing, the latents are
        read from the columns ``z_0`` ... of a transform, and the missing columns are added.

        The result is a frame or a :class:`Reader`, as of :meth:`transform`.
        """
        data = self._in_order(data, options.get("sort"))
        rows = source(without_enums(data), where, self._types)
        if rows is None:
            return Reader(None)
        return _result(data, rows, self._native.reconstruct(rows.native, threads, options), rebuilt=self._columns())

    def generate(self, n: int, *, threads: int | None = None, **options: Unpack[GenerateOptions]) -> Reader:
        """``n`` new rows, drawn from the model, in the columns, types and units of the data it was fitted to.

        Row number i depends only on the model, the options and i.
        """
        if n < 0:
            raise UsageError(f"n is {n}, but must be 0 or more")
        return Reader(self._native.generate(n, threads, options))

    def traverse(self, **options: Unpack[TraverseOptions]) -> Reader:
        """Decoded rows along each dimension of the latent space, from -3 to 3 while the others are 0: ``dimension``,
        its ``z``, and the expected values of the learned columns."""
        return Reader(self._native.traverse(options))

    def to_onnx(self, **options: Unpack[ExportOptions]) -> bytes:
        """The model as an ONNX file: a graph with an input for each column, which other programs run, and the outputs ``z``,
        ``recon_error``, ``anomaly_score``, ``p_value`` and ``is_anomaly``.

        A missing value is NaN, or the integer or word that the input's description names.

        :raises ModelError: for a model that ONNX cannot express
        :raises UsageError: for an option that does not fit
        """
        return self._native.to_onnx(options)

    def drift(
        self,
        data: Data,
        *,
        where: str | None = None,
        types: Mapping[str, str] | None = None,
        threads: int | None = None,
        progress: bool | Callback = False,
        **options: Unpack[DriftOptions],
    ) -> dict[str, Any] | None:
        """Compares data with the training data: for ``columns``, ``latents`` and the ``score`` the population stability
        index ``psi`` (above 0.25 usually means shifted), the limit of ``chance``, the Kolmogorov-Smirnov distance
        ``ks``, and shares of missing, unseen and out-of-range values; the largest index above chance, ``worst``; and the
        names that are ``shifted``, by an index above 0.25 and chance. ``None`` without rows."""
        rows = source(data, where, self._types, types)
        if rows is None:
            return None
        with shown(progress) as bar:
            return self._native.drift(rows.native, threads, bar, options)

    def compare(
        self,
        other: Model,
        data: Data | None = None,
        *,
        top: int = 10,
        explain: int = 3,
        where: str | None = None,
        types: Mapping[str, str] | None = None,
        threads: int | None = None,
        progress: bool | Callback = False,
        **options: Unpack[DriftOptions],
    ) -> dict[str, Any]:
        """Compares this model, ``a``, with another one, ``b``: ``models`` has their columns, options, data, health, scores and
        sizes side by side. With data, ``rows`` has how many rows each scores and finds odd, the rank correlation of their
        scores, rows by p-value, and the rows that differ most.

        :param top: rows to list of those that differ most, at most 1,000
        :param explain: columns to name for each score of a listed row
        """
        rows = None if data is None else source(data, where, self._types, types)
        native = None if rows is None else rows.native.reread()
        with shown(progress) as bar:
            return self._native.compare(other._native, native, top, explain, threads, bar, options)

    def latents(self) -> list[dict[str, Any]]:
        """What each dimension of the latent space means: its ``health`` (KL in nats, variance), and its ``influences``, the
        columns that a step of 1 along it moves most, with their rank correlation among the training rows."""
        return self._native.latents()

    def feedback(self, data: Data, verdict: str = "verdict", *, where: str | None = None) -> Model:
        """A model that has learned what people said of rows. The column ``verdict`` holds ``normal`` or ``anomaly``, or a
        Boolean that is true for an anomaly, and nothing where nobody looked. Rows like a false alarm score lower than with
        this model, rows like an anomaly higher, and p-values stay valid. Needs ``preset="anomaly"``.

        >>> import polars as pl, vaepipe
        >>> points = pl.DataFrame({"x": [n * 7 % 300 / 10 for n in range(600)], "y": [n % 9 / 8 for n in range(600)]})
        >>> model = vaepipe.fit(points, preset="anomaly", epochs=2)
        >>> odd = model.transform(points).top_k(2, by="anomaly_score").with_columns(verdict=pl.lit("normal"))
        >>> model.feedback(odd).reviewed()[0]["verdict"]
        'normal'
        """
        rows = source(data, where, self._types)
        return self if rows is None else Model(self._native.with_feedback(rows.native, verdict))

    def forget(self, *rows: int) -> Model:
        """A model without what people said of these rows, by their numbers from 1 in :meth:`reviewed`; of all rows if none is
        named."""
        numbers = list(rows) or [row["number"] for row in self.reviewed()]
        return Model(self._native.without_feedback(numbers))

    def reviewed(self) -> list[dict[str, Any]]:
        """What people said of rows: ``number``, ``verdict``, ``file`` and ``row`` that say so, the ``score`` in nats by itself
        and ``with_feedback``, and the ``feature`` and ``value`` that raised it most."""
        rows = self.metadata.get("feedback", {}).get("rows", [])
        scores = self._native.reviewed_scores()
        return [{"number": n, **row, "with_feedback": score} for n, (row, score) in enumerate(zip(rows, scores), 1)]

    def latent_quality(
        self, data: Data, *, label: str | None = None, where: str | None = None
    ) -> dict[str, Any] | None:
        """How well latents keep what the columns say. ``neighbors``, for 5, 15 and 50 nearest neighbours of a row: the
        trustworthiness and continuity (Venna & Kaski 2001) of the latents, and the share of neighbours that the learned
        columns and the latents have in common. With a column ``label`` of numbers or words, which the model need not know:
        how often the nearest neighbours tell it, and its silhouette, among latents and among columns. Of many rows 10,000
        drawn at random are compared. ``None`` without rows."""
        rows = source(data, where, self._types)
        return None if rows is None else self._native.latent_quality(rows.native, label)

    def log_likelihood(self, data: Data, *, where: str | None = None, samples: int = 5000) -> dict[str, Any] | None:
        """How likely the model makes rows, in nats a row: the importance-weighted bound of ``samples`` draws a row
        (Burda et al. 2016), its standard error, and the ELBO. ``None`` without rows."""
        rows = source(data, where, self._types)
        return None if rows is None else self._native.log_likelihood(rows.native, samples)


def _name(column: Any) -> str:
    """The name of a column, as the model stores it: a name, a path, or a path with what its values are."""
    path = column["path"] if isinstance(column, dict) else column
    return path if isinstance(path, str) else ".".join(path)


def _result(
    data: Data,
    rows: Rows,
    native: _vaepipe.NativeReader,
    filled: Collection[str] = (),
    rebuilt: Collection[str] = (),
) -> Any:
    """A frame like the one that went in, else a reader."""
    if is_frame(data):
        return like(data, Reader(native), filled=filled, rebuilt=rebuilt)
    return Reader(native, rows.batches_of)
