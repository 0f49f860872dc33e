"""One fault of ``tests.cni.faults`` on a node: what CHECK, containerd and nodeprep say of it."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.cni.containerd import SOCKET, start
from tests.cni.faults import CLUSTER, INSTALL, RULE, Fault
from tests.cni.node import node

_READY = (
    "import sys; from preflight.facts.cri import ask; "
    f"print(ask('{SOCKET}', timeout_s=5).network_ready)"
)


@dataclass(frozen=True)
class Seen:
    """``check``: ok, error, or ADD fails. ``ready`` None: nobody asked. ``causes``: by whom."""

    check: str
    ready: bool | None
    prove: tuple[str, ...]
    doctor: tuple[str, ...]
    proven: bool
    healthy: bool | None


def look(fault: Fault, image: Path | None = None) -> Seen:
    """Runs it. With ``image`` containerd runs beside, and its readiness is asked."""
    python = sys.executable
    runtime = start(image) if image is not None else ""
    if fault.watch and not runtime:
        raise ValueError(f"{fault.name}: containerd and so an image is needed")
    prepared = RULE if fault.conf is not None else INSTALL
    live = "c1" if fault.conf is None else "probe"
    # A pod that is there already is CHECKed; else one is added, and CHECKed if that works.
    check = (
        "nodeprep cni check c1 > /dev/null 2>&1 && echo ok || echo error"
        if live == "c1"
        else "ip netns add probe; if nodeprep cni add probe /run/netns/probe > /dev/null 2>&1; "
        "then nodeprep cni check probe > /dev/null 2>&1 && echo ok || echo error; "
        "nodeprep cni del probe > /dev/null 2>&1 || true; else echo ADD fails; fi; "
        "ip netns del probe"
    )
    # `nodeprep cni add` may mend or break what the others are to see: they look first.
    done = node(
        f"{{ {CLUSTER}\n{prepared}\n{runtime if fault.watch else ''}\n{fault.shell or ':'}\n"
        f"{'' if fault.watch else runtime}\n}} >&2\n"
        f"{f'{python} -c {chr(34)}{_READY}{chr(34)}' if runtime else 'echo'}\n"
        "nodeprep cni doctor -o json 2> /dev/null | tr -d '\\n'; echo\n"
        "nodeprep cni prove -o json 2> /dev/null | tr -d '\\n'; echo\n"
        f"{check}\n",
        conf=fault.conf,
    )
    ready, doctor, prove, said = done.stdout.splitlines()[-4:]
    diagnosis, proof = json.loads(doctor), json.loads(prove or "{}")
    return Seen(
        check=said,
        ready={"True": True, "False": False}.get(ready),
        prove=tuple(cause["name"] for cause in proof.get("causes", ())),
        doctor=(
            *(
                finding["id"]
                for finding in diagnosis["findings"]
                if finding["status"] in ("fail", "warn")
            ),
            *(cause["name"] for cause in diagnosis["causes"]),
            *(cause["name"] for pod in diagnosis["pods"] for cause in pod["causes"]),
        ),
        proven=proof.get("proven", False),
        healthy=diagnosis["healthy"],
    )
