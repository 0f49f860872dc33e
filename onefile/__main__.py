"""The single file's first lines: finds a Python that is new enough, and hands over to it.

Read by whatever `python3` is, from 3.6 on: no syntax that an old one would trip over.
"""

import os
import sys

OLDEST = (3, 10)
# What distributions with an older python3 offer beside it, best first.
OTHERS = ("python3.13", "python3.12", "python3.11", "python3.10")
EXIT_UNDETERMINED = 3
# Where this file is; from any directory, and for every process that it starts.
ARCHIVE = os.path.abspath(sys.path[0])


def other_python():
    # type: () -> str
    """The path of a newer Python of this machine; empty where there is none."""
    places = [*os.environ.get("PATH", "").split(os.pathsep), "/usr/local/bin", "/usr/bin"]
    for name in OTHERS:
        for place in places:
            program = os.path.join(place, name)
            if os.path.isabs(program) and os.access(program, os.X_OK) and _starts(program):
                return program
    return ""


def _starts(program):
    # type: (str) -> bool
    """Whether it is a Python and not a shim of a version manager for none."""
    import subprocess

    code = "import sys; sys.exit(sys.version_info < %r)" % (OLDEST,)
    try:
        with open(os.devnull, "w") as nowhere:
            return subprocess.call([program, "-I", "-c", code], stderr=nowhere) == 0
    except OSError:
        return False


def start():
    # type: () -> None
    """Runs nodeprep in this interpreter, or in a newer one of this machine."""
    if sys.version_info >= OLDEST:
        sys.path[0] = ARCHIVE
        from onefile.launch import launch

        launch(ARCHIVE)
    program = other_python()
    if program:
        os.execv(program, [program, ARCHIVE, *sys.argv[1:]])  # noqa: S606
    sys.stderr.write(
        "nodeprep: needs Python 3.10 or newer, and %s is %d.%d; install python3.11, or run: "
        "python3.11 %s\n" % (sys.executable, sys.version_info[0], sys.version_info[1], ARCHIVE)
    )
    sys.exit(EXIT_UNDETERMINED)


if __name__ == "__main__":
    start()
