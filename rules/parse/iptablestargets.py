"""Targets of iptables -> statements. What is not modelled keeps its text. Pure.

Source: iptables-extensions(8).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from ipaddress import ip_address

from rules.parse.iptablesmatches import key, masked, number_range
from rules.parse.iptableswords import Line, Segment, options, read_option
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
    "ACCEPT": Verdict(Action.ACCEPT),
    "DROP": Verdict(Action.DROP),
    "RETURN": Verdict(Action.RETURN),
    "REJECT": Verdict(Action.REJECT),
    "QUEUE": Verdict(Action.QUEUE),
    "NFQUEUE": Verdict(Action.QUEUE),
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


def statement_of(line: Line, chains: Collection[str]) -> Statement | None:
    """What a rule does; None where it only counts. Never raises for an unknown target."""
    if line.target is None:
        return None
    name, words = line.target
    if name in chains:
        return _jump(name, line.goto)
    if name in _VERDICTS:
        return _VERDICTS[name]
    text = " ".join(["-j", name, *words])
    if name in _NOTES:
        return Note(text)
    try:
        return _other(line.target, text)
    except (ValueError, KeyError, IndexError):
        return UnsupportedStatement(text)


@lru_cache(maxsize=1024)
def _jump(chain: str, goto: bool) -> Verdict:
    return Verdict(Action.GOTO if goto else Action.JUMP, chain)


def _other(target: Segment, text: str) -> Statement:
    name, words = target
    found = {option.name: option.values for option in map(read_option, options(words))}
    if name == "MARK":
        return _mark("meta mark", found)
    if name == "CONNMARK":
        return _connmark(found)
    if name == "NOTRACK" or (name == "CT" and "--notrack" in found):
        return Untrack()
    if name == "CT":
        if "--zone" in found or "--zone-orig" in found:
            raise ValueError(text)
        return Note(text)
    if name in ("DNAT", "SNAT"):
        where = found["--to-destination" if name == "DNAT" else "--to-source"][0]
        if "/" in where:
            raise ValueError(text)
        return Nat(name.lower(), *_destination(where))
    if name == "REDIRECT":
        ports = found.get("--to-ports", found.get("--to-port"))
        return Nat("redirect", None, number_range(ports[0], "-") if ports else None)
    if name == "MASQUERADE":
        return Nat("masquerade")
    if name == "SET" and not any(word.startswith("--map") for word in found):
        return Touch(next(values[0] for word, values in found.items() if word.endswith("-set")))
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
