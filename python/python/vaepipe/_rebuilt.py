"""Arrays and frames like those of a fit, rebuilt from latents: constants as they were, what is not known missing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy

from vaepipe import _vaepipe
from vaepipe._arrays import Array, columns_of_numbers, floats
from vaepipe._data import is_of
from vaepipe._reader import Reader


class ArrayLike:
    """What arrays have in common with that of a fit: its columns, its type, and its constants."""

    def __init__(self, array: Array, names: Sequence[str], constants: Collection[str]) -> None:
        self._names = list(names)
        known = {name: _first_known(values) for name, values in zip(names, array.T, strict=True) if name in constants}
        self._row = numpy.array([known.get(name, numpy.nan) for name in names], array.dtype)

    def rebuilt(self, rows: _vaepipe.NativeReader, count: int) -> Array:
        """An array of so many rows, with the columns of ``rows``."""
        array = numpy.tile(self._row, (count, 1))
        found = set(rows.column_names)
        columns = [column for column, name in enumerate(self._names) if name in found]
        array[:, columns] = floats(rows, [self._names[column] for column in columns])
        return array


class FrameLike:
    """What frames have in common with that of a fit: its kind, its columns with their types, and its constants."""

    def __init__(self, frame: Any, constants: Collection[str]) -> None:
        self._empty = _without_rows(frame)
        constant = [label for label in _labels(frame) if str(label) in constants]
        self._constants = {str(label): _first_known(frame[label]) for label in constant}

    def rebuilt(self, rows: _vaepipe.NativeReader, count: int) -> Any:
        """A frame of so many rows, with the columns of ``rows``."""
        found = set(rows.column_names)
        if is_of(self._empty, "polars", "DataFrame"):
            return self._polars(Reader(rows).to_polars(), count)
        if is_of(self._empty, "pandas", "DataFrame"):
            names = [name for name in labels(self._empty) if name in found]
            if columns_of_numbers(self._empty) is not None:
                return self._pandas(dict(zip(names, floats(rows, names).T, strict=True)), count)
            table = Reader(rows).to_pyarrow()
            return self._pandas({name: table[name].to_pandas() for name in names}, count)
        return self._pyarrow(Reader(rows).to_pyarrow(), count)

    def _polars(self, found: Any, count: int) -> Any:
        import polars

        def column(name: str, dtype: Any) -> Any:
            if name in found.columns:
                return found[name].cast(dtype, strict=False)
            return polars.Series(name, [self._constants.get(name)], dtype).new_from_index(0, count)

        return polars.DataFrame([column(name, dtype) for name, dtype in self._empty.schema.items()])

    def _pandas(self, found: dict[str, Any], count: int) -> Any:
        import pandas

        def column(label: Any) -> Any:
            name, dtype = str(label), self._empty[label].dtype
            if name in found:
                return pandas.Series(found[name]).astype(dtype)
            if name in self._constants:
                return pandas.Series([self._constants[name]] * count, dtype=dtype)
            return self._empty[label].reindex(range(count))

        columns = {label: column(label) for label in self._empty.columns}
        return pandas.DataFrame(columns, index=range(count), columns=self._empty.columns)

    def _pyarrow(self, found: Any, count: int) -> Any:
        import pyarrow

        def column(field: Any) -> Any:
            if field.name in found.column_names:
                return found[field.name].cast(field.type)
            return pyarrow.repeat(pyarrow.scalar(self._constants.get(field.name), field.type), count)

        schema = self._empty.schema
        return type(self._empty).from_arrays([column(field) for field in schema], names=schema.names)


def with_columns(frame: Any, columns: Mapping[str, Array]) -> Any:
    """A frame with more columns."""
    if is_of(frame, "polars", "DataFrame"):
        import polars

        return frame.with_columns(polars.Series(name, values) for name, values in columns.items())
    if is_of(frame, "pandas", "DataFrame"):
        return frame.assign(**columns)
    import pyarrow

    for name, values in columns.items():
        frame = frame.append_column(name, pyarrow.array(values))
    return frame


def labels(frame: Any) -> list[str]:
    """The names that the columns of a frame have in a model."""
    return [str(label) for label in _labels(frame)]


def _labels(frame: Any) -> Any:
    return frame.schema.names if is_of(frame, "pyarrow", type(frame).__name__) else frame.columns


def _without_rows(frame: Any) -> Any:
    """The columns of a frame. A slice would keep its rows in memory, and in a pickle."""
    if is_of(frame, "polars", "DataFrame"):
        return frame.clear()
    if is_of(frame, "pandas", "DataFrame"):
        import pandas

        columns = [pandas.Series([], dtype=dtype) for dtype in frame.dtypes]
        return pandas.concat(columns, axis=1).set_axis(frame.columns, axis=1)
    return type(frame).from_arrays([[] for _ in frame.schema], schema=frame.schema)


def _first_known(values: Any) -> Any:
    """The first value that is not missing."""
    for value in values.dropna() if hasattr(values, "dropna") else values:
        value = value.as_py() if hasattr(value, "as_py") else value
        # NaN is not itself.
        if value is not None and value == value:
            return value
    return None
