"""Rows of a result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from vaepipe import _vaepipe
from vaepipe._data import Path
from vaepipe._progress import Callback, shown
from vaepipe.errors import UsageError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

T = TypeVar("T")


class _Rows:
    """What has ``__arrow_c_stream__`` and turns into a frame."""

    def _of_rows(self) -> Any:
        """What has the rows."""
        raise NotImplementedError

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._of_rows().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._of_rows().__arrow_c_schema__()

    def to_polars(self) -> polars.DataFrame:
        """The rows as a frame of polars."""
        import polars

        return self._taken_by(polars.DataFrame)

    def to_pyarrow(self) -> pyarrow.Table:
        """The rows as a table of pyarrow."""
        import pyarrow

        return self._taken_by(pyarrow.table)

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a frame of pandas, which needs pyarrow for this."""
        return self.to_pyarrow().to_pandas()

    def _taken_by(self, take: Callable[[Any], T]) -> T:
        return take(self)


class Batch(_Rows):
    """Some rows of a result."""

    def __init__(self, native: _vaepipe.NativeBatch) -> None:
        self._native = native

    def __repr__(self) -> str:
        return f"<vaepipe.Batch of {self.num_rows:,} rows of {len(self.columns)} columns>"

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return self._native.num_rows

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._native.column_names

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        return self._native.__arrow_c_array__(requested_schema)

    def _of_rows(self) -> Any:
        return self._native


class Reader(_Rows):
    """The rows of a result: batches that are made when they are read, in bounded memory, and can be read once.

    A reader is an iterator of batches, has ``__arrow_c_stream__`` (so that polars, DuckDB, pyarrow and others take it
    without a copy), turns into a frame, and writes itself to a file.

    >>> import polars as pl, vaepipe
    >>> points = pl.DataFrame({"x": [n * 7 % 300 / 10 for n in range(300)], "y": [n % 9 / 8 for n in range(300)]})
    >>> model = vaepipe.fit(points, latent_dim=1, epochs=2)
    >>> rows = model.generate(1000)
    >>> rows.columns
    ['x', 'y']
    >>> sum(batch.num_rows for batch in rows)
    1000
    """

    def __init__(self, native: _vaepipe.NativeReader | None, library: str | None = None) -> None:
        # `None`: an iterator without a batch gave no columns either.
        self._native, self._library = native, library

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._native.column_names if self._native else []

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        native = self._native.next() if self._native else None
        if native is None:
            raise StopIteration
        batch = Batch(native)
        if self._library == "pyarrow":
            import pyarrow

            return pyarrow.record_batch(batch)
        if self._library is not None:
            return batch.to_polars() if self._library == "polars" else batch.to_pandas()
        return batch

    def _of_rows(self) -> _vaepipe.NativeReader:
        if self._native is None:
            raise UsageError("no batch was given, so that there are no columns")
        return self._native

    def _taken_by(self, take: Callable[[Any], T]) -> T:
        """Another library's frame of the rows. An error is ours, not what that library makes of it."""
        native = self._of_rows()
        try:
            return take(self)
        except Exception as error:
            failure = native.failure()
            if failure is None:
                raise
            raise failure from error

    def sink(self, path: Path, *, force: bool = False, progress: bool | Callback = False) -> dict[str, Any]:
        """Writes all rows to a file, whole or not at all, and gives the summary of the run.

        The format is that of the name: Arrow IPC for ``*.arrow``, ``*.feather`` and ``*.ipc``, CSV for ``*.csv`` and
        ``*.tsv``, NDJSON for ``*.ndjson`` and ``*.jsonl`` (text with ``.gz``, compressed), else Parquet. From one Parquet
        file to another, the input's columns are copied byte for byte. Memory stays flat.

        Raises :class:`~vaepipe.ExistsError` if the file exists, unless ``force`` is set.
        """
        with shown(progress) as bar:
            return self._of_rows().write(os.fspath(path), force, bar)
