"""Running another program: an argv list, a timeout, plain C locale, and three causes kept apart."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from rules.errors import CommandError
from rules.record import record

# sbin directories are missing from an unprivileged or cron PATH, yet hold ip, nft and modprobe.
SEARCH_PATH = os.pathsep.join(
    dict.fromkeys(
        [
            *filter(None, os.environ.get("PATH", "").split(os.pathsep)),
            "/usr/local/sbin",
            "/usr/sbin",
            "/sbin",
            "/usr/local/bin",
            "/usr/bin",
            "/bin",
        ]
    )
)


def find_program(name: str) -> str | None:
    """The path of an executable, looked for in PATH and the sbin directories."""
    return shutil.which(name, path=SEARCH_PATH)


@record
class Output:
    """What a program printed (text, undecodable bytes replaced) and its exit code."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Running:
    """A program that was started and is read later, so that several can run side by side."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = tuple(argv)
        self._stdin = stdin
        program = find_program(argv[0])
        if program is None:
            raise CommandError("absent", f"{argv[0]} is not installed")
        environment = {
            **os.environ,
            "PATH": SEARCH_PATH,
            "LC_ALL": "C",
            "LANGUAGE": "C",
            **(env or {}),
        }
        try:
            self._process = subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                pass_fds=tuple(pass_fds),
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except PermissionError as error:
            raise CommandError("denied", f"{program} may not be run: {error.strerror}") from error
        except OSError as error:
            raise CommandError("failed", f"{program} does not start: {error.strerror}") from error

    def result(self, *, timeout_s: float, ok: Sequence[int] = (0,)) -> Output:
        """Waits, kills after ``timeout_s``; CommandError unless its code is in ``ok``."""
        line = " ".join(self.argv)
        try:
            stdout, stderr = self._process.communicate(self._stdin or None, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise CommandError("timeout", f"{line} did not end within {timeout_s:g} s") from None
        code = self._process.returncode
        if code not in ok:
            said = next((text for text in (stderr, stdout) if text.strip()), "nothing printed")
            reason = "denied" if _is_refusal(said) else "failed"
            raise CommandError(
                reason, f"{line} ended with {code}: {said.strip().splitlines()[0][:300]}"
            )
        return Output(self.argv, code, stdout, stderr)

    def kill(self) -> None:
        """Ends the program and reaps it. Its children may keep the pipes, so nothing is read."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _is_refusal(text: str) -> bool:
    return any(
        word in text for word in ("Permission denied", "Operation not permitted", "must be root")
    )


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    ok: Sequence[int] = (0,),
    stdin: str = "",
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Output:
    """Runs one program to its end; see ``Running.result`` for the errors.

    ``pass_fds``: open files that the program inherits, under the same numbers.
    """
    running = Running(argv, stdin=stdin, env=env, pass_fds=pass_fds)
    return running.result(timeout_s=timeout_s, ok=ok)
