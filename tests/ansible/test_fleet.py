"""The playbook `fleet` over SSH on the eight hosts of the fleet's tests: every seeded fault is
found, at its layer, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.ansible.eight import Eight
from tests.fleet.eight import CLONE, ORIGINAL
from tests.fleet.expected import ALL, check, rounds
from tests.fleet.whole import answer
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
TWINS = (CLONE, ORIGINAL)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Eight]:
    require_kernel("sshd", "nft")
    with Eight(tmp_path_factory.mktemp("lab")) as made:
        yield made


def test_a_fleet_is_probed_by_ssh(lab: Eight) -> None:
    for number, faults in enumerate(rounds(quick=(ALL,))):
        lab.seeded(faults)
        place = lab.place / f"fleet-{number}"
        before = lab.snapshots() if faults == ALL else {}
        run = lab.play(
            "fleet",
            lab.inventory(faults),
            code=2 if faults else 0,
            nodeprep_cni={"name": "flannel", "mode": "vxlan"},
            nodeprep_fleet_dir=str(place),
        )
        print(f"\n{run.seconds:.1f} s by ssh")
        check(answer(place / "gathered"), faults, TWINS)
        # The single file and what it compiled are all that it leaves, and no listener.
        for name, was in before.items():
            after = lab.servers[name].snapshot()
            changed = {path for path in after if after[path] != was.get(path)}
            others = {path for path in changed if "nodeprep" not in path}
            assert not {path for path in others if not path.endswith("/cache")}
            assert not lab.servers[name].run("pgrep", "-f", "listen --role", ok=False)
        hosts = 8 if "clone" in faults else 7
        plan = json.loads((place / "gathered" / "plan.json").read_text())
        assert len(plan["peers"]) == hosts
        if "firewall" in faults:
            assert "udp dport 8472 drop" in (place / "fleet.html").read_text()
        lab.mended(faults)


def test_a_listener_that_cannot_begin_says_why(lab: Eight) -> None:
    # Known only when the cluster file is whole: the range is none of the cluster's.
    inventory = "[kube_control_plane]\nm1 nodeprep_pod_cidr=10.9.0.0/24\n[kube_node]\nw1\n"
    run = lab.play("fleet", inventory, code=2, nodeprep_fleet_dir=str(lab.place / "refused"))
    print(f"\n{run.seconds:.1f} s by ssh")
    assert "10.9.0.0/24 is not inside networking.podSubnet" in run.output
    for name in ("m1", "w1"):
        assert not lab.servers[name].run("pgrep", "-f", "listen --role", ok=False)
