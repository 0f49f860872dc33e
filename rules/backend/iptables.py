"""iptables, of either kind: our own chains, one jump to each, and our own ipsets.

One `iptables-restore --noflush` for each family, which is one transaction; IPv4 goes first and is
put back where IPv6 fails. Sets are there before the rules that name them and go after them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from rules.backend import LOAD_TIMEOUT_S, READ_TIMEOUT_S, BackendError, Own, Texts
from rules.backend import iptablestext as text
from rules.backend.memory import memory_files
from rules.backend.scratch import in_scratch
from rules.errors import CommandError
from rules.render import Artefact
from rules.run import find_program, run

# How long to wait for the lock that other users of iptables hold.
LOCK_WAIT_S = 10
# Family -> (render target, its word in nft, its programs' prefix).
FAMILIES = {4: ("iptables", "ip", "iptables"), 6: ("ip6tables", "ip6", "ip6tables")}
_MARK = "### sets"


def program(flavour: str, family: int, verb: str = "") -> str:
    """The program of that flavour: ``iptables-nft-save``, or the plain one of an older system."""
    prefix = FAMILIES[family][2]
    suffix = f"-{verb}" if verb else ""
    exact = f"{prefix}-{flavour}{suffix}"
    if find_program(exact) is not None:
        return exact
    plain = f"{prefix}{suffix}"
    if find_program(plain) is not None and flavour_of(prefix) == flavour:
        return plain
    return exact


def flavour_of(prefix: str = "iptables") -> str:
    """``nft`` or ``legacy``: what the program behind the plain name is; empty where none is."""
    try:
        said = run([prefix, "-V"], timeout_s=READ_TIMEOUT_S).stdout
    except CommandError:
        return ""
    return "nft" if "nf_tables" in said else "legacy"


def families() -> tuple[int, ...]:
    """The families that this kernel has: without IPv6 there is nothing to filter."""
    return (4, 6) if os.path.exists("/proc/sys/net/ipv6") else (4,)


class Iptables:
    """The two flavours differ in their programs only."""

    targets: tuple[str, ...] = ("iptables", "ip6tables")
    restores_at_boot = False

    def __init__(self, flavour: str) -> None:
        self.name = f"iptables-{flavour}"
        self._flavour = flavour

    def fit(self, artefact: Artefact, *, enforce: bool) -> Artefact:
        """As it is."""
        return artefact

    def obstacle(self) -> str:
        """Nothing: what is loaded is ours alone."""
        return ""

    def read(self) -> Own:
        """Our chains, the jumps to them and our sets."""
        own: Own = {}
        for family in families():
            own |= text.own_of(self._filter(family), FAMILIES[family][1])
        return own | _sets()

    def holds(self, digest: str) -> bool:
        """Read from the rules."""
        return any(digest in text for text in self.read().values())

    def preview(self, texts: Texts) -> Own:
        """The chains, jumps and sets as they were rendered."""
        own: Own = {}
        sets: Own = {}
        for family in families():
            target, word, _ = FAMILIES[family]
            for name, body in texts[target].items():
                if name.endswith(".ipset"):
                    sets |= text.rendered_sets(body)
                else:
                    found = text.parse_filter(body)
                    own |= text.own_of(found, word) | text.wanted_jumps(found.chains, word)
        return own | sets

    def canonical(self, texts: Texts) -> Own | None:
        """The same, after loading in a scratch namespace."""
        commands: list[tuple[str, ...]] = []
        with memory_files() as files:
            for family in families():
                target, word, _ = FAMILIES[family]
                for name, body in texts[target].items():
                    path = files.add(self._complete(body, text.Filter({}, ()), word))
                    commands.append(self._loader(name, family, path))
            for family in families():
                commands += [("echo", f"### {family}"), self._saver(family)]
            commands.append(("echo", _MARK))
            if find_program("ipset"):
                commands.append(("ipset", "save"))
            printed = in_scratch(commands, files)
        if printed is None:
            return None
        rules, _, sets = printed.partition(f"{_MARK}\n")
        own: Own = {}
        for part in rules.split("### ")[1:]:
            number, _, saved = part.partition("\n")
            own |= text.own_of(text.parse_filter(saved), FAMILIES[int(number)][1])
        return own | text.parse_sets(sets)

    def load(self, texts: Texts, live: Own) -> None:
        """Sets, IPv4, IPv6, and then the sets go that no rule names any more. Raises BackendError
        where a program refuses."""
        try:
            self._load_sets(texts)
            for family in families():
                self._load_rules(texts, family)
        except CommandError as error:
            self.restore(live)
            raise BackendError(f"{self.name} did not take the rules: {error}") from error
        kept = {name for target in self.targets for name in _set_names(texts[target])}
        _destroy([name for name in _sets() if name.removeprefix("ipset ") not in kept])

    def restore(self, own: Own) -> None:
        """Makes what is ours be ``own``, a family at a time. Raises BackendError where a program
        refuses."""
        try:
            if sets := text.sets_text(own, _sets()):
                self._run_loader("restore.ipset", 0, sets)
            for family in families():
                for attempt in (1, 2):
                    body = text.restore_text(self._filter(family), own, FAMILIES[family][1])
                    try:
                        if body:
                            self._run_loader(f"restore{family}.rules", family, body)
                        break
                    except CommandError:
                        # Somebody changed the chain between reading and writing: once more.
                        if attempt == 2:
                            raise
            _destroy([name for name in _sets() if name not in own])
        except CommandError as error:
            raise BackendError(f"{self.name} did not take the old rules: {error}") from error

    def boot_lines(self, texts: Texts, directory: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """The files with and without the jumps: a jump that is there must not come twice."""
        files: dict[str, str] = {}
        lines: list[str] = []
        for family in families():
            target, word, _ = FAMILIES[family]
            tool = program(self._flavour, family)
            restore = f"{program(self._flavour, family, 'restore')} -w {LOCK_WAIT_S} --noflush"
            for name, body in texts[target].items():
                files[name] = body
                if name.endswith(".ipset"):
                    lines.append(f"ipset restore -exist -file {directory}/{name}")
                    continue
                files[f"jumps-{name}"] = self._complete(body, text.Filter({}, ()), word)
                there = " && ".join(
                    f"{tool} -w {LOCK_WAIT_S} -C {chain} -j {own} 2>/dev/null"
                    for chain, own in text.JUMPS.items()
                )
                lines += [
                    f"if {there}",
                    f"then {restore} {directory}/{name}",
                    f"else {restore} {directory}/jumps-{name}",
                    "fi",
                ]
        return files, tuple(lines)

    def _load_sets(self, texts: Texts) -> None:
        for target in self.targets:
            for name, body in texts[target].items():
                if name.endswith(".ipset"):
                    self._run_loader(name, 0, body)

    def _load_rules(self, texts: Texts, family: int) -> None:
        target, word, _ = FAMILIES[family]
        for name, body in texts[target].items():
            if not name.endswith(".ipset"):
                complete = self._complete(body, self._filter(family), word)
                self._run_loader(name, family, complete)

    @staticmethod
    def _complete(body: str, found: text.Filter, word: str) -> str:
        return text.with_jumps(body, found, word) if "*filter" in body else body

    def _run_loader(self, name: str, family: int, body: str) -> None:
        with memory_files() as files:
            run(
                self._loader(name, family, files.add(body)),
                timeout_s=LOAD_TIMEOUT_S,
                pass_fds=files.descriptors,
            )

    def _loader(self, name: str, family: int, path: str) -> tuple[str, ...]:
        if name.endswith(".ipset"):
            return ("ipset", "restore", "-file", path)
        tool = program(self._flavour, family, "restore")
        return (tool, "-w", str(LOCK_WAIT_S), "--noflush", path)

    def _saver(self, family: int) -> tuple[str, ...]:
        return (program(self._flavour, family, "save"), "-t", "filter")

    def _filter(self, family: int) -> text.Filter:
        if self._flavour == "legacy" and "filter" not in legacy_tables(family):
            return text.Filter({}, ())  # asking for it would make the table
        done = run(self._saver(family), timeout_s=READ_TIMEOUT_S)
        return text.parse_filter(done.stdout)


def legacy_tables(family: int) -> tuple[str, ...]:
    """The legacy tables that exist in this network namespace; reading the list makes none. Raises
    CommandError where it cannot be read."""
    path = "/proc/net/ip_tables_names" if family == 4 else "/proc/net/ip6_tables_names"
    try:
        with open(path, encoding="ascii") as stream:
            return tuple(stream.read().split())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise CommandError("denied", f"{path}: {error.strerror}") from error


def _sets() -> Own:
    if find_program("ipset") is None:
        return {}
    names = run(["ipset", "list", "-n"], timeout_s=READ_TIMEOUT_S).stdout.split()
    own: Own = {}
    for name in names:
        if name.startswith(text.SET_PREFIX):
            own |= text.parse_sets(run(["ipset", "save", name], timeout_s=READ_TIMEOUT_S).stdout)
    return own


def _set_names(files: Mapping[str, str]) -> set[str]:
    return {
        line.split(" ")[1]
        for name, body in files.items()
        if name.endswith(".ipset")
        for line in body.splitlines()
        if line.startswith("create ")
    }


def destroy_sets() -> None:
    """Removes our sets that no rule names."""
    _destroy(list(_sets()))


def _destroy(names: Iterable[str]) -> None:
    for name in names:
        # A foreign rule may use it: then it stays, and says so when it is next read.
        run(["ipset", "destroy", name.removeprefix("ipset ")], timeout_s=READ_TIMEOUT_S, ok=(0, 1))
