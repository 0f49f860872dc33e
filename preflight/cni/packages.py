"""The distribution's package with the reference plugins, as a thing of an installation."""

from __future__ import annotations

from preflight import packages
from rules.errors import EXIT_FAILED, CommandError, NodeprepError
from rules.record import record

INSTALLED = "installed"


class PackageError(NodeprepError):
    """The package manager did not do it. ``str()`` says what it said."""

    exit_code = EXIT_FAILED


@record
class Package:
    """``directory``: where it lays the plugins down. ``name`` is MANAGER:PACKAGE."""

    name: str
    directory: str


# The .install and .spec files of the distributions' packages.
_PACKAGES = {
    "apt": Package("apt:containernetworking-plugins", "/usr/lib/cni"),
    "dnf": Package("dnf:containernetworking-plugins", "/usr/libexec/cni"),
    "zypper": Package("zypper:cni-plugins", "/usr/lib/cni"),
}


def plugins_package() -> Package:
    """This host's. Raises PackageError where it has no manager that is known."""
    found = _PACKAGES.get(packages.manager_here())
    if found is None:
        raise PackageError(
            f"--package needs one of {', '.join(_PACKAGES)}, and none is here; give a release "
            "with --archive"
        )
    return found


def read(name: str) -> str | None:
    """``installed``, or None. Raises PackageError where the package manager cannot tell."""
    manager, _, package = name.partition(":")
    try:
        return INSTALLED if packages.installed(manager, package) else None
    except CommandError as error:
        raise PackageError(str(error)) from None


def write(name: str, state: str | None) -> None:
    """Installs or removes it. A package that others need by now stays. Raises PackageError where it
    cannot be told or installed."""
    if read(name) == state:
        return
    manager, _, package = name.partition(":")
    try:
        if state is not None:
            packages.install(manager, package)
        else:
            packages.remove(manager, package)
    except CommandError as error:
        if state is not None:
            raise PackageError(f"package {package} cannot be installed: {error}") from None
