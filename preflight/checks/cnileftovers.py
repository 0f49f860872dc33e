"""What dead pods left: leases, libcni's cache, firewall chains, interfaces."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

from preflight.checks.cnibridge import wanted_bridges
from preflight.checks.registry import WARNING, Judgement, check, failed, passed, undetermined
from preflight.checks.scope import is_node
from preflight.cni.products import PODMAN, product_of
from preflight.cni.spec import LoadError, load
from preflight.facts.model import Facts, Unknown, known, known_or
from preflight.facts.model.cni import Cni, CniCacheEntry, IpamLease
from preflight.facts.model.network import Interface
from preflight.target import Target
from rules.record import record

# A pod that starts right now has a lease before its container is known.
MIN_AGE_S = 60.0
# Remedies name files one by one up to this many.
_NAMED_FILES = 20
# utils.FormatChainName of the plugins: 28 characters, of which the hash takes the rest.
_MASQUERADE_CHAIN = re.compile(r"CNI-[0-9a-f]{24}")
_PORTMAP_CHAIN = re.compile(r"CNI-DN-[0-9a-f]{21}")


@record
class Living:
    """Who is alive. ``ids`` None: not known, and ``reason`` says why.

    ``namespaces`` are names, ``processes`` the paths of those that have none.
    """

    ids: frozenset[str] | None
    namespaces: frozenset[str]
    processes: frozenset[str]
    booted_s: float | None
    reason: str = ""

    def holds(self, container: str, age_s: float, netns: str = "") -> bool | None:
        """Whether the pod behind an entry is alive; None where that is not known."""
        if age_s <= MIN_AGE_S:
            return True
        if netns in self.processes or (netns and netns.rpartition("/")[2] in self.namespaces):
            return True
        if container in self.namespaces or (self.ids is not None and container in self.ids):
            return True
        # Nothing that ran before the last boot runs now.
        if self.ids is None and (self.booted_s is None or age_s <= self.booted_s):
            return None
        return False


@check(
    "cni-leases-live",
    title="Dead pods left nothing behind",
    why='After a crash or reboot nobody gives addresses back: the range runs dry with "no IP '
    'addresses available", and each dead pod costs rules that every packet passes.',
    source="https://github.com/containernetworking/plugins/issues/1047",
    severity=WARNING,
)
def cni_leases_live(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each kind of leftover (subject), else one pass."""
    if not is_node(facts, target):
        return
    cni = known(facts.cni)
    living, foreign = _living(facts, cni), _foreign_networks(cni)
    judgements = [
        *_leases(cni, living, foreign),
        *_cache(cni, living, foreign),
        *_chains(facts, cni, living),
        *_veths(facts, cni, target),
    ]
    yield from judgements
    if not judgements:
        leases, cache = known_or(cni.leases, ()), known_or(cni.cache, ())
        if leases or cache:
            yield passed(f"{len(leases)} leases and {len(cache)} cache entries, all of live pods")
        else:
            yield passed("no lease, cache entry, chain or interface of a dead pod")


def _living(facts: Facts, cni: Cni) -> Living:
    paths = known_or(cni.namespaces, ())
    processes = frozenset(path for path in paths if path.startswith("/proc/"))
    names = frozenset(path.rpartition("/")[2] for path in paths if path not in processes)
    if isinstance(cni.live_containers, Unknown):
        reason = cni.live_containers.message
        return Living(None, names, processes, _since_boot_s(facts), reason)
    return Living(frozenset(cni.live_containers), names, processes, None)


