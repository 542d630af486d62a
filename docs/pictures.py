#!/usr/bin/env python3
"""Makes the pictures of this folder: the upper part of the report on flights, a map of digits with what lies where, and walks through their
latent space, as Chromium shows them.

    pictures.py VAEPIPE CHROMIUM

Needs: pip install pillow
"""
import subprocess, sys, tempfile
from pathlib import Path

from PIL import Image

program, chromium, docs = Path(sys.argv[1]).resolve(), sys.argv[2], Path(__file__).resolve().parent
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --hide-scrollbars""".split()


def picture(folder, page, name, width, height):
    flags = [*FLAGS, f"--user-data-dir={folder}/profile", f"--screenshot={folder}/shot.png", f"--window-size={width},{height}"]
    subprocess.run([chromium, *flags, (folder / page).as_uri()], check=True, capture_output=True)
    # A palette is enough, and a third of the size.
    image = Image.open(folder / "shot.png").convert("RGB").quantize(80, dither=Image.Dither.NONE)
    image.save(docs / name, optimize=True)
    size = (docs / name).stat().st_size
    assert size < 60_000, (name, size)
    print(f"{name}: {width} x {height}, {size} bytes")


with tempfile.TemporaryDirectory() as folder:
    folder, data = Path(folder), docs.parent / "sample_data"
    run = lambda *words: subprocess.run([program, *map(str, words), "-q"], check=True, cwd=folder)
    images = ["--exclude", "label,split"]
    for name, rows, flags in [("flights", "flights", []), ("digits", "digits", images), ("map", "digits", ["--preset", "map", *images])]:
        run("fit", data / f"{rows}.parquet", "-m", name, *flags)
        run("transform", data / f"{rows}.parquet", f"{name}.parquet", "-m", name)
    run("report", "flights.parquet", "-m", "flights", "-o", "flights.html")
    for name in ["digits", "map"]:
        run("report", f"{name}.parquet", "-m", name, "-o", f"{name}.html", "--image", "8x8", "--color", "label", "--svg", name + "-figures")
    picture(folder, "flights.html", "report-flights.png", 1100, 760)
    picture(folder, "map-figures/latents.svg", "map-digits.png", 960, 700)
    picture(folder, "map-figures/latent-images.svg", "map-images-digits.png", 960, 700)
    picture(folder, "digits-figures/traversals.svg", "traversals-digits.png", 960, 800)
