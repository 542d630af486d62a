#!/usr/bin/env python3
"""Runs the program on a terminal: a bar and colours there, and neither of them anywhere else.

    terminal.py VAEPIPE REPOSITORY
"""
import os, pty, signal, subprocess, sys, tempfile
from pathlib import Path

program, repository = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
digits = repository / "sample_data/digits.parquet"


def on_terminal(*arguments, code=0, **variables):
    """What stderr shows when it is a terminal."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "CLICOLOR_FORCE")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "120", **variables}
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.Popen([program, *arguments], cwd=folder, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, env=environment)
        os.close(theirs)
        shown = b""
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # how a terminal says that nobody writes to it any more
            pass
        stdout = run.stdout.read()
        assert run.wait() == code, (run.returncode, shown)
    return shown.decode(), stdout.decode()


# Long enough for the bar to be drawn in its epochs of 2xx, on any machine.
shown, stdout = on_terminal("fit", digits, "--epochs", "400", "--patience", "0", "--batch-size", "32")
assert "epoch 2" in shown and "/40" in shown and "rows/s" in shown and "left" in shown, shown
assert "━" in shown and "\x1b[" in shown, "a bar"
assert "\x1b[2K" in shown.rsplit("━", 1)[1], "which is gone at the end"
assert "\x1b" not in stdout and "vaepipe transform" in stdout, stdout

shown, _ = on_terminal("fit", digits, "--epochs", "3", "-q")
assert shown == "", shown
shown, _ = on_terminal("fit", digits, "--epochs", "3", "--log-format", "json")
assert "━" not in shown and "\x1b" not in shown, shown

shown, _ = on_terminal("fit", "none.parquet", code=1)
assert "\x1b[1m\x1b[31merror:\x1b[0m none.parquet: cannot open" in shown, repr(shown)
shown, _ = on_terminal("fit", "none.parquet", code=1, NO_COLOR="1")
assert "\x1b" not in shown, repr(shown)
# A terminal that goes away, where the run shall go on.
ours, theirs = pty.openpty()
with tempfile.TemporaryDirectory() as folder:
    arguments = [program, "fit", digits, "--epochs", "400", "--patience", "0", "--batch-size", "32"]
    stay = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = subprocess.Popen(arguments, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs, preexec_fn=stay)
    os.close(theirs)
    shown = b""
    while "━".encode() not in shown:
        shown += os.read(ours, 65536)
    os.close(ours)
    assert run.wait() == 0 and (Path(folder) / "vae.safetensors").exists(), run.returncode
print("terminal: ok")
