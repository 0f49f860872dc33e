"""`cni gc`: what dead pods left goes, what live ones have stays."""

from __future__ import annotations

import fcntl
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from preflight.cni import collect
from preflight.cni.garbage import Chain, Namespace, Seen, drop_text, find, parse_chains
from preflight.cni.remains import chain_names
from preflight.facts.model.cni import CniCacheEntry, IpamLease
from tests.cni.containerd import start, write_image
from tests.cni.node import bridge, node
from tests.cni.schemas import valid
from tests.kernel import require_kernel

POD = "/run/netns/cni-11111111-2222-4333-8444-555555555555"
OLD = 120.0
NODE = Seen(
    known=frozenset(),
    namespaces=(),
    leases=(IpamLease("pods", "10.244.1.2", "c1", OLD, "/l/10.244.1.2"),),
    cache=(CniCacheEntry("pods", "c1", "eth0", POD, OLD, "/c/pods-c1-eth0"),),
    chains=(Chain("iptables-nft", "nat", chain_names("pods", "c1")[0]),),
    networks=frozenset({"pods"}),
    foreign=frozenset({"podman"}),
)


def counts(seen: Seen) -> tuple[int, ...]:
    found = find(seen)
    return (len(found.leases), len(found.cache), len(found.chains), len(found.namespaces))


def test_a_pod_that_nobody_knows_goes_with_all_it_had() -> None:
    assert counts(NODE) == (1, 1, 1, 0)
    assert counts(replace(NODE, namespaces=(Namespace(POD, OLD, False),))) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "change",
    [
        {"known": frozenset({"c1"})},
        {"namespaces": (Namespace(POD, OLD, busy=True),)},
        {"min_age_s": 300.0},
        {"namespaces": (Namespace("/run/netns/c1", OLD, busy=False),)},
    ],
)
def test_who_may_be_alive_is_left_alone(change: dict[str, object]) -> None:
    assert counts(replace(NODE, **change)) == (0, 0, 0, 0)  # type: ignore[arg-type]


def test_a_namespace_that_a_person_made_is_alive() -> None:
    entry = replace(NODE.cache[0], netns="/var/run/netns/p1")
    named = (Namespace("/run/netns/p1", OLD, busy=False),)
    assert counts(replace(NODE, cache=(entry,), namespaces=named)) == (0, 0, 0, 0)


def test_a_younger_lease_keeps_the_chain_of_its_pod() -> None:
    young = replace(NODE.leases[0], age_s=3.0)
    assert counts(replace(NODE, leases=(young,), cache=())) == (0, 0, 0, 0)


def test_while_a_pod_starts_chains_of_nobody_wait() -> None:
    stray = Chain("iptables-nft", "nat", "CNI-" + "0" * 24)
    starting = (Namespace(POD, 3.0, busy=False),)
    seen = replace(NODE, namespaces=starting, cache=(), chains=(*NODE.chains, stray))
    found = find(seen)
    assert found.chains == NODE.chains
    assert found.starting
    assert stray in find(replace(seen, namespaces=())).chains


def test_networks_of_podman_are_not_ours() -> None:
    lease, entry = NODE.leases[0], NODE.cache[0]
    seen = replace(
        NODE,
        leases=(replace(lease, network="podman"),),
        cache=(replace(entry, network="podman"),),
        chains=(),
    )
    assert counts(seen) == (0, 0, 0, 0)


SAVED = """\
*filter
:FORWARD ACCEPT [0:0]
COMMIT
*nat
:POSTROUTING ACCEPT [0:0]
:CNI-000000000000000000000001 - [0:0]
:CNI-000000000000000000000002 - [0:0]
:CNI-DN-000000000000000000001 - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
-A POSTROUTING -s 10.244.1.2 -m comment --comment "\\"a; rm\\"" -j CNI-000000000000000000000001
-A POSTROUTING -s 10.244.1.3/32 -j CNI-000000000000000000000002
-A CNI-000000000000000000000001 ! -d 224.0.0.0/4 -j MASQUERADE
-A CNI-HOSTPORT-DNAT -p tcp --dport 80 -j CNI-DN-000000000000000000001
COMMIT
"""


def test_chains_are_dropped_in_one_transaction_with_the_jumps_to_them() -> None:
    names = ["CNI-000000000000000000000001", "CNI-DN-000000000000000000001"]
    assert drop_text(SAVED, names).splitlines() == [
        "*nat",
        ":CNI-000000000000000000000001 - [0:0]",
        ":CNI-DN-000000000000000000001 - [0:0]",
        '-D POSTROUTING -s 10.244.1.2 -m comment --comment "\\"a; rm\\"" -j '
        "CNI-000000000000000000000001",
        "-D CNI-HOSTPORT-DNAT -p tcp --dport 80 -j CNI-DN-000000000000000000001",
        "-X CNI-000000000000000000000001",
        "-X CNI-DN-000000000000000000001",
        "COMMIT",
    ]


