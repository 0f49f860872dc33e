"""The packet filters of a host: what is ours in them, how it gets in, and how it comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from rules.errors import EXIT_FAILED, NodeprepError, UsageError
from rules.record import record

if TYPE_CHECKING:
    from rules.render import Artefact

# Object -> its text, in the words of the tool that reads it back in. What is ours, and only that.
Own = dict[str, str]
# Render target -> file name -> the text that is loaded.
Texts = Mapping[str, Mapping[str, str]]

BACKENDS = ("nftables", "iptables-nft", "iptables-legacy", "firewalld", "ufw")
LOAD_TIMEOUT_S = 60.0
READ_TIMEOUT_S = 20.0


class BackendError(NodeprepError):
    """The packet filter did not take a change; what was there before is still there."""

    exit_code = EXIT_FAILED


@record
class Change:
    """One own object: None where it is not there. Texts as the packet filter's tool prints them."""

    object: str
    before: str | None
    after: str | None


class Backend(Protocol):
    """One packet filter. Everything it reads and writes is nodeprep's own and nothing else.

    ``targets`` are the render targets that it loads. ``restores_at_boot``: whether somebody else
    (firewalld, ufw) brings its rules back after a reboot.
    """

    name: str
    targets: tuple[str, ...]
    restores_at_boot: bool

    def fit(self, artefact: Artefact, *, enforce: bool) -> Artefact:
        """The artefact as the installed version takes it. Raises UsageError where it cannot."""

    def obstacle(self) -> str:
        """What a load would do to others, empty where nothing; then it needs ``--force``."""

    def read(self) -> Own:
        """What is ours now. Raises CommandError where that cannot be read."""

    def holds(self, digest: str) -> bool:
        """Whether the rules in force carry that policy's digest."""

    def preview(self, texts: Texts) -> Own:
        """The objects of the texts, in the texts' own words."""

    def canonical(self, texts: Texts) -> Own | None:
        """What ``read`` would give after ``load(texts)``; None where that cannot be told."""

    def load(self, texts: Texts, live: Own) -> None:
        """Puts the texts in force in place of ``live``. Raises BackendError; then ``live`` is."""

    def restore(self, own: Own) -> None:
        """Makes what is ours be exactly ``own``; an empty one removes everything of ours."""

    def boot_lines(self, texts: Texts, directory: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """Files to keep in ``directory``, and the shell lines that load them at boot."""


def changes(live: Own, wanted: Own) -> tuple[Change, ...]:
    """The objects that differ, in their order."""
    names = [*wanted, *(name for name in live if name not in wanted)]
    return tuple(
        Change(name, live.get(name), wanted.get(name))
        for name in names
        if live.get(name) != wanted.get(name)
    )


def backend(name: str) -> Backend:
    """The backend of that name; UsageError for any other."""
    if name == "nftables":
        from rules.backend.nftables import Nftables

        return Nftables()
    if name in ("iptables-nft", "iptables-legacy"):
        from rules.backend.iptables import Iptables

        return Iptables(name.removeprefix("iptables-"))
    if name == "firewalld":
        from rules.backend.firewalld import Firewalld

        return Firewalld()
    if name == "ufw":
        from rules.backend.ufw import Ufw

        return Ufw()
    raise UsageError(f"no backend is called {name!r}; they are auto, {', '.join(BACKENDS)}")
