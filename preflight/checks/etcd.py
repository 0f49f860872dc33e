"""An external etcd."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks.registry import (
    CONTROL_PLANE,
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.runtime import EtcdFile, EtcdMember
from preflight.target import Target
from preflight.versions.kubeadm import etcd_recommended, minimum_external_etcd
from rules.version import parse_version

_VERSION, _FILES = "ExternalEtcdVersion", "ExternalEtcdClientCertificates"


@check(
    "external-etcd",
    title="The external etcd answers, is new enough and lets us in",
    why="The API server keeps everything in etcd: kubeadm asks each endpoint for its version and "
    "reads the client certificate before it writes anything.",
    source="https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/"
    "high-availability/#external-etcd-nodes",
    roles=CONTROL_PLANE,
    aliases=(_VERSION, _FILES),
)
def external_etcd(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each certificate file and each endpoint. None without them."""
    etcd = target.settings.etcd
    if not etcd.endpoints:
        return
    runtime = known(facts.runtime)
    read = {file.path: file for file in runtime.etcd_files}
    for path in (etcd.ca_file, etcd.cert_file, etcd.key_file):
        if path:
            yield _file(path, read.get(path))
    if isinstance(runtime.external_etcd, Unknown):
        if runtime.external_etcd.reason == "not-asked":
            yield skipped(runtime.external_etcd.message)
        else:
            yield undetermined(runtime.external_etcd.message, alias=_VERSION)
        return
    answers = {member.endpoint: member for member in runtime.external_etcd}
    for endpoint in etcd.endpoints:
        yield _member(target, endpoint, answers.get(endpoint))


def _file(path: str, file: EtcdFile | None) -> Judgement:
    if file is None:
        return undetermined(
            f"these facts were read without looking at {path}", subject=path, alias=_FILES
        )
    if not file.problem:
        return passed(f"{path} is there", subject=path, alias=_FILES)
    if file.problem == "denied":
        return undetermined(
            f"{path} may not be read without root",
            subject=path,
            remedy="run nodeprep as root",
            alias=_FILES,
        )
    said = "is not there" if file.problem == "absent" else "cannot be read"
    return failed(
        f"{path} {said}, and the API server needs it to reach etcd",
        subject=path,
        remedy=f"copy it from an etcd member to {shlex.quote(path)}",
        alias=_FILES,
    )


def _member(target: Target, endpoint: str, member: EtcdMember | None) -> Judgement:
    if member is None:
        return undetermined(
            "these facts were read without asking it", subject=endpoint, alias=_VERSION
        )
    look = f"look at etcd and at the firewall behind {endpoint}: nodeprep check --role etcd there"
    if member.reason in ("timeout", "denied"):
        return undetermined(member.error, subject=endpoint, remedy=look, alias=_VERSION)
    if member.reason:
        return failed(
            f"{endpoint} cannot be used: {member.error}",
            subject=endpoint,
            remedy=look,
            alias=_VERSION,
        )
    version = parse_version(member.version)
    if version is None:
        return undetermined(
            f"its version is none: {member.version!r}", subject=endpoint, alias=_VERSION
        )
    least, advised = minimum_external_etcd(target.version), etcd_recommended(target.version)
    if version < least:
        return failed(
            f"{endpoint} runs etcd {version}, and kubeadm {target.version} wants {least}",
            subject=endpoint,
            observed=str(version),
            expected=f">= {least}",
            remedy=f"upgrade this member to etcd {advised} or newer",
            alias=_VERSION,
        )
    if version < advised:
        return warned(
            f"{endpoint} runs etcd {version}, and late patches of kubeadm {target.version} want "
            f"{advised}",
            subject=endpoint,
            observed=str(version),
            expected=f">= {advised}",
            remedy=f"upgrade this member to etcd {advised} or newer",
            alias=_VERSION,
        )
    return passed(
        f"{endpoint} runs etcd {version}", subject=endpoint, observed=str(version), alias=_VERSION
    )
