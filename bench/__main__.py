"""`make bench`: prints the tables that docs/performance.md quotes."""

from __future__ import annotations

import argparse
import os
import platform

from bench import ansible, checks, clouds, cni, firewall, fleet, onefile

SUBJECTS = {
    "checks": checks,
    "firewall": firewall,
    "cni": cni,
    "fleet": fleet,
    "clouds": clouds,
    "onefile": onefile,
    "ansible": ansible,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="counted runs of each command")
    parser.add_argument("--only", choices=SUBJECTS, help="one subject alone")
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, Linux {platform.release()}, "
        f"{os.cpu_count()} processors; {arguments.runs} runs of each command, in turn"
    )
    for name, subject in SUBJECTS.items():
        if arguments.only in (None, name):
            print(f"\n{subject.run(arguments.runs)}", flush=True)


if __name__ == "__main__":
    main()
