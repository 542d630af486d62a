"""A report: one HTML page."""

from __future__ import annotations

import html
import os

from vaepipe import _vaepipe
from vaepipe._data import Path


class Report:
    """One self-contained page about transformed rows: scores, latents, the oddest rows, columns. A notebook shows it."""

    def __init__(self, native: _vaepipe.NativeReport) -> None:
        self._native = native

    @property
    def html(self) -> str:
        """The page."""
        return self._native.html

    def save(self, path: Path, *, force: bool = False) -> None:
        """Writes the page, whole or not at all.

        Raises :class:`~vaepipe.ExistsError` if the file exists, unless ``force`` is set.
        """
        self._native.save(os.fspath(path), force)

    def _repr_html_(self) -> str:
        return f'<iframe srcdoc="{html.escape(self.html)}" style="width:100%;height:800px;border:0"></iframe>'
