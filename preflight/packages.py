"""The package managers that a program can ask without a person: whether, install, remove."""

from __future__ import annotations

from rules.errors import CommandError
from rules.record import record
from rules.run import find_program, run

_INSTALL_TIMEOUT_S = 900.0
_ASK_TIMEOUT_S = 30.0
# The word of the environment without which debconf asks a person.
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


@record
class Manager:
    """``refresh`` reads the lists of packages anew, which ``install`` needs on a fresh machine.

    ``ask`` prints ``words`` where a package is installed, and ``remove`` refuses where other
    packages need it.
    """

    program: str
    install: tuple[str, ...]
    refresh: tuple[str, ...]
    ask: tuple[str, ...]
    words: str
    remove: tuple[str, ...]


_APT_WAIT = ("-o", "DPkg::Lock::Timeout=60")
_RPM = (("rpm", "-q", "--qf", "is installed"), "is installed", ("rpm", "-e"))
MANAGERS = {
    "apt": Manager(
        "apt-get",
        ("apt-get", *_APT_WAIT, "install", "-y", "--no-install-recommends"),
        ("apt-get", *_APT_WAIT, "update"),
        ("dpkg-query", "-W", "-f", "${Status}"),
        "ok installed",
        ("dpkg", "--remove"),
    ),
    "dnf": Manager("dnf", ("dnf", "install", "-y"), ("dnf", "makecache"), *_RPM),
    "zypper": Manager(
        "zypper",
        ("zypper", "--non-interactive", "install", "--no-recommends"),
        ("zypper", "--non-interactive", "refresh"),
        *_RPM,
    ),
}


def manager_here() -> str:
    """The name of this host's; empty where it has none of them."""
    return next((name for name, one in MANAGERS.items() if find_program(one.program)), "")


def installed(manager: str, package: str) -> bool:
    """Raises CommandError where the manager does not say."""
    known = MANAGERS[manager]
    done = run([*known.ask, package], timeout_s=_ASK_TIMEOUT_S, ok=(0, 1))
    return done.returncode == 0 and known.words in done.stdout


def install(manager: str, package: str) -> None:
    """With the lists as they are, and where that fails with new ones. Raises CommandError."""
    known = MANAGERS[manager]
    command = [*known.install, package]
    try:
        run(command, timeout_s=_INSTALL_TIMEOUT_S, env=_QUIET)
    except CommandError as error:
        try:
            run(list(known.refresh), timeout_s=_INSTALL_TIMEOUT_S, env=_QUIET)
        except CommandError:
            raise error from None
        run(command, timeout_s=_INSTALL_TIMEOUT_S, env=_QUIET)


def remove(manager: str, package: str) -> None:
    """Raises CommandError where that fails, as where another package needs it."""
    run([*MANAGERS[manager].remove, package], timeout_s=_INSTALL_TIMEOUT_S, env=_QUIET)
