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
node = work / "by-node.ndjson"
if node.exists():
    rows = [json.loads(line) for line in node.read_text().splitlines()]
    np.testing.assert_allclose([row["anomaly_score"] for row in rows], wanted["anomaly_score"], rtol=1e-5)
    print("Node agrees")
else:
    print("there is no npm here: the example for Node was not run")
