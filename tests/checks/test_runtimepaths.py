from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preflight.facts.model import Facts, Unknown
from preflight.facts.model.cni import Cni, Plugin
from preflight.facts.model.runtime import CriServer
from preflight.finding import Finding, Status
from preflight.settings import Settings
from rules.cluster import Cluster, CniChoice
from tests.nodes import healthy, judge, runtime, target


def node(**fields: Any) -> Facts:
    return replace(healthy(), runtime=replace(runtime.healthy(), **fields))


def server(**fields: Any) -> Facts:
    return node(cri_servers=(replace(runtime.server(), **fields),))


def pod_network(plugins: tuple[str, ...] | Unknown, files: Any = ()) -> Cni:
    none = Unknown("absent", "not read")
    listed = (
        plugins
        if isinstance(plugins, Unknown)
        else tuple(
            Plugin(path, path.rsplit("/", 1)[-1], True, "x86_64", 3_000_000, none)
            for path in plugins
        )
    )
    directories = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")
    return Cni(("/etc/cni/net.d",), directories, files, listed, none, none, none)


def paths(findings: list[Finding]) -> dict[str, Status]:
    return {finding.subject: finding.status for finding in findings}


@pytest.mark.parametrize(
    ("looks_in", "plugins", "status"),
    [
        (("/opt/cni/bin",), ("/opt/cni/bin/bridge",), Status.PASS),
        (("/opt/cni/bin/",), ("/opt/cni/bin/bridge",), Status.PASS),
        (("/usr/lib/cni",), ("/usr/lib/cni/bridge",), Status.PASS),
        (("/opt/cni/bin", "/usr/lib/cni"), ("/usr/lib/cni/bridge",), Status.PASS),
        (("/opt/cni/bin",), ("/usr/lib/cni/bridge",), Status.FAIL),
        (("/opt/cni/bin",), (), Status.PASS),
        (("/elsewhere",), ("/usr/lib/cni/bridge",), Status.UNKNOWN),
    ],
)
def test_plugin_directories(
    looks_in: tuple[str, ...], plugins: tuple[str, ...], status: Status
) -> None:
    facts = replace(server(plugin_dirs=looks_in), cni=pod_network(plugins))
    found = judge("cri-cni-paths", facts)
    assert paths(found) == {"plugins": status, "configuration": Status.PASS}


def test_the_remedy_links_the_plugins(tmp_path: Path) -> None:
    source, wanted = tmp_path / "lib", tmp_path / "opt" / "cni"
    source.mkdir()
    (source / "bridge").write_text("")
    cni = pod_network((str(source / "bridge"),))
    cni = replace(cni, plugin_dirs=(str(source), str(wanted)))
    facts = replace(server(plugin_dirs=(str(wanted),)), cni=cni)
    found = judge("cri-cni-paths", facts)[0]
    subprocess.run(["sh", "-c", found.remedy], check=True)
    assert (wanted / "bridge").exists()


def test_products_install_into_opt() -> None:
    facts = replace(
        server(plugin_dirs=("/usr/lib/cni",)), cni=pod_network(("/usr/lib/cni/bridge",))
    )
    flannel = target(settings=Settings(cluster=Cluster(cni=CniChoice("flannel"))))
    found = judge("cri-cni-paths", facts, flannel)
    assert paths(found)["plugins"] is Status.FAIL


def test_configuration_directories() -> None:
    elsewhere = server(conf_dir="/etc/kube/net.d")
    found = judge("cri-cni-paths", replace(elsewhere, cni=pod_network(())))
    assert paths(found)["configuration"] is Status.FAIL


def test_an_unknown_pod_network_hides_only_what_rests_on_it() -> None:
    for cni in (Unknown("failed", "broke"), pod_network(Unknown("denied", "no"))):
        found = judge("cri-cni-paths", replace(healthy(), cni=cni))
        assert paths(found) == {"plugins": Status.UNKNOWN, "configuration": Status.PASS}
    facts = replace(server(conf_dir="/x"), cni=pod_network((), Unknown("denied", "no")))
    assert paths(judge("cri-cni-paths", facts))["configuration"] is Status.UNKNOWN


def test_directories_that_nobody_tells() -> None:
    silent = CriServer(runtime.SOCKET, error="no", reason="denied")
    (found,) = judge("cri-cni-paths", node(cri_servers=(silent,), runtime_configs=()))
    assert found.status is Status.UNKNOWN
