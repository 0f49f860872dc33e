"""One run of probes through loaded rules, and its comparison with what is expected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from rules.cluster import IPAddress
from rules.errors import CommandError
from rules.intervals import Intervals
from rules.netns import Scratch
from rules.packet import ICMP, ICMPV6, TCP, UDP
from rules.proof import recorder
from rules.proof.conversation import answers, loopback, questions, send_raw
from rules.proof.expected import EVERYTHING, Expected
from rules.proof.probe import SUM_AT, Bundle, frame, udp
from rules.proof.probeplan import OUTSIDE, Probes, Sender
from rules.proof.way import Kind, Way
from rules.record import record

_PORTED = (Kind.TCP, Kind.UDP, Kind.SCTP)
# Gets how many probes have been sent, and how many will be.
Told = Callable[[int, int], None]


class LostProbes(CommandError):
    """Not every probe that was sent arrived: what is not recorded then proves nothing."""


@record
class Difference:
    """Probes that the rules and the policy judge differently.

    ``what``: ports ``first``-``last`` of tcp, udp or sctp, ICMP types or protocols; for ``answer``,
    ``loopback`` and ``pods`` the words say it.
    """

    way: str
    family: int
    sender: str
    source: IPAddress
    what: str

    def __str__(self) -> str:
        return f"{self.way}: {self.what} from {self.source} ({self.sender})"


@lru_cache(maxsize=24)
def _bundle(family: int, kind: Kind, keys: tuple[int, ...]) -> Bundle:
    """A process that proves many policies sends the same frames again and again."""
    return Bundle(family, kind, keys)


@lru_cache(maxsize=512)
def _within(keys: tuple[int, ...], intervals: Intervals) -> frozenset[int]:
    if intervals == EVERYTHING:
        return frozenset(keys)
    return frozenset(key for key in keys if any(first <= key <= last for first, last in intervals))


@record
class _Shot:
    """One bundle from one address on one way. ``whole``: all of it must survive."""

    way: Way
    sender: str
    source: IPAddress
    kind: Kind
    keys: tuple[int, ...]
    wanted: Intervals

    @property
    def whole(self) -> bool:
        """Whether counting is enough: each probe is sent once, so as many are all."""
        return self.wanted == EVERYTHING and self.kind in (*_PORTED, Kind.ICMP)

    @property
    def place(self) -> tuple[Way, IPAddress, Kind]:
        """Where the recorder has it."""
        return self.way, self.source, self.kind


class Run:
    """Sends the probes of all families, and compares."""

    def __init__(
        self,
        scratch: Scratch,
        expected: Expected,
        probes: list[Probes],
        told: Told | None = None,
    ) -> None:
        self._told = told
        self._scratch, self._expected, self._probes = scratch, expected, probes
        self._layouts = {each.layout.family: each.layout for each in probes}
        self._shots = [shot for each in probes for shot in self._make_shots(each)]
        self._loaded = False
        self._record: recorder.Record | None = None
        self.sent = self.accepted = self.wanted = 0
        self.unexpected: list[Difference] = []
        self.missing: list[Difference] = []

    def _make_shots(self, probes: Probes) -> Iterable[_Shot]:
        for way in probes.layout.ways:
            for number, sender in enumerate(probes.senders):
                few = way is not Way.INPUT and not self._is_telling(way, sender)
                keys = probes.few_keys if few else probes.keys_of(way, number)
                yield from self._shots_from(way, sender.name, sender.address, keys)
            for source in probes.edges:
                yield from self._shots_from(way, "edge", source, probes.edge_keys)

    def _is_telling(self, way: Way, sender: Sender) -> bool:
        """Whether some of its ports pass and others do not; or none does, and it is of no group.

        To pods most groups may send everything or nothing: for that the ends and a sample do.
        """
        admitted = [self._expected.keys(way, sender.address, kind) for kind in _PORTED]
        if all(keys == EVERYTHING for keys in admitted):
            return False
        return way.translated or any(admitted) or OUTSIDE in sender.groups

    def _shots_from(
        self, way: Way, sender: str, source: IPAddress, keys: Mapping[Kind, tuple[int, ...]]
    ) -> Iterable[_Shot]:
        for kind in _PORTED if way.translated else Kind:
            if keys[kind]:
                wanted = self._expected.keys(way, source, kind)
                yield _Shot(way, sender, source, kind, keys[kind], wanted)

    def send(self) -> None:
        """Sends and records everything. Raises LostProbes."""
        self._record = self._fire(self._shots, counting=True)
        doubtful = [
            shot
            for shot in self._shots
            if shot.whole and self._record.counts.get(shot.place, 0) != len(shot.keys)
        ]
        if doubtful:
            # Something of these is missing: once more, to learn what.
            detailed = self._fire(doubtful, counting=False)
            self._record.keys.update({shot.place: set() for shot in doubtful})
            self._record.keys.update(detailed.keys)
            for shot in doubtful:
                self._record.counts.pop(shot.place, None)

    def _fire(self, shots: list[_Shot], *, counting: bool) -> recorder.Record:
        layouts = list(self._layouts.values())
        if self._loaded:
            recorder.load(recorder.forget(layouts))
        recorder.load(recorder.table(layouts))
        self._loaded = True
        if counting and (entries := [shot.place for shot in shots if shot.whole]):
            recorder.load(recorder.whole(entries))
        arriving: Counter[str] = Counter()
        done, whole = 0, sum(len(shot.keys) for shot in shots)
        translating = False
        # The frames of a bundle are made for one source after the other.
        for shot in sorted(shots, key=_turn):
            if shot.way.translated and not translating:
                recorder.load(recorder.translation(layouts))
                translating = True
            family = shot.source.version
            bundle = _bundle(family, shot.kind, shot.keys)
            link = "pods0" if self._expected.is_pod(shot.source) else "eth0"
            bundle.send(
                self._scratch.socket(link), shot.source, self._layouts[family].ways[shot.way]
            )
            arriving[shot.way.hook] += len(shot.keys)
            done += len(shot.keys)
            if self._told is not None:
                self._told(done, whole)
        if counting:
            arriving["forward"] += self._send_strays()
        self._check_arrival(arriving)
        if counting:
            for each in self._probes:
                self._ask(each)
        return recorder.read(layouts)

    @staticmethod
    def _check_arrival(arriving: Counter[str]) -> None:
        arrived = recorder.arrived()
        for hook, count in arriving.items():
            if arrived[hook] != count:
                raise LostProbes(
                    "failed",
                    f"{count} probes were sent through {hook} and {arrived[hook]} arrived: the "
                    "machine loses packets",
                )

    def _send_strays(self) -> int:
        """From each sender to the edges of the pods' ranges, to a port that no flow admits."""
        count = 0
        for each in self._probes:
            for sender in each.senders:
                for number, destination in enumerate(each.destinations):
                    content = udp(20_000 + number, each.layout.port)
                    sent = frame(sender.address, destination, UDP, content, sum_at=SUM_AT[UDP])
                    self._scratch.socket("eth0").send(sent)
                    count += 1
        return count

    def _ask(self, probes: Probes) -> None:
        """The node, and a pod, send to each sender and get answers; the node talks to itself."""
        layout = probes.layout
        outside = self._scratch.socket("eth0")
        node = layout.ways[Way.INPUT]
        for sender in probes.senders:
            send_raw(node, sender.address, layout.opened)
            for answer in answers(sender.address, node, layout.opened):
                outside.send(answer)
            if Way.FORWARD in layout.ways:
                for question in questions(layout.pod, sender.address, layout.opened):
                    self._scratch.socket("pods0").send(question)
                for answer in answers(sender.address, layout.pod, layout.opened):
                    outside.send(answer)
        for address in (loopback(layout.family), node):
            for protocol, port in self._loopback_ports(probes):
                send_raw(address, address, layout.opened, {protocol: port})

    @staticmethod
    def _loopback_ports(probes: Probes) -> list[tuple[int, int]]:
        return [(TCP, port) for port in probes.edge_keys[Kind.TCP]] + [
            (UDP, port) for port in probes.edge_keys[Kind.UDP]
        ]

    def judge(self) -> None:
        """Compares what was recorded with what is expected."""
        assert self._record is not None  # noqa: S101 - send() comes first
        for shot in self._shots:
            self._judge_shot(shot, self._record)
        for each in self._probes:
            self._judge_strays(each, self._record)
            self._judge_answers(each, self._record)
            self._judge_loopback(each, self._record)

    def _judge_shot(self, shot: _Shot, found: recorder.Record) -> None:
        self.sent += len(shot.keys)
        if shot.whole and shot.place in found.counts:
            self.accepted += len(shot.keys)
            self.wanted += len(shot.keys)
            return
        got = found.keys.get(shot.place, set())
        wanted = _within(shot.keys, shot.wanted)
        self.accepted += len(got)
        self.wanted += len(wanted)
        for differing, kept in ((got - wanted, self.unexpected), (wanted - got, self.missing)):
            for words in _words(shot.kind, shot.keys, differing):
                kept.append(self._difference(shot.way.value, shot.sender, shot.source, words))

    def _judge_strays(self, probes: Probes, found: recorder.Record) -> None:
        for sender in probes.senders:
            for destination in probes.destinations:
                self._note(
                    "forward",
                    sender,
                    f"to {destination} (edge of the pods' range)",
                    wanted=self._expected.reaches(sender.address, destination),
                    got=(sender.address, destination) in found.strays,
                )

    def _judge_answers(self, probes: Probes, found: recorder.Record) -> None:
        family = probes.layout.family
        error = ICMP if family == 4 else ICMPV6
        names = {TCP: "tcp", UDP: "udp", error: "icmp error"}
        hooks = ["input", "forward"] if Way.FORWARD in probes.layout.ways else ["input"]
        for hook in hooks:
            for sender in probes.senders:
                for protocol, name in names.items():
                    got = (hook, sender.address, protocol) in found.answered
                    self._note(hook, sender, f"{name} that answers", wanted=True, got=got)

    def _judge_loopback(self, probes: Probes, found: recorder.Record) -> None:
        for address in (loopback(probes.layout.family), probes.layout.ways[Way.INPUT]):
            for protocol, port in self._loopback_ports(probes):
                got = (address, protocol, port) in found.loopback
                name = "tcp" if protocol == TCP else "udp"
                sender = Sender(("loopback",), address)
                self._note("input", sender, f"{name} {port}", wanted=True, got=got)

    def _note(self, way: str, sender: Sender, what: str, *, wanted: bool, got: bool) -> None:
        self.sent += 1
        self.accepted += got
        self.wanted += wanted
        if wanted != got:
            difference = self._difference(way, sender.name, sender.address, what)
            (self.missing if wanted else self.unexpected).append(difference)

    @staticmethod
    def _difference(way: str, sender: str, source: IPAddress, what: str) -> Difference:
        return Difference(way, source.version, sender, source, what)


def _turn(shot: _Shot) -> tuple[bool, int, Kind, Way]:
    return shot.way.translated, shot.source.version, shot.kind, shot.way


def _words(kind: Kind, sent: tuple[int, ...], keys: set[int] | frozenset[int]) -> list[str]:
    """``tcp 10250-10251``, ``icmp type 8``, ``protocol 4``: what ``keys`` are of those ``sent``.

    A range ends where a probe was sent that is not among them.
    """
    if not keys:
        return []
    runs: list[list[int]] = []
    joined = False
    for key in sent:
        if key not in keys:
            joined = False
            continue
        if joined and (kind is not Kind.ICMP or key >> 8 == runs[-1][0] >> 8):
            runs[-1][1] = key
        else:
            runs.append([key, key])
        joined = True
    if kind is not Kind.ICMP:
        return [f"{kind.value} {a}" if a == b else f"{kind.value} {a}-{b}" for a, b in runs]
    whole = Counter(key >> 8 for key in sent)
    return [
        f"icmp type {a >> 8}" + ("" if whole[a >> 8] == b - a + 1 else f" code {a & 255}-{b & 255}")
        for a, b in runs
    ]
