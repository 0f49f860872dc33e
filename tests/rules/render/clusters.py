"""Clusters for the tests of renderers and parsers: a few fixed ones, and random ones."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from hypothesis import strategies as st

from rules.cluster import Cluster, CniChoice, IPNetwork, Node, PortNumbers, Role, Sources
from rules.cnis import PROFILES
from rules.flows import Flow
from rules.policy import Policy, policy
from rules.render import Posture

POSTURES = tuple(Posture)
CHOICES = tuple(
    CniChoice(profile.name, mode.name) for profile in PROFILES.values() for mode in profile.modes
)


def addresses(number: int, families: tuple[int, ...]) -> tuple[str, ...]:
    texts = {4: f"192.0.2.{number}", 6: f"2001:db8::{number:x}"}
    return tuple(texts[family] for family in families)


def cluster(
    *,
    families: tuple[int, ...] = (4,),
    workers: int = 2,
    step: int = 1,
    cni: CniChoice | None = None,
    external_etcd: bool = False,
    sources: Sources | None = None,
) -> Cluster:
    """Three masters, some workers, three etcd members where they are not stacked.

    With ``step`` 2 no two addresses of nodes merge to one network.
    """
    roles = [Role.MULTI_MASTER] * 3 + [Role.WORKER] * workers + [Role.ETCD] * 3 * external_etcd
    pods = {4: ip_network("10.244.0.0/16"), 6: ip_network("fd00:244::/56")}
    services = {4: ip_network("10.96.0.0/12"), 6: ip_network("fd00:96::/112")}
    everyone = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
    admins = {4: ip_network("203.0.113.0/24"), 6: ip_network("2001:db8:ad::/64")}
    return Cluster(
        nodes=tuple(
            Node(
                f"n{number}",
                role,
                tuple(ip_address(text) for text in addresses(number * step + 11, families)),
            )
            for number, role in enumerate(roles)
        ),
        pod_subnets=tuple(pods[family] for family in families),
        service_subnets=tuple(services[family] for family in families),
        cni=cni or CniChoice(),
        external_etcd=external_etcd,
        sources=sources
        or Sources(
            admins=tuple(admins[family] for family in families),
            node_ports=tuple(everyone[family] for family in families),
        ),
    )


def every_policy(
    choices: tuple[CniChoice, ...] = CHOICES, families: tuple[tuple[int, ...], ...] = ((4, 6),)
) -> Iterator[Policy]:
    """Each role with each pod network."""
    for role in Role:
        for choice in choices:
            for chosen in families:
                external = role is Role.ETCD
                yield policy(role, cluster(families=chosen, cni=choice, external_etcd=external))


def all_networks_at_once(role: Role, families: tuple[int, ...] = (4, 6)) -> Policy:
    """One policy with the rows of every pod network, as if all of them ran."""
    external = role is Role.ETCD
    flows: dict[str, Flow] = {}
    for choice in CHOICES:
        made = policy(role, cluster(families=families, cni=choice, external_etcd=external))
        flows.update({flow.id: flow for flow in made.flows})
    # Twenty workers: lists that are sets, beside lists that are rules.
    many = cluster(families=families, workers=20, step=2, external_etcd=external)
    return Policy(role, many, tuple(flows.values()))


def networks(family: int) -> st.SearchStrategy[IPNetwork]:
    """Of a small part of the family, so that lists overlap, touch and merge."""
    if family == 4:
        return st.builds(
            lambda low, length: IPv4Network(((10 << 24) + (low << (32 - length)), length)),
            st.integers(0, 15),
            st.integers(26, 32),
        )
    return st.builds(
        lambda low, length: IPv6Network(((0xFD << 120) + (low << (128 - length)), length)),
        st.integers(0, 15),
        st.integers(120, 128),
    )


def _listed(
    families: tuple[int, ...], *, most: int = 4
) -> st.SearchStrategy[tuple[IPNetwork, ...]]:
    each = st.one_of([networks(family) for family in families])
    return st.lists(each, max_size=most).map(tuple)


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    """Random sizes, families, overlapping sources, ports and pod networks."""
    families = draw(st.sampled_from([(4,), (6,), (4, 6)]))
    external = draw(st.booleans())
    counts = {
        Role.MULTI_MASTER: draw(st.integers(1, 3)),
        Role.WORKER: draw(st.sampled_from([0, 1, 5, 40])),
        Role.ETCD: 3 if external else 0,
    }
    first = draw(st.integers(1, 60))
    step = draw(st.sampled_from([1, 2]))
    nodes: list[Node] = []
    for role, count in counts.items():
        for _ in range(count):
            number = first + step * len(nodes)
            texts = addresses(number, families)
            nodes.append(Node(f"n{number}", role, tuple(ip_address(text) for text in texts)))
    pods: list[IPNetwork] = [draw(networks(family)) for family in families]
    everyone = draw(st.booleans())
    anywhere = tuple(ip_network("0.0.0.0/0" if family == 4 else "::/0") for family in families)
    return Cluster(
        nodes=tuple(nodes),
        pod_subnets=tuple(pods),
        service_subnets=tuple(
            ip_network("172.20.0.0/16" if family == 4 else "fd99::/112") for family in families
        ),
        cni=draw(st.sampled_from(CHOICES)),
        external_etcd=external,
        sources=Sources(
            admins=draw(_listed((4, 6))),
            node_ports=anywhere if everyone else draw(_listed(families, most=20)),
            load_balancers=draw(_listed(families)),
            monitoring=draw(_listed(families, most=20)),
        ),
        ports=draw(
            st.sampled_from([PortNumbers(), PortNumbers(api_server=443, node_ports=(20000, 20010))])
        ),
    )


def policies() -> st.SearchStrategy[Policy]:
    """A role's policy in a random cluster that has somebody for every group it needs."""

    def role_of(made: Cluster) -> st.SearchStrategy[Policy]:
        roles = [role for role in Role if made.external_etcd or role is not Role.ETCD]
        return st.sampled_from(roles).map(lambda role: policy(role, made))

    return clusters().flatmap(role_of)
