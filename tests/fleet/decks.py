"""Cards as values: a healthy cluster, and faults as changes to one of its cards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from preflight.facts.model.network import TimeSync
from preflight.finding import Finding
from preflight.fleet.card import Card, CardInterface, Filed, document
from preflight.fleet.compare import COMPARISONS
from preflight.fleet.deck import build
from preflight.fleet.seal import seal

CLUSTER = "kubernetes"
COLLECTED = "2026-11-23T12:00:00Z"
MADE = 1795435200.0  # the same moment


def sealed(kind: str, number: int) -> str:
    return seal(CLUSTER, kind, f"{number:032x}")


def card(number: int, role: str = "worker", **changes: Any) -> Card:
    """The card of node ``number`` (1 to some 60,000), like its sisters but for what is its own."""
    name = f"{'w' if role == 'worker' else 'm'}{number}"
    high, low = divmod(number, 250)
    address = f"198.18.{high}.{low + 1}"
    made = Card(
        nodeprep="0.1.0",
        collected=COLLECTED,
        cluster=CLUSTER,
        node=name,
        role=role,
        hostname=name,
        machine_id=sealed("machine-id", number),
        product_uuid=sealed("product-uuid", number),
        boot_id=sealed("boot-id", number),
        cloud_instance=None,
        ssh_host_keys=tuple(sealed(f"ssh{kind}", number) for kind in range(3)),
        boot_time=MADE - 3600,
        utc_offset_minutes=0,
        clock=TimeSync(True, "chrony", 0.02),
        interfaces=(
            CardInterface("eth0", f"52:54:00:00:{high:02x}:{low:02x}", 1500, (f"{address}/16",)),
        ),
        addresses=(address,),
        mtu=1500,
        routes=("0.0.0.0/0 via 198.18.255.254 dev eth0", "198.18.0.0/16 dev eth0"),
        pod_subnets=("10.0.0.0/8",),
        service_subnets=("172.20.0.0/16",),
        node_pod_subnets=(f"10.{high}.{low}.0/24",),
        control_plane_endpoint="api.example.net:6443",
        dns_domain="cluster.local",
        proxy_mode="iptables",
        cni="flannel",
        cni_mode="vxlan",
        external_etcd=False,
        kubernetes="1.37",
        kubelet="v1.37.0",
        kubeadm="v1.37.0",
        runtime="containerd v2.3.1",
        kubelet_cgroup_driver="systemd",
        runtime_cgroup_driver="systemd",
        os="Debian GNU/Linux 12 (bookworm)",
        kernel="6.1.0-40-amd64",
        architecture="x86_64",
        firewall=(),
        admits={"10250/tcp": "admitted", "8472/udp": "admitted"},
    )
    return replace(made, **changes)


def healthy(workers: int = 4) -> list[Card]:
    """Three masters and some workers."""
    masters = [card(number, "multi-master") for number in (1, 2, 3)]
    return [*masters, *(card(number) for number in range(4, 4 + workers))]


def filed(cards: list[Card], written: float = MADE + 2) -> list[Filed]:
    return [
        Filed(one, f"cards/{place}-{one.node[:20]}.json", written)
        for place, one in enumerate(cards)
    ]


def compared(cards: list[Card], written: float = MADE + 2) -> list[Finding]:
    """The findings about these cards."""
    from preflight.checks.registry import registry
    from preflight.engine import run_comparisons

    return run_comparisons(build(filed(cards, written)), COMPARISONS, registry())


def wrong(cards: list[Card], written: float = MADE + 2) -> dict[str, Finding]:
    """What is not well, by the check's id; one finding for each id."""
    found = [
        each for each in compared(cards, written) if str(each.status) in ("fail", "warn", "unknown")
    ]
    assert len({each.id for each in found}) == len(found), [each.message for each in found]
    return {each.id: each for each in found}


def write(directory: Path, cards: list[Card]) -> list[Path]:
    """One file a card, named after its place."""
    directory.mkdir(exist_ok=True)
    paths = []
    for place, one in enumerate(cards):
        path = directory / f"{place:05d}.json"
        path.write_text(json.dumps(document(one), indent=2, sort_keys=True) + "\n")
        paths.append(path)
    return paths
