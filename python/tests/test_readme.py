"""The page of the wheel is true: its Python blocks run in their order, and its commands after them."""

import re
import shutil
import subprocess
import sys

from conftest import PROGRAM, REPOSITORY

import vaepipe

PAGE = REPOSITORY / "python/README.md"


def blocks(language):
    """The blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def run(script, folder):
    """What a script says beside the sample data."""
    shutil.copytree(REPOSITORY / "sample_data", folder / "sample_data")
    call = [sys.executable, "-X", "utf8", "-c", script]
    return subprocess.run(call, cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


def test_the_page_runs(tmp_path):
    script = "\n".join(blocks("python"))
    said = run(script, tmp_path)
    # What it says is on the page, too.
    oddest, error = blocks("text")
    assert all(word in said for word in re.findall(r"HA |HNL|1301.0", oddest)) and "'feature': 'dep_delay'" in said
    assert error in said
    for line in blocks("sh")[-1].splitlines():
        subprocess.run([PROGRAM, *line.split()[1:]], cwd=tmp_path, check=True)


def test_the_page_names_every_function_and_error():
    page = PAGE.read_text()
    for name in set(vaepipe.__all__) - {"Batch", "__version__"}:
        assert f"`{name}" in page or f"`vaepipe.{name}" in page, name
    for name in vars(vaepipe.Model):
        assert name.startswith("_") or f"`model.{name}" in page or f"`Model.{name}" in page, name
