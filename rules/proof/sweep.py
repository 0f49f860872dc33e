"""Many proofs: every role, pod network, backend and posture of a sample cluster.

Rules that are the same are proven once. As many processes as there are cores share the work.
"""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address, ip_network

from rules import cnis
from rules.backend import Texts
from rules.cluster import Cluster, CniChoice, IPNetwork, Node, Role, Sources
from rules.errors import NodeprepError
from rules.flows import Flow
from rules.netns import Say, forked
from rules.policy import Policy, policy
from rules.proof.probeplan import Depth
from rules.proof.prove import BACKENDS, Proof, prove_here
from rules.record import record
from rules.render import Posture
from rules.render.plan import make_plan

DEFAULT_NETWORK = "bridge"
ALL_NETWORKS = "all"


@record
class Case:
    """One ruleset to be proven. ``networks``: the pod network, and others with the same rules.

    ``texts``: other rules than those rendered.
    """

    policy: Policy
    networks: tuple[str, ...]
    backend: str
    posture: Posture
    depth: Depth
    texts: Texts | None = None

    @property
    def weight(self) -> int:
        """Roughly how long it takes, to begin with the longest."""
        return {Depth.EVERY: 16, Depth.INPUT: 6, Depth.ENDS: 1}[self.depth]


def sample_cluster(*, workers: int = 2, step: int = 1, external_etcd: bool = False) -> Cluster:
    """Both families, documentation addresses, a member in every source group.

    With ``step`` 2 no two nodes' addresses merge to one network.
    """
    roles = [Role.MULTI_MASTER] * 3 + [Role.WORKER] * workers + [Role.ETCD] * 3 * external_etcd
    return Cluster(
        nodes=tuple(
            Node(f"n{number}", role, (ip_address(f"192.0.2.{at}"), ip_address(f"2001:db8::{at:x}")))
            for number, role in enumerate(roles)
            for at in (11 + number * step,)
        ),
        pod_subnets=_networks("10.244.0.0/16", "fd00:10:244::/56"),
        service_subnets=_networks("10.96.0.0/12", "fd00:10:96::/112"),
        external_etcd=external_etcd,
        sources=Sources(
            admins=_networks("203.0.113.0/25", "2001:db8:ad::/64"),
            node_ports=_networks("198.51.100.0/24", "2001:db8:c::/48"),
            load_balancers=_networks("203.0.113.192/27", "2001:db8:1b::/64"),
            monitoring=_networks("203.0.113.240/28", "2001:db8:30::/64"),
        ),
    )


def _networks(*texts: str) -> tuple[IPNetwork, ...]:
    return tuple(ip_network(text) for text in texts)


def all_networks(role: Role) -> Policy:
    """One policy with the rows of every pod network and mode, those that few want included.

    In a cluster with long lists.
    """
    flows: dict[str, Flow] = {}
    external = role is Role.ETCD
    for choice in _choices():
        cluster = Cluster(**{**vars(sample_cluster(external_etcd=external)), "cni": choice})
        made = policy(role, cluster)
        flows.update({flow.id: flow for flow in (*made.flows, *made.optional)})
    many = sample_cluster(workers=20, step=2, external_etcd=external)
    return Policy(role, many, tuple(flows.values()))


def _choices() -> Iterator[CniChoice]:
    for profile in cnis.PROFILES.values():
        for mode in profile.modes:
            yield CniChoice(profile.name, mode.name)


def every_case() -> tuple[Case, ...]:
    """What ``firewall prove --all`` proves.

    All ports for each role with the default network and with all networks at once; the others, mode
    by mode, at the ends of their ranges and beside them, each set of rules once.
    """
    whole = [
        Case(made, (network,), backend, posture, depth)
        for role in Role
        for network, made, depth in (
            (DEFAULT_NETWORK, policy(role, _sample_for(role)), Depth.EVERY),
            (ALL_NETWORKS, all_networks(role), Depth.INPUT),
        )
        for backend in BACKENDS
        for posture in Posture
    ]
    places = {_content(case): number for number, case in enumerate(whole)}
    found = list(whole)
    for role in Role:
        for choice in _choices():
            made = policy(role, Cluster(**{**vars(_sample_for(role)), "cni": choice}))
            name = f"{choice.name}/{choice.mode}"
            for case in _cases_of(made, name):
                place = places.setdefault(_content(case), len(found))
                if place == len(found):
                    found.append(case)
                else:
                    known = found[place]
                    names = (*known.networks, f"{role.value}:{name}")
                    found[place] = Case(**{**vars(known), "networks": names})
    return tuple(sorted(found, key=lambda case: -case.weight))


def _sample_for(role: Role) -> Cluster:
    return sample_cluster(external_etcd=role is Role.ETCD)


def _cases_of(made: Policy, name: str) -> Iterator[Case]:
    for posture in Posture:
        for backend in BACKENDS:
            yield Case(made, (name,), backend, posture, Depth.ENDS)


def _content(case: Case) -> object:
    """All that the text of its rules is made of, but remarks."""
    plan = make_plan(case.policy, case.posture)
    lists = tuple((one.name, one.family, one.key) for one in plan.lists)
    rows = tuple(
        (
            row.flow,
            row.hook,
            row.family,
            row.protocol,
            row.ports,
            row.icmp_types,
            row.sources and row.sources.name,
            row.destinations and row.destinations.name,
            row.original_port,
        )
        for row in plan.rows
    )
    return case.backend, case.posture, rows, lists, tuple(sorted(plan.pods))


def covering() -> tuple[Case, ...]:
    """A few: each role with each backend, in turn under one posture and the other.

    All pod networks at once, so that every row of the matrix is in some of them.
    """
    postures = tuple(Posture)
    return tuple(
        Case(all_networks(role), (ALL_NETWORKS,), backend, postures[turn % 2], Depth.ENDS)
        for place, role in enumerate(Role)
        for turn, backend in enumerate(BACKENDS, place)
    )


def sweep(
    cases: Sequence[Case], heard: Callable[[int, Proof], None], *, processes: int | None = None
) -> None:
    """Proves the cases; ``heard`` gets the index and the outcome of each as it comes.

    Raises what a proof raises; the other processes then end.
    """
    jobs, filling = os.pipe()
    # 4 bytes each: whoever is idle takes the next. A pipe holds 16,000 of them.
    os.write(filling, b"".join(struct.pack("=I", index) for index in range(len(cases))))
    os.close(filling)
    count = min(processes or len(os.sched_getaffinity(0)), len(cases))
    workers = [forked(lambda say: _work(cases, jobs, say)) for _ in range(count)]
    os.close(jobs)
    missing = len(cases)
    try:
        busy = {worker.descriptor: worker for worker in workers}
        while busy:
            for ready in select.select(list(busy), [], [])[0]:
                try:
                    index, proof = busy[ready].hear()
                except EOFError:
                    del busy[ready]
                    continue
                missing -= 1
                heard(index, proof)
    finally:
        for worker in workers:
            worker.end()
    if missing:
        raise NodeprepError(f"{missing} proofs ended without an answer")


def _work(cases: Sequence[Case], jobs: int, say: Say) -> None:
    while taken := os.read(jobs, 4):
        index = struct.unpack("=I", taken)[0]
        case = cases[index]
        proof = prove_here(
            case.policy, case.backend, case.posture, texts=case.texts, depth=case.depth
        )
        say((index, proof))
