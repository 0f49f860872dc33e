"""The command `nodeprep` as a whole, killed before its N-th change of anything.

    python -m tests.fixes.killed_cli N fix --role master ...

N of -1: it is not killed, and the count of changes is the last line of stderr.
"""

from __future__ import annotations

import sys

from tests.fixes.killed import watch


def main() -> int:
    from preflight.__main__ import answer

    count = watch(int(sys.argv[1]))
    del sys.argv[1]
    code = answer()
    print(count(), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
