"""`python -m preflight`, the command `nodeprep`, and the entry point of the single-file build."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs one command and ends the process with the exit code of the contract."""
    from preflight.cli.main import run

    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (head, less) went away: what it asked for it has got.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    # Collector threads that hang in the kernel must not hold the process back.
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
