"""Hosts behind a router, faults put between them: each is found, laid at the right layer, and
nothing else is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fleet.lab import NODEPREP, ROOT, Host, Lab
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def wrong(report: dict[str, Any]) -> dict[tuple[str, str, int], tuple[str, str]]:
    """(peer, port, family) -> (outcome, layer) of all that is not simply open."""
    return {
        (each["peer"], f"{each['port']}/{each['protocol']}", 6 if ":" in each["address"] else 4): (
            each["outcome"],
            each["layer"],
        )
        for each in report["reaches"]
        if each["outcome"] != "open" or each["warning"]
    }


def detail(report: dict[str, Any], peer: str, port: str) -> str:
    (found,) = [
        each["detail"]
        for each in report["reaches"]
        if (each["peer"], f"{each['port']}/{each['protocol']}") == (peer, port)
    ]
    return str(found)


def valid(report: dict[str, Any], name: str) -> None:
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(
        report
    )


def test_without_a_fault_every_flow_of_every_role_is_open_in_both_families(tmp_path: Path) -> None:
    require_kernel("nft")
    hosts = (
        Host("m1", "multi-master", 1, 11),
        Host("m2", "multi-master", 2, 12),
        Host("w1", "worker", 1, 21),
    )
    lab = Lab(hosts, tmp_path)
    lab.ending = (
        f"on w1 {NODEPREP} check --role worker --config $LAB/w1.yaml --peer m1 --peer m2 "
        "--key $LAB/key -o json >$LAB/check.out 2>$LAB/check.err || true"
    )
    reports = lab.run("m1", "w1", families=(4, 6))
    checked = json.loads((tmp_path / "check.out").read_text())
    found = [each for each in checked["findings"] if each["id"] == "peer-reachable"]
    assert {each["status"] for each in found} == {"pass"}
    assert len(found) == 16
    assert "m1 6443/tcp 192.0.2.11" in {each["subject"] for each in found}
    for report in reports.values():
        assert wrong(report) == {}
        assert report["verdict"] == "ready"
        valid(report, "probe-report.schema.json")
    ports = {
        (each["peer"], f"{each['port']}/{each['protocol']}") for each in reports["m1"]["reaches"]
    }
    assert ports == {
        ("m2", "6443/tcp"),
        ("m2", "2379/tcp"),
        ("m2", "2380/tcp"),
        ("m2", "10250/tcp"),
        ("m2", "8472/udp"),
        ("w1", "10250/tcp"),
        ("w1", "8472/udp"),
        *((peer, echo) for peer in ("m2", "w1") for echo in ("0/icmp", "0/icmpv6")),
    }
    # All but echo, which is another protocol in each family, in both.
    assert len(reports["m1"]["reaches"]) == 2 * len(ports) - 4
    heard = lab.heard("m2")
    valid(heard, "listen-report.schema.json")
    assert {each["source"] for each in heard["heard"]} == {
        "192.0.2.11",
        "2001:db8:1::11",
        "192.0.2.21",
        "2001:db8:1::21",
    }
    assert (heard["wrong"], heard["replayed"]) == (0, 0)


def test_who_says_no_and_who_says_nothing(tmp_path: Path) -> None:
    require_kernel("nft")
    hosts = (
        Host("m1", "multi-master", 1, 11),
        Host("m2", "multi-master", 2, 12),
        Host("gone", "worker", 2, 21),
        Host("rejects", "worker", 2, 22),
        Host("mute", "worker", 2, 23),
        Host("refused", "worker", 2, 24),
        Host("narrow", "worker", 3, 25),
    )
    faults = """
on rejects nft 'add table inet guard;
  add chain inet guard in { type filter hook input priority 0; };
  add rule inet guard in udp dport 8472 reject; add rule inet guard in tcp dport 10250 reject'
on r nft 'add table ip way; add chain ip way f { type filter hook forward priority 0; };
  add rule ip way f ip saddr 198.51.100.23 udp sport 8472 drop;
  add rule ip way f ip saddr 198.51.100.12 tcp sport 6443 drop'
on m1 nft 'add table ip own; add chain ip own out { type filter hook output priority 0; };
  add rule ip own out ip daddr 198.51.100.24 udp dport 8472 drop;
  add rule ip own out ip daddr 198.51.100.24 tcp dport 10250 reject'
