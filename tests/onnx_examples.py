"""What the examples of ONNX wrote agrees with a transform.

    python tests/onnx_examples.py WORK
"""

import json
import pathlib
import sys

import numpy as np
import pandas as pd

work = pathlib.Path(sys.argv[1])
wanted = pd.read_parquet(work / "again.parquet")
found = pd.read_parquet(work / "by-onnx.parquet")
for name in ["z_0", "recon_error", "anomaly_score"]:
    np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5, err_msg=name)
assert (found["is_anomaly"] != wanted["is_anomaly"]).sum() <= 2
for runtime in ["tract", "node"]:
    file = work / f"by-{runtime}.ndjson"
    if not file.exists() and runtime == "node":
        print("there is no npm here: the example for Node was not run")
        continue
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    np.testing.assert_allclose([row["anomaly_score"] for row in rows], wanted["anomaly_score"], rtol=1e-5, err_msg=runtime)
    print(runtime, "agrees")
