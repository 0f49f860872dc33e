"""Plan -> firewalld: ipsets, a service for each flow, and policies (firewalld 0.9 and later). Pure.

Two policies with a negative priority stand before every zone: ``nodeprep-input`` (ANY to HOST) and
``nodeprep-fwd`` (ANY to ANY). Under ``enforce`` the first drops what it does not accept, the second
what is left for pods. What firewalld has no words for:

- the port before DNAT. firewalld itself lets through whatever was translated (``ct status dnat``),
  from everybody, so that ``allow`` needs no rule, and ``enforce`` cannot limit it to some sources.
- multicast listener discovery, before firewalld 2.1. Its rules are a policy of their own
  (``nodeprep-mld``), which ``for_version`` leaves out.
"""

from __future__ import annotations

from rules.access import Hook
from rules.errors import UsageError
from rules.flows import Protocol
from rules.record import record
from rules.render import Artefact
from rules.render.addresses import AddressList
from rules.render.plan import Plan, Row
from rules.render.templating import fill, plain, shell, slug

PREFIX = "nodeprep-"
INPUT_POLICY, FORWARD_POLICY, MLD_POLICY = "nodeprep-input", "nodeprep-fwd", "nodeprep-mld"
# Before the zones (a negative priority), after firewalld's own allow-host-ipv6 (-15000).
_PRIORITY = -100
# Rich rules with a positive priority come after all the others of their policy.
LAST = 32767
# https://github.com/firewalld/firewalld/pull/1250
MLD_SINCE = (2, 1)
ICMP_NAMES = {
    (4, 3): "destination-unreachable",
    (4, 8): "echo-request",
    (4, 11): "time-exceeded",
    (4, 12): "parameter-problem",
    (6, 1): "destination-unreachable",
    (6, 2): "packet-too-big",
    (6, 3): "time-exceeded",
    (6, 4): "parameter-problem",
    (6, 128): "echo-request",
    (6, 133): "router-solicitation",
    (6, 134): "router-advertisement",
    (6, 135): "neighbour-solicitation",
    (6, 136): "neighbour-advertisement",
    (6, 137): "redirect",
    (6, 130): "mld-listener-query",
    (6, 131): "mld-listener-report",
    (6, 132): "mld-listener-done",
    (6, 143): "mld2-listener-report",
}
_LONGEST_LINE_LIST = 16
_ABOUT = (
    "What may come in to this Kubernetes node.",
    "What is forwarded from and to the pods of this Kubernetes node.",
    "Multicast listener discovery, which IPv6 needs on a snooping switch.",
)


@record
class RichRule:
    """One rich rule. Empty: not said. ``element`` is (tag, its attributes)."""

    flow: str
    family: str
    source: str = ""
    source_set: str = ""
    destination: str = ""
    destination_set: str = ""
    element: tuple[str, tuple[tuple[str, str], ...]] | None = None
    action: str = "accept"
    priority: int = 0

    @property
    def line(self) -> str:
        """The rule in the rich language, as `firewall-cmd --add-rich-rule` takes it."""
        parts = [f'rule family="{self.family}"']
        if self.priority:
            parts.append(f'priority="{self.priority}"')
        for side, address, name in (
            ("source", self.source, self.source_set),
            ("destination", self.destination, self.destination_set),
        ):
            if address:
                parts.append(f'{side} address="{address}"')
            elif name:
                parts.append(f'{side} ipset="{name}"')
        if self.element is not None:
            tag, attributes = self.element
            parts.append(" ".join([tag, *(f'{key}="{value}"' for key, value in attributes)]))
        return " ".join([*parts, self.action])


@record
class Service:
    """The service of one flow with ports, for persons who look with --info-service."""

    name: str
    title: str
    why: str
    protocol: str
    ports: str


@record
class ZonePolicy:
    """A policy object: from anywhere to ``egress`` (HOST or ANY)."""

    name: str
    egress: str
    target: str
    priority: int
    description: str
    rules: tuple[RichRule, ...]


