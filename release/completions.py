"""Shell completions by typer, under the names by which each shell finds them."""

from __future__ import annotations

from pathlib import Path

# Zsh runs the file itself for the first completion of a session, and only later what it defines.
_ZSH_FIRST = """
if [ "$funcstack[1]" = "_nodeprep" ]; then
  _nodeprep_completion "$@"
fi
"""
# Shell -> the file's name in its own directory of completions.
FILES = {"bash": "nodeprep.bash", "zsh": "_nodeprep", "fish": "nodeprep.fish"}


def write(target: Path) -> None:
    """One file for each shell, in a directory that is made."""
    # Not in its __all__, yet what --show-completion prints.
    from typer.completion import get_completion_script  # type: ignore[attr-defined]

    target.mkdir()
    for shell, name in FILES.items():
        script = get_completion_script(
            prog_name="nodeprep", complete_var="_NODEPREP_COMPLETE", shell=shell
        )
        more = _ZSH_FIRST if shell == "zsh" else ""
        (target / name).write_text(f"{script.strip()}\n{more}", encoding="utf-8")
