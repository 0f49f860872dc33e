"""Cards: made of facts, written, read again; and what becomes of files that are none."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preflight.facts.collect import SUBJECTS
from preflight.facts.model import Facts, Unknown
from preflight.facts.schema import schema_of
from preflight.fleet import makecard
from preflight.fleet.card import KIND, Card, document
from preflight.fleet.cardfile import NotACard, parse
from preflight.fleet.readcards import read_cards
from preflight.runs.facts import card_of
from preflight.settings import Settings
from rules.cluster import Cluster, Node, Role
from rules.errors import ConfigError, UsageError
from tests.cli.test_main import loaded, nodeprep
from tests.fleet.decks import card, write
from tests.fleet.decks import healthy as cards
from tests.nodes import healthy, identity, network

SCHEMA = Path(__file__).parents[2] / "docs" / "schemas" / "card.schema.json"


def made(facts: Facts | None = None, role: Role | None = Role.MASTER, **settings: Any) -> Card:
    return card_of(facts or healthy(), Settings(**settings), role)


def text(one: Card) -> str:
    return json.dumps(document(one), indent=2, sort_keys=True) + "\n"


def test_a_card_is_made_of_the_subjects_that_are_read_for_it() -> None:
    rest: dict[str, Any] = {
        name: Unknown("not-asked", "") for name in SUBJECTS if name not in makecard.SUBJECTS
    }
    assert rest
    for role in (*Role, None):
        assert made(replace(healthy(), **rest), role) == made(role=role)
    modules = loaded("facts", "--card")
    assert not modules & {f"preflight.facts.{name}" for name in rest}


def test_a_card_holds_what_others_compare() -> None:
    one = made()
    assert (one.node, one.hostname, one.role, one.cluster) == ("m1", "m1", "master", "kubernetes")
    assert one.addresses == ("192.0.2.11",)
    assert one.interfaces == (
        replace(
            one.interfaces[0],  # type: ignore[index]
            name="eth0",
            mac=network.MAC,
            mtu=1500,
            addresses=("192.0.2.11/24",),
        ),
    )
    assert one.routes == ("0.0.0.0/0 via 192.0.2.1 dev eth0", "192.0.2.0/24 dev eth0")
    assert (one.kubelet, one.kubeadm, one.kubernetes) == ("v1.37.0", "v1.37.0", "1.37")
    assert (one.runtime, one.runtime_cgroup_driver) == ("containerd v2.3.1", "systemd")
    assert isinstance(one.admits, dict)
    assert one.admits["6443/tcp"] == "admitted"


def test_what_is_secret_like_is_not_on_the_card() -> None:
    facts = replace(healthy(), identity=replace(identity.healthy(), cloud_instance_id="i-0abc"))
    written = text(made(facts))
    who = identity.healthy()
    assert isinstance(who.ssh_host_keys, tuple)
    for secret in (
        who.machine_id,
        who.product_uuid,
        "i-0abc",
        who.ssh_host_keys[0].fingerprint,
        who.ssh_host_keys[0].fingerprint.removeprefix("SHA256:"),
    ):
        assert isinstance(secret, str)
        assert secret not in written
    other = made(facts, cluster=Cluster(name="other"))
    assert made(facts).machine_id != other.machine_id


def test_a_uuid_is_the_same_in_either_case() -> None:
    upper = replace(
        healthy(),
        identity=replace(
            identity.healthy(), product_uuid=str(identity.healthy().product_uuid).upper()
        ),
    )
    assert made(upper).product_uuid == made().product_uuid


def test_the_role_is_the_one_given_else_the_cluster_files_else_none() -> None:
    nodes = (Node("m1", Role.ETCD, ()),)
    assert made(role=None).role == ""
    assert isinstance(made(role=None).admits, Unknown)
    assert made(role=None, cluster=Cluster(nodes=nodes)).role == "etcd"
    assert made(cluster=Cluster(nodes=nodes)).role == "master"


def test_a_card_without_its_subjects_is_a_card_all_the_same() -> None:
    gone = Unknown("timeout", "reading did not end within 8 s")
    subjects = ("identity", "system", "network", "ports", "firewall", "hardware", "kernel")
    missing: dict[str, Any] = dict.fromkeys((*subjects, "runtime", "cni"), gone)
    facts = replace(healthy(), **missing)
    one = made(facts)
    assert one.machine_id == gone
    assert one.admits == gone
    (again,) = parse(text(one))
    assert again == one


def test_the_schema_in_docs_is_the_models_and_cards_follow_it() -> None:
    wanted = json.dumps(schema_of(Card, KIND, "nodeprep facts --card"), indent=2) + "\n"
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        SCHEMA.write_text(wanted)
    assert SCHEMA.read_text() == wanted, "run: make docs"
    validator = jsonschema.Draft202012Validator(json.loads(wanted))
    for one in (made(), made(role=None), card(4), card(5, machine_id=Unknown("denied", "no"))):
        validator.validate(document(one))


def test_this_machines_card_is_read_again() -> None:
    done = nodeprep("facts", "--card", "--role", "worker")
    assert done.returncode == 0, done.stderr
    (one,) = parse(done.stdout)
    assert isinstance(one, Card)
    assert one.role == "worker"
    assert len(done.stdout) < 16 * 1024
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(
        json.loads(done.stdout)
    )


@pytest.mark.parametrize("flag", [("--role", "master"), ("--kubernetes-version", "1.36")])
def test_flags_of_a_card_are_refused_without_it(flag: tuple[str, str]) -> None:
    done = nodeprep("facts", *flag)
    assert done.returncode == 2
    assert f"{flag[0]} goes with --card" in done.stderr


def _change(**changes: Any) -> Callable[[dict[str, Any]], str]:
    return lambda value: json.dumps({**value, **changes})


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], str], str]] = {
    "empty": (lambda _: "", "is empty"),
    "blank": (lambda _: " \n", "is empty"),
    "truncated": (lambda value: json.dumps(value, indent=2)[:700], "is truncated"),
    "half a word": (lambda value: json.dumps(value)[:-3], "is truncated"),
    "no JSON": (lambda _: "hello: world\n", "is not JSON"),
    "a list": (lambda _: "[]", "is not a card"),
    "facts": (_change(kind="Facts"), "is not a card"),
    "newer": (_change(schema_version=2), "has schema_version 2, and this nodeprep knows 1"),
    "no version": (_change(schema_version=None), "has another schema_version"),
    "true": (_change(schema_version=True), "has another schema_version"),
    "number for a name": (_change(node=7), "node: expected text, found a whole number"),
    "unknown key": (_change(nodes=[]), "unknown key; did you mean node?"),
    "missing key": (
        lambda value: json.dumps({k: v for k, v in value.items() if k != "mtu"}),
        "mtu: is missing",
    ),
    "negative": (_change(mtu=-1), "mtu: -1 is not possible"),
    "half a character": (_change(node="\ud800"), "holds half of a character"),
    "NaN": (_change(boot_time=float("nan")), "NaN is not a number that JSON knows"),
    "no reason": (_change(mtu={"unknown": "why", "message": ""}), "mtu.unknown"),
    "deep": (lambda _: "[" * 200_000, "is not JSON that can be used"),
    "digits": (lambda value: json.dumps(value).replace('"mtu": 1500', '"mtu": ' + "9" * 5000), ""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_card_is_named_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    breaking, words = BROKEN[name]
    write(tmp_path, cards())
    broken = tmp_path / "00099.json"
    broken.write_text(breaking(document(card(99))))
    filed, misfits = read_cards([str(tmp_path)])
    assert len(filed) == 7
    (misfit,) = misfits
    assert misfit.source == str(broken)
    assert words in misfit.problem
    assert misfit.remedy
    # The same in one stream: what follows a broken card is read.
    whole = text(card(1)) + broken.read_text() + "\n" + text(card(2))
    found = list(parse(whole))
    good = [one.node for one in found if isinstance(one, Card)]
    assert good[0] == "w1"
    if broken.read_text().strip():
        assert good[-1] == "w2"
        assert any(isinstance(one, NotACard) for one in found)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, cards())
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "latin.json").write_bytes(b'{"node": "\xe9"}')
    (tmp_path / "large.json").write_bytes(b" " * (256 * 1024 + 1))
    (tmp_path / "sub.json").mkdir()
    (tmp_path / ".hidden.json").write_text("x")
    (tmp_path / "README.txt").write_text("x")
    filed, misfits = read_cards([str(tmp_path)])
    assert len(filed) == 7
    assert {(Path(one.source).name, one.problem) for one in misfits} == {
        ("pipe.json", "is not a regular file"),
        ("latin.json", "is not UTF-8 text; save it as UTF-8"),
        ("large.json", "is larger than 256 KiB, too large to be one of ours"),
        ("sub.json", "is not a regular file"),
    }


def test_places_that_are_not_there_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_cards([str(tmp_path / "no.json")])
    with pytest.raises(UsageError, match="no card is in"):
        read_cards([str(tmp_path)])


def test_cards_come_by_standard_input_too(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = "".join(text(one) for one in cards())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stream.encode())))
    filed, misfits = read_cards(["-"])
    assert (len(filed), misfits) == (7, [])
    assert filed[2].source == "standard input (card 3)"
    assert filed[0].written is None


def test_names_of_any_language_are_read() -> None:
    (one,) = parse(text(card(4, node="kn\u00f6tchen-\u6f22")))
    assert isinstance(one, Card)
    assert one.node == "kn\u00f6tchen-\u6f22"


@pytest.mark.parametrize("role", ["control-plane", "<script>", "w" * 10_000])
def test_a_role_that_is_none_is_named(role: str) -> None:
    (found,) = parse(text(card(1, role)))
    assert isinstance(found, NotACard)
    assert found.problem == f"role: {role[:20]!r} is no role"
