"""The documents of `nodeprep cni`, held against their schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"


def valid(text: str, name: str) -> dict[str, Any]:
    """The document, if it is what ``docs/schemas/NAME.schema.json`` says."""
    document: dict[str, Any] = json.loads(text)
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator(schema).validate(document)
    return document
