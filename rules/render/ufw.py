"""Plan -> ufw: a block for its before.rules, an application profile, and `ufw` lines. Pure.

ufw's own words reach TCP and UDP ports, addresses and routes. The rest (ICMP types, other
protocols, the port before DNAT, sets) it takes as lines of iptables in before.rules and
before6.rules, which it loads with its own rules and keeps over a reload. The block there holds the
whole policy, above everything of ufw's, so that ``enforce`` may end it with a drop: what the
operator opened in ufw is behind that. ``commands`` are the same in ufw's words, as far as it has
some; a line that begins with # names what it has none for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from rules.access import Hook
from rules.errors import ConfigError
from rules.flows import Protocol
from rules.record import record
from rules.render import Artefact
from rules.render.addresses import AddressList
from rules.render.iptables import MOST_RULES_PER_LIST, ipsets, rule_lines, target_matches
from rules.render.plan import Plan, Row
from rules.render.templating import fill, plain, shell, slug


@record
class Mark:
    """A block of ours: its first and last line's beginning, and how its rules' comments begin.

    ``last``: it stands at the end of the filter table, behind what the operator allowed or denied.
    """

    begin: str
    end: str
    tag: str
    last: bool = False


POLICY_MARK = Mark("# BEGIN nodeprep", "# END nodeprep", "nodeprep:")
PODS_MARK = Mark("# BEGIN pods of nodeprep", "# END pods of nodeprep", "nodeprep-pods", last=True)
RULES_FILES = {4: "before.rules", 6: "before6.rules"}
IPSET_FILE = "nodeprep.ipset"
INIT_FILE = "before.init"
PROFILE_FILE = "applications.d/nodeprep"
CHAINS = {4: "ufw-before", 6: "ufw6-before"}
_COMMENT_BYTES = 200


@record
class Profile:
    """One section of an application profile: a flow that persons may want to look up."""

    name: str
    title: str
    why: str
    ports: str


def render(plan: Plan) -> Artefact:
    """Files below /etc/ufw. Those of ``RULES_FILES`` and ``INIT_FILE`` are blocks: see ``put``."""
    files: dict[str, str] = {}
    if sets := ipsets(plan, 4) + ipsets(plan, 6):
        files[IPSET_FILE] = fill("firewall/ipset.j2", plan=plan, sets=sets)
        files[INIT_FILE] = fill(
            "firewall/ufw-init.j2",
            begin=POLICY_MARK.begin,
            end=POLICY_MARK.end,
            path=f"/etc/ufw/{IPSET_FILE}",
        )
    for family, name in RULES_FILES.items():
        files[name] = fill(
            "firewall/ufw-before.rules.j2",
            begin=POLICY_MARK.begin,
            end=POLICY_MARK.end,
            plan=plan,
            chain=CHAINS[family],
            input=rule_lines(plan, Hook.INPUT, family),
            forward=rule_lines(plan, Hook.FORWARD, family),
            pods=target_matches(plan.pods.get(family)),
        )
    files[PROFILE_FILE] = fill("firewall/ufw-profile.ini.j2", profiles=_profiles(plan), plan=plan)
    return Artefact("ufw", files, tuple(_commands(plan)), plan.digest)


def put(text: str, block: str, *, source: str = "before.rules", mark: Mark = POLICY_MARK) -> str:
    """A before.rules, before6.rules or before.init with our block in it, the old one replaced.

    In rules it stands at the top of the filter table, behind the chains' declarations, or at its
    end, as the mark says; in a script behind its first line. An empty ``block`` takes ours out.
    Raises ConfigError for a file without a place for it.
    """
    lines = take_out(text, mark).splitlines(keepends=True)
    if not block:
        return "".join(lines)
    return "".join([*lines[: (at := _place(lines, source, mark))], block, *lines[at:]])


def take_out(text: str, mark: Mark = POLICY_MARK) -> str:
    """The text without our block."""
    pattern = rf"(?ms)^{re.escape(mark.begin)}\b.*?^{re.escape(mark.end)}\b[^\n]*\n?"
    return re.sub(pattern, "", text)


def _place(lines: list[str], source: str, mark: Mark) -> int:
    if lines and lines[0].startswith("#!"):
        return 1
    stop = "COMMIT" if mark.last else ("-", "COMMIT")
    inside = False
    last_chain = None
    for number, line in enumerate(lines):
        if line.startswith("*"):
            inside = line.strip() == "*filter"
        elif inside and line.startswith(":"):
            last_chain = number + 1
        elif inside and line.startswith(stop):
            return number if mark.last or last_chain is None else last_chain
    raise ConfigError(source, "has no filter table; restore ufw's own file")


def _profiles(plan: Plan) -> list[Profile]:
    found: dict[str, Profile] = {}
    names: set[str] = set()
    for row in plan.hook_rows(Hook.INPUT):
        if row.flow in found or not _has_words(row):
            continue
        flow = plan.flows.get(row.flow)
        found[row.flow] = Profile(
            name=f"nodeprep-{slug(row.flow, names, most=40)}",
            title=plain(f"nodeprep: {row.flow}", 200),
            why=plain(flow.why if flow is not None else row.flow, 400),
            ports=f"{_ports(row)}/{row.protocol}",
        )
    return list(found.values())


def _has_words(row: Row) -> bool:
    """Whether ufw's own rules can say it: addresses, and TCP and UDP ports as they arrive."""
    short = all(
        addresses is None or len(addresses) <= MOST_RULES_PER_LIST
        for addresses in (row.sources, row.destinations)
    )
    ported = row.protocol in (Protocol.TCP, Protocol.UDP) and not row.original_port
    # ufw takes a route without a protocol; an open door to the node itself it need not take.
    return short and (ported or (row.protocol is None and row.hook is Hook.FORWARD))


def _ports(row: Row) -> str:
    first, last = row.ports or (0, 0)
    return str(first) if first == last else f"{first}:{last}"


def _commands(plan: Plan) -> Iterator[str]:
    for row in plan.rows:
        if not _has_words(row):
            yield f"# {plain(row.label, 200)}: only in {RULES_FILES[row.family]}"
            continue
        comment = shell(plain(f"nodeprep:{row.flow}", _COMMENT_BYTES))
        route = "route " if row.hook is Hook.FORWARD else ""
        for source in _each(row.sources, row.family):
            for destination in _each(row.destinations, row.family):
                to = f" to {destination}" if row.destinations is not None else " to any"
                words = f" port {_ports(row)} proto {row.protocol}" if row.ports is not None else ""
                yield f"ufw {route}allow from {source}{to}{words} comment {comment}"
    if plan.enforce:
        yield f"# the drop of what is left: only in {' and '.join(RULES_FILES.values())}"
    yield "ufw reload"


def _each(addresses: AddressList | None, family: int) -> Iterable[str]:
    """``any`` would mean both families."""
    if addresses is None:
        return ("0.0.0.0/0" if family == 4 else "::/0",)
    return addresses.prefixed
