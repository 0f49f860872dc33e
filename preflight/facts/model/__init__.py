"""The facts of one node, as frozen values. Pure: nothing here reads the machine."""

from __future__ import annotations

from preflight.facts.model.cni import Cni
from preflight.facts.model.firewall import Firewall
from preflight.facts.model.hardware import Hardware
from preflight.facts.model.identity import Identity, Privileges, System
from preflight.facts.model.kernel import Kernel
from preflight.facts.model.known import Known, Undetermined, Unknown, known, known_or
from preflight.facts.model.network import Network
from preflight.facts.model.ports import Ports
from preflight.facts.model.runtime import Runtime
from rules.record import record


@record
class Facts:
    """Everything that was read. Subjects that failed as a whole are Unknown."""

    nodeprep: str
    collected: str
    privileges: Privileges
    identity: Known[Identity]
    system: Known[System]
    network: Known[Network]
    ports: Known[Ports]
    firewall: Known[Firewall]
    hardware: Known[Hardware]
    kernel: Known[Kernel]
    runtime: Known[Runtime]
    cni: Known[Cni]


__all__ = ["Facts", "Known", "Undetermined", "Unknown", "known", "known_or"]