on r ip link set to3 mtu 1400
"""
    listening = tuple(host.name for host in hosts if host.name != "gone")
    report = Lab(hosts, tmp_path, faults, listening=listening).run("m1")["m1"]
    assert wrong(report) == {
        ("m2", "6443/tcp", 4): ("asymmetric", "network"),
        ("gone", "10250/tcp", 4): ("closed", "no-listener"),
        ("gone", "8472/udp", 4): ("closed", "no-listener"),
        ("rejects", "10250/tcp", 4): ("rejected", "peer-firewall"),
        # Nobody could be asked whether a listener is there, so its host's word counts.
        ("rejects", "8472/udp", 4): ("closed", "no-listener"),
        ("mute", "8472/udp", 4): ("asymmetric", "network"),
        ("refused", "10250/tcp", 4): ("rejected", "own-firewall"),
        ("refused", "8472/udp", 4): ("filtered", "own-firewall"),
        ("narrow", "8472/udp", 4): ("mtu", "network"),
    }
    (narrow,) = [each for each in report["reaches"] if each["outcome"] == "mtu"]
    # The router says so, and what uses path MTU discovery works: a warning.
    assert narrow["warning"]
    assert "192.0.2.1 says that it takes 1400" in narrow["detail"]


def test_protocols_without_ports_are_probed_as_they_are(tmp_path: Path) -> None:
    require_kernel()
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh",
         sys.executable, "-m", "tests.fleet.rawloop"],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert {outcome for outcome, _ in seen["with"].values()} == {"open"}
    # Five tunnels' protocols in both families, and the echo of each.
    assert len(seen["with"]) == 2 * 5 + 2
    assert len(seen["seen"]) == 5 + 2
    assert (seen["wrong"], seen["problems"]) == (0, [])


def test_tunnels_are_laid_at_their_layers_as_ports_are(tmp_path: Path) -> None:
    require_kernel("nft")
    hosts = (
        Host("w1", "worker", 1, 21),
        Host("guarded", "worker", 2, 22),
        Host("gone", "worker", 2, 23),
        Host("oneway", "worker", 2, 24),
        Host("narrow", "worker", 3, 25),
    )
    faults = """
on guarded nft 'add table inet guard;
  add chain inet guard in { type filter hook input priority 0; };
  add rule inet guard in meta l4proto esp drop; add rule inet guard in icmp type echo-request drop;
  add rule inet guard in meta l4proto ah reject'
on r nft 'add table ip way; add chain ip way f { type filter hook forward priority 0; };
  add rule ip way f ip saddr 198.51.100.24 meta l4proto esp drop;
  add rule ip way f ip saddr 198.51.100.24 icmp type echo-reply drop;
  add rule ip way f ip daddr 198.51.100.24 meta l4proto ah reject with icmp type admin-prohibited'
on r ip link set to3 mtu 1400
on r nft 'add chain ip way o { type filter hook output priority 0; };
  add rule ip way o icmp type destination-unreachable icmp code 4 drop'
"""
    listening = tuple(host.name for host in hosts if host.name != "gone")
    report = Lab(hosts, tmp_path, faults, cni="antrea/ipsec", listening=listening).run("w1")["w1"]
    found = wrong(report)
    assert {key: found[key] for key in found if key[1].startswith("0/")} == {
        ("guarded", "0/esp", 4): ("filtered", "peer-firewall"),
        ("guarded", "0/icmp", 4): ("filtered", "peer-firewall"),
        ("guarded", "0/ah", 4): ("rejected", "peer-firewall"),
        ("gone", "0/esp", 4): ("closed", "no-listener"),
        ("gone", "0/ah", 4): ("closed", "no-listener"),
        ("oneway", "0/esp", 4): ("asymmetric", "network"),
        ("oneway", "0/icmp", 4): ("asymmetric", "network"),
        ("oneway", "0/ah", 4): ("rejected", "network"),
        ("narrow", "0/esp", 4): ("mtu", "network"),
        ("narrow", "0/ah", 4): ("mtu", "network"),
    }
    assert "protocol unreachable" in detail(report, "gone", "0/esp")
    assert "guard" in detail(report, "guarded", "0/esp")
    subjects = {each["subject"] for each in report["findings"]}
    assert "guarded protocol 50 (esp) 198.51.100.22" in subjects
    assert report["unprobed"] == []
