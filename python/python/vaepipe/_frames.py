"""Results in the kind of frame that went in, with its own columns as they were."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from vaepipe._data import is_of
from vaepipe.errors import UsageError

if TYPE_CHECKING:
    from vaepipe._reader import Reader


def like(data: Any, rows: Reader, *, filled: Collection[str] = (), rebuilt: Collection[str] = ()) -> Any:
    """The rows as a frame like ``data``, whose own columns are taken from it: of those that were ``filled`` the known values,
    of those that were ``rebuilt`` none."""
    if is_of(data, "polars", "DataFrame"):
        return _polars(data, rows.to_polars(), filled, rebuilt)
    if is_of(data, "pandas", "DataFrame"):
        return _pandas(data, rows.to_pyarrow(), filled, rebuilt)
    table = rows.to_pyarrow()
    if is_of(data, "pyarrow", "RecordBatch"):
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else type(data).from_pylist([], table.schema)
    return table


def in_order(data: Any, column: str) -> Any:
    """The data, sorted by a column if it is a frame whose own columns come back with the result. Rows of one place keep their
    order."""
    labels = {str(label): label for label in getattr(data, "columns", ())}
    is_polars = is_of(data, "polars", "DataFrame")
    if not is_polars and not is_of(data, "pandas", "DataFrame"):
        return data
    if column not in labels:
        raise UsageError(f"a frame is sorted by one of its columns, and {column!r} is none")
    return data.sort(column, maintain_order=True) if is_polars else data.sort_values(labels[column], kind="stable")


def without_enums(data: Any) -> Any:
    """The data with words where a frame of polars has a fixed list of them: a filled value may be another."""
    if not is_of(data, "polars", "DataFrame"):
        return data
    import polars

    enums = [name for name, dtype in data.schema.items() if dtype == polars.Enum]
    return data.with_columns(polars.col(enums).cast(polars.String)) if enums else data


def _polars(data: Any, rows: Any, filled: Collection[str], rebuilt: Collection[str]) -> Any:
    own = data.schema

    def column(values: Any) -> Any:
        name = values.name
        if name not in own:
            return values
        if name not in filled and name not in rebuilt:
            return data[name]
        if str(own[name]) == "Null":
            return values
        cast = values.cast(own[name], strict=False)
        # The type of the frame does not hold a value of the model: its own type does.
        if cast.null_count() > values.null_count():
            return values
        if name in rebuilt or own[name].is_nested():
            return cast
        known = data[name].is_not_null() & data[name].is_not_nan() if own[name].is_float() else data[name].is_not_null()
        return data[name].zip_with(known, cast)

    return rows.select(column(values) for values in rows.iter_columns())


def _pandas(data: Any, table: Any, filled: Collection[str], rebuilt: Collection[str]) -> Any:
    import pandas

    # pyarrow has names, where pandas may have anything.
    labels = {str(label): label for label in data.columns}
    columns = {}
    for name in table.column_names:
        label = labels.get(name, name)
        if name in labels and name not in filled and name not in rebuilt:
            columns[label] = data[label]
            continue
        values = table[name].to_pandas().set_axis(data.index)
        if name in labels:
            values = _typed(values, data[label], name in filled)
        elif table.schema.field(name).type == "bool" and table[name].null_count:
            values = values.astype("boolean")
        columns[label] = values
    frame = pandas.DataFrame(columns, index=data.index, copy=False)
    if len(frame.columns) == len(data.columns):
        frame.columns = data.columns
    frame.attrs = dict(data.attrs)
    return frame


def _typed(values: Any, own: Any, filled: bool) -> Any:
    """Values as the type of a column of the frame; one that this type does not hold stays as the model has it."""
    import pandas

    if not pandas.api.types.is_scalar(next(iter(own.dropna()), 0)):
        return values
    kept = own.notna() if filled else pandas.Series(False, index=own.index)
    if isinstance(own.dtype, pandas.CategoricalDtype):
        new = pandas.Index(values[~kept].dropna().unique()).difference(own.cat.categories)
        own = own.cat.add_categories(list(new))
    try:
        cast = values.astype(own.dtype)
    except (TypeError, ValueError):
        return values
    # Known values are those of the frame, bit for bit.
    return own.where(kept, cast) if filled else cast
