"""A model as an ONNX file gives the numbers of a transform."""

import importlib.util

import numpy
import onnxruntime
import pandas
import pytest
from conftest import REPOSITORY

import vaepipe


def test_a_pandas_frame_is_scored_without_vaepipe(tmp_path):
    spec = importlib.util.spec_from_file_location("onnx_pandas", REPOSITORY / "examples" / "onnx_pandas.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    flights = pandas.read_parquet(REPOSITORY / "sample_data" / "flights.parquet").head(3000)
    model = vaepipe.fit(flights, exclude=["tailnum"], epochs=2, latent_dim=2)
    file = tmp_path / "flights.onnx"
    file.write_bytes(model.to_onnx(score=["elbo"]))
    found, wanted = example.score(file, flights), model.transform(flights, score=["elbo"])
    for name in ["z_0", "z_1", "recon_error", "anomaly_score", "elbo"]:
        numpy.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5, err_msg=name)
    assert (found["is_anomaly"] != wanted["is_anomaly"]).sum() <= 3


def test_options_and_errors_are_those_of_the_program():
    points = pandas.DataFrame({"x": [n % 17 / 3 for n in range(300)], "y": [n % 5 / 2 for n in range(300)]})
    model = vaepipe.fit(points, epochs=1, latent_dim=1)
    session = onnxruntime.InferenceSession(model.to_onnx(prefix="vae_", std=True, contamination=0.1))
    assert [output.name for output in session.get_outputs()][:2] == ["vae_z", "vae_z_std"]
    with pytest.raises(vaepipe.UsageError, match="13 to 23"):
        model.to_onnx(opset=5)
    with pytest.raises(vaepipe.ModelError, match="random"):
        model.to_onnx(score=["elbo_iw"])
