"""A service for the length of a proof: one address that leads to one pod, as kube-proxy does it.

The rules match the throw-away pods' own addresses only, and go with the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.record import record
from rules.run import find_program, run

_TIMEOUT_S = 20.0
# What the names of the tables and the comments of the rules start with.
SERVICE_LABEL = "nodeprep_prove_"


@record
class Service:
    """``address``:``port`` leads to ``pod``:``pod_port`` (TCP) for packets of ``senders``."""

    address: IPAddress
    port: int
    pod: IPAddress
    pod_port: int
    senders: tuple[IPAddress, ...]


@contextmanager
def served(services: tuple[Service, ...], label: str) -> Iterator[None]:
    """The services are there for the block. ``label``: a word of letters, digits and ``_``.

    Raises CommandError where neither nft nor iptables is here or may be used.
    """
    if find_program("nft") is not None:
        yield from _by_nft(services, label)
    else:
        yield from _by_iptables(services, label)


def nft_text(services: tuple[Service, ...], label: str) -> str:
    """Tables of our own; DNAT comes before kube-proxy's, whose rules are for other addresses."""
    lines = []
    for service in services:
        family = "ip" if service.pod.version == 4 else "ip6"
        senders = ", ".join(map(str, service.senders))
        to = f"{service.pod}" if service.pod.version == 4 else f"[{service.pod}]"
        lines += [
            f"table {family} {label} {{",
            "  chain services {",
            "    type nat hook prerouting priority -110; policy accept;",
            f"    {family} saddr {{ {senders} }} {family} daddr {service.address} tcp dport "
            f"{service.port} dnat to {to}:{service.pod_port}",
            "  }",
            "  chain hairpin {",
            "    type nat hook postrouting priority 90; policy accept;",
            f"    {family} saddr {service.pod} {family} daddr {service.pod} masquerade",
            "  }",
            "}",
        ]
    return "\n".join(lines) + "\n"


def _by_nft(services: tuple[Service, ...], label: str) -> Iterator[None]:
    try:
        run(["nft", "-f", "-"], timeout_s=_TIMEOUT_S, stdin=nft_text(services, label))
        yield
    finally:
        for family in {4: "ip", 6: "ip6"}.values():
            with suppress(CommandError):
                run(["nft", "delete", "table", family, label], timeout_s=_TIMEOUT_S)


def iptables_rules(service: Service, label: str) -> list[list[str]]:
    """Chain and rule of each line, to be put first (-I) and taken away (-D)."""
    note = ["-m", "comment", "--comment", label]
    to = f"{service.pod}" if service.pod.version == 4 else f"[{service.pod}]"
    rules = [
        ["PREROUTING", "-s", str(sender), "-d", str(service.address), "-p", "tcp", "--dport",
         str(service.port), *note, "-j", "DNAT", "--to-destination", f"{to}:{service.pod_port}"]
        for sender in service.senders
    ]  # fmt: skip
    pod = str(service.pod)
    return [*rules, ["POSTROUTING", "-s", pod, "-d", pod, *note, "-j", "MASQUERADE"]]


def _by_iptables(services: tuple[Service, ...], label: str) -> Iterator[None]:
    done: list[list[str]] = []
    try:
        for service in services:
            program = "iptables" if service.pod.version == 4 else "ip6tables"
            for rule in iptables_rules(service, label):
                run([program, "-w", "-t", "nat", "-I", *rule], timeout_s=_TIMEOUT_S)
                done.append([program, "-w", "-t", "nat", "-D", *rule])
        yield
    finally:
        for command in reversed(done):
            with suppress(CommandError):
                run(command, timeout_s=_TIMEOUT_S)
