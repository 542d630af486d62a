"""Latents and scores of a pandas frame by onnxruntime, without vaepipe.

    vaepipe export model.onnx -m vae.safetensors
    python examples/onnx_pandas.py model.onnx sample_data/flights.parquet scored.parquet
"""

import json
import sys

import numpy as np
import onnxruntime
import pandas as pd

INTEGERS = {"seconds": "s", "milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns", "days": "D"}


def inputs(session, frame):
    """The columns of a frame as the inputs that the file describes."""
    described = json.loads(session.get_modelmeta().custom_metadata_map["vaepipe.inputs"])
    return {given["name"]: values(frame[given["name"]], given) for given in described}


def values(column, given):
    """A column as an input: of its type, with what stands for a missing value in place of those."""
    kind, missing, unit = given["type"], given["missing"], given["unit"]
    if given["length"] is not None:
        mark = np.nan if missing == "NaN" else int(missing or 0)
        absent = [mark] * given["length"]
        whole = (row if isinstance(row, (list, np.ndarray)) and len(row) == len(absent) else absent for row in column)
        return np.array([list(row) for row in whole], {"float": "float32", "double": "float64"}.get(kind, kind))
    if unit is not None and not pd.api.types.is_integer_dtype(column):
        step = INTEGERS[unit.split()[0]]
        if unit.endswith("midnight"):
            column = pd.to_timedelta(column.astype(str))
        elif "since" in unit:
            column = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        times = column.to_numpy()
        counts = times.astype(f"{times.dtype.str[1:2]}8[{step}]").astype("int64")
        return np.where(np.isnat(times), int(missing), counts).astype(kind)
    absent = column.isna().to_numpy()
    if missing is None and absent.any():
        raise ValueError(f"{given['name']}: a value is missing, and no number can stand for it")
    if kind == "string":
        return np.array(column.astype(object).where(~absent, missing).astype(str), object)
    if missing == "NaN":
        return column.to_numpy({"float": "float32", "double": "float64"}.get(kind, kind), na_value=np.nan)
    return column.astype(object).where(~absent, int(missing or 0)).to_numpy().astype(kind)


def score(file, frame):
    """The frame with its latents and scores."""
    session = onnxruntime.InferenceSession(file)
    names = [output.name for output in session.get_outputs()]
    columns = dict(zip(names, session.run(names, inputs(session, frame))))
    latents = columns.pop("z")
    new = {f"z_{n}": latents[:, n] for n in range(latents.shape[1])} | columns
    return frame.assign(**{name: column for name, column in new.items() if column.ndim == 1})


if __name__ == "__main__":
    file, data, scored = sys.argv[1:]
    score(file, pd.read_parquet(data)).to_parquet(scored)
