"""Proofs of a pod network as text and as JSON values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from preflight.report.plain import printable

if TYPE_CHECKING:
    from preflight.cni.proof import Proof

_WORDS = {True: "ok", False: "FAIL", None: "unknown"}


def document(proof: Proof) -> dict[str, Any]:
    """The contract's ``PodNetworkProof``."""
    return {
        "schema_version": 1,
        "kind": "PodNetworkProof",
        "via": proof.via,
        "network": proof.network,
        "conf": proof.conf,
        "scratch": proof.scratch,
        "proven": proof.proven,
        "steps": [
            {
                "name": step.name,
                "ok": step.ok,
                "detail": step.detail,
                "duration_ms": round(step.duration_ms, 1),
            }
            for step in proof.steps
        ],
        "causes": [
            {"name": cause.name, "message": cause.message, "remedy": cause.remedy}
            for cause in proof.causes
        ],
        "duration_ms": round(proof.duration_ms, 1),
    }


def lines(proof: Proof) -> list[str]:
    """For a person: a line for each step, then what is likely wrong and what mends it."""
    width = max((len(step.name) for step in proof.steps), default=0)
    found = [f"{_WORDS[step.ok]:8}{step.name:<{width}}  {step.detail}" for step in proof.steps]
    for cause in proof.causes:
        found += [f"cause:  {cause.message}", f"        fix: {cause.remedy}"]
    where = " in a private copy of this host's network" if proof.scratch else ""
    verdict = "proven" if proof.proven else "NOT proven"
    found.append(
        f"{verdict}: network {proof.network} via {proof.via}{where}, {len(proof.steps)} steps "
        f"in {proof.duration_ms / 1000:.2f} s"
    )
    return [printable(line) for line in found]
