"""Routes to other nodes' pods in the files of networkd, NetworkManager and netplan."""

from __future__ import annotations

import subprocess
from configparser import ConfigParser

import pytest
import yaml

from preflight.cni import routefiles
from preflight.cni.routefiles import parse_network_file, route_files
from rules.errors import UsageError
from tests.cni.node import node
from tests.cni.test_install import BARE, SAME
from tests.kernel import require_kernel

ROUTES = (
    ("10.244.2.0/24", "via 192.0.2.21 dev eth0"),
    ("fd00:10:244:2::/64", "via 2001:db8::21 dev eth0"),
    ("10.244.3.0/24", "via 198.51.100.22 dev bond0.100"),
)


def test_netplan() -> None:
    ((path, (text, mode)),) = route_files("netplan", ROUTES).items()
    assert (path, mode) == ("/etc/netplan/90-nodeprep-pods.yaml", 0o600)
    links = yaml.safe_load(text)["network"]["ethernets"]
    assert links["bond0.100"]["routes"] == [{"to": "10.244.3.0/24", "via": "198.51.100.22"}]
    assert len(links["eth0"]["routes"]) == 2


def test_networkd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routefiles, "network_file", lambda link: f"10-{link}.network")
    files = route_files("networkd", ROUTES)
    text, mode = files["/etc/systemd/network/10-bond0.100.network.d/nodeprep-pods.conf"]
    parser = ConfigParser()
    parser.read_string(text)
    assert dict(parser["Route"]) == {"destination": "10.244.3.0/24", "gateway": "198.51.100.22"}
    assert mode == 0o644
    assert len(files) == 2


def test_network_manager_runs_what_is_for_the_link_that_came_up(tmp_path: object) -> None:
    ((path, (text, mode)),) = route_files("networkmanager", ROUTES).items()
    assert (path, mode) == ("/etc/NetworkManager/dispatcher.d/50-nodeprep-pods", 0o755)
    for words, lines in ((("eth0", "up"), 2), (("bond0.100", "up"), 1), (("eth0", "down"), 0)):
        script = f'ip() {{ echo "$@"; }}\n{text}'
        done = subprocess.run(
            ["sh", "-c", script, "sh", *words], capture_output=True, text=True, check=True
        )
        assert len(done.stdout.splitlines()) == lines


def test_our_own_unit_needs_no_file_and_nobody_else_is_known() -> None:
    assert route_files("unit", ROUTES) == {}
    assert route_files("netplan", ()) == {}
    with pytest.raises(UsageError, match="--routes takes"):
        route_files("ifupdown", ROUTES)


def test_the_file_of_a_link_as_networkctl_prints_it() -> None:
    text = "● 2: eth0\n   Link File: /usr/lib/systemd/network/99-default.link\n"
    named = f"{text}      Network File: /etc/systemd/network/10-lan.network\n"
    assert parse_network_file(named, "eth0") == "10-lan.network"
    with pytest.raises(UsageError, match="does not manage eth0"):
        parse_network_file(f"{text}      Network File: n/a\n", "eth0")


@pytest.mark.kernel
def test_installed_for_netplan_and_removed() -> None:
    require_kernel()
    done = node(
        f"{BARE}printf '#!/bin/sh\\n' > /usr/local/bin/netplan; chmod 755 /usr/local/bin/netplan\n"
        "state > /run/before\nnodeprep cni install --routes netplan > /dev/null\n"
        "cat /etc/netplan/90-nodeprep-pods.yaml\n"
        "! grep -q 'route replace' /var/lib/nodeprep/cni/boot/boot.sh\n"
        "nodeprep cni install --routes netplan >&2\n"
        f"nodeprep cni remove > /dev/null\n{SAME}"
    )
    (link,) = yaml.safe_load(done.stdout)["network"]["ethernets"].values()
    assert link["routes"] == [{"to": "10.244.2.0/24", "via": "192.0.2.21"}]
    assert "nothing to change" in done.stderr
