"""What an errand met, what the peer's listener tells, what rules say -> where it failed. Pure."""

from __future__ import annotations

from preflight.fleet.reach.frames import ECHO
from preflight.fleet.reach.model import (
    Errand,
    IcmpError,
    Inventory,
    Layer,
    Outcome,
    Port,
    Raw,
    Reach,
)
from rules.record import record

# "Port unreachable" is also what a firewall says by default (iptables' REJECT).
_PORT_UNREACHABLE = {4: (3, 3), 6: (1, 4)}
# "Protocol unreachable", and IPv6's "unrecognized Next Header" (RFC 4443, 3.4).
_PROTOCOL_UNREACHABLE = {4: (3, 2), 6: (4, 1)}
# "Host unreachable" of this host's own kernel: nobody answered for the address on the link.
_HOST_UNREACHABLE = {4: (3, 1), 6: (1, 3)}
_COMM_LENGTH = 15
_LOST_ON_THE_WAY_BACK = "the probe arrived, and its answer was lost on the way back"
# Probes of one errand that may be lost without a word: one, by chance.
ONE_LOST = 1


@record
class Evidence:
    """What is known beside the packets.

    ``own_rule`` is what this host's filter does with the probe, empty where it lets it out;
    ``own_addresses`` are this host's. ``inventory`` is None where the listener could not be asked;
    ``admits``: the word of the peer's card, empty without one.
    """

    own_rule: str = ""
    own_addresses: frozenset[str] = frozenset()
    inventory: Inventory | None = None
    admits: str = ""


def settle(raw: Raw, known: Evidence) -> Reach:
    """The verdict on one errand."""
    if raw.refused:
        detail = (
            f"not probed: a raw socket is needed, and this host says {raw.refused}; run as root"
        )
        return _reach(raw, Outcome.UNKNOWN, Layer.NONE, detail)
    if raw.answered:
        return _answered(raw, known.inventory)
    if raw.unreachable:
        return _reach(raw, Outcome.UNREACHABLE, Layer.NETWORK, f"no way there: {raw.unreachable}")
    port = _port(raw.errand, known.inventory)
    if raw.connected:
        return _other(raw, port, known.inventory)
    if raw.icmp is not None:
        return _icmp(raw, raw.icmp, port, known)
    if raw.reset:
        if port is not None and not port.held_by and not port.problem:
            return _reach(
                raw,
                Outcome.REJECTED,
                Layer.PEER_FIREWALL,
                "the listener is there, and its host resets the connection"
                + _rule(raw.errand, known),
            )
        return _closed(raw, port, "a reset")
    return _silence(raw, port, known)


def _reach(
    raw: Raw, outcome: Outcome, layer: Layer, detail: str, *, warning: bool = False
) -> Reach:
    return Reach(raw.errand, outcome, layer, detail, raw, warning)


def _port(errand: Errand, inventory: Inventory | None) -> Port | None:
    for port in inventory.ports if inventory else ():
        if (port.protocol, port.family, port.port) == (
            errand.protocol,
            errand.address.version,
            errand.port,
        ):
            return port
    return None


def _answered(raw: Raw, inventory: Inventory | None) -> Reach:
    if _echoed_by_another(raw.errand, inventory):
        detail = "an echo came back, and the peer saw none of the questions: somebody else answers"
        return _reach(raw, Outcome.WRONG, Layer.NETWORK, detail)
    if 0 < raw.forward < raw.full:
        return _too_big(raw, raw.forward, "to the peer")
    if 0 < raw.back < raw.full:
        return _too_big(raw, raw.back, "back from the peer")
    took = f"{raw.rtt_ms:.1f} ms" if raw.rtt_ms is not None else "in time"
    lost = raw.sent - raw.answered
    if lost > ONE_LOST:
        detail = f"{lost} of {raw.sent} probes were lost; the quickest took {took}"
        return _reach(raw, Outcome.OPEN, Layer.NETWORK, detail, warning=True)
    size = f"full packets of {raw.full} bytes" if raw.forward else "small packets"
    some = f", {lost} of {raw.sent} probes lost" if lost else ""
    return _reach(raw, Outcome.OPEN, Layer.NONE, f"{size}, {took}{some}")


def _echoed_by_another(errand: Errand, inventory: Inventory | None) -> bool:
    """An echo carries no word of the peer's, but the peer can be asked what it saw."""
    port = _port(errand, inventory) if errand.protocol in ECHO else None
    return (
        inventory is not None
        and port is not None
        and not port.problem
        and errand.label not in inventory.seen
    )


def _too_big(raw: Raw, passed: int, way: str) -> Reach:
    told = raw.size_icmp
    if raw.errand.protocol == "tcp":
        size = f"small packets pass {way}, and full ones of {raw.full} bytes do not"
    else:
        size = f"packets of {passed} bytes pass {way}, and full ones of {raw.full} do not"
    if told is None:
        return _reach(raw, Outcome.MTU, Layer.NETWORK, f"{size}; nobody says so (a black hole)")
    said = f"; {told.sender} says that it takes {told.mtu}" if told.mtu else ""
    return _reach(raw, Outcome.MTU, Layer.NETWORK, f"{size}{said}", warning=True)


