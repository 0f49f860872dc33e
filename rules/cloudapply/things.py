"""What a cloud holds as things with a name and a content, and what of it differs. Pure.

Rules of Google, Azure and OpenStack only add to one another, the last one of Azure apart. So a rule
is never changed in what it lets in: the new one is made beside it, under a free name, and the old
one goes once all new ones are there. Nothing that is needed is shut in between.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from rules.backend import Change
from rules.record import record

# With what the description of every rule begins that ``cloud apply`` made: clouds have no tags on
# rules. A rule without it is of others.
MARK = "nodeprep: "


@record
class Thing:
    """One rule, in one group. ``kind``: what the cloud calls it.

    ``name``: of a wanted one, how it is called if that name is free. ``content``: all that
    matters of it but for name and description, as JSON; equal contents are one rule. ``denies``:
    it shuts, where others open. ``handle``: by what a command names it, where not by its name.
    """

    kind: str
    group: str
    name: str
    content: str
    about: str
    own: bool = True
    denies: bool = False
    handle: str = ""

    @property
    def label(self) -> str:
        """For a person."""
        return f"{self.kind} {f'{self.group}: ' if self.group else ''}{self.name}"

    @property
    def text(self) -> str:
        """For a difference: the content with its description."""
        return json.dumps({**json.loads(self.content), "description": self.about}, sort_keys=True)

    def called(self, name: str) -> Thing:
        """The same under another name."""
        return Thing(**{**vars(self), "name": name})


def content(said: dict[str, object]) -> str:
    """What ``Thing.content`` holds."""
    return json.dumps(said, sort_keys=True)


@record
class VendorStep:
    """One call of a vendor's command. ``verb``: created, changed or removed."""

    verb: str
    subject: str
    argv: tuple[str, ...]
    changes: tuple[Change, ...]

    @property
    def label(self) -> str:
        """For a person, once it is done."""
        return f"{self.verb} {self.subject}"


@record
class Difference:
    """``shut_late``: what denies is made after all that lets in; ``first``: what denies and is not
    wanted goes before anything else.
    """

    first: tuple[Thing, ...]
    create: tuple[Thing, ...]
    shut_late: tuple[Thing, ...]
    described: tuple[tuple[Thing, str], ...]
    remove: tuple[Thing, ...]


def compare(
    wanted: Iterable[Thing], live: Iterable[Thing], free_name: Callable[[Thing], str]
) -> Difference:
    """What is to be done so that what lives is what is wanted. Own things only are taken away.

    ``free_name``: a name that nothing has, for a wanted thing. What is there already, whoever made
    it, is not made again.
    """
    there: dict[tuple[str, str], Thing] = {}
    remove: list[Thing] = []
    # Own ones first: of two that are alike the own one is kept up to date.
    for thing in sorted(live, key=lambda one: not one.own):
        if (thing.group, thing.content) not in there:
            there[thing.group, thing.content] = thing
        elif thing.own:
            remove.append(thing)
    create: list[Thing] = []
    described: list[tuple[Thing, str]] = []
    needed: set[tuple[str, str]] = set()
    for thing in wanted:
        key = (thing.group, thing.content)
        if key in needed:
            continue
        needed.add(key)
        if key not in there:
            create.append(thing.called(free_name(thing)))
        elif there[key].own and there[key].about != thing.about:
            described.append((there[key], thing.about))
    remove += [thing for key, thing in there.items() if thing.own and key not in needed]
    return Difference(
        tuple(thing for thing in remove if thing.denies),
        tuple(thing for thing in create if not thing.denies),
        tuple(thing for thing in create if thing.denies),
        tuple(described),
        tuple(thing for thing in remove if not thing.denies),
    )


class Words:
    """How a vendor's command says what is to be done; each gives the words behind its name."""

    def create(self, thing: Thing) -> list[str]:
        """To make a thing."""
        raise NotImplementedError

    def describe(self, thing: Thing, about: str) -> list[str]:
        """To give a thing another description; empty where the cloud cannot."""
        raise NotImplementedError

    def remove(self, thing: Thing) -> list[str]:
        """To take a thing away."""
        raise NotImplementedError


def steps(found: Difference, words: Words) -> list[VendorStep]:
    """The calls in their order: what opens, what shuts, descriptions, and what is not needed."""

    def gone(thing: Thing) -> VendorStep:
        change = Change(thing.label, thing.text, None)
        return VendorStep("removed", thing.label, tuple(words.remove(thing)), (change,))

    made = [gone(thing) for thing in found.first]
    for thing in (*found.create, *found.shut_late):
        change = Change(thing.label, None, thing.text)
        made.append(VendorStep("created", thing.label, tuple(words.create(thing)), (change,)))
    for thing, about in found.described:
        if argv := words.describe(thing, about):
            after = Thing(**{**vars(thing), "about": about}).text
            change = Change(thing.label, thing.text, after)
            made.append(VendorStep("changed", thing.label, tuple(argv), (change,)))
    return [*made, *(gone(thing) for thing in found.remove)]


def free_name(stem: str, taken: set[str], most: int) -> str:
    """``stem``, or with the first number behind it that gives a free name; it is taken then."""
    name, count = stem[:most], 1
    while name in taken:
        count += 1
        name = f"{stem[: most - len(str(count)) - 1]}-{count}"
    taken.add(name)
    return name
