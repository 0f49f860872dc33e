"""The playbook `fleet` over SSH: every seeded fault is found, at its layer, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.ansible.lab import Host, Lab
from tests.kernel import require_kernel
from tests.rules.backend.lab import ROOT

pytestmark = pytest.mark.kernel
INVENTORY = """
[kube_control_plane]
m1
m2
m3
[etcd]
m1
m2
m3
[kube_node]
w1
w2
"""
DROP = (
    'nft "table inet site { chain in { type filter hook input priority 0; '
    'udp dport 8472 drop; }; }"'
)
FOREIGN = "(exec -a other-agent python3 -m http.server 10250 > /dev/null 2>&1 &)"
CLONE = "printf '%s\\n' $(printf w1 | md5sum | cut -c-32) > /etc/machine-id"
BETWEEN = (
    'nft "table bridge site { chain between { type filter hook forward priority 0; '
    'ip saddr 192.0.2.11 ip daddr 192.0.2.13 tcp dport 2380 drop; }; }"'
)


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    require_kernel("sshd", "nft")
    hosts = (
        Host("m1", 11),
        Host("m2", 12, DROP),
        Host("m3", 13),
        Host("w1", 21, FOREIGN),
        Host("w2", 22, CLONE),
    )
    with Lab(tmp_path_factory.mktemp("lab"), hosts) as made:
        made.router.shell(BETWEEN)
        yield made


def test_a_fleet_is_probed_by_ssh(lab: Lab) -> None:
    before = lab.snapshots()
    place = lab.place / "fleet"
    run = lab.play(
        "fleet",
        INVENTORY,
        code=2,
        nodeprep_cni={"name": "flannel", "mode": "vxlan"},
        nodeprep_fleet_dir=str(place),
    )
    print(f"\nfleet: {run.seconds:.1f} s")
    # The single file and what it compiled are all that it leaves, and no listener.
    for name, after in lab.snapshots().items():
        changed = {path for path in after if after[path] != before[name].get(path)}
        others = {path for path in changed if "nodeprep" not in path}
        assert not {path for path in others if not path.endswith("/cache")}
        assert not lab.servers[name].run("pgrep", "-f", "listen --role", ok=False)
    done = subprocess.run(
        [sys.executable, "-m", "preflight", "fleet", "report", place / "gathered", "-o", "json"],
        capture_output=True, text=True, check=False, cwd=ROOT,
    )  # fmt: skip
    report = json.loads(done.stdout)
    found = {
        (each["id"], each["subject"]): each["message"]
        for each in report["findings"]
        if each["status"] in ("fail", "warn", "unknown")
    }
    assert set(found) == {
        ("machine-id-unique", next(s for i, s in found if i == "machine-id-unique")),
        ("peer-reachable", "m2 8472/udp"),
        ("peer-reachable", "m3 2380/tcp"),
        ("peer-reachable", "w1 10250/tcp"),
    }, found
    assert "table inet site" in found["peer-reachable", "m2 8472/udp"]
    assert "the network between" in found["peer-reachable", "m3 2380/tcp"]
    assert "holds the port on the peer" in found["peer-reachable", "w1 10250/tcp"]
    assert len(json.loads((place / "gathered" / "plan.json").read_text())["peers"]) == 5
    assert "udp dport 8472 drop" in (place / "fleet.html").read_text()
