"""`nodeprep firewall trace`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from preflight.cli.configured import policy_request, takes_policy
from preflight.cli.options import OutputOption


def register(app: typer.Typer) -> None:
    """Adds the sub-command to ``nodeprep firewall``."""
    app.command("trace")(takes_policy(trace))


def trace(
    *,
    source_address: Annotated[
        str, typer.Option("--from", metavar="ADDR", help="Who sends the packet.")
    ] = "",
    destination: Annotated[
        str, typer.Option("--to", metavar="ADDR", help="Where to [this node's own address].")
    ] = "",
    proto: Annotated[
        str, typer.Option(metavar="NAME", help="tcp, udp, sctp, icmp, icmpv6, or a number.")
    ] = "tcp",
    dport: Annotated[int | None, typer.Option(metavar="PORT", help="Destination port.")] = None,
    sport: Annotated[int | None, typer.Option(metavar="PORT", help="Source port.")] = None,
    icmp_type: Annotated[int | None, typer.Option(metavar="NUMBER", help="ICMP type.")] = None,
    iif: Annotated[str, typer.Option(metavar="NAME", help="Interface it comes in by.")] = "",
    oif: Annotated[str, typer.Option(metavar="NAME", help="Interface it leaves by.")] = "",
    state: Annotated[
        str,
        typer.Option(metavar="STATE", help="new, established, related, invalid or untracked."),
    ] = "new",
    hook: Annotated[
        str,
        typer.Option(metavar="HOOK", help="input, forward or output; without it, --to decides."),
    ] = "",
    ruleset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="A saved ruleset instead of this host's (nft -j, iptables-save, ipset save); "
            "may be repeated.",
        ),
    ] = None,
    local: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDR", help="With --ruleset: an address of that host."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every flow of the role given with --role.")
    ] = False,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="master, worker, multi-master or etcd.")
    ] = "",
    policy: dict[str, Any],
    output: OutputOption = "text",
) -> int:
    """Say which rule decides about a packet: every table of nft and both iptables.

    Exit: 0 let through; 1 dropped or rejected; 3 where an unknown expression decides.
    """
    from preflight.runs.firewall_trace import Question, run_all_traces, run_trace

    question = Question(
        source=source_address,
        destination=destination,
        protocol=proto,
        destination_port=dport,
        source_port=sport,
        icmp_type=icmp_type,
        interface_in=iif,
        interface_out=oif,
        state=state,
        hook=hook,
        rulesets=tuple(ruleset or ()),
        local=tuple(local or ()),
    )
    if not every:
        return run_trace(question, output=output)
    return run_all_traces(question, policy_request(role, policy), output=output)