def render(plan: Plan) -> Artefact:
    """Files below /etc/firewalld, and the lines of firewall-cmd that amount to the same."""
    services = _services(plan)
    sets = [addresses for addresses in plan.lists if len(addresses) > 1]
    policies = _policies(plan, {flow: service.name for flow, service in services.items()})
    files: dict[str, str] = {}
    for addresses in sets:
        files[f"ipsets/{set_name(addresses)}.xml"] = fill(
            "firewall/firewalld-ipset.xml.j2", addresses=addresses, plan=plan
        )
    for service in services.values():
        files[f"services/{service.name}.xml"] = fill(
            "firewall/firewalld-service.xml.j2", service=service
        )
    for policy in policies:
        files[f"policies/{policy.name}.xml"] = fill(
            "firewall/firewalld-policy.xml.j2", policy=policy, plan=plan
        )
    commands = (
        *(line for addresses in sets for line in _set_lines(addresses)),
        *(line for service in services.values() for line in _service_lines(service)),
        *(line for policy in policies for line in _policy_lines(policy)),
        "firewall-cmd --reload",
    )
    return Artefact("firewalld", files, commands, plan.digest)


def for_version(made: Artefact, version: tuple[int, ...], *, enforce: bool) -> Artefact:
    """The artefact as a firewalld of this version takes it.

    Before 2.1 there are no names for multicast listener discovery. Under ``allow`` its policy is
    left out: it opens nothing that a zone with the default target does not let through. Under
    ``enforce`` it would be dropped, so that is a UsageError.
    """
    name = f"policies/{MLD_POLICY}.xml"
    if version >= MLD_SINCE or name not in made.files:
        return made
    if enforce:
        raise UsageError(
            "firewalld before 2.1 has no words for icmpv6-multicast (icmpv6 type 130,131,132,143), "
            "and enforce would drop it; use --backend nftables, which enforces beside firewalld"
        )
    return Artefact(
        made.target,
        {path: text for path, text in made.files.items() if path != name},
        tuple(line for line in made.commands if MLD_POLICY not in line),
        made.digest,
    )


def set_name(addresses: AddressList) -> str:
    """The ipset of a list: at most 31 characters, for the kernel's sake."""
    return PREFIX + addresses.name


def _services(plan: Plan) -> dict[str, Service]:
    """Flow -> its service; the rows with one port range that a service can hold."""
    found: dict[str, Service] = {}
    names: set[str] = set()
    for row in plan.rows:
        if row.ports is None or row.protocol is None or row.flow in found or _translated(row):
            continue
        flow = plan.flows.get(row.flow)
        first, last = row.ports
        found[row.flow] = Service(
            name=PREFIX + slug(row.flow, names, most=40),
            title=plain(f"nodeprep {row.flow}", 200),
            why=plain(flow.why if flow is not None else row.flow, 400),
            protocol=row.protocol.value,
            ports=str(first) if first == last else f"{first}-{last}",
        )
    return found


def _translated(row: Row) -> bool:
    """Whether the row is about forwarded packets whose port only conntrack still knows."""
    return row.original_port and row.hook is Hook.FORWARD


