"""The playbook `nodes` on a master whose connection is lost while its firewall is on trial."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ansible.lab import CONTROLLER, STRANGER, Host, Lab
from tests.ansible.test_nodes import EXCUSED, KERNEL, RUNTIME, SERVICES, SWAP, shown
from tests.fixes.lab import differences
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
INVENTORY = """
[kube_control_plane]
s1
[etcd]
s1
[kube_node]
s1
"""
TRIAL_S = 8
PENDING = "test -e /var/lib/nodeprep/firewall/pending.json"


@pytest.fixture
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    require_kernel("sshd", "nft")
    host = Host("s1", 31, SWAP + KERNEL + RUNTIME + SERVICES)
    with Lab(tmp_path_factory.mktemp("lab"), (host,)) as made:
        yield made


class Trial(threading.Thread):
    """Runs shell in the router as soon as rules are on trial on the machine."""

    def __init__(self, lab: Lab, script: str) -> None:
        super().__init__(daemon=True)
        self._lab, self._script = lab, script
        self.began, self._given_up = threading.Event(), threading.Event()

    def run(self) -> None:
        enter = ["nsenter", "-t", str(self._lab.servers["s1"].pid), "-m", "sh", "-c", PENDING]
        while subprocess.run(enter, check=False).returncode:
            if self._given_up.wait(0.05):
                return
        self._lab.router.shell(self._script)
        self.began.set()

    def __enter__(self) -> Trial:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._given_up.set()
        self.join()


def test_a_lost_host_comes_back_by_the_rollback(lab: Lab) -> None:
    variables: dict[str, Any] = {
        "nodeprep_posture": "enforce",
        "nodeprep_ignore": EXCUSED,
        "nodeprep_confirm_within": TRIAL_S,
    }
    server = lab.servers["s1"]
    rules = server.dump()
    # New connections come from an address that is no administrator's; the old one goes on.
    with Trial(lab, f"nft add rule ip nat out ip saddr {CONTROLLER} snat to {STRANGER}") as trial:
        lost = lab.play("nodes", INVENTORY, code=2, **variables)
    shown("lost", lost)
    assert trial.began.is_set(), "the rules were never on trial"
    assert "no new connection came through the new rules" in lost.output
    assert "nobody confirmed it in time" in lost.output
    assert server.dump() == rules
    # The controller is itself again, and has no connection open.
    lab.router.shell("nft flush chain ip nat out; rm -f /run/cp/*")

    if os.environ.get("NODEPREP_ANSIBLE_SWEEP"):
        # The link itself goes, in the middle of the task that applies the rules.
        with Trial(lab, f"ip link set s1 down; sleep {TRIAL_S + 4}; ip link set s1 up") as trial:
            cut = lab.play("nodes", INVENTORY, code=None, **variables)
        shown("cut", cut)
        assert trial.began.is_set(), "the rules were never on trial"
        assert cut.code in (2, 4)
        assert server.dump() == rules

    done = lab.play("nodes", INVENTORY, **variables)
    shown("done", done)
    assert "table inet nodeprep" in server.dump()["nft"]
    assert lab.verdict("s1", "master") == "ready"
    mended = server.snapshot()
    again = lab.play("nodes", INVENTORY, **variables)
    shown("again", again)
    assert again.changed() == {"s1": 0}
    assert not differences(mended, server.snapshot())
