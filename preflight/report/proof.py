"""Proofs of a firewall as text and as JSON values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from preflight.report.plain import printable

if TYPE_CHECKING:
    from rules.proof.proofrun import Difference
    from rules.proof.prove import Proof
    from rules.proof.sweep import Case

# More lines than this help nobody; JSON has them all.
MOST_LINES = 20


def document(proof: Proof) -> dict[str, Any]:
    """The JSON of one proof."""
    return {
        "schema_version": 1,
        "kind": "FirewallProof",
        "backend": proof.backend,
        "role": proof.role,
        "families": list(proof.families),
        "sources": [
            {"groups": list(sender.groups), "address": str(sender.address)}
            for sender in proof.senders
        ],
        "probes": proof.probes,
        "accepted": proof.accepted,
        "expected": proof.expected,
        "exact": proof.exact,
        "unexpected": [_difference(one) for one in proof.unexpected],
        "missing": [_difference(one) for one in proof.missing],
        "read": list(proof.read),
        "sampled": list(proof.sampled),
        "duration_ms": round(proof.duration_ms, 1),
    }


def sweep_document(proven: Sequence[tuple[Case, Proof]], duration_ms: float) -> dict[str, Any]:
    """The JSON of `--all`."""
    return {
        "schema_version": 1,
        "kind": "FirewallProofs",
        "exact": all(proof.exact for _, proof in proven),
        "duration_ms": round(duration_ms, 1),
        "proofs": [
            {
                "posture": case.posture.value,
                "networks": list(case.networks),
                "ports": case.depth.value,
                "proof": document(proof),
            }
            for case, proof in proven
        ],
    }


def _difference(one: Difference) -> dict[str, Any]:
    return {
        "way": one.way,
        "family": one.family,
        "sender": one.sender,
        "source": str(one.source),
        "what": one.what,
    }


def text(proof: Proof) -> str:
    """For a person."""
    families = " and ".join(f"IPv{family}" for family in proof.families)
    lines = [
        f"{proof.backend}, {proof.role}, {proof.posture}: {_verdict(proof.exact)}",
        f"  {proof.probes:,} probes over {families} in {proof.duration_ms / 1000:.1f} s",
        f"  {proof.accepted:,} let through, {proof.expected:,} expected",
        f"  {len(proof.unexpected)} unexpected, {len(proof.missing)} missing",
    ]
    width = max((len(sender.name) for sender in proof.senders), default=0)
    lines += [f"  from {sender.name:<{width}}  {sender.address}" for sender in proof.senders]
    lines += [f"  {part}: too many to send all, a sample was sent" for part in proof.sampled]
    lines += _differences("let through, and no flow admits it", proof.unexpected)
    lines += _differences("dropped, and a flow needs it", proof.missing)
    lines += _differences("the rules, when read, say otherwise", proof.read)
    return "".join(f"{printable(line)}\n" for line in lines)


def _verdict(exact: bool) -> str:
    return "exact" if exact else "NOT EXACT"


def _differences(title: str, found: Sequence[Difference | str]) -> list[str]:
    if not found:
        return []
    lines = [f"{title}:", *(f"  {one}" for one in found[:MOST_LINES])]
    if len(found) > MOST_LINES:
        lines.append(f"  and {len(found) - MOST_LINES} more (-o json has all)")
    return lines


def sweep_text(proven: Sequence[tuple[Case, Proof]], duration_ms: float) -> str:
    """A table of role and backend, what is not exact, and the sums."""
    groups: dict[tuple[str, str, str], list[Proof]] = {}
    for case, proof in proven:
        groups.setdefault((proof.role, proof.backend, case.posture.value), []).append(proof)
    rows: list[tuple[str, ...]] = [
        ("ROLE", "BACKEND", "POSTURE", "RULESETS", "PROBES", "LET THROUGH", "EXPECTED", "EXACT")
    ]
    rows += [
        (role, backend, posture, *_sums(proofs))
        for (role, backend, posture), proofs in sorted(groups.items())
    ]
    rows.append(("all", "", "", *_sums([proof for _, proof in proven])))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(_cells(row, widths)).rstrip() for row in rows]
    for case, proof in proven:
        if not proof.exact:
            lines += ["", f"pod network {', '.join(case.networks)}:", *text(proof).splitlines()]
    covered = sum(len(case.networks) for case, _ in proven)
    verdict = _verdict(all(proof.exact for _, proof in proven))
    lines.append(
        f"{verdict}: {len(proven)} rulesets, which are those of {covered} combinations of role, "
        f"pod network, backend and posture, in {duration_ms / 1000:.0f} s"
    )
    return "".join(f"{printable(line)}\n" for line in lines)


def _sums(proofs: Sequence[Proof]) -> tuple[str, ...]:
    exact = sum(proof.exact for proof in proofs)
    return (
        f"{len(proofs)}",
        f"{sum(proof.probes for proof in proofs):,}",
        f"{sum(proof.accepted for proof in proofs):,}",
        f"{sum(proof.expected for proof in proofs):,}",
        f"{exact} of {len(proofs)}",
    )


def _cells(row: Iterable[str], widths: list[int]) -> list[str]:
    """Words to the left, numbers to the right."""
    return [
        cell.ljust(width) if column < 3 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