def _other(raw: Raw, port: Port | None, inventory: Inventory | None) -> Reach:
    said = f" ({raw.spoken[:60]!r})" if raw.spoken else ""
    if port is None:
        return _reach(
            raw,
            Outcome.WRONG,
            Layer.UNKNOWN,
            f"somebody accepts connections and is not nodeprep's listener{said}; who it is, the "
            "listener could not be asked",
        )
    wanted = raw.errand.process[:_COMM_LENGTH]
    holder = port.held_by
    if holder and wanted and holder.partition(" ")[0] == wanted:
        return _reach(raw, Outcome.OPEN, Layer.NONE, f"{holder} itself is there")
    if holder:
        expected = f", and not {wanted}" if wanted else ""
        return _reach(
            raw,
            Outcome.WRONG,
            Layer.NO_LISTENER,
            f"{holder} holds the port on the peer{expected}{said}",
        )
    if not raw.spoken and inventory is not None and raw.errand.label in inventory.seen:
        return _reach(raw, Outcome.ASYMMETRIC, Layer.NETWORK, _LOST_ON_THE_WAY_BACK)
    return _reach(
        raw,
        Outcome.WRONG,
        Layer.NETWORK,
        f"somebody between here and the peer answers in its place{said}",
    )


def _icmp(raw: Raw, icmp: IcmpError, port: Port | None, known: Evidence) -> Reach:
    family = raw.errand.address.version
    what = (icmp.type, icmp.code)
    named = f"ICMP {icmp.type}/{icmp.code}"
    bound = port is not None and not port.held_by and not port.problem
    if icmp.sender in known.own_addresses:
        if what == _HOST_UNREACHABLE[family] and not known.own_rule:
            return _reach(
                raw, Outcome.UNREACHABLE, Layer.NETWORK, "nobody answers at the address on the link"
            )
        rule = f": {known.own_rule}" if known.own_rule else ""
        return _reach(
            raw, Outcome.REJECTED, Layer.OWN_FIREWALL, f"this host itself says {named}{rule}"
        )
    if icmp.sender != str(raw.errand.address):
        return _reach(
            raw,
            Outcome.REJECTED,
            Layer.NETWORK,
            f"{icmp.sender}, between here and the peer, says {named}",
        )
    if raw.errand.protocol not in ("tcp", *ECHO) and not bound:
        if what == _PORT_UNREACHABLE[family]:
            return _closed(raw, port, '"port unreachable"')
        if what == _PROTOCOL_UNREACHABLE[family]:
            return _closed(raw, port, '"protocol unreachable"')
    return _reach(
        raw,
        Outcome.REJECTED,
        Layer.PEER_FIREWALL,
        f"the peer's packet filter says {named}{_rule(raw.errand, known)}",
    )


def _rule(errand: Errand, known: Evidence) -> str:
    rule = known.inventory.rules.get(errand.label, "") if known.inventory else ""
    return f": {rule}" if rule else ""


def _closed(raw: Raw, port: Port | None, what: str) -> Reach:
    if port is not None and port.problem:
        detail = f"{what}: the listener could not bind the port there ({port.problem})"
        return _reach(raw, Outcome.CLOSED, Layer.NO_LISTENER, detail)
    detail = f"{what}: nothing listens there"
    return _reach(raw, Outcome.CLOSED, Layer.NO_LISTENER, detail)


def _silence(raw: Raw, port: Port | None, known: Evidence) -> Reach:
    errand, inventory = raw.errand, known.inventory
    if known.own_rule and not known.own_rule.startswith("unknown"):
        return _reach(
            raw, Outcome.FILTERED, Layer.OWN_FIREWALL, f"silence; on this host {known.own_rule}"
        )
    if port is not None and port.held_by and errand.protocol == "udp":
        return _reach(
            raw,
            Outcome.UNKNOWN,
            Layer.NONE,
            f"{port.held_by} holds the port on the peer, and answers no probe",
        )
    if inventory is not None and errand.label in (*inventory.seen, *inventory.half_open):
        return _reach(raw, Outcome.ASYMMETRIC, Layer.NETWORK, _LOST_ON_THE_WAY_BACK)
    rule = inventory.rules.get(errand.label, "") if inventory else ""
    if rule and not rule.startswith("unknown"):
        return _reach(raw, Outcome.FILTERED, Layer.PEER_FIREWALL, f"silence; on the peer {rule}")
    if inventory is None and (kept_out := by_card(known.admits)):
        return _reach(raw, Outcome.FILTERED, *kept_out)
    admitted = (inventory is not None and not rule) or known.admits == "admitted"
    if admitted and not known.own_rule:
        return _reach(
            raw,
            Outcome.FILTERED,
            Layer.NETWORK,
            "silence; both hosts' rules let it pass, so something between them drops it",
        )
    why = rule or known.own_rule or "the peer could not be asked for its rules"
    return _reach(
        raw, Outcome.FILTERED, Layer.UNKNOWN, f"silence; where it ends is not known: {why}"
    )


def by_card(word: str) -> tuple[Layer, str] | None:
    """Where silence ends by the word of the peer's card for the port, and the line that says so;
    None where the card does not tell that its rules keep anything out."""
    if word not in ("dropped", "rejected"):
        return None
    return Layer.PEER_FIREWALL, f"silence; by its card the peer's rules have it {word}"
