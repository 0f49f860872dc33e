"""Rulesets in the shapes that Docker, kube-proxy, Calico, firewalld and ufw lay down.

Their files are beside this one: ``NAME.v4`` and ``NAME.v6`` for iptables-restore, ``NAME.nft``,
``NAME.ipset``.
"""

from __future__ import annotations

from pathlib import Path

from tests.rules.tracing.oracle import Saved

_HERE = Path(__file__).parent / "realistic"
_ODD = Path(__file__).parent / "odd"


def _made(name: str, backend: str, *parts: str, directory: Path = _HERE) -> Saved:
    """Files with the same base name belong together; several names are laid over each other."""
    nft, ipsets = "", ""
    saves: list[tuple[str, int, str]] = []
    for part in parts:
        for path in sorted(directory.glob(f"{part}.*")):
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".nft":
                nft += text
            elif path.suffix == ".ipset":
                ipsets += text
            else:
                saves.append((backend, 4 if path.suffix == ".v4" else 6, text))
    return Saved(name, nft=nft, iptables=tuple(saves), ipsets=ipsets)


def realistic() -> tuple[Saved, ...]:
    """Each alone, with each backend, and those that are found together on nodes."""
    found = [
        _made(f"{name} in {backend}", backend, name)
        for name in ("docker", "calico", "ufw")
        for backend in ("iptables-nft", "iptables-legacy")
    ]
    # One base name for two modes: the iptables mode is the .v4 file.
    modes = _made("kube-proxy", "iptables-nft", "kubeproxy")
    found += [
        Saved("kube-proxy in iptables-nft", iptables=modes.iptables),
        Saved("kube-proxy in nft mode", nft=modes.nft),
        _made("firewalld", "", "firewalld"),
        _made("a hand-written table", "", "enforce"),
        Saved(
            "kube-proxy in nft mode, firewalld",
            nft=modes.nft + _made("", "", "firewalld").nft,
        ),
        Saved("kube-proxy in nft mode, a hand-written table",
              nft=modes.nft + _made("", "", "enforce").nft),
        _made("Docker in iptables-legacy, a hand-written table", "iptables-legacy", "docker",
              "enforce"),
        _made("Calico in iptables-nft, firewalld", "iptables-nft", "calico", "firewalld"),
    ]  # fmt: skip
    return tuple(found)


def odd() -> tuple[Saved, ...]:
    """What is rarely met, and was once answered wrongly; the files are in ``odd``."""
    return (
        _made("statements that end a rule", "", "breaks", directory=_ODD),
        _made("a dormant table, chains of devices", "", "dormant", directory=_ODD),
        _made("masked ipsets in nft", "iptables-nft", "ipsets", directory=_ODD),
        _made("masked ipsets in legacy", "iptables-legacy", "ipsets", directory=_ODD),
    )
