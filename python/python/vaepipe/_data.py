"""What may be given as data: files, frames, streams, and iterators of batches."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

from vaepipe import _vaepipe
from vaepipe.errors import DataError, UsageError


@runtime_checkable
class ArrowStream(Protocol):
    """A table of Arrow's PyCapsule interface: frames of polars and pandas, tables and readers of pyarrow, relations of
    DuckDB."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object: ...


@runtime_checkable
class ArrowArray(Protocol):
    """A batch of Arrow's PyCapsule interface."""

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]: ...


class LazyFrame(Protocol):
    """A query of polars, which is run batch by batch."""

    def collect_batches(self) -> Iterable[ArrowStream]: ...


Path = str | os.PathLike[str]
#: Files, directories, globs and URLs; a frame, query or stream; or batches, one after the other.
Data = Path | ArrowStream | ArrowArray | LazyFrame | Iterable[Path] | Iterable[ArrowStream | ArrowArray]


def is_of(data: object, library: str, name: str) -> bool:
    """Whether an object is of a class of a library, which need not be installed."""
    return any(c.__name__ == name and c.__module__.split(".")[0] == library for c in type(data).__mro__)


def is_frame(data: object) -> bool:
    """Whether data is a frame: results are of the same kind then."""
    return (
        is_of(data, "polars", "DataFrame")
        or is_of(data, "pandas", "DataFrame")
        or is_of(data, "pyarrow", "Table")
        or is_of(data, "pyarrow", "RecordBatch")
    )


class Rows(NamedTuple):
    """Rows to read."""

    native: _vaepipe.NativeSource
    #: The library of the batches that went in: those that come out are its own. ``None``: files, or another library.
    batches_of: str | None = None


def source(
    data: Data,
    where: str | None = None,
    arrow_types: Mapping[str, str] | None = None,
    types: Mapping[str, str] | None = None,
) -> Rows | None:
    """The rows of data; ``None`` for an iterator without any. Columns of polars without a type have those of
    ``arrow_types``; values are what ``types`` says.

    Raises :class:`TypeError` for what holds no rows, :class:`UsageError` for ``where`` on what is not in files.
    """
    logical = [f"{column}={of}" for column, of in (types or {}).items()]
    if isinstance(data, (str, os.PathLike)):
        return Rows(_vaepipe.NativeSource.files([os.fspath(data)], where, logical))
    if isinstance(data, (list, tuple)) and data and all(isinstance(item, (str, os.PathLike)) for item in data):
        paths = [os.fspath(item) for item in cast(Iterable[Path], data)]
        return Rows(_vaepipe.NativeSource.files(paths, where, logical))
    if where is not None:
        raise UsageError("where: filters rows of files; filter a frame before it is given")
    if is_of(data, "polars", "Series") or is_of(data, "pandas", "Series"):
        raise TypeError("a Series is a column without a table: give a frame")
    if is_of(data, "polars", "LazyFrame"):
        data = (batch for batch in cast(LazyFrame, data).collect_batches())
    if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        native = _vaepipe.NativeSource.arrow(_arrow(data, arrow_types), logical)
        # The connection of a relation is free for other queries only when its rows are read.
        return Rows(native.reread() if type(data).__name__ == "DuckDBPyRelation" else native, _library(data))
    if is_of(data, "numpy", "ndarray"):
        raise TypeError("an array has no columns with names: give a frame, or use vaepipe.sklearn.VAE")
    if isinstance(data, (bytes, Mapping)) or not isinstance(data, Iterable):
        raise TypeError(f"{type(data).__name__} holds no rows: give files, a frame, an Arrow stream, or batches")
    items = iter(data)
    first = list(itertools.islice(items, 1))
    frames = (_arrow(item, arrow_types) for item in itertools.chain(first, items))
    batches = _vaepipe.NativeSource.iterator(frames, logical)
    return None if batches is None else Rows(batches, _library(first[0]))


def _library(data: object) -> str | None:
    """The library of a frame, a batch, or a reader of batches, among those that results can be of."""
    library = type(data).__module__.split(".")[0]
    return library if library in ("pandas", "polars", "pyarrow") else None


def _arrow(data: Any, types: Mapping[str, str] | None) -> Any:
    """Data as Arrow has it, where a library has it otherwise."""
    if is_of(data, "pandas", "DataFrame"):
        # The index is no column. pandas itself needs pyarrow for this.
        import pyarrow

        try:
            return pyarrow.Table.from_pandas(data, preserve_index=False)
        except (pyarrow.ArrowException, TypeError, ValueError) as error:
            raise DataError(f"the frame has a column that Arrow cannot hold: {error}") from error
    if is_of(data, "polars", "DataFrame"):
        import polars

        if polars.Object in data.dtypes:
            names = ", ".join(name for name, dtype in data.schema.items() if dtype == polars.Object)
            raise DataError(f"{names}: Python objects are no column of Arrow; cast or drop it")
        untyped = [name for name, dtype in data.schema.items() if dtype == polars.Null]
        # A column without a type has a buffer too many for Arrow.
        return data.cast({name: _polars_type((types or {}).get(name, "")) for name in untyped}) if untyped else data
    return data


def _polars_type(arrow: str) -> Any:
    """A type of polars for nulls of a type of Arrow; it need not be the same, but of its kind."""
    import polars

    kinds = {
        "Int": polars.Float64,
        "UInt": polars.Float64,
        "Float": polars.Float64,
        "Decimal": polars.Float64,
        "Utf8": polars.String,
        "LargeUtf8": polars.String,
        "Dictionary": polars.String,
        "Timestamp": polars.Datetime("us"),
        "Date": polars.Date,
        "Duration": polars.Duration("us"),
        "List": polars.List(polars.Float64),
        "LargeList": polars.List(polars.Float64),
        "FixedSizeList": polars.List(polars.Float64),
    }
    return next((kind for start, kind in kinds.items() if arrow.startswith(start)), polars.Boolean)
