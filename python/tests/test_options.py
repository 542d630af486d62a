"""The typed options are those of the program's flags. `python tests/test_options.py` writes them anew."""

import pathlib
import re
import textwrap

import vaepipe
from vaepipe import _vaepipe

OPTIONS = pathlib.Path(vaepipe.__file__).with_name("_options.py")
COMMANDS = {
    "fit": "Options of :func:`vaepipe.fit`.",
    "transform": "Options of :meth:`vaepipe.Model.transform`.",
    "impute": "Options of :meth:`vaepipe.Model.impute`.",
    "reconstruct": "Options of :meth:`vaepipe.Model.reconstruct`.",
    "generate": "Options of :meth:`vaepipe.Model.generate`.",
    "traverse": "Options of :meth:`vaepipe.Model.traverse`.",
    "drift": "Options of :meth:`vaepipe.Model.drift` and :meth:`vaepipe.Model.compare`.",
    "export": "Options of :meth:`vaepipe.Model.to_onnx`.",
}
TYPES = {
    "switch": "bool",
    "integer": "int",
    "number": "float",
    "text": "str",
    "list": "str | Sequence[str]",
    "widths": 'Sequence[int] | Literal["none"]',
    "auto": 'float | Literal["auto"]',
    "size": "int | str",
}
# What the kind of the flag does not say.
EXACT = {
    "clusters": 'int | Literal["auto"]',
    "latent_dim": 'int | Literal["auto"]',
    "contamination": 'float | Literal["auto"]',
    "map": "Mapping[str, str] | Sequence[str]",
    "direction": "Mapping[str, str] | Sequence[str]",
    "at": "Mapping[str, object] | Sequence[str]",
    "spool_dir": "str | os.PathLike[str]",
    "init": "str | os.PathLike[str]",
    "quarantine": "str | os.PathLike[str]",
}
START = '''"""The options of the functions, which are the flags of the program. Made by tests/test_options.py."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict
'''


def rendered():
    text = START
    for command, about in COMMANDS.items():
        text += f'\n\nclass {command.title()}Options(TypedDict, total=False):\n    """{about}"""\n'
        for name, takes, words, about in _vaepipe.options(command):
            literal = f"Literal[{', '.join(map(repr, words))}]".replace("'", '"')
            kind = EXACT.get(name) or (literal if words and takes != "switch" else TYPES[takes])
            # In the words of a call.
            about = re.sub("--[a-z-]+", lambda flag: flag[0][2:].replace("-", "_"), about)
            about = textwrap.fill(about.rstrip("."), 108, initial_indent="#: ", subsequent_indent="#: ")
            text += "\n" + textwrap.indent(f"{about}\n{name}: {kind} | None\n", "    ")
    return text


def test_the_typed_options_are_those_of_the_flags():
    assert OPTIONS.read_text() == rendered()


if __name__ == "__main__":
    OPTIONS.write_text(rendered())
