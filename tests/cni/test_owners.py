"""Pods pass where firewalld, ufw or somebody's own chain drops what is forwarded, and `cni remove`
leaves each of them as it was."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from tests.cni.node import node
from tests.cni.schemas import valid
from tests.cni.test_install import BARE, SAME
from tests.kernel import require_kernel

pytestmark = pytest.mark.kernel
FIREWALLD = r"""
mkdir -p /run/dbus
dbus-daemon --system --fork --nopidfile
setsid firewalld --nofork --nopid > /run/firewalld.log 2>&1 < /dev/null &
for i in $(seq 100); do firewall-cmd --state > /dev/null 2>&1 && break; sleep 0.1; done
"""
# As an operator would: the uplink's zone forwards nothing.
CLOSED = r"""
firewall-cmd -q --permanent --zone=public --remove-forward
firewall-cmd -q --permanent --zone=public --add-interface=up0
firewall-cmd -q --reload
"""
UFW = "ufw --force enable > /dev/null\n"
# Handles and counters are nobody's settings.
STATE = r"""
state() {
  find /etc \( -type f -printf '%p %m %u %g\n' -exec sha256sum {} + \) -o -printf '%p %m %l\n' |
    grep -v -e machine-id | sort
  nft -s list ruleset; iptables-legacy-save | grep -e '^-A' -e DROP || true
}
"""


@pytest.fixture(autouse=True)
def _kernel() -> None:
    require_kernel()
    if None in map(shutil.which, ("firewalld", "dbus-daemon", "ufw", "nft")):
        pytest.fail("needs the packages firewalld, dbus, ufw and nftables: make apt")


def objects(document: dict[str, Any]) -> list[str]:
    return [item["object"] for item in document["changes"]]


def run(setup: str, reload: str, undo: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what install changed, what it changed once ``undo`` has taken our rules away).

    Pods are proven to network after the installation and after a ``reload`` of the owner, and not
    to without our rules; ``remove`` leaves what was there before.
    """
    done = node(
        f"{BARE}{STATE}{setup}\nstate > /run/before\n"
        f"nodeprep cni install -o json > /run/1\n{reload}\nnodeprep cni prove -o json > /run/2\n"
        "nodeprep cni install -o json > /run/3\n"
        f"{undo}\nnodeprep cni prove -o json > /run/4 || test $? = 1\n"
        "nodeprep cni install -o json > /run/5\nnodeprep cni remove > /dev/null\n"
        f"{SAME}\nfor n in 1 2 3 4 5; do tr -d '\\n' < /run/$n; echo; done",
    )
    made, proof, again, lost, mended = map(json.loads, done.stdout.splitlines()[-5:])
    valid(json.dumps(made), "cni-change")
    assert proof["proven"] is True, proof
    assert again["changes"] == []
    assert lost["proven"] is False
    assert "firewall-forwards" in [cause["name"] for cause in lost["causes"]]
    return made, mended


def test_firewalld() -> None:
    made, mended = run(
        f"{FIREWALLD}{CLOSED}",
        "firewall-cmd -q --reload",
        "rm /etc/firewalld/policies/nodeprep_pods.xml; firewall-cmd -q --reload",
    )
    assert "owner firewalld" in objects(made)
    assert not [name for name in objects(made) if name.startswith(("rule ", "nft-rule "))]
    assert objects(mended) == ["owner firewalld"]


def test_ufw() -> None:
    made, mended = run(
        # Its first reload adds rules to those that enabling it has made.
        "ufw --force enable > /dev/null; ufw reload > /dev/null",
        "ufw reload > /dev/null",
        "sed -i '/^# BEGIN pods/,/^# END pods/d' /etc/ufw/before.rules; ufw reload > /dev/null",
    )
    assert "owner ufw" in objects(made)
    assert not [name for name in objects(made) if name.startswith(("rule ", "nft-rule "))]
    assert objects(mended) == ["owner ufw"]


BY_HAND = """nft -f - <<'END'
table inet mine {
  chain input { type filter hook input priority filter; policy accept; }
  chain forward { type filter hook forward priority filter; policy drop;
    ct state established,related accept
  }
}
END"""


def test_a_chain_by_hand() -> None:
    made, mended = run(
        BY_HAND,
        # What a boot brings.
        f"nft delete table inet mine; {BY_HAND}\nsh /var/lib/nodeprep/cni/boot/boot.sh\n"
        "sh /var/lib/nodeprep/cni/boot/boot.sh",
        f"nft delete table inet mine; {BY_HAND}",
    )
    rules = [f"nft-rule inet mine forward ip {side} 10.244.1.0/24" for side in ("saddr", "daddr")]
    assert [name for name in objects(made) if name.startswith("nft-rule ")] == rules
    assert objects(mended) == rules


def test_a_last_rule_that_rejects() -> None:
    program = "iptables-legacy"
    # As the iptables service of RHEL ships it: the policy accepts, and the last rule does not.
    reject = f"{program} -A FORWARD -j REJECT --reject-with icmp-host-prohibited"
    made, mended = run(
        f"{program} -t nat -S > /dev/null; {reject}",
        "true",
        f"{program} -F FORWARD; {reject}",
    )
    rules = [
        f"rule {program} filter FORWARD {side} 10.244.1.0/24 -m comment --comment nodeprep-pods "
        "-j ACCEPT"
        for side in ("-s", "-d")
    ]
    assert [name for name in objects(made) if " filter FORWARD " in name] == rules
    assert objects(mended) == rules


def test_firewalld_that_would_lose_what_somebody_told_it_and_that_is_gone() -> None:
    policy = "/etc/firewalld/policies/nodeprep_pods.xml"
    done = node(
        f"{BARE}{STATE}{FIREWALLD}firewall-cmd -q --zone=public --add-port=8888/tcp\n"
        f"state > /run/before\nnodeprep cni install || test $? = 1\n{SAME}\n"
        "firewall-cmd -q --zone=public --remove-port=8888/tcp\n"
        f"nodeprep cni install > /dev/null\ntest -e {policy}\n"
        "pid=$(pgrep -x firewalld); kill $pid\n"
        "while kill -0 $pid 2> /dev/null; do sleep 0.05; done\n"
        "nodeprep cni remove || test $? = 1\n"
        f"nodeprep cni remove --force > /dev/null\ntest ! -e {policy}"
    )
    lost, changed = done.stderr.splitlines()
    assert "public: ports: 8888/tcp" in lost
    assert "firewall-cmd --runtime-to-permanent" in lost
    assert "owner firewalld: changed by somebody since; --force" in changed


def test_a_table_of_firewalld_that_nobody_minds() -> None:
    done = node(
        f"{BARE}{STATE}nft add table inet firewalld\nnft add chain inet firewalld filter_FORWARD\n"
        f"state > /run/before\nnodeprep cni install || test $? = 1\n{SAME}"
    )
    assert "firewalld does not run" in done.stderr
