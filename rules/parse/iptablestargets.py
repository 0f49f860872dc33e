"""Targets of iptables -> statements. What is not modelled keeps its text. Pure.

Source: iptables-extensions(8).
"""

from __future__ import annotations

from ipaddress import ip_address

from rules.parse.iptablesmatches import key, masked, number_range
from rules.parse.iptableswords import Line, Segment
from rules.ruleset import (
    FULL_MASK,
    Action,
    Nat,
    Note,
    Range,
    SetMark,
    Statement,
    Touch,
    UnsupportedStatement,
    Untrack,
    Verdict,
)

_VERDICTS = {
    "ACCEPT": Action.ACCEPT,
    "DROP": Action.DROP,
    "RETURN": Action.RETURN,
    "REJECT": Action.REJECT,
    "QUEUE": Action.QUEUE,
    "NFQUEUE": Action.QUEUE,
}
# They log, count, or change what no match of the model reads.
_NOTES = frozenset(
    {
        "LOG",
        "NFLOG",
        "ULOG",
        "TRACE",
        "AUDIT",
        "TCPMSS",
        "TCPOPTSTRIP",
        "CHECKSUM",
        "CLASSIFY",
        "DSCP",
        "TOS",
        "TTL",
        "HL",
        "ECN",
        "SECMARK",
        "CONNSECMARK",
        "RATEEST",
        "LED",
        "IDLETIMER",
        "TEE",
    }
)


def statement_of(line: Line, chains: set[str]) -> Statement | None:
    """What a rule does; None where it only counts. Never raises for an unknown target."""
    target = line.target
    if target is None:
        return None
    if target.name in chains:
        return Verdict(Action.GOTO if line.goto else Action.JUMP, target.name)
    if target.name in _VERDICTS:
        return Verdict(_VERDICTS[target.name])
    text = " ".join(["-j", target.name, target.text.partition(target.name)[2]]).strip()
    if target.name in _NOTES:
        return Note(text)
    try:
        return _other(target, text)
    except (ValueError, KeyError, IndexError):
        return UnsupportedStatement(text)


def _other(target: Segment, text: str) -> Statement:
    options = {option.name: option.values for option in target.options}
    if target.name == "MARK":
        return _mark("meta mark", options)
    if target.name == "CONNMARK":
        return _connmark(options)
    if target.name == "NOTRACK" or (target.name == "CT" and "--notrack" in options):
        return Untrack()
    if target.name == "CT":
        if "--zone" in options or "--zone-orig" in options:
            raise ValueError(text)
        return Note(text)
    if target.name in ("DNAT", "SNAT"):
        name = "--to-destination" if target.name == "DNAT" else "--to-source"
        if options[name][0].count("/"):
            raise ValueError(text)
        return Nat(target.name.lower(), *_destination(options[name][0]))
    if target.name == "REDIRECT":
        ports = options.get("--to-ports", options.get("--to-port"))
        return Nat("redirect", None, number_range(ports[0], "-") if ports else None)
    if target.name == "MASQUERADE":
        return Nat("masquerade")
    if target.name == "SET" and not any(name.startswith("--map") for name in options):
        return Touch(next(values[0] for name, values in options.items() if name.endswith("-set")))
    raise ValueError(text)


def _mark(name: str, options: dict[str, tuple[str, ...]]) -> SetMark:
    for option, values in options.items():
        value, mask = masked(values[0])
        if option in ("--set-xmark", "--set-mark"):
            # set-mark clears the bits of the mask and ORs, set-xmark clears and XORs.
            clear = mask | (value if option == "--set-mark" else 0)
            return SetMark(name, keep=FULL_MASK & ~clear, xor=value)
        if option == "--and-mark":
            return SetMark(name, keep=value)
        if option == "--or-mark":
            return SetMark(name, keep=FULL_MASK & ~value, xor=value)
        if option == "--xor-mark":
            return SetMark(name, keep=FULL_MASK, xor=value)
    raise ValueError(name)


def _connmark(options: dict[str, tuple[str, ...]]) -> SetMark:
    if "--save-mark" not in options and "--restore-mark" not in options:
        return _mark("ct mark", options)
    both = int(options["--mask"][0], 0) if "--mask" in options else FULL_MASK
    packet = int(options["--nfmask"][0], 0) if "--nfmask" in options else both
    connection = int(options["--ctmask"][0], 0) if "--ctmask" in options else both
    if "--save-mark" in options:
        keep = FULL_MASK & ~connection
        return SetMark("ct mark", keep, key("meta mark"), packet)
    return SetMark("meta mark", FULL_MASK & ~packet, key("ct mark"), connection)


def _destination(text: str) -> tuple[Range | None, Range | None]:
    """``10.0.0.1``, ``10.0.0.1-10.0.0.5:80-90``, ``:80``, ``[fd00::1]:80``."""
    ports: Range | None = None
    if text.startswith("["):
        address, _, port = text.rpartition("]")
        address, port = address.replace("[", "").replace("]", ""), port.lstrip(":")
    elif text.count(":") > 1:
        address, port = text, ""
    else:
        address, _, port = text.partition(":")
    if port:
        ports = number_range(port, "-")
    if not address:
        return None, ports
    first, _, last = address.partition("-")
    return (int(ip_address(first)), int(ip_address(last or first))), ports
