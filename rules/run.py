"""Running another program: an argv list, a timeout, plain C locale, and three causes kept apart."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rules.errors import CommandError
from rules.record import record

# Where a script that runs at boot looks: the same, whoever had it written.
BOOT_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
# sbin directories are missing from an unprivileged or cron PATH, yet hold ip, nft and modprobe.
SEARCH_PATH = os.pathsep.join(
    dict.fromkeys(
        [
            *filter(None, os.environ.get("PATH", "").split(os.pathsep)),
            *BOOT_PATH.split(os.pathsep),
        ]
    )
)
# 250,000 routes as JSON; what prints more would cost more memory than a small node has.
OUTPUT_LIMIT_BYTES = 32 * 1024 * 1024
_PIECE_BYTES = 64 * 1024
# A command line in a message: whole where it is short enough to be read.
_LINE_LIMIT = 120


def find_program(name: str) -> str | None:
    """The path of an executable, looked for in PATH and the sbin directories."""
    return shutil.which(name, path=SEARCH_PATH)


def boot_path(programs: Iterable[str]) -> str:
    """``BOOT_PATH``, and behind it the directories where programs are that it has not."""
    found = (find_program(name) for name in programs if shutil.which(name, path=BOOT_PATH) is None)
    more = dict.fromkeys(os.path.dirname(path) for path in found if path)
    return os.pathsep.join([BOOT_PATH, *more])


@record
class Output:
    """What a program printed (text, undecodable bytes replaced) and its exit code."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


class Running:
    """A program that was started and is read later, so that several can run side by side.

    It is the leader of a session of its own: what it started in turn can be ended with it.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.argv = tuple(argv)
        self._started = time.monotonic()
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
            with _starting, _input(stdin) as source:
                if _over.is_set():
                    raise CommandError("failed", f"{program} is not started: the run is over")
                self._process = subprocess.Popen(
                    [program, *argv[1:]],
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment,
                    pass_fds=tuple(pass_fds),
                    start_new_session=True,
                )
                _unfinished.add(self)
        except PermissionError as error:
            raise CommandError("denied", f"{program} may not be run: {error.strerror}") from error
        except OSError as error:
            raise CommandError("failed", f"{program} does not start: {error.strerror}") from error

    def result(self, *, timeout_s: float, ok: Sequence[int] = (0,)) -> Output:
        """Waits, kills ``timeout_s`` after the start; CommandError unless its code is in ``ok``."""
        line = _short(" ".join(self.argv))
        deadline = self._started + timeout_s
        try:
            stdout, stderr = self._read(deadline)
            code = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise CommandError("timeout", f"{line} did not end within {timeout_s:g} s") from None
        except OverflowError:
            limit_mib = OUTPUT_LIMIT_BYTES // 1024 // 1024
            raise CommandError("failed", f"{line} printed more than {limit_mib} MiB") from None
        finally:
            self.kill()
        if code not in ok:
            said = next((text for text in (stderr, stdout) if text.strip()), "nothing printed")
            reason = "denied" if _is_refusal(said) else "failed"
            raise CommandError(
                reason, f"{line} ended with {code}: {said.strip().splitlines()[0][:300]}"
            )
        return Output(self.argv, code, stdout, stderr)

    def _read(self, deadline: float) -> tuple[str, str]:
        """What it prints, to the end. Raises TimeoutExpired, and OverflowError over the limit."""
        streams = (self._process.stdout, self._process.stderr)
        pieces: dict[int, list[bytes]] = {stream.fileno(): [] for stream in streams if stream}
        left = OUTPUT_LIMIT_BYTES
        # poll needs no descriptor of its own, which counts where few may be open.
        with selectors.PollSelector() as selector:
            for descriptor in pieces:
                selector.register(descriptor, selectors.EVENT_READ)
            while selector.get_map():
                wait_s = deadline - time.monotonic()
                # Once more without waiting: what was printed long ago counts, however late it is.
                ready = selector.select(max(0.0, wait_s))
                if not ready and wait_s <= 0:
                    raise subprocess.TimeoutExpired(self.argv, 0)
                for key, _ in ready:
                    piece = os.read(key.fd, _PIECE_BYTES)
                    if not piece:
                        selector.unregister(key.fd)
                    pieces[key.fd].append(piece)
                    left -= len(piece)
                if left < 0:
                    raise OverflowError
        stdout, stderr = (b"".join(found).decode("utf-8", "replace") for found in pieces.values())
        return stdout, stderr

    def kill(self) -> None:
        """Ends the program and what it started, and reaps it; nothing where it has ended."""
        _unfinished.discard(self)
        # Not reaped yet: its number still names its group, even if only its children are left.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


_unfinished: set[Running] = set()
_over = threading.Event()
# Held while a program starts, so that none comes to be behind the back of end_all.
_starting = threading.Lock()
# A program whose file system does not answer never starts; the end does not wait for it.
_START_LIMIT_S = 1.0


def end_all() -> None:
    """Ends every program that was started and not waited for: none may outlive this process.

    No other can be started after it.
    """
    held = _starting.acquire(timeout=_START_LIMIT_S)
    _over.set()
    for running in tuple(_unfinished):
        running.kill()
    if held:
        _starting.release()


def _input(text: str) -> contextlib.AbstractContextManager[int]:
    """The descriptor of a file in memory that holds ``text``: nobody has to wait to write it."""
    if not text:
        return contextlib.nullcontext(subprocess.DEVNULL)
    return _memory_file(text)


@contextlib.contextmanager
def _memory_file(text: str) -> Iterator[int]:
    with os.fdopen(os.memfd_create("stdin", os.MFD_CLOEXEC), "wb") as stream:
        stream.write(text.encode())
        stream.flush()
        stream.seek(0)
        yield stream.fileno()


def _short(line: str) -> str:
    return line if len(line) <= _LINE_LIMIT else f"{line[:_LINE_LIMIT]}..."


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
