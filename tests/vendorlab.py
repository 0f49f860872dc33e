"""A vendor's command of tests/vendors in a PATH, and `nodeprep cloud apply` with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from preflight.runs.cloud_policy import CloudRequest, load_rules
from rules.cloud import load
from rules.cloud.document import CloudRules
from rules.cloud.found import reach_of
from rules.cloud.reach import Reach
from rules.parse.cloud import parse
from rules.parse.cloud.detect import detect
from tests.cli.test_cloud_render import CLUSTER

ROOT = Path(__file__).parents[1]
PROGRAMS = {"gcp": "gcloud", "azure": "az", "openstack": "openstack"}
FLAGS = {
    "gcp": ("--network", "lab", "--allow-widening", "icmp-errors,icmp-echo"),
    "azure": ("--scope", "lab", "--allow-widening", "icmp-errors,icmp-echo"),
    "openstack": (),
}
_SCRIPT = """#!{python} -SE
import sys
sys.path.insert(0, {root!r})
from tests.vendors.{name} import main
main()
"""


class Lab:
    """One project of one cloud, empty at first."""

    def __init__(self, cloud: str, place: Path) -> None:
        self.cloud, self.place = cloud, place
        self.config = place / "nodeprep.yaml"
        self.bin = place / "bin"
        self.bin.mkdir()
        program = self.bin / PROGRAMS[cloud]
        program.write_text(
            _SCRIPT.format(python=sys.executable, root=str(ROOT), name=PROGRAMS[cloud])
        )
        program.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "VENDOR_STORE": str(self.place)}

    def line(self, *more: str, cluster: str = CLUSTER) -> list[str]:
        self.config.write_text(cluster)
        return ["cloud", "apply", self.cloud, "--config", str(self.config),
                *FLAGS[self.cloud], *more]  # fmt: skip

    def apart(self, *more: str, cluster: str = CLUSTER) -> subprocess.CompletedProcess[str]:
        """A process of its own, which a fault may kill."""
        argv = [sys.executable, "-m", "preflight", *self.line(*more, cluster=cluster)]
        return subprocess.run(
            argv, env=self.environment, capture_output=True, text=True, timeout=120, cwd=ROOT
        )

    def rules(self, cluster: str = CLUSTER) -> CloudRules:
        """What the command is to bring about."""
        self.config.write_text(cluster)
        flags = dict(zip(FLAGS[self.cloud][::2], FLAGS[self.cloud][1::2], strict=True))
        return load_rules(
            CloudRequest(
                cloud=self.cloud,
                network=flags.get("--network", ""),
                scope=flags.get("--scope", ""),
                allow_widening=(flags.get("--allow-widening", ""),),
                config=str(self.config),
            )
        )

    @property
    def state(self) -> dict[str, Any]:
        path = self.place / "state.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    @state.setter
    def state(self, made: dict[str, Any]) -> None:
        (self.place / "state.json").write_text(json.dumps(made))

    @property
    def calls(self) -> list[list[str]]:
        return self._lines("calls.jsonl")

    @property
    def history(self) -> list[dict[str, Any]]:
        return self._lines("history.jsonl")

    def _lines(self, name: str) -> list[Any]:
        path = self.place / name
        return [*map(json.loads, path.read_text().splitlines())] if path.exists() else []

    def forget(self) -> None:
        """The calls and states so far."""
        for name in ("calls.jsonl", "history.jsonl", "faults.json"):
            (self.place / name).unlink(missing_ok=True)

    def fault(self, **faults: str) -> None:
        """``n3="slow"``: at the fourth call; ``every="..."``: at each."""
        named = {key.removeprefix("n") if key != "every" else "*": f for key, f in faults.items()}
        (self.place / "faults.json").write_text(json.dumps(named))

    def reach(self, state: dict[str, Any], rules: CloudRules) -> Reach:
        """What a state lets in, as `cloud audit` reads the cloud's own dump of it."""
        (text,) = detect(dump(self.cloud, state), "a dump")
        groups = parse(self.cloud, text.form, text.text, "a dump")
        roles = load(self.cloud).roles(rules)
        known = {one["id"]: roles[name] for name, one in state.get("asg", {}).items()}
        known |= {key: roles[one["name"]] for key, one in state.get("groups", {}).items()}
        return reach_of(groups, {**roles, **known}, rules.plan.families)


def dump(cloud: str, state: dict[str, Any]) -> str:
    """What the vendor's command prints of a whole state."""
    if cloud == "gcp":
        return json.dumps(list(state["firewalls"].values()))
    if cloud == "azure":
        return json.dumps(list(state["nsg"].values()))
    groups: Iterable[dict[str, Any]] = state["groups"].values()
    listed = [{**one, "security_group_rules": one["rules"]} for one in groups]
    return json.dumps({"security_groups": listed})
