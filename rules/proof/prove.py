"""The exhaustive proof: what the kernel lets through, probe by probe, against the policy.

In a scratch network namespace the rules are loaded as apply loads them, to the byte; probes are
sent; a recorder behind all rules writes down what survives; both sets must be equal. What probes
do not vary (TTL, fragments, flags, marks) is found by reading the loaded rules as well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from rules.backend import Texts, backend
from rules.backend.iptables import families, program
from rules.errors import NodeprepError, UsageError
from rules.netns import COMMAND_TIMEOUT_S, Say, Scratch, configure, forked
from rules.policy import Policy
from rules.proof.expected import Expected
from rules.proof.probeplan import Depth, Sender, make_probes
from rules.proof.proofrun import Difference, LostProbes, Run, Told
from rules.proof.way import Layout, Way
from rules.record import field, record
from rules.render import Posture, render
from rules.run import run
from rules.tracing.live import local_addresses, read_live, routes
from rules.tracing.spacecheck import check_space

BACKENDS = ("nftables", "iptables-nft", "iptables-legacy")
# Probes are lost where the machine has no time for its own packets; then it is done again.
_ATTEMPTS = 3


@record
class Proof:
    """The outcome. ``exact``: nothing ``unexpected`` survived, nothing is ``missing``, and the
    loaded rules when read say the same; where not, ``read`` has it in words.

    ``families`` are those of this kernel. ``probes`` were sent, of which ``accepted`` survived and
    ``expected`` should have. ``sampled``: what was too much to be sent whole.
    """

    backend: str
    role: str
    posture: str
    families: tuple[int, ...]
    senders: tuple[Sender, ...]
    probes: int
    accepted: int
    expected: int
    unexpected: tuple[Difference, ...]
    missing: tuple[Difference, ...]
    duration_ms: float
    sampled: tuple[str, ...] = field(default_factory=tuple)
    read: tuple[str, ...] = field(default_factory=tuple)

    @property
    def exact(self) -> bool:
        """Whether rules and policy are one."""
        return not self.unexpected and not self.missing and not self.read


def render_texts(
    policy: Policy, backend_name: str, posture: Posture, *, version: str = ""
) -> dict[str, dict[str, str]]:
    """What apply would load with this backend: render target -> file name -> text.

    ``version`` is nodeprep's own, for the header.
    """
    targets = ("nftables",) if backend_name == "nftables" else ("iptables", "ip6tables")
    made = {target: render(target, policy, posture, version=version) for target in targets}
    return {target: dict(artefact.files) for target, artefact in made.items()}


def prove(
    policy: Policy,
    backend_name: str,
    posture: Posture,
    *,
    texts: Texts | None = None,
    depth: Depth = Depth.EVERY,
    told: Told | None = None,
) -> Proof:
    """Proves one policy with one of ``BACKENDS``, in a process of its own.

    ``texts``: other rules than those rendered. ``told`` gets the number of probes that have been
    sent, and that will be, again and again. Raises CommandError where the machine lacks a tool
    or lets nobody make namespaces, UsageError as ``rules.access.let_through`` does.
    """

    def work(say: Say) -> None:
        proof = prove_here(
            policy,
            backend_name,
            posture,
            texts=texts,
            depth=depth,
            told=None if told is None else lambda done, whole: say((done, whole)),
        )
        say(proof)

    child = forked(work)
    try:
        while not isinstance(said := child.hear(), Proof):
            if told is not None:
                told(*said)
    except EOFError:
        raise NodeprepError("the proof ended without an answer") from None
    finally:
        child.end()
    return said


def prove_here(
    policy: Policy,
    backend_name: str,
    posture: Posture,
    *,
    texts: Texts | None = None,
    depth: Depth = Depth.EVERY,
    told: Told | None = None,
) -> Proof:
    """``prove`` for a process that may end up in another network namespace."""
    if backend_name not in BACKENDS:
        known = ", ".join(BACKENDS)
        raise UsageError(f"no backend that can be proven is called {backend_name!r}; {known} are")
    began = time.monotonic()
    loaded = render_texts(policy, backend_name, posture) if texts is None else texts
    expected = Expected(policy, posture, backend_name)
    written = [text for files in loaded.values() for text in files.values()]
    probes = [make_probes(policy, expected, family, written, depth) for family in families()]
    layouts = [each.layout for each in probes]
    with Scratch() as scratch:
        configure([line for layout in layouts for line in _addresses(layout)])
        _load_rules(backend_name, posture, loaded)
        read = tuple(_read(policy, posture))
        probing = Run(scratch, expected, probes, told)
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                probing.send()
                break
            except LostProbes:
                if attempt == _ATTEMPTS:
                    raise
        probing.judge()
    return Proof(
        backend=backend_name,
        role=policy.role.value,
        posture=posture.value,
        families=tuple(layout.family for layout in layouts),
        senders=tuple(sender for each in probes for sender in each.senders),
        probes=probing.sent,
        accepted=probing.accepted,
        expected=probing.wanted,
        unexpected=tuple(probing.unexpected),
        missing=tuple(probing.missing),
        duration_ms=(time.monotonic() - began) * 1000,
        sampled=tuple(
            f"IPv{each.layout.family} source edges" for each in probes if each.sampled_edges
        ),
        read=read,
    )


def _read(policy: Policy, posture: Posture) -> Iterator[str]:
    """What the loaded rules say otherwise than the policy, over every source, protocol and port."""
    found = check_space(
        read_live(), policy, posture, local_addresses=local_addresses(), routes=routes()
    )
    for gap in found.excess:
        yield f"{gap}: let in, and no flow admits it"
    for gap in found.missing:
        yield f"{gap}: not let in, and a flow needs it"
    for gap in found.unknown:
        yield f"{gap}: cannot be told ({', '.join(gap.trace.unknown) or 'more than one answer'})"


def _addresses(layout: Layout) -> list[str]:
    """The node answers for its own addresses and for those that are translated to it."""
    host = 32 if layout.family == 4 else 128
    own = [layout.node, layout.ways[Way.INPUT]]
    everywhere = "0.0.0.0/0" if layout.family == 4 else "::/0"
    return [
        *(f"address add {address}/{host} dev eth0" for address in own),
        f"route add {layout.pod}/{host} dev pods0",
        f"route add {everywhere} dev eth0",
    ]


def _load_rules(name: str, posture: Posture, texts: Texts) -> None:
    """As apply does it; under ``allow`` iptables' rules stand where somebody else drops."""
    if name != "nftables" and posture is Posture.ALLOW:
        flavour = name.removeprefix("iptables-")
        for family in families():
            for chain in ("INPUT", "FORWARD"):
                command = [program(flavour, family), "-w", "-P", chain, "DROP"]
                run(command, timeout_s=COMMAND_TIMEOUT_S)
    backend(name).load(texts, {})
