"""nftables: one table of ours, ``inet nodeprep``; its rules change in one transaction."""

from __future__ import annotations

from rules.backend import LOAD_TIMEOUT_S, READ_TIMEOUT_S, BackendError, Own, Texts
from rules.backend.memory import memory_files
from rules.backend.nfttable import TABLE, normal, steps
from rules.backend.scratch import in_scratch
from rules.errors import CommandError
from rules.render import Artefact
from rules.run import run

OBJECT = f"table {TABLE}"
# Stateless: counters are not part of what is compared and kept.
_LIST = ("nft", "-s", "list", "table", *TABLE.split())
_LIST_INPUT = ("nft", "-s", "-t", "list", "chain", *TABLE.split(), "input")


class Nftables:
    """The native backend: both families, all chains and sets in one transaction."""

    name = "nftables"
    targets: tuple[str, ...] = ("nftables",)
    restores_at_boot = False

    def fit(self, artefact: Artefact, *, enforce: bool) -> Artefact:
        """As it is."""
        return artefact

    def obstacle(self) -> str:
        """Nothing: what is loaded is ours alone."""
        return ""

    def read(self) -> Own:
        """Our table as nft lists it; nothing where there is none. Raises CommandError where nft
        does not tell."""
        done = run(_LIST, timeout_s=READ_TIMEOUT_S, ok=(0, 1))
        if done.returncode == 0:
            return {OBJECT: normal(done.stdout)}
        if "No such file or directory" in done.stderr:
            return {}
        raise CommandError("denied" if "ermitted" in done.stderr else "failed", _said(done.stderr))

    def holds(self, digest: str) -> bool:
        """Read from the chain itself; without the sets' elements that is half the time."""
        done = run(_LIST_INPUT, timeout_s=READ_TIMEOUT_S, ok=(0, 1))
        return digest in done.stdout

    def preview(self, texts: Texts) -> Own:
        """The table as it was rendered."""
        return {OBJECT: text_of(texts)}

    def canonical(self, texts: Texts) -> Own | None:
        """The table as nft lists it after loading it in a scratch namespace."""
        with memory_files() as files:
            listed = in_scratch([("nft", "-f", files.add(text_of(texts))), _LIST], files)
        return None if listed is None else {OBJECT: normal(listed)}

    def load(self, texts: Texts, live: Own) -> None:
        """All rules change at one moment; the sets that they need are there before."""
        _load(steps(live.get(OBJECT, ""), text_of(texts)))

    def restore(self, own: Own) -> None:
        """The same; the table is gone after it where ``own`` has none."""
        _load(steps(self.read().get(OBJECT, ""), own.get(OBJECT, "")))

    def boot_lines(self, texts: Texts, directory: str) -> tuple[dict[str, str], tuple[str, ...]]:
        """The file itself, loaded as it is."""
        return {"nodeprep.nft": text_of(texts)}, (f"nft -f {directory}/nodeprep.nft",)


def _load(transactions: tuple[str, ...]) -> None:
    for text in transactions:
        with memory_files() as files:
            try:
                run(
                    ["nft", "-f", files.add(text)],
                    timeout_s=LOAD_TIMEOUT_S,
                    pass_fds=files.descriptors,
                )
            except CommandError as error:
                raise BackendError(f"nft did not take the table: {error}") from error


def text_of(texts: Texts) -> str:
    """The one nft file of the artefact."""
    return "".join(text for name, text in texts["nftables"].items() if name.endswith(".nft"))


def _said(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    return f"nft cannot list our table: {lines[0] if lines else 'nothing printed'}"
