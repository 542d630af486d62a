"""A VAE as a stage of a data pipeline: latents, anomaly scores, filled values and new rows for tables of any size.

>>> import polars as pl, vaepipe
>>> points = pl.DataFrame({"x": [n * 7 % 300 / 10 for n in range(300)], "y": [n % 9 / 8 for n in range(300)]})
>>> model = vaepipe.fit(points, latent_dim=1, epochs=2)
>>> scored = model.transform(points)
>>> scored.sort("anomaly_score", descending=True).head(3)["is_anomaly"].dtype
Boolean

Data may be files, directories, globs and URLs; a frame of polars, pandas or pyarrow; anything else with
``__arrow_c_stream__`` or ``__arrow_c_array__``, such as a relation of DuckDB; or an iterator of batches or frames. No other
library is required.

The log goes to the logger ``vaepipe`` of :mod:`logging`. The interpreter's lock is released while vaepipe works, and Ctrl-C
ends a call with :class:`KeyboardInterrupt`, without leaving a file behind.
"""

from vaepipe._functions import evaluate, fit, fit_transform, inspect, report
from vaepipe._model import Model
from vaepipe._progress import Progress
from vaepipe._reader import Batch, Reader
from vaepipe._report import Report
from vaepipe._vaepipe import __version__
from vaepipe.errors import (
    CheckError,
    DataError,
    ExistsError,
    LockedError,
    ModelError,
    NotFoundError,
    RunError,
    StorageError,
    UsageError,
    VaepipeError,
)

__all__ = [
    "Batch",
    "CheckError",
    "DataError",
    "ExistsError",
    "LockedError",
    "Model",
    "ModelError",
    "NotFoundError",
    "Progress",
    "Reader",
    "Report",
    "RunError",
    "StorageError",
    "UsageError",
    "VaepipeError",
    "__version__",
    "evaluate",
    "fit",
    "fit_transform",
    "inspect",
    "report",
]
