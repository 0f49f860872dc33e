"""`python -m preflight`, the command `nodeprep`, and the entry point of the single-file build."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

from rules.errors import EXIT_INTERRUPTED


def answer() -> int:
    """Runs one command; the exit code of the contract."""
    # Big rulesets are hundreds of thousands of objects that live to the end: looking for garbage
    # among them every 700 objects takes a third of the time.
    gc.set_threshold(100_000, 50, 50)
    try:
        from preflight.cli.main import run
        from preflight.cli.streams import open_streams

        open_streams()
        code = run(sys.argv[1:])
        # Only where something may have run a program: --help need not load all that.
        if programs := sys.modules.get("rules.run"):
            programs.end_all()
    except KeyboardInterrupt:
        # Before the command line was read, or while its programs were ended.
        with contextlib.suppress(OSError):
            os.write(2, b"nodeprep: interrupted\n")
        code = EXIT_INTERRUPTED
    return code


def main() -> None:
    """Runs one command and ends the process with its exit code."""
    code = answer()
    # Collector threads that hang in the kernel must not hold the process back.
    os._exit(code)


if __name__ == "__main__":
    main()
