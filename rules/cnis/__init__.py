"""What each pod network adds: flows, protocols, MTU overhead, kernel needs, files it lays down.

One module for each family of products, imported when one of its products is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rules.cluster import CniChoice
from rules.cnis.profile import Mode, Profile
from rules.errors import UsageError

# name -> (module of this package that describes it, other names that people use for it)
_KNOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "bridge": ("reference", ("crio-bridge", "containerd-net", "kubenet", "nodeprep")),
    "flannel": ("flannel", ("kube-flannel", "cbr0")),
    "calico": ("calico", ("k8s-pod-network", "tigera")),
    "cilium": ("cilium", ()),
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
    """``flannel``, ``flannel/vxlan`` -> CniChoice, names as the tables write them.

    Says nothing about whether the name or mode is known: ``find`` does. Raises UsageError for
    text that has no name or several slashes.
    """
    name, _, mode = text.strip().lower().partition("/")
    if not name or "/" in mode:
        raise UsageError(f"a pod network is written NAME or NAME/MODE, not {text!r}")
    return CniChoice(_ALIASES.get(name, name), mode)


def find(choice: CniChoice) -> tuple[Profile, Mode]:
    """The profile and mode behind a choice; an empty mode is the product's default.

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
    return profile, mode


def _unknown(kind: str, word: str, accepted: list[str], listed: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, accepted, n=1, cutoff=0.5)
    guess = f"; did you mean {near[0]!r}?" if near else ""
    return f"no {kind} is called {word!r}{guess} Known: {', '.join(listed)}"


__all__ = ["PROFILES", "Mode", "Profile", "find", "parse_choice"]
