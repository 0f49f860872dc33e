"""One run of `nodeprep firewall trace`: ruleset, packet or flows, report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import TYPE_CHECKING

from preflight.output import check_format
from rules.cluster import IPAddress
from rules.errors import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_UNDETERMINED,
    CommandError,
    NodeprepError,
    UsageError,
)
from rules.packet import STATES, Packet
from rules.record import record
from rules.ruleset import Ruleset
from rules.tracing.trace import Trace, Tracer
from rules.words import wrong_choice

if TYPE_CHECKING:
    from preflight.firewall.policy import PolicyRequest

HOOKS = ("", "input", "forward", "output")
_PORTED = frozenset({6, 17, 33, 132, 136})


@record
class Question:
    """The flags that describe the packet and the host, as given."""

    source: str = ""
    destination: str = ""
    protocol: str = "tcp"
    destination_port: int | None = None
    source_port: int | None = None
    icmp_type: int | None = None
    interface_in: str = ""
    interface_out: str = ""
    state: str = "new"
    hook: str = ""
    rulesets: tuple[str, ...] = ()
    local: tuple[str, ...] = ()


@record
class _Scene:
    """The host that the packet meets."""

    ruleset: Ruleset
    local: tuple[IPv4Interface | IPv6Interface, ...]
    routes: Callable[[IPAddress], str | None] | None

    def trace(self, tracer: Tracer, packet: Packet, hook: str) -> Trace:
        reverse: bool | None = None
        if self.routes is not None and packet.interface_in is not None:
            reverse = self.routes(packet.source) == packet.interface_in
        return tracer.trace(
            packet,
            local_addresses=self.local,
            hook=hook,
            reverse_path=reverse,
            routes=self.routes,
        )


def run_trace(question: Question, *, output: str) -> int:
    """Prints the trace of one packet; the exit code of its verdict."""
    from preflight.report import trace as report

    _check(question, output)
    if not question.source:
        raise UsageError("--from is missing: the address that sends the packet")
    scene = _scene(question)
    packet = _packet(question, scene)
    tracer = Tracer(scene.ruleset)
    found = scene.trace(tracer, packet, question.hook)
    if question.rulesets and not question.local and not question.hook:
        onward = scene.trace(tracer, packet, "forward")
        if found.admitted != onward.admitted:
            raise UsageError(
                f"is {packet.destination} an address of that host? In INPUT the verdict is "
                f"{found.verdict}, in FORWARD {onward.verdict}: name the host's addresses with "
                "--local, or say --hook input or --hook forward"
            )
    if output == "text":
        sys.stdout.write(report.text(found))
    else:
        from preflight.report.document import render

        sys.stdout.write(render(report.document(found), output))
    return _exit_code([found])


def run_all_traces(question: Question, request: PolicyRequest, *, output: str) -> int:
    """Prints a trace for every flow of a role; the worst exit code."""
    from preflight.firewall.policy import load_policy
    from preflight.report import trace as report
    from rules.access import admissions
    from rules.tracing.flowprobes import probes

    _check(question, output)
    policy, _ = load_policy(request)
    scene = _scene(question)
    own = _node_addresses(scene)
    if not own:
        raise UsageError(
            "no address of the host is known"
            + ("; name it with --local" if question.rulesets else "; it has none but loopback")
        )
    tracer = Tracer(scene.ruleset)
    found = [
        (probe, scene.trace(tracer, probe.packet, probe.hook))
        for probe in probes(admissions(policy), policy.cluster, own)
    ]
    if output == "text":
        sys.stdout.write(report.all_text(found))
    else:
        from preflight.report.document import render

        sys.stdout.write(render(report.all_document(policy.role.value, found), output))
    return _exit_code([trace for _, trace in found])


def _exit_code(traces: Sequence[Trace]) -> int:
    admitted = {trace.admitted for trace in traces}
    if False in admitted:
        return EXIT_FAILED
    return EXIT_UNDETERMINED if None in admitted else EXIT_DONE


def _check(question: Question, output: str) -> None:
    check_format(output)
    if question.hook not in HOOKS:
        raise UsageError(f"--hook takes input, forward or output, not {question.hook!r}")
    if question.state not in STATES:
        raise wrong_choice("--state", question.state, STATES)
    for name, port in (("--dport", question.destination_port), ("--sport", question.source_port)):
        if port is not None and not 0 <= port <= 65535:
            raise UsageError(f"{name} takes 0 to 65535, not {port}")


def _scene(question: Question) -> _Scene:
    if question.rulesets:
        from rules.files import read_input
        from rules.parse.saved import parse_saved

        texts = [(path, read_input(path)) for path in question.rulesets]
        return _Scene(parse_saved(texts), tuple(map(_interface, question.local)), None)
    if question.local:
        raise UsageError("--local goes with --ruleset; this host's own addresses are known")
    from rules.tracing.live import local_addresses, read_live, routes

    try:
        return _Scene(read_live(), local_addresses(), routes())
    except CommandError as error:
        hint = "; run it as root" if error.reason == "denied" else ""
        raise NodeprepError(f"the rules of this host cannot be read: {error}{hint}") from error


def _interface(text: str) -> IPv4Interface | IPv6Interface:
    try:
        return ip_interface(text)
    except ValueError:
        raise UsageError(f"--local takes an address or ADDRESS/PREFIX, not {text!r}") from None


def _address(flag: str, text: str) -> IPAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise UsageError(f"{flag} takes an IP address, not {text!r}") from None


def _packet(question: Question, scene: _Scene) -> Packet:
    source = _address("--from", question.source)
    if question.destination:
        destination = _address("--to", question.destination)
    else:
        own = [address for address in _node_addresses(scene) if address.version == source.version]
        if not own:
            raise UsageError(
                f"--to is missing, and no IPv{source.version} address of the host is known"
            )
        destination = own[0]
    if source.version != destination.version:
        raise UsageError("--from and --to are of two address families")
    protocol = _protocol(question.protocol, source.version)
    if question.destination_port is None and protocol in _PORTED:
        raise UsageError(f"--dport is missing: {question.protocol} has ports")
    return Packet(
        family=source.version,
        protocol=protocol,
        source=source,
        destination=destination,
        source_port=question.source_port,
        destination_port=question.destination_port,
        icmp_type=question.icmp_type,
        icmp_code=None if question.icmp_type is None else 0,
        interface_in=question.interface_in or None,
        interface_out=question.interface_out or None,
        state=question.state,
    )


def _protocol(text: str, family: int) -> int:
    from rules.parse.names import PROTOCOLS

    if text.isdigit() and int(text) < 256:
        return int(text)
    if text == "icmp":
        return 1 if family == 4 else 58
    if text not in PROTOCOLS or PROTOCOLS[text] > 255:
        raise UsageError(f"--proto takes tcp, udp, sctp, icmp, icmpv6 or a number, not {text!r}")
    return PROTOCOLS[text]


def _node_addresses(scene: _Scene) -> list[IPAddress]:
    """The host's own addresses that others can reach it at, the likeliest first."""
    return [
        interface.ip
        for interface in scene.local
        if not (interface.ip.is_loopback or interface.ip.is_link_local)
    ]
