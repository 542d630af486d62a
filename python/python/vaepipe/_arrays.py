"""Arrays of numpy as rows of named columns, and columns of results as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from vaepipe import _vaepipe
from vaepipe._data import is_of

Array = numpy.ndarray[Any, Any]

#: Rows of a batch of numbers, which is transposed while its cache lines are warm.
BATCH_ROWS = 2048


def array_batches(array: Array, names: Sequence[str]) -> Iterator[_vaepipe.NativeBatch]:
    """The rows of an array of one type, whose columns have these names. NaN is a missing value."""
    for start in range(0, len(array), BATCH_ROWS):
        part = numpy.ascontiguousarray(array[start : start + BATCH_ROWS].T)
        yield _batch(dict(zip(names, part, strict=True)))


def batches(columns: Mapping[str, Array]) -> Iterator[_vaepipe.NativeBatch]:
    """The rows of columns of one length, at least one batch. NaN is a missing value."""
    rows = len(next(iter(columns.values())))
    for start in range(0, max(rows, 1), BATCH_ROWS):
        yield _batch({name: values[start : start + BATCH_ROWS] for name, values in columns.items()})


def _batch(columns: Mapping[str, Array]) -> _vaepipe.NativeBatch:
    rows = len(next(iter(columns.values())))
    return _vaepipe.from_columns([(name, *_packed(values)) for name, values in columns.items()], rows)


def _packed(values: Array) -> tuple[str, bytes | list[str | None]]:
    """The letter of the type of some values, and themselves."""
    if values.dtype.kind in "OU":
        return "", [None if value is None or value != value else str(value) for value in values]
    return values.dtype.str[1:], values.tobytes()


def columns_of(array: Array, names: Sequence[str]) -> dict[str, Array]:
    """The columns of an array; those of an array of objects by what they are."""
    return {name: _typed(values) for name, values in zip(names, array.T, strict=True)}


def _typed(values: Array) -> Array:
    """Objects as numbers or Booleans, unless some are strings."""
    if values.dtype.kind != "O" or any(isinstance(value, str) for value in values):
        return values
    return values.astype(bool if all(isinstance(value, (bool, numpy.bool_)) for value in values) else float)


def columns_of_numbers(frame: Any) -> dict[str, Array] | None:
    """The columns of a frame of pandas whose types are numpy's numbers and Booleans; ``None`` for any other frame."""
    if not is_of(frame, "pandas", "DataFrame") or not len(frame.columns) or not frame.columns.is_unique:
        return None
    plain = all(isinstance(dtype, numpy.dtype) and dtype.kind in "biuf" and dtype.isnative for dtype in frame.dtypes)
    if not plain or any(dtype == numpy.float16 for dtype in frame.dtypes):
        return None
    return {str(label): frame[label].to_numpy() for label in frame.columns}


def floats(rows: _vaepipe.NativeReader, names: Sequence[str], dtype: type = numpy.float64) -> Array:
    """Columns of rows as an array of floats, ``[rows, names]``; NaN where a value is missing."""
    parts: list[Any] = [numpy.empty((0, len(names)), dtype)]
    for batch in iter(rows.next, None):
        columns = [numpy.frombuffer(batch.floats(name)) for name in names]
        parts.append(numpy.stack(columns, axis=1, dtype=dtype, casting="same_kind"))
    return numpy.concatenate(parts)