def test_chains_of_pods_as_each_program_prints_them() -> None:
    nft = "table ip nat {\n\tchain CNI-000000000000000000000001 {\n\t}\n\tchain CNI-FORWARD {\n"
    assert parse_chains("nft list ruleset", nft) == [
        Chain("iptables-nft", "nat", "CNI-000000000000000000000001")
    ]
    legacy = [item.name for item in parse_chains("ip6tables-legacy-save", SAVED)]
    assert legacy == [
        "CNI-000000000000000000000001",
        "CNI-000000000000000000000002",
        "CNI-DN-000000000000000000001",
    ]
    assert parse_chains("ip6tables-legacy-save", SAVED)[0].program == "ip6tables-legacy"


@pytest.mark.kernel
def test_callers_killed_at_random_leave_nothing_and_no_live_pod_is_touched() -> None:
    require_kernel()
    done = node(f"{sys.executable} -m tests.cni.storm 40 20", conf=bridge())
    seen = json.loads(done.stdout)
    assert seen["failed"] == []
    assert seen["before"]["leases"] > 20  # some were killed in between
    kept = {"leases": 20, "cache": 20, "chains": 20, "rules": 20, "veths": 20, "namespaces": 20}
    assert {key: value for key, value in seen["after"].items() if key != "veths"} == {
        key: value for key, value in kept.items() if key != "veths"
    }
    assert seen["checked"] == seen["live"] == 20
    assert set(seen["end"].values()) == {0}


LEASES = r"""
mkdir -p /var/lib/cni/networks/pods
for i in $(seq 0 255); do for j in $(seq 0 19); do
  echo "dead$i-$j" > /var/lib/cni/networks/pods/10.$j.1.$i; done; done
touch -d '2 hours ago' /var/lib/cni/networks/pods/*
echo young > /var/lib/cni/networks/pods/10.244.1.9
"""


@pytest.mark.kernel
def test_a_pipe_among_the_leases_hangs_nobody() -> None:
    require_kernel()
    leases = "/var/lib/cni/networks/pods"
    done = node(
        "ip netns add p1; nodeprep cni add c1 /run/netns/p1 > /dev/null; ip netns del p1\n"
        f"mkfifo {leases}/10.244.1.77; touch -d '1 hour ago' {leases}/* /var/lib/cni/results/*\n"
        f"nodeprep cni gc > /dev/null; ls {leases}",
        conf=bridge(),
        timeout_s=40,
    )
    assert done.stdout.split() == ["last_reserved_ip.0", "lock"]


def test_a_lock_that_somebody_keeps_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "_LOCK_LIMIT_S", 0.1)
    path = tmp_path / "10.244.1.2"
    path.write_text("c1\neth0")
    lease = IpamLease("pods", "10.244.1.2", "c1", OLD, str(path))
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert collect._release([lease]) == [f"{tmp_path}/lock: somebody has held it for 0 s"]
        assert path.exists()
    assert collect._release([lease]) == []
    assert not path.exists()


@pytest.mark.kernel
def test_five_thousand_leases() -> None:
    require_kernel()
    done = node(
        f"{LEASES}nodeprep cni gc --dry-run -o json | tr -d '\\n'; echo\n"
        "nodeprep cni gc -o json | tr -d '\\n'; echo\n"
        "nodeprep cni gc\nls /var/lib/cni/networks/pods",
        conf=bridge(),
    )
    planned, collected, nothing, *left = done.stdout.splitlines()
    assert len(valid(planned, "cni-collection")["changes"]) == 5120
    assert valid(collected, "cni-collection")["changes"] == json.loads(planned)["changes"]
    assert nothing == "nothing of dead pods is left"
    assert left == ["10.244.1.9", "lock"]


@pytest.mark.kernel
def test_beside_a_real_containerd(tmp_path: Path) -> None:
    require_kernel()
    write_image(tmp_path / "pause.tar")
    done = node(
        f"{start(tmp_path / 'pause.tar')}\n"
        f'id=$({sys.executable} -c "from preflight.cni.sandbox import *; '
        "print(run_sandbox('/run/containerd/containerd.sock', 'one'))\")\n"
        "mkdir -p /var/lib/cni/networks/pods\n"
        "printf 'dead\\r\\neth0' > /var/lib/cni/networks/pods/10.244.1.77\n"
        "nodeprep cni gc --min-age 0 -o json | tr -d '\\n'; echo\n"
        # A runtime that is there and does not answer: nobody can tell who lives.
        "kill -STOP $(cat /run/ctd/pid); nodeprep cni gc --min-age 0 || echo $?\n"
        "kill -CONT $(cat /run/ctd/pid)\n"
        f'{sys.executable} -c "import sys; from preflight.cni.sandbox import *; '
        "s = '/run/containerd/containerd.sock'; stop_sandbox(s, sys.argv[1]); "
        'remove_sandbox(s, sys.argv[1])" $id',
        conf=bridge(),
    )
    collected, code = done.stdout.splitlines()
    document = valid(collected, "cni-collection")
    assert [item["object"] for item in document["changes"]] == [
        "lease /var/lib/cni/networks/pods/10.244.1.77"
    ]
    assert document["kept"]["leases"] == 1
    assert code == "3"
    assert "which pods live is not known" in done.stderr
