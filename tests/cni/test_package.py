"""`cni install --package` with a real apt and a repository of this machine's own."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from preflight import packages
from rules.errors import CommandError
from tests.cni.node import node
from tests.cni.schemas import valid
from tests.cni.test_install import BARE, SAME
from tests.kernel import require_kernel

# /usr is private, the plugins are not there, and a repository of one package has them.
APT = r"""
mkdir -p /run/usr/up /run/usr/work /run/deb/DEBIAN /run/deb/usr/lib/cni /run/repo
cp -a /usr/lib/cni/bridge /usr/lib/cni/host-local /usr/lib/cni/portmap /usr/lib/cni/loopback \
  /run/deb/usr/lib/cni/
mount -t overlay overlay -o lowerdir=/usr,upperdir=/run/usr/up,workdir=/run/usr/work /usr
dpkg --force-depends --purge containernetworking-plugins > /dev/null 2>&1
test ! -e /usr/lib/cni/bridge
cat > /run/deb/DEBIAN/control <<'END'
Package: containernetworking-plugins
Version: 9:9
Architecture: amd64
Maintainer: Nobody <nobody@example.net>
Description: plugins of a test
END
sed -i "s/amd64/$(dpkg --print-architecture)/" /run/deb/DEBIAN/control
dpkg-deb --build -Znone /run/deb /run/repo/plugins.deb > /dev/null
{ cat /run/deb/DEBIAN/control; echo Filename: ./plugins.deb
  echo Size: $(stat -c %s /run/repo/plugins.deb)
  echo SHA256: $(sha256sum < /run/repo/plugins.deb | cut -d' ' -f1); } > /run/repo/Packages
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/run/repo ./' > /etc/apt/sources.list
"""
STATE = BARE.replace("find /etc ", "find /etc /usr/lib/cni ")
NOW = "dpkg-query -W -f '${db:Status-Status}' containernetworking-plugins 2> /dev/null || true"


@pytest.mark.kernel
def test_the_package_of_the_distribution() -> None:
    require_kernel()
    if None in map(shutil.which, ("apt-get", "dpkg-deb")):
        pytest.fail("needs apt and dpkg")
    done = node(
        f"{STATE}{{ {APT} }} >&2\nstate > /run/before\n"
        "nodeprep cni install --package --dry-run -o json > /run/1\n"
        f"{SAME}\n{NOW}; echo\n"
        # It fails after the package is there: the package goes with the rest.
        "ip link add cni0 type veth peer name x0\n"
        "nodeprep cni install --package > /dev/null || test $? = 1\nip link delete cni0\n"
        f"{SAME}\n{NOW}; echo\n"
        "nodeprep cni install --package -o json > /run/2\n"
        f"nodeprep cni prove -o json > /run/3\n{NOW}; echo\n"
        "nodeprep cni install --package -o json > /run/4\nnodeprep cni install -o json > /run/5\n"
        f"nodeprep cni remove > /dev/null\n{SAME}\n{NOW}; echo\n"
        "for n in 1 2 3 4 5; do tr -d '\\n' < /run/$n; echo; done",
        timeout_s=180,
    )
    *states, dry, made, proof, again, without = done.stdout.splitlines()
    assert states == ["not-installed", "not-installed", "installed", "not-installed"]
    planned, changed = valid(dry, "cni-change"), valid(made, "cni-change")
    assert planned["changes"] == changed["changes"]
    assert changed["changes"][0] == {
        "object": "package apt:containernetworking-plugins",
        "before": None,
        "after": "installed\n",
    }
    assert json.loads(proof)["proven"] is True
    assert json.loads(again)["changed"] is False
    assert json.loads(without)["changed"] is False
    assert "is no bridge" in done.stderr


def program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def first_in_path(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    monkeypatch.setattr("rules.run.SEARCH_PATH", f"{directory}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("manager", "log"),
    [
        (
            "dnf",
            ["rpm -q --qf is installed p", "dnf install -y p", "dnf makecache", "dnf install -y p",
             "rpm -e p"],
        ),
        (
            "zypper",
            ["rpm -q --qf is installed p", "zypper --non-interactive install --no-recommends p",
             "zypper --non-interactive refresh",
             "zypper --non-interactive install --no-recommends p", "rpm -e p"],
        ),
    ],
)  # fmt: skip
def test_what_is_asked_of_other_managers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: str, log: list[str]
) -> None:
    for name in (manager, "rpm"):
        # As where the lists are old: the first installation finds no such package.
        program(
            tmp_path / name,
            f'echo "{name} $*" >> {tmp_path}/log\n'
            'case "$*" in *install*p) '
            f"[ $(grep -c 'install.* p$' {tmp_path}/log) -gt 2 ] ;; "
            "-q*) echo package p is not installed; exit 1 ;; esac",
        )
    first_in_path(monkeypatch, tmp_path)
    assert packages.installed(manager, "p") is False
    packages.install(manager, "p")
    packages.remove(manager, "p")
    assert (tmp_path / "log").read_text().splitlines() == log


def test_a_package_that_nobody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "apt-get", "echo 'E: Unable to locate package p' >&2; exit 100")
    first_in_path(monkeypatch, tmp_path)
    with pytest.raises(CommandError, match="Unable to locate package p"):
        packages.install("apt", "p")
