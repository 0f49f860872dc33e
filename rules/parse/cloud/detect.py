"""What a text is: which cloud's, and in which format. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from rules.errors import ConfigError
from rules.parse.cloud import values
from rules.parse.cloud.state import as_configuration, is_state
from rules.record import record

# The first words of the types of resources in Terraform.
_PROVIDERS = {
    "aws_": "aws", "google_": "gcp", "azurerm_": "azure", "openstack_": "openstack",
}  # fmt: skip
_RESOURCE = r'(?m)^\s*resource\s+"([a-z0-9]+_)'
_JSON_RESOURCE = r'"([a-z0-9]+_)\w*": *[{\[]'
_BICEP = re.compile(r"^resource \w+ '", re.MULTILINE)
_FORMATION = re.compile(r"^\s*Type: *['\"]?AWS::EC2::", re.MULTILINE)
_COMMANDS = (("aws ec2 ", "aws"), ("gcloud ", "gcp"), ("az network ", "azure"))
_KINDS = (("AWSCluster", "capa"), ("GCPCluster", "capg"), ("AzureCluster", "capz"))
_KIND = re.compile(r"^\s*kind: *['\"]?(\w+)", re.MULTILINE)


@record
class Text:
    """One text for one parser: ``form`` is of ``rules.parse.cloud.CLOUD.FORMATS``."""

    cloud: str
    form: str
    text: str
    source: str


def detect(text: str, source: str) -> tuple[Text, ...]:
    """The texts in one file; a file of Terraform may be of several clouds.

    A state of Terraform becomes a configuration. Raises ConfigError for what is none of the
    formats that are known.
    """
    if text.lstrip()[:1] in ("{", "["):
        document = values.document(text, source)
        if is_state(document):
            document = as_configuration(document, source)
            text = json.dumps(document)
        found = _of_json(document)
    else:
        found = _of_words(text)
    if not found:
        raise ConfigError(
            source,
            "is nothing that is known: Terraform (HCL, JSON, state), CloudFormation, ARM, HEAT, or "
            "what the aws, gcloud, az and openstack commands print",
        )
    return tuple(Text(cloud, form, text, source) for cloud, form in found)


def _of_json(document: Any) -> list[tuple[str, str]]:
    if isinstance(document, dict):
        if "SecurityGroups" in document:
            return [("aws", "json")]
        if "Resources" in document:
            return [("aws", "cloudformation")]
        if "resource" in document:
            return _terraform(json.dumps(document["resource"]), _JSON_RESOURCE)
        if "security_groups" in document:
            return [("openstack", "json")]
        if "heat_template_version" in document:
            return [("openstack", "heat")]
        if "resources" in document or _nsg(document):
            return [("azure", "arm")]
        document = document.get("items")
    if isinstance(document, list):
        if any(isinstance(item, dict) and _nsg(item) for item in document):
            return [("azure", "arm")]
        if any(isinstance(item, dict) and {"allowed", "denied"} & set(item) for item in document):
            return [("gcp", "json")]
    return []


def _nsg(item: dict[str, Any]) -> bool:
    inner = item.get("properties")
    return "securityRules" in item or (isinstance(inner, dict) and "securityRules" in inner)


def _terraform(text: str, pattern: str) -> list[tuple[str, str]]:
    words = set(re.findall(pattern, text))
    return [(cloud, "terraform") for word, cloud in _PROVIDERS.items() if word in words]


def _of_words(text: str) -> list[tuple[str, str]]:
    if text.startswith("#!"):
        return [(cloud, "cli") for command, cloud in _COMMANDS if command in text][:1]
    if found := _terraform(text, _RESOURCE):
        return found
    if _BICEP.search(text):
        return [("azure", "bicep")]
    if "heat_template_version" in text:
        return [("openstack", "heat")]
    if _FORMATION.search(text):
        return [("aws", "cloudformation")]
    kinds = _KIND.findall(text)
    return [
        (cloud, cloud) for kind, cloud in _KINDS if any(word.startswith(kind) for word in kinds)
    ][:1]
