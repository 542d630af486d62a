#!/usr/bin/env python3
"""What a PyTorch user would write today, done well: the same network, objective and optimiser as `vaepipe fit` with the same
flags, on rows that lie on the device. Prints a JSON object a line.

    torch_vae.py [--device cuda|cpu] [--seconds 90] [--files FOLDER] COLUMNS:BATCH ...

Each point is fitted eagerly, then compiled, then compiled into CUDA graphs, until `--seconds` are over: float32 as PyTorch has it
by default, fused Adam, batches of a fresh shuffle, no wait for the device inside of an epoch. With `--files`, FOLDER/COLUMNS.parquet is transformed: rows from
host memory to latents and errors, and, where pyarrow is installed, from file to file.
"""
import argparse
import json
import time
from pathlib import Path

import torch
from torch import nn

HIDDEN, LATENT = [256, 128], 16
EAGER = "torch eager"
MODES = {"torch compiled": "default", "torch graphs": "reduce-overhead"}


class Vae(nn.Module):
    def __init__(self, columns):
        super().__init__()
        mlp = lambda sizes: [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), nn.ReLU())]
        self.encoder = nn.Sequential(*mlp([columns, *HIDDEN]))
        self.mean, self.log_variance = nn.Linear(HIDDEN[-1], LATENT), nn.Linear(HIDDEN[-1], LATENT)
        self.decoder = nn.Sequential(*mlp([LATENT, *HIDDEN[::-1]]), nn.Linear(HIDDEN[0], columns))
        self.log_noise = nn.Parameter(torch.zeros(columns))

    def forward(self, x):
        """The negative ELBO of each row, averaged."""
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden).clamp(-10, 10)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        nll = 0.5 * ((self.decoder(z) - x).square() * (-self.log_noise).exp() + self.log_noise).sum(1)
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
        return (nll + kl).mean()

    def score(self, x):
        mean = self.mean(self.encoder(x))
        return mean, (self.decoder(mean) - x).square().mean(1)


def say(**what):
    print(json.dumps(what), flush=True)


def wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def fit(columns, batch, engine, device, seconds):
    torch.manual_seed(0)
    torch.compiler.reset()
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rows = max(2 * batch, 65_536)
    x = torch.randn(rows, columns, device=device)
    vae = Vae(columns).to(device)
    optimiser = torch.optim.Adam(vae.parameters(), lr=1e-3, fused=device == "cuda")
    loss_of = vae if engine == EAGER else torch.compile(vae, dynamic=False, mode=MODES[engine])

    def epoch():
        order = torch.randperm(rows, device=device)
        for start in range(0, rows - batch + 1, batch):
            loss = loss_of(x[order[start : start + batch]])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        return loss.item()

    start = time.perf_counter()
    epoch()  # compiles, and lets the libraries choose their kernels
    warm = time.perf_counter() - start
    done, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        loss, done = epoch(), done + rows // batch * batch
    took = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() if device == "cuda" else None
    say(what="fit", engine=engine, columns=columns, batch=batch, rows_per_s=round(done / took), warm_up_s=round(warm, 2),
        peak_bytes=peak, loss=loss)


def transform(columns, file, device):
    """Rows a second from host memory, and from file to file."""
    vae = Vae(columns).to(device)

    def scored(host):
        parts = []
        with torch.inference_mode():
            for block in host.split(8192):
                parts.append(vae.score(block.to(device, non_blocking=True)))
        return [torch.cat(part).cpu() for part in zip(*parts)]

    host = torch.randn(65_536, columns)
    host = host.pin_memory() if device == "cuda" else host
    scored(host)
    start = time.perf_counter()
    scored(host)
    say(what="transform", engine="torch eager, memory to memory", columns=columns,
        rows_per_s=round(len(host) / (time.perf_counter() - start)))
    try:
        import numpy
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return
    start = time.perf_counter()
    table = parquet.read_table(file)
    rows = torch.from_numpy(numpy.stack([column.to_numpy() for column in table.columns], 1).astype(numpy.float32))
    latents, errors = scored(rows)
    for dimension in range(LATENT):
        table = table.append_column(f"z_{dimension}", pyarrow.array(latents[:, dimension].contiguous().numpy()))
    table = table.append_column("recon_error", pyarrow.array(errors.numpy()))
    parquet.write_table(table, str(file) + ".torch")
    took = time.perf_counter() - start
    Path(str(file) + ".torch").unlink()
    say(what="transform", engine="torch eager, file to file", columns=columns, rows_per_s=round(len(rows) / took))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", nargs="+")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--each", type=float, default=1, help="seconds a measurement")
    parser.add_argument("--files", type=Path)
    options = parser.parse_args()
    end = time.perf_counter() + options.seconds
    card = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    say(what="torch", version=torch.__version__, device=card)
    points = [tuple(map(int, point.split(":"))) for point in options.points]
    engines = [EAGER, *(MODES if options.device == "cuda" else ["torch compiled"])]
    work = [(fit, (*point, engine, options.device, options.each)) for engine in engines for point in points]
    if options.files:
        widths = sorted({columns for columns, _ in points})
        work[len(points) : len(points)] = [
            (transform, (width, options.files / f"{width}.parquet", options.device)) for width in widths
        ]
    for measure, arguments in work:
        if time.perf_counter() > end:
            say(what="skipped", reason="no time left", point=[measure.__name__, *map(str, arguments[:3])])
            continue
        try:
            measure(*arguments)
        except Exception as error:  # the other points are worth having
            say(what="failed", point=[measure.__name__, *map(str, arguments[:3])], error=str(error).splitlines()[0][:200])


if __name__ == "__main__":
    main()
