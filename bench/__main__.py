"""`make bench`: prints the tables that docs/performance.md quotes."""

from __future__ import annotations

import argparse
import os
import platform

from bench import checks, cni, firewall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="counted runs of each command")
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, Linux {platform.release()}, "
        f"{os.cpu_count()} processors; {arguments.runs} runs of each command, in turn\n"
    )
    print(checks.run(arguments.runs))
    print(f"\n{firewall.run(arguments.runs)}")
    print(f"\n{cni.run(arguments.runs)}")


if __name__ == "__main__":
    main()
