"""Plan -> iptables-restore and ipset: own chains only, for `--noflush`. Pure.

The file replaces the chains that it names and no other. Their jumps from INPUT and FORWARD are
no part of it: a jump that is there must not be added twice, and only who reads first can know.
Long source lists are ipsets, loaded before. Their names carry a digest of their content, so that
the old rules keep the old sets until the moment in which the new rules hold.
"""

from __future__ import annotations

from collections.abc import Iterator

from rules.access import Hook
from rules.flows import Protocol
from rules.record import record
from rules.render import Artefact
from rules.render.addresses import AddressList
from rules.render.plan import Plan, Row
from rules.render.templating import fill

CHAINS = {Hook.INPUT: "NODEPREP-INPUT", Hook.FORWARD: "NODEPREP-FORWARD"}
# Above, a list costs a packet more as rules than as a set.
MOST_RULES_PER_LIST = 16
SET_PREFIX = "nodeprep-"
# ipset's own defaults; a set never grows past what it was made for.
_HASH_SIZE, _MAX_ELEMENTS = 1024, 65536


@record
class IpSet:
    """A ``hash:net`` set of one family; its name is made of its content."""

    name: str
    family: str
    hash_size: int
    max_elements: int
    elements: tuple[str, ...]


def render(plan: Plan, family: int) -> Artefact:
    """The files for `iptables-restore --noflush` (family 4) or `ip6tables-restore` (6)."""
    suffix = "" if family == 4 else "6"
    rules_file, ipset_file = f"nodeprep{suffix}.rules", f"nodeprep{suffix}.ipset"
    files = {}
    commands = []
    if sets := ipsets(plan, family):
        files[ipset_file] = fill("firewall/ipset.j2", plan=plan, sets=sets)
        commands.append(f"ipset restore -file {ipset_file}")
    files[rules_file] = fill(
        "firewall/iptables.rules.j2",
        plan=plan,
        family=family,
        input_chain=CHAINS[Hook.INPUT],
        forward_chain=CHAINS[Hook.FORWARD],
        verdict="RETURN" if plan.enforce else "ACCEPT",
        input=rule_lines(plan, Hook.INPUT, family),
        forward=rule_lines(plan, Hook.FORWARD, family),
        pods=target_matches(plan.pods.get(family)),
    )
    program = "iptables" if family == 4 else "ip6tables"
    commands += [
        f"{program}-restore --wait --noflush {rules_file}",
        *(f"{program} --wait -I {hook.value.upper()} -j {chain}" for hook, chain in CHAINS.items()),
    ]
    return Artefact(program, files, tuple(commands), plan.digest)


def ipsets(plan: Plan, family: int) -> list[IpSet]:
    """The sets of one family's lists that are too long for rules."""
    made = []
    for addresses in plan.lists:
        if addresses.family != family or len(addresses) <= MOST_RULES_PER_LIST:
            continue
        size = _HASH_SIZE
        while size < len(addresses):
            size *= 2
        made.append(
            IpSet(
                set_name(addresses),
                "inet" if family == 4 else "inet6",
                size,
                max(_MAX_ELEMENTS, len(addresses)),
                addresses.prefixed,
            )
        )
    return made


def rule_lines(plan: Plan, hook: Hook, family: int) -> list[tuple[str, str]]:
    """(matches in iptables-save's order, flow) of every rule of a hook, without its verdict."""
    return [(match, row.flow) for row in plan.hook_rows(hook, family) for match in _matches(row)]


def target_matches(addresses: AddressList | None) -> list[str]:
    """The matches of every rule that sends to a list; none for None."""
    return [*_addresses("-d", "dst", addresses)]


def set_name(addresses: AddressList) -> str:
    """The ipset of a list; at most 31 characters, as the kernel wants (IPSET_MAXNAMELEN)."""
    return f"{SET_PREFIX}{addresses.family}-{addresses.key}"


def _addresses(option: str, direction: str, addresses: AddressList | None) -> Iterator[str]:
    """One match for each rule that the list needs; none for the whole family."""
    if addresses is None:
        return
    if len(addresses) > MOST_RULES_PER_LIST:
        yield f"-m set --match-set {set_name(addresses)} {direction}"
    else:
        yield from (f"{option} {network}" for network in addresses.prefixed)


def _matches(row: Row) -> Iterator[str]:
    sources = [*_addresses("-s", "src", row.sources)] or [""]
    destinations = [*_addresses("-d", "dst", row.destinations)] or [""]
    protocols = [*_protocols(row.protocol, row)] if row.protocol is not None else [""]
    for source in sources:
        for destination in destinations:
            for protocol in protocols:
                # iptables prints -s, -d and -p first and each -m in the order given.
                parts = sorted(filter(None, (source, destination)), key=lambda t: t[:2] == "-m")
                at = next((i for i, part in enumerate(parts) if part[:2] == "-m"), len(parts))
                yield " ".join(filter(None, (*parts[:at], protocol, *parts[at:])))


def _protocols(protocol: Protocol, row: Row) -> Iterator[str]:
    if row.icmp_types:
        name, option = ("icmp", "icmp") if row.family == 4 else ("icmp6", "icmpv6")
        for kind in row.icmp_types:
            yield f"-p {protocol.number} -m {name} --{option}-type {kind}"
    elif row.ports is None:
        # ip6tables steps over AH as over any extension header: -p never meets it.
        header = protocol is Protocol.AH and row.family == 6
        yield "-m ah" if header else f"-p {protocol.number}"
    else:
        first, last = row.ports
        ports = str(first) if first == last else f"{first}:{last}"
        if row.original_port:
            yield f"-p {protocol.value} -m conntrack --ctorigdstport {ports}"
        else:
            yield f"-p {protocol.value} -m {protocol.value} --dport {ports}"
