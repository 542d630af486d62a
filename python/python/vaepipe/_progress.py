"""A bar that shows how far a run is, in terminals and notebooks."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """How far a run is."""

    #: ``statistics``, ``encoding``, ``training`` or ``rows``.
    phase: str
    #: What is done: rows, or steps of all epochs.
    done: int
    #: What there is in all; ``None`` if that is not known.
    total: int | None
    #: The last epoch and its loss, if there is one.
    message: str


Callback = Callable[[Progress], Any]


@contextlib.contextmanager
def shown(progress: bool | Callback) -> Iterator[Callable[[str, int, int | None, str], None] | None]:
    """The callable that a run tells its progress; ``None`` if nobody wants it."""
    if progress is False or progress is None:
        yield None
    elif callable(progress):
        yield lambda *step: progress(Progress(*step))
    else:
        bar = _Bar()
        try:
            yield bar.show
        finally:
            bar.close()


class _Bar:
    """tqdm's bar, which draws itself in notebooks, too; without tqdm a line that is written over."""

    def __init__(self) -> None:
        self._tqdm: Any = None
        self._bar: Any = None
        self._phase, self._width = "", 0
        with contextlib.suppress(ImportError):
            from tqdm.auto import tqdm

            self._tqdm = tqdm

    def show(self, phase: str, done: int, total: int | None, message: str) -> None:
        if self._tqdm is None:
            share = f"{100 * done // total:3} %" if total else f"{done:,}"
            line = f"{phase} {share} {message}".rstrip()
            print(f"\r{line:<{self._width}}", end="", file=sys.stderr, flush=True)
            self._width = len(line)
            return
        if phase != self._phase:
            self._close_bar()
            unit = "step" if phase == "training" else "row"
            self._bar, self._phase = self._tqdm(total=total, desc=phase, unit=unit, unit_scale=True, leave=False), phase
        self._bar.set_postfix_str(message, refresh=False)
        self._bar.update(done - self._bar.n)

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def close(self) -> None:
        self._close_bar()
        if self._width:
            print(f"\r{'':<{self._width}}\r", end="", file=sys.stderr, flush=True)