def _since_boot_s(facts: Facts) -> float | None:
    if isinstance(facts.system, Unknown) or isinstance(facts.system.boot_time, Unknown):
        return None
    # Imported here: only needed where nobody knows which pods live.
    from datetime import datetime, timezone

    try:
        collected = datetime.strptime(facts.collected, "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return None
    since = collected.replace(tzinfo=timezone.utc).timestamp() - facts.system.boot_time
    # A clock that was set since then tells nothing.
    return since if since > 0 else None


def _foreign_networks(cni: Cni) -> frozenset[str]:
    """Networks of Podman, whose containers no CRI runtime knows."""
    names = {PODMAN}
    for file in known_or(cni.files, ()):
        if isinstance(file.text, Unknown) or PODMAN not in file.text:
            continue
        try:
            network = load(file.path, file.text)
        except LoadError:
            continue
        if product_of(network) == PODMAN:
            names.add(network.name)
    return frozenset(names)


def _leases(cni: Cni, living: Living, foreign: frozenset[str]) -> Iterator[Judgement]:
    if isinstance(cni.leases, Unknown):
        yield undetermined(cni.leases.message, subject="leases")
        return
    known_netns = {entry.container: entry.netns for entry in known_or(cni.cache, ())}
    networks: dict[str, list[IpamLease]] = {}
    for lease in cni.leases:
        if lease.network not in foreign:
            networks.setdefault(lease.network, []).append(lease)
    for network, leases in networks.items():
        held = [
            living.holds(lease.container, lease.age_s, known_netns.get(lease.container, ""))
            for lease in leases
        ]
        dead = [lease for lease, alive in zip(leases, held, strict=True) if alive is False]
        subject = f"leases of {network}"
        if dead:
            shown = ", ".join(lease.address for lease in dead[:3])
            yield failed(
                f"{len(dead)} of {len(leases)} addresses belong to pods that are gone ({shown}"
                f"{', ...' if len(dead) > 3 else ''}), the oldest for {_age(dead)}",
                subject=subject,
                observed=f"{len(dead)} leaked",
                expected="0",
                remedy=_remove([lease.path for lease in dead], everything=len(dead) == len(leases)),
            )
        elif None in held:
            yield undetermined(
                f"whether the {len(leases)} addresses belong to live pods is not known: "
                f"{living.reason}",
                subject=subject,
            )


def _cache(cni: Cni, living: Living, foreign: frozenset[str]) -> Iterator[Judgement]:
    if isinstance(cni.cache, Unknown):
        yield undetermined(cni.cache.message, subject="cache")
        return
    entries = [entry for entry in cni.cache if entry.network not in foreign]
    held = [living.holds(entry.container, entry.age_s, entry.netns) for entry in entries]
    dead = [entry for entry, alive in zip(entries, held, strict=True) if alive is False]
    if dead:
        yield failed(
            f"{len(dead)} of {len(entries)} results in libcni's cache are of pods that are gone, "
            f"the oldest for {_age(dead)}",
            subject="cache",
            observed=f"{len(dead)} leaked",
            expected="0",
            remedy=_remove([entry.path for entry in dead], everything=len(dead) == len(entries)),
        )
    elif None in held:
        yield undetermined(
            f"whether the {len(entries)} results are of live pods is not known: {living.reason}",
            subject="cache",
        )


def _age(dead: Iterable[IpamLease | CniCacheEntry]) -> str:
    seconds = max(item.age_s for item in dead)
    for size, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {word}"
    return f"{seconds:.0f} seconds"


def _remove(paths: list[str], *, everything: bool) -> str:
    paths = [path for path in paths if path]
    folders = {path.rpartition("/")[0] for path in paths}
    if len(paths) > _NAMED_FILES and everything and len(folders) == 1:
        folder = shlex.quote(folders.pop())
        return f"find {folder} -type f ! -name lock ! -name 'last_reserved_ip*' -mmin +1 -delete"
    more = len(paths) - _NAMED_FILES
    command = f"rm -f -- {' '.join(map(shlex.quote, paths[:_NAMED_FILES]))}"
    return f"{command} (and {more} more: run the check again after)" if more > 0 else command


def _chains(facts: Facts, cni: Cni, living: Living) -> Iterator[Judgement]:
    if isinstance(facts.firewall, Unknown):
        return
    tables = [
        *known_or(facts.firewall.tables, ()),
        *known_or(facts.firewall.legacy_tables, ()),
    ]
    found = sorted(
        {
            (_program(table.backend, table.family), table.name, chain)
            for table in tables
            for chain in table.chains
            if _MASQUERADE_CHAIN.fullmatch(chain) or _PORTMAP_CHAIN.fullmatch(chain)
        }
    )
    if not found:
        return
    if living.ids is None:
        yield undetermined(
            f"whether the {len(found)} chains of pods belong to live ones is not known: "
            f"{living.reason}",
            subject="chains",
        )
        return
    live = live_chains({*living.ids, *living.namespaces, *_held(cni, living)}, _networks(cni))
    dead = [item for item in found if item[2] not in live]
    if dead:
        yield failed(
            f"{len(dead)} of {len(found)} firewall chains are of pods that are gone, such as "
            f"{dead[0][2]} in table {dead[0][1]}",
            subject="chains",
            observed=f"{len(dead)} leaked",
            expected="0",
            remedy=drop_chains(dead),
        )


def _held(cni: Cni, living: Living) -> Iterator[str]:
    """The containers of results that no runtime knows, and whose namespace is there all the same:
    those that were put into the network by hand."""
    for entry in known_or(cni.cache, ()):
        if living.holds(entry.container, entry.age_s, entry.netns):
            yield entry.container


def live_chains(ids: Iterable[str], networks: Iterable[str]) -> frozenset[str]:
    """The names of the chains that bridge, ptp and portmap make for live pods.

    Source: pkg/utils/utils.go of the plugins: the SHA-512 of network and container id, cut off.
    """
    # Imported here: OpenSSL is only needed where there are chains.
    from hashlib import sha512

    names = set()
    for network in networks:
        for container in ids:
            digest = sha512(f"{network}{container}".encode()).hexdigest()
            names |= {f"CNI-{digest}"[:28], f"CNI-DN-{digest}"[:28]}
    return frozenset(names)


def _networks(cni: Cni) -> set[str]:
    names = {lease.network for lease in known_or(cni.leases, ())}
    names |= {entry.network for entry in known_or(cni.cache, ())}
    for file in known_or(cni.files, ()):
        if not isinstance(file.text, Unknown):
            try:
                names.add(load(file.path, file.text).name)
            except LoadError:
                continue
    return names


def _program(backend: str, family: str) -> str:
    six = backend.startswith("ip6tables") or family in ("ip6", "6")
    legacy = "-legacy" if "legacy" in backend else ""
    return f"{'ip6tables' if six else 'iptables'}{legacy}"


def drop_chains(chains: Iterable[tuple[str, str, str]]) -> str:
    """Commands that take out the jumps to chains (program, table, name), then the chains.

    By rule number: a rule's own text may hold words that a shell would run.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for program, table, chain in chains:
        parent = "CNI-HOSTPORT-DNAT" if _PORTMAP_CHAIN.fullmatch(chain) else "POSTROUTING"
        groups.setdefault((program, table, parent), []).append(chain)
    commands = []
    for (program, table, parent), names in groups.items():
        base = f"{program} -w -t {shlex.quote(table)}"
        commands.append(
            f"for chain in {' '.join(names)}; do {base} -n --line-numbers -L {parent} | "
            f"awk -v chain=$chain '$2 == chain {{print $1}}' | sort -rn | "
            f"xargs -rn1 {base} -D {parent}; {base} -F $chain; {base} -X $chain; done"
        )
    return " && ".join(commands)


def _veths(facts: Facts, cni: Cni, target: Target) -> Iterator[Judgement]:
    """Ports of the pod bridge whose pods are gone: more than there are namespaces."""
    if isinstance(facts.network, Unknown) or isinstance(facts.network.interfaces, Unknown):
        return
    if isinstance(cni.namespaces, Unknown) or isinstance(cni.live_containers, Unknown):
        return
    names = set(wanted_bridges(facts, target))
    ports = [
        item
        for item in facts.network.interfaces
        if item.kind == "veth" and item.port_of in names and item.peer_elsewhere
    ]
    alive = max(len(cni.namespaces), len(cni.live_containers))
    if len(ports) > alive:
        yield _dead_veths(ports, alive)


def _dead_veths(ports: list[Interface], alive: int) -> Judgement:
    bridge = ports[0].port_of
    if alive:
        remedy = (
            f"compare the ports with the pods, then ip link delete each dead one: "
            f"ip -d link show master {shlex.quote(bridge)}"
        )
    else:
        remedy = " && ".join(f"ip link delete {shlex.quote(item.name)}" for item in ports)
    return failed(
        f"{len(ports)} interfaces of pods hang on {bridge}, and {alive or 'no'} pods live",
        subject="veths",
        observed=str(len(ports)),
        expected=f"<= {alive}",
        remedy=remedy,
    )