def _policies(plan: Plan, services: dict[str, str]) -> list[ZonePolicy]:
    rules: dict[str, list[RichRule]] = {INPUT_POLICY: [], FORWARD_POLICY: [], MLD_POLICY: []}
    for row in plan.rows:
        if plan.enforce and row.original_port and row.sources is not None:
            raise UsageError(
                f"firewalld has no words for {row.label} from some sources only: it lets through "
                "whatever was translated, from everybody; use --backend nftables, which enforces "
                "beside firewalld"
            )
        if _translated(row):
            continue
        made = _rich_rules(row, services)
        if row.hook is Hook.FORWARD:
            rules[FORWARD_POLICY] += made
        else:
            is_mld = row.family == 6 and bool(set(row.icmp_types) & {130, 131, 132, 143})
            rules[MLD_POLICY if is_mld else INPUT_POLICY] += made
    if plan.enforce:
        for family, pods in sorted(plan.pods.items()):
            dropped = Row("enforce", Hook.FORWARD, family, destinations=pods)
            rules[FORWARD_POLICY].append(_rich_rule(dropped, None, "drop", LAST))
    final = "DROP" if plan.enforce else "CONTINUE"
    policies = (
        ZonePolicy(INPUT_POLICY, "HOST", final, _PRIORITY, _ABOUT[0], tuple(rules[INPUT_POLICY])),
        ZonePolicy(
            FORWARD_POLICY, "ANY", "CONTINUE", _PRIORITY, _ABOUT[1], tuple(rules[FORWARD_POLICY])
        ),
        ZonePolicy(
            MLD_POLICY, "HOST", "CONTINUE", _PRIORITY - 1, _ABOUT[2], tuple(rules[MLD_POLICY])
        ),
    )
    return [policy for policy in policies if policy.rules]


def _rich_rules(row: Row, services: dict[str, str]) -> list[RichRule]:
    if not row.icmp_types:
        return [_rich_rule(row, _element(row, services))]
    found = []
    for kind in row.icmp_types:
        name = ICMP_NAMES.get((row.family, kind))
        if name is None:
            raise UsageError(f"firewalld has no word for {row.label}: ICMP type {kind}")
        found.append(_rich_rule(row, ("icmp-type", (("name", name),))))
    return found


def _element(row: Row, services: dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]] | None:
    if row.protocol is None:
        return None
    if row.ports is None:
        if row.protocol in (Protocol.ICMP, Protocol.ICMPV6):
            return ("protocol", (("value", "icmp" if row.family == 4 else "ipv6-icmp"),))
        return ("protocol", (("value", str(row.protocol.number)),))
    return ("service", (("name", services[row.flow]),))


def _rich_rule(
    row: Row,
    element: tuple[str, tuple[tuple[str, str], ...]] | None,
    action: str = "accept",
    priority: int = 0,
) -> RichRule:
    def side(addresses: AddressList | None) -> tuple[str, str]:
        if addresses is None:
            return "", ""
        if len(addresses) > 1:
            return "", set_name(addresses)
        return addresses.prefixed[0], ""

    source, source_set = side(row.sources)
    destination, destination_set = side(row.destinations)
    return RichRule(
        flow=row.flow,
        family=f"ipv{row.family}",
        source=source,
        source_set=source_set,
        destination=destination,
        destination_set=destination_set,
        element=element,
        action=action,
        priority=priority,
    )


def _set_lines(addresses: AddressList) -> list[str]:
    name = set_name(addresses)
    if len(addresses) > _LONGEST_LINE_LIST:
        # The file holds the list; a line of shell cannot.
        return [f"firewall-cmd --permanent --new-ipset-from-file=ipsets/{name}.xml --name={name}"]
    family = "" if addresses.family == 4 else " --option=family=inet6"
    entries = " ".join(f"--add-entry={network}" for network in addresses.texts)
    return [
        f"firewall-cmd --permanent --new-ipset={name} --type=hash:net{family}",
        f"firewall-cmd --permanent --ipset={name} {entries}",
    ]


def _service_lines(service: Service) -> list[str]:
    edit = f"firewall-cmd --permanent --service={service.name}"
    return [
        f"firewall-cmd --permanent --new-service={service.name}",
        f"{edit} --add-port={service.ports}/{service.protocol}",
        f"{edit} --set-description={shell(service.why)}",
    ]


def _policy_lines(policy: ZonePolicy) -> list[str]:
    edit = f"firewall-cmd --permanent --policy={policy.name}"
    return [
        f"firewall-cmd --permanent --new-policy={policy.name}",
        f"{edit} --set-priority={policy.priority}",
        f"{edit} --set-target={policy.target}",
        f"{edit} --add-ingress-zone=ANY",
        f"{edit} --add-egress-zone={policy.egress}",
        *(f"{edit} --add-rich-rule={shell(rule.line)}" for rule in policy.rules),
    ]
