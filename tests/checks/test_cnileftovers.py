from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import Any

import pytest

from preflight.checks.cnileftovers import drop_chains, live_chains
from preflight.facts.model import Facts, Unknown
from preflight.facts.model.cni import CniCacheEntry, IpamLease
from preflight.facts.model.firewall import FilterTable, Firewall
from preflight.finding import Finding, Status
from tests.checks.pods import bridge_link, conflist, facts, pod_link, wanted, with_links
from tests.kernel import require_kernel
from tests.nodes import judge, system
from tests.nodes.cni import conf, configured

LIVE, DEAD = "a" * 64, "b" * 64
DIR = "/var/lib/cni/networks/pods"
CACHE = "/var/lib/cni/results"
CHAIN, PORTMAP_CHAIN = "CNI-3ec6668581c5d23896dd33f3", "CNI-DN-3ec6668581c5d23896dd3"
# Facts collected 2026-11-23T12:00:00Z, 4000 s after the start.
UPTIME_S = 4000.0
BOOT_TIME = 1795435200.0 - UPTIME_S


def lease(container: str, age_s: float = 3600.0, last: int = 2, network: str = "pods") -> IpamLease:
    address = f"10.244.1.{last}"
    return IpamLease(
        network, address, container, age_s, f"/var/lib/cni/networks/{network}/{address}"
    )


def entry(container: str, age_s: float = 3600.0, netns: str = "") -> CniCacheEntry:
    return CniCacheEntry("pods", container, "eth0", netns, age_s, f"{CACHE}/pods-{container}-eth0")


def found(node: Facts | None = None, **changes: Any) -> list[Finding]:
    value = replace(configured(), live_containers=(LIVE,), **changes)
    return judge("cni-leases-live", facts(value, node=node), wanted())


def test_nothing_left() -> None:
    (one,) = found()
    assert one.status is Status.PASS


def test_leases_of_live_pods() -> None:
    (one,) = found(leases=(lease(LIVE),), cache=(entry(LIVE),))
    assert one.status is Status.PASS
    assert one.message == "1 leases and 1 cache entries, all of live pods"


def test_a_leaked_lease_is_a_warning_with_its_address() -> None:
    (one,) = found(leases=(lease(LIVE), lease(DEAD, last=3)))
    assert (one.status, one.subject) == (Status.WARN, "leases of pods")
    assert "1 of 2 addresses" in one.message
    assert "10.244.1.3" in one.message
    assert "60 minutes" in one.message
    assert one.remedy == f"rm -f -- {DIR}/10.244.1.3"


@pytest.mark.parametrize(("age_s", "status"), [(60.0, Status.PASS), (60.5, Status.WARN)])
def test_a_pod_that_starts_right_now_is_not_dead(age_s: float, status: Status) -> None:
    assert found(leases=(lease(DEAD, age_s),))[0].status is status


def test_many_leaked_leases_are_removed_by_one_command() -> None:
    leases = tuple(lease(DEAD, last=number) for number in range(2, 60))
    (one,) = found(leases=leases)
    assert one.remedy == (
        f"find {DIR} -type f ! -name lock ! -name 'last_reserved_ip*' -mmin +1 -delete"
    )
    (one,) = found(leases=(*leases, lease(LIVE, last=99)))
    assert one.remedy.count(DIR) == 20
    assert "38 more" in one.remedy


def test_a_namespace_that_is_still_pinned_is_alive() -> None:
    pinned: dict[str, Any] = {"namespaces": ("/run/netns/cni-1",)}
    kept = entry(DEAD, netns="/var/run/netns/cni-1")
    (one,) = found(leases=(lease(DEAD),), cache=(kept,), **pinned)
    assert one.status is Status.PASS
    (one,) = found(leases=(lease("cni-1"),), **pinned)
    assert one.status is Status.PASS


def test_leaked_cache_entries() -> None:
    (one,) = found(cache=(entry(LIVE), entry(DEAD)))
    assert (one.status, one.subject) == (Status.WARN, "cache")
    assert one.remedy == f"rm -f -- {CACHE}/pods-{DEAD}-eth0"


@pytest.mark.parametrize(
    ("age_s", "boot_time", "status"),
    [
        (UPTIME_S - 100, BOOT_TIME, Status.UNKNOWN),
        # What was written before the last boot is dead all the same.
        (UPTIME_S + 100, BOOT_TIME, Status.WARN),
        # A clock that was set back since the boot tells nothing.
        (UPTIME_S + 100, BOOT_TIME + 99_999, Status.UNKNOWN),
        (UPTIME_S + 100, Unknown("denied", "x"), Status.UNKNOWN),
    ],
)
def test_who_lives_is_not_known(age_s: float, boot_time: Any, status: Status) -> None:
    denied = Unknown("denied", "the socket may not be opened")
    value = replace(configured(), live_containers=denied, leases=(lease(DEAD, age_s),))
    node = replace(
        facts(),
        collected="2026-11-23T12:00:00Z",
        system=replace(system.healthy(), boot_time=boot_time),
    )
    (one,) = judge("cni-leases-live", facts(value, node=node), wanted())
    assert one.status is status
    assert ("the socket may not be opened" in one.message) is (status is Status.UNKNOWN)


