"""Tables and models for the tests."""

import math
import pathlib
import shutil
import subprocess
import sys

import pytest

import vaepipe

REPOSITORY = pathlib.Path(__file__).parents[2]
#: The program of the wheel under test.
PROGRAM = shutil.which("vaepipe", path=str(pathlib.Path(sys.executable).parent))


def program(*arguments):
    """Runs the program, and gives what it says on stdout."""
    return subprocess.run([PROGRAM, *map(str, arguments)], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def digits():
    return REPOSITORY / "sample_data/digits.parquet"


@pytest.fixture(scope="session")
def flights():
    return REPOSITORY / "sample_data/flights.parquet"


@pytest.fixture(scope="session")
def flights_model(flights):
    """A model of mixed columns with missing values, fitted in a second."""
    return vaepipe.fit(flights, epochs=2, seed=3)


@pytest.fixture(scope="session")
def points():
    """Columns of a small table, as lists."""
    rows = range(400)
    return {
        "x": [n * 37 % 400 / 7 for n in rows],
        "y": [math.sin(n) if n % 11 else None for n in rows],
        "word": ["abc"[n % 3] for n in rows],
        "tag": [f"row {n}" for n in rows],
    }


@pytest.fixture(scope="session")
def points_model(points):
    polars = pytest.importorskip("polars")
    return vaepipe.fit(polars.DataFrame(points), latent_dim=2, epochs=3)
