"""The published schema of a facts file is the model's, and real facts follow it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema

from preflight.facts.collect import collect
from preflight.facts.host import Host
from preflight.facts.schema import facts_schema
from preflight.facts.store import document
from preflight.settings import Settings
from tests.nodes import healthy

DOCS = Path(__file__).parents[2] / "docs" / "schemas" / "facts.schema.json"


def test_the_schema_in_docs_is_the_models() -> None:
    text = json.dumps(facts_schema(), indent=2) + "\n"
    if os.environ.get("NODEPREP_UPDATE_DOCS") == "1":
        DOCS.write_text(text)
    assert DOCS.read_text() == text, "run: make docs"


def test_facts_follow_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(DOCS.read_text()))
    validator.validate(document(healthy()))
    validator.validate(document(collect(Host(offline=True), Settings())))
