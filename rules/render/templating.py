"""Jinja2 for the files that nodeprep writes, and each target's way to write a foreign word."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pkgutil import get_data
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

# nft keeps 128 bytes of a comment, its end mark included (NFTNL_UDATA_COMMENT_MAXLEN).
NFT_COMMENT_BYTES = 127
# XT_MAX_COMMENT_LEN is 256 with its end mark.
IPTABLES_COMMENT_BYTES = 255
# What may stand in a comment of any target as it is.
_PLAIN = re.compile(r"[^A-Za-z0-9 _.,:;=+@/()-]")
# Behind a # only the end of the line has a meaning, and U+2028 and its like are ends to some.
_UNSEEN = re.compile(r"[^\x20-\x7e]")


def plain(text: object, limit: int) -> str:
    """Text without any character that some target gives a meaning, at most ``limit`` bytes.

    Each other character becomes ``?``; a cut shows as ``...``; never empty.
    """
    clean = _PLAIN.sub("?", str(text).strip()).replace(";", ",") or "?"
    return clean if len(clean) <= limit else clean[: limit - 3] + "..."


def slug(word: str, taken: set[str], *, most: int) -> str:
    """A name of small letters, digits and hyphens, ``most`` of them, and then not in ``taken``.

    Flow ids are ours, but a name is no place to trust anybody. Adds what it gives to ``taken``.
    """
    stem = re.sub(r"[^a-z0-9]+", "-", word.lower())[:most].strip("-") or "x"
    name, count = stem, 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}"
    taken.add(name)
    return name


def nft_comment(text: object) -> str:
    """A comment of nft, with its quotes."""
    return f'"{plain(text, NFT_COMMENT_BYTES)}"'


def iptables_comment(text: object) -> str:
    """A comment of iptables-restore, with its quotes."""
    return f'"{plain(text, IPTABLES_COMMENT_BYTES)}"'


def remark(text: object) -> str:
    """What follows a ``#`` up to the end of the line."""
    return _UNSEEN.sub("?", str(text))[:200]


def xml_remark(text: object) -> str:
    """What stands inside an XML comment, where two hyphens would end it."""
    return re.sub(r"-(?=-|$)", "?", plain(text, 200))


def shell(text: object) -> str:
    """One word of a POSIX shell."""
    return shlex.quote(str(text))


def yaml(document: object) -> str:
    """A document of YAML; nothing in it is a tag or an alias."""
    import yaml as pyyaml

    # libyaml's, where PyYAML was built with it: long lists of addresses are dumped often.
    dumper = getattr(pyyaml, "CSafeDumper", pyyaml.SafeDumper)
    text: str = pyyaml.dump(document, Dumper=dumper, sort_keys=False, width=100)
    return text


def _load(name: str) -> str | None:
    try:
        # By the package's loader: the single file's is quick, importlib.resources reads it whole.
        data = get_data("templates", name)
    except OSError:
        return None
    return data.decode("utf-8") if data is not None else None


@cache
def environment() -> Environment:
    """One environment for all targets: strict, and with escapes in files of XML and HTML."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=FunctionLoader(_load),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("xml.j2", "html.j2"), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    from rules.render.cloud import bicep, hcl

    made.filters.update(
        bicep=bicep.value,
        yaml=yaml,
        hcl_head=hcl.head,
        hcl_body=hcl.body,
        nft_comment=nft_comment,
        iptables_comment=iptables_comment,
        remark=remark,
        xml_remark=xml_remark,
        shell=shell,
    )
    return made


def fill(name: str, **values: Any) -> str:
    """The template ``templates/NAME`` with these values; an unknown name in it is an error."""
    return environment().get_template(name).render(**values)
