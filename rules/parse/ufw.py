"""ufw's own files -> the ruleset that ufw loads of them. Pure.

Source: ufw-framework(8) and /lib/ufw/ufw-init-functions: how its chains hang together.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

from rules.errors import ConfigError
from rules.parse.handwritten import canonical
from rules.parse.ipset import IpSet
from rules.parse.iptables import parse_iptables_save
from rules.ruleset import Ruleset

# Which of /etc/ufw hold rules, in the order in which ufw loads them.
FILES = {
    4: ("before.rules", "user.rules", "after.rules"),
    6: ("before6.rules", "user6.rules", "after6.rules"),
}
DEFAULTS_FILE = "/etc/default/ufw"
_HOOKS = {"INPUT": "input", "FORWARD": "forward", "OUTPUT": "output"}
_POLICIES = {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "ACCEPT"}
_STAGES = ("before-logging", "before", "after", "after-logging", "reject", "track")
# The other chains that ufw makes before it reads any file.
_OTHERS = ("logging-deny", "logging-allow", "user-limit", "user-limit-accept")
_WORDS = re.compile(
    r"(?P<route>route )?(?P<action>allow|deny|reject) (?:in )?from (?P<source>\S+)"
    r" to (?P<destination>\S+)(?: port (?P<ports>[\d:]+) proto (?P<protocol>tcp|udp))?"
)
_ACTIONS = {"allow": "ACCEPT", "deny": "DROP", "reject": "REJECT"}


def parse_ufw(
    files: Mapping[str, str],
    family: int,
    ipsets: Mapping[str, IpSet] | None = None,
    *,
    commands: Iterable[str] = (),
    backend: str = "iptables-nft",
) -> Ruleset:
    """What ufw loads for one family (4 or 6).

    ``files``: text by name below /etc/ufw, and ``DEFAULTS_FILE``; one that is missing counts as
    empty. ``commands``: `ufw allow from ... to ...` lines, as if they had been run. Raises
    ConfigError with file and line for text that ufw itself would refuse.
    """
    defaults = _defaults(files.get(DEFAULTS_FILE, ""))
    prefix = "ufw" if family == 4 else "ufw6"
    table = _Table(prefix, family)
    for hook in _HOOKS:
        table.wire(hook, defaults.get(f"DEFAULT_{hook}_POLICY", _POLICIES[hook]))
    if family == 6 and defaults.get("IPV6", "yes").lower() == "no":
        table.closed()
    else:
        for name in FILES[family]:
            table.read(files.get(name, ""), name)
        table.run(commands)
    return parse_iptables_save(table.text(), backend, family, ipsets, source="ufw")


def _defaults(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith("#"):
            found[name] = value.strip().strip("\"'")
    return found


class _Table:
    """The filter table while ufw fills it."""

    def __init__(self, prefix: str, family: int) -> None:
        self._prefix, self._family = prefix, family
        self._policies: dict[str, str] = {}
        self._chains: dict[str, list[str]] = {f"{prefix}-{name}": [] for name in _OTHERS}

    def wire(self, hook: str, policy: str) -> None:
        """The built-in chain's policy and jumps, and ufw's own chains behind them."""
        word = _HOOKS[hook]
        self._policies[hook] = "ACCEPT" if policy == "ACCEPT" else "DROP"
        self._chains[hook] = []
        for stage in _STAGES:
            chain = f"{self._prefix}-{stage}-{word}"
            self._chains[chain] = []
            self._chains[hook].append(f"-A {hook} -j {chain}")
        for kind in ("user", "user-logging", "skip-to-policy"):
            self._chains[f"{self._prefix}-{kind}-{word}"] = []
        if policy == "REJECT":
            self._add(f"{self._prefix}-reject-{word}", "-j REJECT")
        verdict = policy if policy in ("ACCEPT", "REJECT") else "DROP"
        self._add(f"{self._prefix}-skip-to-policy-{word}", f"-j {verdict}")

    def closed(self) -> None:
        """What ufw does where IPv6 is not its business: loopback only."""
        for hook, option in (("INPUT", "-i"), ("OUTPUT", "-o")):
            self._chains[hook] = [f"-A {hook} {option} lo -j ACCEPT"]
            self._policies[hook] = "DROP"
        self._chains["FORWARD"] = []
        self._policies["FORWARD"] = "DROP"

    def read(self, text: str, source: str) -> None:
        """The filter table of one file; what it holds of others does not decide. Raises ConfigError
        with the line."""
        table = ""
        for number, line in enumerate(text.splitlines(), start=1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("*"):
                table = line[1:].strip()
            elif line == "COMMIT":
                table = ""
            elif not table:
                raise ConfigError(source, "a rule stands outside of any *table", line=number)
            elif table == "filter":
                try:
                    self._take(line)
                except (ValueError, IndexError) as error:
                    raise ConfigError(source, f"is no rule: {error}", line=number) from None

    def _take(self, line: str) -> None:
        if line.startswith(":"):
            chain = line[1:].split()[0]
            if chain not in self._policies:
                self._chains[chain] = []
            return
        made = canonical(line, self._family)
        command, chain, rest = made.split(" ", 2)
        if chain not in self._chains or command not in ("-A", "-I", "--append", "--insert"):
            raise ValueError(line[:60])
        if command in ("-I", "--insert"):
            # ufw's own files insert at the top only.
            self._chains[chain].insert(0, f"-A {chain} {rest}")
        else:
            self._add(chain, rest)

    def run(self, commands: Iterable[str]) -> None:
        """Lines of ufw, in its full syntax, as far as renderers write it. Raises ConfigError for
        one that is not understood."""
        for command in commands:
            words = " ".join(shlex.split(command, comments=True))
            if not words or words == "ufw reload":
                continue
            found = _WORDS.match(words.removeprefix("ufw "))
            if found is None:
                raise ConfigError("ufw", f"cannot tell what {words[:80]!r} does")
            source, destination = found["source"], found["destination"]
            if (":" in source + destination) != (self._family == 6):
                continue
            sides = [
                f"{option} {side}"
                for option, side in (("-s", source), ("-d", destination))
                if side != "any"
            ]
            kind, range_ = found["protocol"], found["ports"]
            ports = []
            if kind:
                several = f"-m multiport --dports {range_}"
                ports = [f"-p {kind}", several if ":" in range_ else f"-m {kind} --dport {range_}"]
            word = "forward" if found["route"] else "input"
            verdict = f"-j {_ACTIONS[found['action']]}"
            self._add(f"{self._prefix}-user-{word}", " ".join([*sides, *ports, verdict]))

    def _add(self, chain: str, rest: str) -> None:
        self._chains.setdefault(chain, []).append(f"-A {chain} {rest}")

    def text(self) -> str:
        """As iptables-save would print it."""
        for word in _HOOKS.values():
            # ufw hangs the rules of its command line behind those of before.rules.
            if f"{self._prefix}-before-{word}" in self._chains:
                self._add(f"{self._prefix}-before-{word}", f"-j {self._prefix}-user-{word}")
        declared = [f":{name} {self._policies.get(name, '-')} [0:0]" for name in self._chains]
        rules = [line for lines in self._chains.values() for line in lines]
        return "\n".join(["*filter", *declared, *rules, "COMMIT", ""])
