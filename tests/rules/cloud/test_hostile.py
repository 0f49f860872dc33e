"""Hostile words in the cluster, in flows, in tags and names never change what a document means."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.cloud import CLOUDS, load
from rules.cloud.document import CloudOptions, CloudRules, describe
from rules.cloud.plan import CloudPlan, Wishes, cluster_roles, make_plan
from rules.cloud.reach import Reach
from rules.cluster import CniChoice
from rules.errors import UsageError
from rules.parse.cloud import bicep, hcl
from rules.policy import policy
from rules.render.cloud import formats
from rules.render.cloud.bicep import value as bicep_value
from rules.render.cloud.hcl import Block, body, head, quoted
from tests.rules.cloud.plans import carried, read_back, widest
from tests.rules.render.clusters import cluster
from tests.rules.render.test_hostile import HOSTILE, spoiled

MORE = (
    *HOSTILE,
    '${file("/etc/passwd")}',
    "%{ for a in b }",
    "$${x}",
    "'\"'\"'; reboot; '",
    "*/ //",
)
CLOUD_FORMATS = [(cloud, form) for cloud in CLOUDS for form in formats(cloud)]


def plan_with(cloud: str, words: tuple[str, ...]) -> CloudPlan:
    made = cluster(cni=CniChoice("flannel", "vxlan"))
    members = cluster_roles(made)
    policies = {role: spoiled(policy(role, made), words) for role in members}
    wishes = Wishes(by_address=not load(cloud).ABILITIES.references)
    return carried(make_plan(policies, members, wishes), cloud)


@cache
def benign(cloud: str) -> Reach:
    """What harmless words let in; every format says the same."""
    made = widest(plan_with(cloud, ("word",)), cloud)
    return read_back(made, next(iter(formats(cloud))))


@pytest.mark.parametrize(("cloud", "form"), CLOUD_FORMATS)
@pytest.mark.parametrize("first", range(0, len(MORE), 5))
def test_hostile_words_change_no_rule(cloud: str, form: str, first: int) -> None:
    made = widest(plan_with(cloud, MORE[first : first + 5]), cloud)
    assert read_back(made, form) == benign(cloud)


@settings(max_examples=15, deadline=None)
@given(
    words=st.lists(st.text(max_size=300), min_size=1, max_size=4).map(tuple),
    chosen=st.sampled_from(CLOUD_FORMATS),
)
def test_random_words_change_no_rule(words: tuple[str, ...], chosen: tuple[str, str]) -> None:
    cloud, form = chosen
    made = widest(plan_with(cloud, words), cloud)
    assert read_back(made, form) == benign(cloud)


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("word", MORE)
def test_hostile_options_are_refused_or_mean_nothing(cloud: str, word: str) -> None:
    plan = plan_with(cloud, ("word",))
    taken: list[CloudRules] = []
    for options in (
        CloudOptions(name=word), CloudOptions(network=word), CloudOptions(tags=((word, word),)),
        CloudOptions(tags=(("key", word),)), CloudOptions(scope=word), CloudOptions(location=word),
    ):  # fmt: skip
        with suppress(UsageError):
            made = widest(plan, cloud, options)
            taken.append(made)
    for made in taken:
        for form in formats(cloud):
            assert read_back(made, form) == benign(cloud)


@given(st.text(max_size=80))
def test_a_string_of_terraform_comes_back(text: str) -> None:
    block = Block("resource", ("kind", "name"), (("value", text), ("map", {text: text})))
    (made,) = hcl.resources(f"{head(block)} {{\n{body(block)}}}\n", "test")
    assert made.values["value"] == text
    assert made.values["map"] == {text: text}


@given(st.text(max_size=80))
def test_a_string_of_bicep_comes_back(text: str) -> None:
    body = bicep_value({"value": text, text: text})
    (made,) = bicep.resources(f"resource a 'kind@1' = {body}\n", "test")
    assert made.values == {"value": text, text: text}


@given(st.text(max_size=400))
def test_descriptions_and_strings_stay_within_their_bounds(text: str) -> None:
    from rules.cloud.peer import role_peer
    from rules.cloud.rule import Place, Rule

    made = describe(Rule("w", Place.NODE, (4,), role_peer("w"), 6, None, (text,)), 140)
    assert 0 < len(made) <= 140
    assert made.isascii()
    assert made.isprintable()
    assert not set(made) & set("\"'\\`$<>&;{}%")
    assert quoted(text).isprintable()
    assert json.loads(json.dumps(text)) == text
    assert shlex.split(shlex.quote(text)) == [text]
