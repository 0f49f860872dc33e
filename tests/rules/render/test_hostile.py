"""Hostile words in the cluster and in flows never change what any target's rules mean."""

from __future__ import annotations

import configparser
import re
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.cluster import Cluster, Node, Role
from rules.policy import Policy, policy
from rules.render import TARGETS, Artefact, Posture, render
from rules.render.templating import (
    IPTABLES_COMMENT_BYTES,
    NFT_COMMENT_BYTES,
    fill,
    iptables_comment,
    nft_comment,
    plain,
    remark,
    xml_remark,
)
from tests.rules.render.clusters import POSTURES, cluster

HOSTILE = (
    '" accept comment "',
    "'; touch /tmp/hostile; '",
    "$(touch /tmp/hostile)`id`",
    "a\nadd rule inet nodeprep input accept\nCOMMIT\n*filter",
    "a\r\n-A INPUT -j ACCEPT",
    "}\n} table inet other {",
    "# BEGIN nodeprep\n# END nodeprep\n",
    "{{ 7 * 7 }}{% for a in b %}{# c #}",
    "--> <rule><accept/></rule> <!--",
    "]]> &amp; <![CDATA[ -- -",
    "x" * 300,
    "ünïcödé \u2028\u2029 \u202e нода 节点 \U0001f600",
    "\x00\x1b[2J\x7f\x85",
    "\\",
    '\\" -j ACCEPT',
    "%s %(a)s ${b} [section]\nports=1:65535/tcp",
    " ",
    "-",
    "any",
)
TARGET_POSTURES = [(target, posture) for target in TARGETS for posture in POSTURES]


def spoiled(made: Policy, words: tuple[str, ...]) -> Policy:
    """The same policy with hostile words wherever a person or a table could put one."""

    def word(number: int) -> str:
        return words[number % len(words)]

    old = made.cluster
    nodes = tuple(
        Node(word(number), node.role, node.addresses, node.pod_subnets)
        for number, node in enumerate(old.nodes)
    )
    changes = {"nodes": nodes, "control_plane_endpoint": word(1), "dns_domain": word(2)}
    flows = tuple(
        flow.but(
            # Ids stay distinct, as they are in the matrix.
            id=f"{word(number)}{number}",
            component=word(number + 1),
            why=word(number + 2),
            source=word(number + 3),
            when=word(number + 4),
            process=word(number + 5),
        )
        for number, flow in enumerate(made.flows)
    )
    return Policy(made.role, Cluster(**{**vars(old), **changes}), flows, made.optional)


def meaning(made: Artefact) -> list[object]:
    """The artefact without its comments, its free text, and the choice of names."""
    names = Names()
    found: list[object] = []
    for path, text in made.files.items():
        found.append(names(path))
        if path.endswith(".xml"):
            found.append(_tree(ET.fromstring(text), names))  # noqa: S314 - our own text
        elif path == "applications.d/nodeprep":
            found.append(_sections(text))
        else:
            found += [line for line in map(_bare(names), text.splitlines()) if line]
    return [*found, *(_words(line, names) for line in made.commands if line[:1] != "#")]


class Names:
    """Each name of ours becomes the number of its first appearance."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        return re.sub(r"nodeprep-[a-z0-9_-]+|@\w+|(?<=set )\w+(?= \{)", self._number, text)

    def _number(self, match: re.Match[str]) -> str:
        name = match[0].removeprefix("@")
        return self._numbers.setdefault(name, f"<{len(self._numbers)}>")


def _bare(names: Names) -> Callable[[str], str]:
    def bare(line: str) -> str:
        if line.startswith("#"):
            return ""
        line = re.sub(r'(-m comment --)?comment "[A-Za-z0-9 _.,:=+@/()?-]*"', "", line)
        assert '"' not in line.replace('iifname "lo"', "").replace('"$1"', ""), line
        return names(line).strip()

    return bare


def _tree(element: ET.Element, names: Names) -> object:
    inside = [_tree(child, names) for child in element if child.tag not in ("short", "description")]
    attributes = {key: names(value) for key, value in element.attrib.items() if key != "version"}
    return element.tag, attributes, (element.text or "").strip(), inside


def _sections(text: str) -> list[str]:
    read = configparser.RawConfigParser()
    read.read_string(text)
    for name in read.sections():
        assert re.fullmatch(r"nodeprep-[a-z0-9-]{1,50}", name)
        assert set(read[name]) == {"title", "description", "ports"}
        assert 0 < len(read[name]["description"]) <= 1024
    return [read[name]["ports"] for name in read.sections()]


def _words(line: str, names: Names) -> list[str]:
    assert "\n" not in line
    words = shlex.split(line)
    if "comment" in words:
        assert words.index("comment") == len(words) - 2
        words = words[:-1]
    return [names(word) for word in words if not word.startswith("--set-description=")]


def benign(made: Policy) -> Policy:
    return spoiled(made, ("word",))


@pytest.mark.parametrize(("target", "posture"), TARGET_POSTURES)
@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_word_changes_no_rule(target: str, posture: Posture, word: str) -> None:
    for role in (Role.WORKER, Role.MULTI_MASTER):
        made = policy(role, cluster(families=(4, 6), workers=20, step=2))
        hostile = render(target, spoiled(made, (word,)), posture, version="1.2.3")
        assert meaning(hostile) == meaning(render(target, benign(made), posture))


@given(
    words=st.lists(st.text(max_size=300), min_size=1, max_size=6).map(tuple),
    chosen=st.sampled_from(TARGET_POSTURES),
)
def test_random_words_change_no_rule(words: tuple[str, ...], chosen: tuple[str, Posture]) -> None:
    target, posture = chosen
    made = policy(Role.WORKER, cluster(families=(4, 6), workers=20, step=2))
    hostile = render(target, spoiled(made, words), posture, version=words[0])
    assert meaning(hostile) == meaning(render(target, benign(made), posture))


@given(st.text(max_size=600))
def test_comments_stay_within_their_quotes_and_limits(word: str) -> None:
    for made, limit in (
        (nft_comment(word), NFT_COMMENT_BYTES),
        (iptables_comment(word), IPTABLES_COMMENT_BYTES),
    ):
        assert re.fullmatch(r'"[^"\\\n\r;{}#$`]*"', made)
        assert made.isascii()
        assert len(made) - 2 <= limit
    assert remark(word).isprintable()
    assert len(remark(word).splitlines()) <= 1
    inside = xml_remark(word)
    assert "--" not in inside
    assert not inside.endswith("-")
    ET.fromstring(f"<a><!-- {inside} --></a>")  # noqa: S314 - made here


def test_a_long_comment_shows_that_it_is_cut() -> None:
    assert plain("x" * 300, 127) == "x" * 124 + "..."
    assert plain("node-1 (rack 2), 50 %", 127) == "node-1 (rack 2), 50 ?"


def test_a_template_does_not_take_an_unknown_name() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        fill("firewall/ufw-init.j2", begin="# BEGIN", end="# END")
