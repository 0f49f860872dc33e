"""What each pod network adds: flows, protocols, MTU overhead, kernel needs, files it lays down.

One module for each family of products, imported when one of its products is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.cluster import CniChoice
from rules.cnis.profile import Elsewhere, Mode, Profile, Transport
from rules.errors import UsageError
from rules.words import nearest

# name -> (module of this package that describes it, other names that people use for it)
_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "bridge": ("reference", ("crio-bridge", "containerd-net", "kubenet", "nodeprep")),
    "ptp": ("reference", ()),
    "vlan": ("reference", ("8021q",)),
    "ipvlan": ("reference", ()),
    "macvlan": ("reference", ()),
    "host-device": ("reference", ("sriov",)),
    "dhcp": ("ipam", ()),
    "infoblox": ("ipam", ("infoblox-ipam",)),
    "win-bridge": ("windows", ("l2bridge",)),
    "win-overlay": ("windows", ()),
    "flannel": ("flannel", ("kube-flannel", "cbr0")),
    "canal": ("flannel", ()),
    "calico": ("calico", ("k8s-pod-network", "tigera")),
    "cilium": ("cilium", ("cilium-cni",)),
    "weave": ("weave", ("weave-net", "weavenet")),
    "antrea": ("vmware", ()),
    "nsx-ncp": ("vmware", ("nsx", "ncp", "nsx-t", "vmware-nsx")),
    "kube-router": ("kuberouter", ("kuberouter",)),
    "kube-ovn": ("kubeovn", ("kubeovn", "ovn")),
    "kindnet": ("cloud", ("kindnetd", "kind")),
    "aws-vpc": ("cloud", ("aws", "aws-cni", "aws-vpc-cni", "amazon-vpc-cni", "eks")),
    "gke": ("cloud", ("gcp", "gke-alias-ip", "alias-ip", "gcp-alias-ip")),
    "azure": ("cloud", ("azure-cni", "azure-vnet", "aks")),
    "docker-overlay": ("docker", ("docker", "cnm", "swarm", "libnetwork", "overlay")),
}
_ALIASES = {alias: name for name, (_, aliases) in _KNOWN.items() for alias in aliases}


class _Profiles(Mapping[str, Profile]):
    """The profiles by name, each described when it is first asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Profile] = {}

    def __getitem__(self, name: str) -> Profile:
        if name not in self._made:
            from importlib import import_module

            module = import_module(f"rules.cnis.{_KNOWN[name][0]}")
            made: dict[str, Profile] = {profile.name: profile for profile in module.profiles()}
            self._made.update(made)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_KNOWN)

    def __len__(self) -> int:
        return len(_KNOWN)


PROFILES: Mapping[str, Profile] = _Profiles()


def parse_choice(text: str) -> CniChoice:
    """``flannel``, ``flannel/vxlan`` -> CniChoice, an alias as the name that it stands for.

    Says nothing about whether the name or mode is known: ``find`` does. Raises UsageError for
    text that has no name, an empty mode or several slashes.
    """
    name, slash, mode = text.strip().lower().partition("/")
    if not name or "/" in mode or (slash and not mode):
        raise UsageError(f"a pod network is written NAME or NAME/MODE, not {text!r}")
    return CniChoice(_ALIASES.get(name, name), mode)


def find(choice: CniChoice) -> tuple[Profile, Mode]:
    """The profile as it is in the chosen mode, and the mode; an empty one is the default.

    Raises UsageError that names the nearest known name or the modes there are.
    """
    name = _ALIASES.get(choice.name, choice.name)
    if name not in _KNOWN:
        raise UsageError(_unknown("pod network", choice.name, [*_KNOWN, *_ALIASES], list(_KNOWN)))
    profile = PROFILES[name]
    mode = profile.mode(choice.mode)
    if mode is None:
        modes = [mode.name for mode in profile.modes]
        aliases = [alias for mode in profile.modes for alias in mode.aliases]
        raise UsageError(_unknown(f"mode of {name}", choice.mode, modes + aliases, modes))
    return profile.narrowed(mode), mode


def _unknown(kind: str, word: str, accepted: list[str], listed: list[str]) -> str:
    near = nearest(word, accepted)
    guess = f"; the nearest is {near!r}" if near else ""
    return f"no {kind} is called {word!r}{guess}; known are {', '.join(listed)}"


def aliases(name: str) -> tuple[str, ...]:
    """The other words that people use for a profile's name."""
    return _KNOWN[name][1]


__all__ = [
    "PROFILES",
    "Elsewhere",
    "Mode",
    "Profile",
    "Transport",
    "aliases",
    "find",
    "parse_choice",
]
