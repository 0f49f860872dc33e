"""Terraform's state -> the resources of its JSON syntax, so that one parser reads both. Pure.

Reads the state file (version 4, also what `terraform state pull` prints) and what
`terraform show -json` prints of a state or a plan. An id that another resource of the state has
becomes a reference to that resource.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rules.parse.cloud import values


def is_state(document: Any) -> bool:
    """Whether a document is one of those."""
    if not isinstance(document, dict):
        return False
    if "values" in document or "planned_values" in document:
        return "terraform_version" in document or "format_version" in document
    return "resources" in document and "terraform_version" in document


def as_configuration(document: dict[str, Any], source: str) -> dict[str, Any]:
    """``{"resource": {KIND: {NAME: values}}}``. Raises ConfigError for what is no state."""
    listed = list(_instances(document, source))
    references = {
        said["id"]: f"${{{kind}.{name}.id}}"
        for kind, name, said in listed
        if isinstance(said.get("id"), str) and said["id"]
    }
    found: dict[str, dict[str, Any]] = {}
    for kind, name, said in listed:
        body = {
            key: _rewritten(value, references)
            for key, value in said.items()
            if key != "id" and value is not None
        }
        found.setdefault(kind, {})[name] = body
    return {"resource": found}


def _instances(document: dict[str, Any], source: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    tops = [document.get(key) for key in ("values", "planned_values")]
    if any(tops):
        for top in tops:
            root = values.mapping(top, source, "values").get("root_module")
            yield from _module(values.mapping(root, source, "root_module"), source)
        return
    for number, item in enumerate(values.sequence(document["resources"], source, "resources")):
        said = values.mapping(item, source, f"resources[{number}]")
        if said.get("mode", "managed") != "managed":
            continue
        for one in values.sequence(said.get("instances"), source, f"resources[{number}]"):
            instance = values.mapping(one, source, f"resources[{number}].instances")
            attributes = values.mapping(instance.get("attributes"), source, "attributes")
            place = [said.get("module"), said.get("name"), instance.get("index_key")]
            yield str(said.get("type")), _name(place), attributes


def _module(module: dict[str, Any], source: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for item in values.sequence(module.get("resources"), source, "resources"):
        said = values.mapping(item, source, "resources")
        if said.get("mode", "managed") == "managed":
            attributes = values.mapping(said.get("values"), source, "values")
            place = [module.get("address"), said.get("name"), said.get("index")]
            yield str(said.get("type")), _name(place), attributes
    for child in values.sequence(module.get("child_modules"), source, "child_modules"):
        yield from _module(values.mapping(child, source, "child_modules"), source)


def _name(parts: list[Any]) -> str:
    """A name without dots, which no other instance of the kind has."""
    return ":".join(str(part) for part in parts if part is not None).replace(".", "_")


def _rewritten(value: Any, references: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _rewritten(inner, references) for key, inner in value.items() if inner is not None
        }
    if isinstance(value, list):
        return [_rewritten(inner, references) for inner in value]
    if isinstance(value, str):
        if value in references:
            return references[value]
        return value.replace("${", "$${").replace("%{", "%%{")
    return value