def test_directories_that_may_not_be_read_hide_nothing_else() -> None:
    denied = Unknown("denied", "may not be read")
    by_subject = {one.subject: one.status for one in found(leases=denied, cache=(entry(DEAD),))}
    assert by_subject == {"leases": Status.UNKNOWN, "cache": Status.WARN}


def test_podmans_containers_are_none_of_ours() -> None:
    text = conflist({"type": "bridge", "bridge": "cni-podman3"}, name="mine")
    files = (conf(text, "87-mine.conflist"),)
    leases = (lease(DEAD, network="podman"), lease(DEAD, network="mine"))
    (one,) = found(leases=leases, files=files)
    assert one.status is Status.PASS


def test_names_of_chains_as_the_plugins_make_them() -> None:
    # iptables-save after ADD of bridge and portmap 1.1.1, network "cbr" and container "c1".
    assert live_chains(("c1",), ("cbr",)) == {CHAIN, PORTMAP_CHAIN}


def firewall(*chains: str, backend: str = "iptables-nft") -> Firewall:
    table = FilterTable(backend, "ip", "nat", 5, chains)
    return Firewall((table,), (), "1.8.9", {})


def test_leaked_chains() -> None:
    live = sorted(live_chains((LIVE,), ("pods",)))
    dead = sorted(live_chains((DEAD,), ("pods",)))
    node = replace(facts(), firewall=firewall("POSTROUTING", "CNI-FORWARD", *live, *dead))
    (one,) = found(node)
    assert (one.status, one.subject) == (Status.WARN, "chains")
    assert "2 of 4 firewall chains" in one.message
    assert all(chain in one.remedy for chain in dead)
    assert not any(chain in one.remedy for chain in live)
    assert "iptables -w -t nat" in one.remedy
    (one,) = found(replace(node, firewall=firewall(*live)))
    assert one.status is Status.PASS


def test_chains_when_who_lives_is_not_known() -> None:
    node = replace(facts(), firewall=firewall(*live_chains((DEAD,), ("pods",))))
    value = replace(configured(), live_containers=Unknown("denied", "no"))
    (one,) = judge("cni-leases-live", facts(value, node=node), wanted())
    assert (one.status, one.subject) == (Status.UNKNOWN, "chains")
    (one,) = found(replace(facts(), firewall=Unknown("failed", "no nft")))
    assert one.status is Status.PASS


def test_interfaces_of_dead_pods() -> None:
    pods = [pod_link(f"veth{number}", 20 + number) for number in range(2)]
    node = with_links(facts(), bridge_link(), *pods)
    value = replace(configured(), live_containers=())
    (one,) = judge("cni-leases-live", facts(value, node=node), wanted())
    assert (one.status, one.subject) == (Status.WARN, "veths")
    assert one.remedy == "ip link delete veth0 && ip link delete veth1"
    some = replace(value, namespaces=("/run/netns/a",))
    (one,) = judge("cni-leases-live", facts(some, node=node), wanted())
    assert "2 interfaces of pods hang on cni0, and 1 pods live" in one.message
    enough = replace(value, namespaces=("/run/netns/a", "/run/netns/b"))
    (one,) = judge("cni-leases-live", facts(enough, node=node), wanted())
    assert one.status is Status.PASS


@pytest.mark.kernel
def test_the_remedy_for_chains_works_on_a_real_table() -> None:
    require_kernel()
    remedy = drop_chains([("iptables", "nat", CHAIN), ("iptables", "nat", PORTMAP_CHAIN)])
    script = f"""set -e
        for chain in {CHAIN} {PORTMAP_CHAIN} CNI-HOSTPORT-DNAT; do iptables -t nat -N $chain; done
        iptables -t nat -A POSTROUTING -s 10.244.1.2 -m comment --comment 'id: "c1"' -j {CHAIN}
        iptables -t nat -A POSTROUTING -s 192.0.2.1 -j MASQUERADE
        iptables -t nat -A POSTROUTING -s 10.244.1.3 -j {CHAIN}
        iptables -t nat -A {CHAIN} -d 10.244.1.0/24 -j ACCEPT
        iptables -t nat -A CNI-HOSTPORT-DNAT -p tcp --dport 8080 -j {PORTMAP_CHAIN}
        {remedy}
        iptables-save -t nat"""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert CHAIN not in done.stdout
    assert PORTMAP_CHAIN not in done.stdout
    assert "-A POSTROUTING -s 192.0.2.1/32 -j MASQUERADE" in done.stdout
