"""kubeadm's own configuration, v1beta2 to v1beta4, with the kubelet's and kube-proxy's documents.

Tokens, certificate keys and hashes in it are secrets: no reader here touches them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from preflight.config import kubeadm_node, kubeadm_parts
from preflight.config.kubeadm_fields import ACCEPTED, GROUP, fields_of
from preflight.config.layer import Layer
from preflight.config.section import Section
from preflight.config.values import shown
from preflight.config.yamlfile import Mapping, Value, read_documents
from rules.errors import ConfigError

# Later kinds beat earlier ones: the components' own documents, then the node's, then the cluster's,
# then init's, which kubeadm reads first when a file holds both init and join.
_READERS = {
    "KubeProxyConfiguration": kubeadm_parts.read_proxy,
    "KubeletConfiguration": kubeadm_parts.read_kubelet,
    "JoinConfiguration": kubeadm_node.read_join,
    "ClusterConfiguration": kubeadm_parts.read_cluster,
    "InitConfiguration": kubeadm_node.read_init,
}


def read(path: str) -> Layer:
    """What the documents of a kubeadm configuration say.

    Raises ConfigError for an apiVersion or kind that is not kubeadm's and for values of a wrong
    type. Unknown and repeated keys are warnings, as they are for kubeadm.
    """
    source = "standard input" if path == "-" else path
    warnings: list[str] = []
    found: dict[str, Section] = {}
    for document in read_documents(path):
        section = _document(source, document, warnings)
        kind = section.word("kind", str) or ""
        if kind in found:
            problem = f"{kind} is there twice, first in line {found[kind].line}"
            raise section.fail("kind", problem)
        found[kind] = section
    if not found:
        raise ConfigError(source, "is empty; a kubeadm configuration has an apiVersion and a kind")
    said: dict[str, Any] = {}
    ignore: tuple[str, ...] = ()
    for kind, reader in _READERS.items():
        if kind in found:
            news = reader(found[kind], found[kind].word("apiVersion", str) or "")
            ignore += news.pop("ignore", None) or ()
            said.update({name: value for name, value in news.items() if value is not None})
    if port := said.pop("secure_port", None):
        said["cluster.ports.api_server"] = port
    return Layer(
        source,
        said,
        ignore=tuple(dict.fromkeys(ignore)),
        api_versions=_apis(found.values()),
        warnings=warnings,
    )


def _apis(sections: Iterable[Section]) -> tuple[tuple[str, int], ...]:
    """kubeadm's own apiVersions of the documents, each with its line."""
    found = [(item.word("apiVersion", str) or "", item.line_of("apiVersion")) for item in sections]
    return tuple((api, line) for api, line in found if api in ACCEPTED)


def _document(source: str, document: Value, warnings: list[str]) -> Section:
    if not isinstance(document, Mapping):
        raise ConfigError(source, f"expected a mapping, found {document.kind}", line=document.line)
    section = Section(source, document, strict=False, warnings=warnings)
    api_version, kind = section.word("apiVersion", str), section.word("kind", str)
    if api_version is None or kind is None:
        key = "kind" if api_version else "apiVersion"
        problem = "is missing"
        if any(name in document.entries for name in ("nodes", "cni", "networking", "sources")):
            problem += "; give a cluster file as --config"
        raise section.fail(key, problem)
    fields = fields_of(api_version, kind)
    if fields is None:
        raise _strange(section, api_version, kind)
    return section.known(fields) if fields else section


def _strange(section: Section, api_version: str, kind: str) -> ConfigError:
    if kind == "ConfigMap":
        return section.fail("kind", "is a ConfigMap; save its data.ClusterConfiguration as a file")
    if (
        fields_of(f"{GROUP}v1beta4", kind) is not None
        or fields_of(f"{GROUP}v1beta2", kind) is not None
    ):
        known = ", ".join(api.removeprefix(GROUP) for api in ACCEPTED)
        return section.fail(
            "apiVersion", f"{shown(api_version)} is not read; nodeprep reads {GROUP}{{{known}}}"
        )
    what = f"{shown(kind)} of {shown(api_version)}"
    return section.fail("kind", f"{what} is no part of a kubeadm configuration")
