"""Who owns the packet filter: decided on hand-made hosts, and seen on real ones."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from rules.backend import detect
from rules.backend.detect import Choice, Dropper, Filters, OwnerError, choose
from rules.errors import CommandError, UsageError
from tests.rules.backend import foreign
from tests.rules.backend.lab import Machine

NFT_HOST = Filters(nft=True, iptables="nft")


def having(**changes: object) -> Filters:
    return Filters(**{**vars(NFT_HOST), **changes})


def dropper(backend: str, hook: str = "input") -> Dropper:
    table = "filter" if backend != "nft" else "mine"
    return Dropper(backend, "ip", table, hook.upper(), hook)


@pytest.mark.parametrize(
    ("filters", "backend", "reason"),
    [
        (NFT_HOST, "nftables", "nobody else drops packets here"),
        (having(firewalld=True, firewalld_table=True), "firewalld", "firewalld runs"),
        (having(ufw=True, droppers=(dropper("iptables-nft"),)), "ufw", "ufw is enabled"),
        (
            having(droppers=(dropper("iptables-nft", "forward"),), nft_chains=frozenset({"X"})),
            "iptables-nft",
            "FORWARD of iptables-nft (ip) drops by default",
        ),
        (
            having(droppers=(dropper("iptables-legacy"),), legacy_chains=frozenset({"X"})),
            "iptables-legacy",
            "INPUT of iptables-legacy (ip) drops by default",
        ),
        (
            having(nft_chains=frozenset({"KUBE-IPTABLES-HINT", "KUBE-FIREWALL"})),
            "iptables-nft",
            "chain KUBE-IPTABLES-HINT",
        ),
        (
            having(legacy_chains=frozenset({"KUBE-KUBELET-CANARY"})),
            "iptables-legacy",
            "chain KUBE-KUBELET-CANARY",
        ),
        (having(legacy_chains=frozenset({"INPUT"})), "iptables-legacy", "legacy tables are in use"),
        (having(nft_chains=frozenset({"DOCKER"})), "nftables", "nobody else drops"),
        (having(droppers=(dropper("nft"),)), "nftables", "nobody else drops"),
        (Filters(iptables="legacy"), "iptables-legacy", "nft is not"),
        (Filters(iptables="nft"), "iptables-nft", "nft is not"),
    ],
)
def test_auto(filters: Filters, backend: str, reason: str) -> None:
    choice = choose(filters, "auto", enforce=True)
    assert choice.backend == backend
    assert reason in choice.reason


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (Filters(), "install nftables"),
        (having(firewalld=True, ufw=True), "two owners"),
        (having(firewalld_table=True), "firewalld does not run"),
        (
            having(nft_chains=frozenset({"DOCKER"}), legacy_chains=frozenset({"KUBE-FORWARD"})),
            "iptables-nft (DOCKER) and in iptables-legacy (KUBE-FORWARD)",
        ),
    ],
)
def test_contradictions_are_errors(filters: Filters, message: str) -> None:
    with pytest.raises(OwnerError) as raised:
        choose(filters, "auto", enforce=True)
    assert message in str(raised.value)
    assert choose(filters, "nftables", enforce=True).reason == "asked for"


def test_unknown_backend() -> None:
    with pytest.raises(UsageError, match="'pf' is none of them"):
        choose(NFT_HOST, "pf", enforce=True)


def test_what_will_not_work_is_said() -> None:
    def warned(filters: Filters, wanted: str = "nftables", *, enforce: bool = True) -> str:
        return " ".join(choose(filters, wanted, enforce=enforce).warnings)

    assert warned(NFT_HOST) == ""
    assert "nothing to open" in warned(NFT_HOST, enforce=False)
    mine = having(droppers=(dropper("nft"),))
    assert "chain INPUT of table ip mine drops" in warned(mine)
    iptables = having(droppers=(dropper("iptables-nft"),))
    assert "chain INPUT of iptables-nft (ip) drops" in warned(iptables)
    assert warned(iptables, "iptables-nft") == ""
    assert "does not see" in warned(having(legacy_chains=frozenset({"INPUT"})))
    assert warned(having(notes=("no program reads them",))) == "no program reads them"


class _Chain:
    def __init__(self, name: str, policy: str = "", rules: int = 0) -> None:
        self.name, self._policy, self.rules = name, policy, [None] * rules

    def is_builtin(self) -> bool:
        return bool(self._policy)

    def get_policy(self) -> SimpleNamespace:
        return SimpleNamespace(name=self._policy)


def test_legacy_tables_that_no_program_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Table:
        def __init__(self, name: str) -> None:
            assert name == "filter"
            self.chains = [
                _Chain("INPUT", "DROP"), _Chain("FORWARD", "ACCEPT"), _Chain("DOCKER", "", 2),
                _Chain("NODEPREP-INPUT"),
            ]  # fmt: skip

        def close(self) -> None:
            closed.append(True)

    def absent(*_: object, **__: object) -> set[str]:
        raise CommandError("absent", "iptables-legacy-save is not installed")

    monkeypatch.setattr(detect, "_saved_chains", absent)
    monkeypatch.setitem(sys.modules, "iptc", SimpleNamespace(Table=Table, Table6=Table))
    droppers: list[Dropper] = []
    assert detect._legacy_chains(("filter",), 4, droppers) == {"INPUT", "DOCKER"}
    assert droppers == [Dropper("iptables-legacy", "ip", "filter", "INPUT", "input")]
    assert closed == [True]
    monkeypatch.setitem(sys.modules, "iptc", None)
    with pytest.raises(CommandError, match="python-iptables cannot be used"):
        detect._legacy_chains(("filter",), 6, droppers)


def seen(machine: Machine) -> Choice:
    plan = machine.firewall("plan")
    return Choice(plan["backend"], plan["reason"], tuple(plan["warnings"]))


@pytest.mark.kernel
def test_real_hosts(machine: Machine) -> None:
    files = machine.directory
    (files / "plain").write_text(foreign.iptables(hint=False, forward_drop=False))
    (files / "docker").write_text(foreign.iptables(hint=False))
    (files / "kube").write_text(foreign.iptables(forward_drop=False))
    assert seen(machine).backend == "nftables"
    # Tables that hold the kernel's own empty chains are not in use.
    machine.shell("iptables-nft -S; iptables-nft -N X; iptables-nft -X X; iptables-legacy -S")
    assert seen(machine) == Choice(
        "nftables", "nobody else drops packets here, and nft is installed"
    )
    machine.shell(f"iptables-nft-restore {files}/plain")
    assert seen(machine).backend == "nftables"
    machine.shell(f"iptables-nft-restore {files}/docker")
    assert seen(machine).reason == "FORWARD of iptables-nft (ip) drops by default"
    machine.shell(f"iptables-nft-restore {files}/kube")
    assert "KUBE-IPTABLES-HINT" in seen(machine).reason
    # Our own chains are nobody's.
    machine.firewall("apply", "iptables-legacy", "--confirm-within", "0")
    assert seen(machine).backend == "iptables-nft"
    machine.firewall("remove")
    machine.shell("iptables-legacy -A INPUT -p tcp --dport 8080 -j DROP")
    both = machine.nodeprep("firewall", "plan", "--role", "worker", "--config",
                            str(files / "one.yaml"), code=3)  # fmt: skip
    assert "there are rules in iptables-nft" in both.stderr
    machine.shell("nft flush ruleset")
    assert seen(machine).reason == "legacy tables are in use (INPUT)"
    machine.shell("iptables-legacy -F; iptables-legacy -P INPUT DROP")
    assert seen(machine).reason == "INPUT of iptables-legacy (ip) drops by default"
    machine.shell(
        "iptables-legacy -P INPUT ACCEPT; nft -f - <<'END'\n"
        "table inet mine {\n chain in {\n"
        "  type filter hook input priority 0; policy drop;\n }\n}\nEND"
    )
    assert "chain in of table inet mine drops" in seen(machine).warnings[0]


def test_a_table_that_is_switched_off_owns_nothing(machine: Machine) -> None:
    machine.shell(
        "nft 'add table inet off { flags dormant; }'; "
        "nft 'add chain inet off c { type filter hook input priority 0; policy drop; }'"
    )
    assert seen(machine).warnings == ()
    machine.run("nft", "add", "table", "inet", "off")  # without the flag: it is switched on
    assert "chain c of table inet off drops" in seen(machine).warnings[0]
