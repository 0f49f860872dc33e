"""One readable text of each target, to the byte. NODEPREP_UPDATE_GOLDENS=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rules.cluster import CniChoice, Role
from rules.policy import Policy, policy
from rules.render import Artefact, Posture, render
from tests.rules.render.clusters import cluster

GOLDENS = Path(__file__).parents[1] / "goldens"
DUAL = (4, 6)


def flannel(role: Role) -> Policy:
    return policy(role, cluster(families=DUAL, workers=15, step=2, cni=CniChoice("flannel")))


CASES = {
    "nftables-multi-master-enforce": ("nftables", flannel(Role.MULTI_MASTER), Posture.ENFORCE),
    "nftables-worker-allow": ("nftables", policy(Role.WORKER, cluster()), Posture.ALLOW),
    "iptables-worker-enforce": ("iptables", flannel(Role.WORKER), Posture.ENFORCE),
    "ip6tables-worker-allow": ("ip6tables", flannel(Role.WORKER), Posture.ALLOW),
    "iptables-etcd-enforce": (
        "iptables",
        policy(Role.ETCD, cluster(external_etcd=True)),
        Posture.ENFORCE,
    ),
    "firewalld-worker-enforce": ("firewalld", policy(Role.WORKER, cluster()), Posture.ENFORCE),
    "ufw-worker-enforce": ("ufw", policy(Role.WORKER, cluster()), Posture.ENFORCE),
}


def whole(made: Artefact) -> str:
    parts = [f"==> {name} <==\n{text}" for name, text in made.files.items()]
    lines = "".join(f"{line}\n" for line in made.commands)
    return "\n".join([*parts, f"==> commands <==\n{lines}"])


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    target, chosen, posture = CASES[name]
    text = whole(render(target, chosen, posture, version="1.2.3"))
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("NODEPREP_UPDATE_GOLDENS") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_golden_has_its_case() -> None:
    assert {path.stem for path in GOLDENS.glob("*.txt")} == set(CASES)
