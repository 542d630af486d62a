"""The program: ``python -m vaepipe``, and the command ``vaepipe`` of a wheel."""

import os
import signal
import sys


def main() -> None:
    """Runs the program with the arguments of this process, and exits with its code."""
    # The program takes signals itself. Its tensor library sizes products by these; its own pools run several side by side.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.environ["RAYON_NUM_THREADS"] = os.environ["CANDLE_NUM_THREADS"] = "1"
    from vaepipe import _vaepipe

    sys.exit(_vaepipe.main(["vaepipe", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
