"""`nodeprep fix --next COMMAND`: what the command would change then, and none of it done."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preflight import output
from preflight.cli.nextsteps import look, next_steps
from rules.errors import UsageError
from tests.fixes.cases import CLUSTER
from tests.fixes.lab import Node, differences
from tests.kernel import require_kernel

FIREWALL = "firewall apply --role master --posture enforce"
POD_NETWORK = "cni install"
NEXT = ("--next", FIREWALL, "--next", POD_NETWORK)
ONLY = ("--only", "ip-forward")
CLOSED = "echo 0 > /proc/sys/net/ipv4/ip_forward"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    require_kernel()
    made = Node(tmp_path, f"{CLUSTER}\n{CLOSED}")
    yield made
    made.close()


def told(document: dict[str, Any]) -> dict[str, bool | None]:
    return {step["command"]: step["changed"] for step in document["next"]}


def own(node: Node, command: str) -> dict[str, Any]:
    """What the command itself says that it would change."""
    document: dict[str, Any] = json.loads(
        node.nodeprep(*command.split(), "--dry-run", "-o", "json").stdout
    )
    return document


@pytest.mark.kernel
def test_it_says_what_the_commands_say_and_does_nothing_of_it(node: Node) -> None:
    before = node.snapshot()
    dry = node.fix(*ONLY, *NEXT, "--dry-run")
    assert not differences(before, node.snapshot())
    assert [step["document"] for step in dry["next"]] == [
        own(node, FIREWALL),
        own(node, "cni install"),
    ]

    # Said as it is after fix: the sysctl is no change of the pod network's any more.
    done = node.fix(*ONLY, *NEXT)
    assert done["changed"]
    assert told(done) == {FIREWALL: True, POD_NETWORK: True}
    objects = [change["object"] for change in done["next"][1]["document"]["changes"]]
    assert objects
    assert not [each for each in objects if "ip_forward" in each or "ip/forward" in each]
    assert "nodeprep" not in node.run("nft", "list", "ruleset")
    assert not node.shell("ls /etc/cni/net.d 2> /dev/null || true")

    node.nodeprep(*FIREWALL.split(), "--confirm-within", "300")
    node.nodeprep("cni", "install")
    again = node.fix(*ONLY, *NEXT)
    assert told(again) == {FIREWALL: False, POD_NETWORK: False}
    # What nobody has confirmed is no end of it.
    assert again["next"][0]["document"]["pending"]["must_be_confirmed"] is True
    node.nodeprep("firewall", "confirm", "--force")
    last = node.fix(*ONLY, *NEXT)
    assert last["next"][0]["document"]["pending"] is None
    assert (last["changed"], told(last)) == (False, {FIREWALL: False, POD_NETWORK: False})


TWICE = """
import json, subprocess
from preflight.cli.nextsteps import look
found = []
for _ in range(2):
    changes = look(["cni", "install"]).document["changes"]
    found.append([change["object"] for change in changes if change["object"].startswith("route")])
    subprocess.run(["ip", "route", "add", "10.244.2.0/24", "via", "192.0.2.21", "proto", "static"])
print(json.dumps(found))
"""


@pytest.mark.kernel
def test_what_somebody_changed_between_two_looks_of_one_process_is_seen(node: Node) -> None:
    first, second = json.loads(node.run(sys.executable, "-c", TWICE))
    assert (first, second) == (["route 10.244.2.0/24"], [])


@pytest.mark.kernel
def test_a_person_reads_it_after_the_verdict(node: Node) -> None:
    lines = node.nodeprep("fix", "--role", "master", "--offline", *ONLY, *NEXT).stdout.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("after it ready"))
    assert lines[place + 1] == f"next: nodeprep {FIREWALL}"
    assert "  create table inet nodeprep" in lines
    node.nodeprep("cni", "install")
    done = node.nodeprep("fix", "--role", "master", "--offline", *ONLY, "--next", POD_NETWORK)
    assert done.stdout.endswith("next: nodeprep cni install: nothing to change\n")


@pytest.mark.kernel
def test_what_stands_in_the_way_of_a_command_is_said_and_fix_goes_on(node: Node) -> None:
    node.shell(
        "mkdir /run/none\n"
        "for place in /opt/cni/bin /usr/lib/cni /usr/libexec/cni; do\n"
        '    [ ! -d "$place" ] || mount --bind /run/none "$place"\n'
        "done"
    )
    done = node.fix(*ONLY, "--next", POD_NETWORK)
    (step,) = done["next"]
    assert (done["changed"], step["changed"], step["document"]) == (True, None, None)
    assert "bridge" in step["error"]


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("cni install --nosuch", "No such option"),
        ("firewall apply", "Missing option"),
        ("firewall apply --role boss", "no role is called 'boss'"),
        ("cni install --pod-cidr 10.9.0.0/24", "is not within the cluster's pod range"),
    ],
)
def test_a_command_that_cannot_be_read_stops_it_before_anything(
    node: Node, command: str, said: str
) -> None:
    before = node.snapshot()
    process = node.start(
        sys.executable, "-m", "preflight", "fix", "--role", "master", "--offline", "--next", command
    )
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"nodeprep: --next '{command}': ")
    assert said in err
    assert not differences(before, node.snapshot())


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "takes a command with its options"),
        ("firewall", "takes a command with its options"),
        ("check --role master", "one of firewall apply, firewall remove, cni install, cni remove"),
        ("undo", "takes a command with its options"),
        ("cni install 'x", "No closing quotation"),
        ("cni install --help", "help is for a command of its own"),
        ("cni install --config -", "cannot read standard input"),
        ("cni install --config=-", "cannot read standard input"),
        ("firewall apply --kubeadm-config=-", "cannot read standard input"),
    ],
)
def test_only_what_has_a_dry_run_can_come_next(command: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        next_steps([command])
    assert said in str(error.value)


def test_an_option_without_its_value_does_not_take_the_dry_run_for_it() -> None:
    for command in ("cni install --conf-dir", "firewall remove --confirm-within", "cni remove -o"):
        step = look(command.split())
        assert (step.document, step.code) == (None, 2)
        assert "requires an argument" in step.error


def test_standard_input_of_the_environment_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODEPREP_CONFIG", "-")
    with pytest.raises(UsageError, match="cannot read standard input"):
        next_steps(["cni install"])


def test_nothing_of_it_is_printed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    broken = tmp_path / "nodeprep.yaml"
    broken.write_text("networking: [\n")
    step = look(["cni", "install", f"--config={broken}"])
    assert (step.document, step.code) == (None, 2)
    assert step.error.startswith(f"{broken}:2: is not YAML")
    with output.keep() as kept:
        output.say("a line\x1b[31m")
        output.write({"kind": "x"}, ["x"], "text")
    assert (kept.documents, kept.said) == ([{"kind": "x"}], ["a line\\x1b[31m"])
    assert capfd.readouterr() == ("", "")
    output.write({"kind": "x"}, ["printed"], "text")
    assert capfd.readouterr() == ("printed\n", "")
