"""What differs between wanted and living rules, and the order in which it is brought about."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from rules.cloudapply.things import (
    MARK,
    Thing,
    VendorStep,
    Words,
    compare,
    content,
    free_name,
    steps,
)


class Verbs(Words):
    """A command that says what it is told."""

    def create(self, thing: Thing) -> list[str]:
        return ["create", thing.name, thing.content]

    def describe(self, thing: Thing, about: str) -> list[str]:
        return ["describe", thing.name, about]

    def remove(self, thing: Thing) -> list[str]:
        return ["remove", thing.name, thing.content]


def thing(number: int, name: str, *, own: bool = True, denies: bool = False) -> Thing:
    about = f"{MARK}x" if own else "x"
    said = content({"opens": number, "denies": denies})
    return Thing("rule", "", name, said, about, own=own, denies=denies)


def made(wanted: list[Thing], live: list[Thing]) -> list[VendorStep]:
    taken = {one.name for one in live}
    return steps(compare(wanted, live, lambda one: free_name(one.name, taken, 8)), Verbs())


def carried_out(live: list[Thing], done: list[VendorStep]) -> list[Thing]:
    there = {one.name: one for one in live}
    for step in done:
        verb, name, text = step.argv
        if verb == "create":
            assert name not in there
            denies = json.loads(text)["denies"]
            there[name] = Thing("rule", "", name, text, f"{MARK}x", denies=denies)
        elif verb == "remove":
            assert there.pop(name).own
        else:
            there[name] = Thing(**{**vars(there[name]), "about": text})
    return list(there.values())


things = st.builds(
    thing, st.integers(0, 6), st.sampled_from("abcdefgh"), own=st.booleans(), denies=st.booleans()
)


@given(st.lists(st.builds(thing, st.integers(0, 6), st.just("n"))), st.lists(things))
def test_converges_adds_first_and_leaves_others(wanted: list[Thing], listed: list[Thing]) -> None:
    live = list({one.name: one for one in listed}.values())
    done = made(wanted, live)
    there = carried_out(live, done)
    assert {one.content for one in wanted} <= {one.content for one in there}
    assert {one.content for one in there if one.own} <= {one.content for one in wanted}
    assert [one for one in there if not one.own] == [one for one in live if not one.own]
    assert made(wanted, there) == []
    # What is wanted and there is there at every instant.
    needed = {one.content for one in wanted} & {one.content for one in live}
    for end in range(len(done) + 1):
        now = {one.content for one in carried_out(live, done[:end])}
        assert needed <= now
        needed |= {one.content for one in wanted} & now


def test_what_denies_comes_last_and_goes_first() -> None:
    old, new = thing(1, "old", denies=True), thing(2, "new", denies=True)
    verbs = [step.argv[:2] for step in made([new, thing(3, "a")], [old, thing(4, "b")])]
    assert verbs == [("remove", "old"), ("create", "a"), ("create", "new"), ("remove", "b")]


def test_a_name_that_is_taken_gets_a_number_and_keeps_its_length() -> None:
    taken = {"kubelet-", "kubele-2"}
    assert free_name("kubelet-api", taken, 8) == "kubele-3"
    assert free_name("etcd", taken, 8) == "etcd"
    assert free_name("etcd", taken, 8) == "etcd-2"


def test_another_description_is_a_change_of_its_own() -> None:
    live = Thing(**{**vars(thing(1, "a")), "about": f"{MARK}y"})
    (step,) = made([thing(1, "n")], [live])
    assert (step.label, step.argv) == ("changed rule a", ("describe", "a", f"{MARK}x"))
    assert json.loads(step.changes[0].before or "")["description"] == f"{MARK}y"
