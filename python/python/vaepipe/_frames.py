"""Results in the kind of frame that went in, with its own columns as they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vaepipe._data import is_of

if TYPE_CHECKING:
    from vaepipe._reader import Reader


def like(data: Any, rows: Reader, *, changed: bool) -> Any:
    """The rows as a frame like ``data``. Unless values are ``changed``, its own columns are taken from it."""
    if is_of(data, "polars", "DataFrame"):
        return _polars(data, rows.to_polars(), changed)
    if is_of(data, "pandas", "DataFrame"):
        return _pandas(data, rows.to_pyarrow(), changed)
    table = rows.to_pyarrow()
    if is_of(data, "pyarrow", "RecordBatch"):
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else type(data).from_pylist([], table.schema)
    return table


def _polars(data: Any, rows: Any, changed: bool) -> Any:
    def column(name: str) -> Any:
        if name not in data.columns:
            return rows[name]
        return rows[name].cast(data.schema[name], strict=False) if changed else data[name]

    return rows.select(column(name) for name in rows.columns)


def _pandas(data: Any, table: Any, changed: bool) -> Any:
    import pandas

    # pyarrow has names, where pandas may have anything.
    labels = {str(label): label for label in data.columns}
    columns = {}
    for name in table.column_names:
        label = labels.get(name, name)
        if name in labels and not changed:
            columns[label] = data[label]
            continue
        values = table[name].to_pandas()
        if name in labels:
            values = values.astype(data[label].dtype)
        elif table.schema.field(name).type == "bool" and table[name].null_count:
            values = values.astype("boolean")
        columns[label] = values.set_axis(data.index)
    frame = pandas.DataFrame(columns, index=data.index, copy=False)
    frame.attrs = dict(data.attrs)
    return frame
