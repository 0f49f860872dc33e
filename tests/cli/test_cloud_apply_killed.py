"""kill -9 at a random call of `nodeprep cloud apply aws`: the next run ends it, nothing is shut.

NODEPREP_KILLS: how many (10). What is let in is read of the server after every call that writes.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from preflight.cli.main import run
from preflight.runs.cloud_policy import CloudRequest, load_rules
from rules.cloud.aws import roles
from rules.cloud.document import CloudRules
from rules.cloud.found import reach_of
from rules.cloud.reach import Reach
from rules.parse.cloud.aws import described
from tests import moto
from tests.cli.test_cloud_render import CLUSTER
from tests.cloudlab import Lab, ready
from tests.moto import Fault
from tests.rules.cloud.plans import wanted

pytestmark = pytest.mark.outside
ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("NODEPREP_KILLS", "10"))
# Other sources, another tunnel, and fewer NodePorts: rules come, go and stay in both groups.
OTHER = (
    CLUSTER.replace("203.0.113.0/24", "203.0.113.0/25, 198.51.100.0/24")
    .replace("{name: flannel}", "{name: calico, mode: vxlan}")
    .replace("nodePorts: [0.0.0.0/0]", "nodePorts: [192.0.2.0/24]")
)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with moto.moto_server() as port:
        yield port


class Watched(Lab):
    """A lab that samples what is let in, and ends the process that makes a certain call."""

    needed = Reach()
    shut: list[str]
    process: subprocess.Popen[Any] | None = None

    def rules_of(self, cluster: str) -> CloudRules:
        self.config.write_text(cluster)
        return load_rules(CloudRequest(cloud="aws", network=self.vpc, config=str(self.config)))

    def reach(self, rules: CloudRules) -> Reach:
        answer = {"SecurityGroups": list(self.groups().values())}
        return reach_of(described(answer, "moto"), roles(rules), rules.plan.families)

    def watch(self, rules: CloudRules) -> None:
        """From now on nothing of what is let in and wanted may be shut at any time."""
        self.proxy.forget()
        self.shut = []
        self.needed = self.reach(rules) & wanted(rules)

        def sample(number: int, action: str) -> None:
            if not action.startswith("Describe") and (gone := self.needed - self.reach(rules)):
                self.shut.append(f"call {number}, {action}: {gone}")

        self.proxy.after = sample

    def kill_at(self, call: int, *, carried_out: bool) -> None:
        def kill(number: int, action: str) -> Fault | None:
            if number != call or self.process is None:
                return None
            self.process.send_signal(signal.SIGKILL)
            return Fault("lose" if carried_out else "hold")

        self.proxy.before = kill

    def start(self, cluster: str) -> int:
        """Runs the command in a process of its own; its exit code."""
        line = self.line(cluster=cluster)
        command = [sys.executable, "-m", "preflight", *line]
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **moto.ENVIRONMENT}
        with subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as self.process:
            return self.process.wait(timeout=120)


@pytest.fixture
def lab(port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    for name, text in moto.ENVIRONMENT.items():
        monkeypatch.setenv(name, text)
    with ready(port) as (proxy, client):
        yield Watched(proxy, client, tmp_path / "nodeprep.yaml")


def test_killed_at_random_calls(lab: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    calls: dict[str, int] = {}
    for kind, cluster in (("new", CLUSTER), ("other", OTHER), ("back", CLUSTER)):
        lab.watch(lab.rules_of(cluster))
        assert run(lab.line(cluster=cluster)) == 0
        assert lab.shut == []
        calls[kind] = len(lab.proxy.calls)
    killed = 0
    now = CLUSTER
    for seed in range(KILLS):
        chance = random.Random(seed)  # noqa: S311 - which call, no secret
        kind = "new" if seed % 3 == 0 else "other" if now == CLUSTER else "back"
        if kind == "new":
            lab.vpc = lab.client.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        now = OTHER if kind == "other" else CLUSTER
        rules = lab.rules_of(now)
        lab.watch(rules)
        call = chance.randint(1, calls[kind])
        lab.kill_at(call, carried_out=chance.random() < 0.5)
        assert lab.start(now) == -signal.SIGKILL
        assert len(lab.proxy.calls) == call
        killed += 1
        lab.proxy.before = lambda number, action: None
        assert run(lab.line(cluster=now)) == 0
        assert lab.shut == []
        assert lab.reach(rules) == wanted(rules)
        capsys.readouterr()
        assert run(lab.line("--dry-run", cluster=now)) == 0
        assert "nothing to change" in capsys.readouterr().out
    assert killed == KILLS


def test_interrupted_it_says_what_was_done(lab: Watched) -> None:
    def interrupt(number: int, action: str) -> Fault | None:
        if action.startswith("Authorize") and lab.process is not None:
            lab.process.send_signal(signal.SIGINT)
            return Fault("hold")
        return None

    lab.proxy.before = interrupt
    command = [sys.executable, "-m", "preflight", *lab.line()]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **moto.ENVIRONMENT}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    ) as lab.process:
        _, said = lab.process.communicate(timeout=120)
    assert lab.process.returncode == 130
    assert said == (
        "nodeprep: interrupted; done before that: created nodeprep-worker, created "
        "nodeprep-multi-master; the same command goes on from there\n"
    )


def test_the_watch_sees_what_is_shut(lab: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lab.line()) == 0
    lab.watch(lab.rules_of(CLUSTER))
    group = lab.groups()["nodeprep-worker"]["GroupId"]
    rule = lab.rules("nodeprep-worker")[0]["SecurityGroupRuleId"]
    lab.client.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
    lab.proxy.after(1, "DescribeVpcs")
    assert lab.shut == []
    lab.proxy.after(2, "CreateTags")
    assert len(lab.shut) == 1
    capsys.readouterr()
