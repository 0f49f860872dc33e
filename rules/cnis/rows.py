"""Short forms of the rows that pod networks add to the matrix."""

from __future__ import annotations

from rules.cluster import Role
from rules.flows import FROM_NODES, FROM_SELF, KUBELETS, Bind, Flow, Group, Protocol

BOTH = frozenset({4, 6})
V4 = frozenset({4})
V6 = frozenset({6})


def port(
    id: str,
    component: str,
    protocol: Protocol,
    number: int | tuple[int, int],
    why: str,
    source: str,
    *,
    process: str = "",
    sources: frozenset[Group] = FROM_NODES,
    roles: frozenset[Role] = KUBELETS,
    families: frozenset[int] = BOTH,
    binds: bool = True,
    bind: Bind = Bind.ANY,
    optional: bool = False,
    when: str = "",
) -> Flow:
    """A port that nodes open to each other, unless ``sources`` and ``roles`` say otherwise."""
    ports = number if isinstance(number, tuple) else (number, number)
    return Flow(
        id,
        component,
        protocol,
        ports,
        sources,
        roles,
        why,
        source,
        process=process,
        binds=binds,
        bind=bind,
        optional=optional,
        when=when,
        families=families,
    )


def own(
    id: str,
    component: str,
    number: int,
    why: str,
    source: str,
    *,
    process: str,
    bind: Bind = Bind.LOOPBACK,
    optional: bool = False,
    when: str = "",
) -> Flow:
    """A TCP port that a node's own programs use and nobody else may."""
    return port(
        id,
        component,
        Protocol.TCP,
        number,
        why,
        source,
        process=process,
        sources=FROM_SELF,
        bind=bind,
        optional=optional,
        when=when,
    )


def carried(
    id: str,
    component: str,
    protocol: Protocol,
    why: str,
    source: str,
    *,
    families: frozenset[int] = BOTH,
    optional: bool = False,
    when: str = "",
) -> Flow:
    """An IP protocol without ports that nodes send to each other."""
    return Flow(
        id,
        component,
        protocol,
        None,
        FROM_NODES,
        KUBELETS,
        why,
        source,
        binds=False,
        optional=optional,
        when=when,
        families=families,
    )
