from __future__ import annotations

import pytest

from preflight.facts.codec import decode, encode
from preflight.facts.host import Host
from preflight.facts.model.identity import System
from preflight.facts.system import (
    FIRST_PID_NAMESPACE,
    collect,
    detect_container,
    detect_machine,
    parse_os_release,
    proxy_environment,
)
from preflight.settings import Settings

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
ID=debian
"""
ROCKY = """\
NAME="Rocky Linux"
VERSION="9.4 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.4"
PRETTY_NAME="Rocky Linux 9.4 (Blue Onyx)"
"""
ALPINE = 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.20.3\nPRETTY_NAME="Alpine Linux v3.20"\n'
FLATCAR = "# comment\nNAME='Flatcar Container Linux by Kinvolk'\nID=flatcar\nVERSION_ID=3975.2.0\n"


@pytest.mark.parametrize(
    ("text", "id", "version", "name"),
    [
        (DEBIAN, "debian", "12", "Debian GNU/Linux 12 (bookworm)"),
        (ROCKY, "rocky", "9.4", "Rocky Linux 9.4 (Blue Onyx)"),
        (ALPINE, "alpine", "3.20.3", "Alpine Linux v3.20"),
        (FLATCAR, "flatcar", "3975.2.0", None),
        ("", None, None, None),
        (r'PRETTY_NAME="a \"b\" \$c"', None, None, 'a "b" $c'),
    ],
)
def test_os_release_of_several_distributions(
    text: str, id: str | None, version: str | None, name: str | None
) -> None:
    values = parse_os_release(text)
    assert (values.get("ID"), values.get("VERSION_ID"), values.get("PRETTY_NAME")) == (
        id,
        version,
        name,
    )


def test_proxy_variables_lose_user_and_password() -> None:
    found = proxy_environment(
        {
            "HTTPS_PROXY": "http://ann:s3cret@proxy.example.net:3128/",
            "http_proxy": "bob:p%40ss@192.0.2.8:8080",
            "ALL_PROXY": "socks5://[2001:db8::1]:1080",
            "no_proxy": "localhost,.example.net",
            "NO_PROXY": "",
            "HOME": "/root",
        }
    )
    assert found == {
        "HTTPS_PROXY": "http://proxy.example.net:3128/",
        "http_proxy": "192.0.2.8:8080",
        "ALL_PROXY": "socks5://[2001:db8::1]:1080",
        "no_proxy": "localhost,.example.net",
    }


@pytest.mark.parametrize(
    ("markers", "release", "namespace", "kind"),
    [
        ({}, "6.1.0-40-amd64", "", ""),
        ({"/.dockerenv": ""}, "6.1.0", "pid:[4026532178]", "docker"),
        ({"/.dockerenv": ""}, "6.18.44-fc", FIRST_PID_NAMESPACE, ""),
        ({"/run/.containerenv": "", "/.dockerenv": ""}, "6.1.0", "", "podman"),
        ({"/run/systemd/container": "lxc\n"}, "6.1.0", "", "lxc"),
        ({"/proc/1/environ": "PATH=/bin\0container=systemd-nspawn\0"}, "6", "", "systemd-nspawn"),
        ({}, "5.15.153.1-microsoft-standard-WSL2", FIRST_PID_NAMESPACE, "wsl"),
    ],
)
def test_containers(markers: dict[str, str], release: str, namespace: str, kind: str) -> None:
    assert detect_container(markers, release, namespace) == kind


FLAGS = "processor\t: 0\nflags\t\t: fpu vme sse2 hypervisor lahf_lm\n"


@pytest.mark.parametrize(
    ("dmi", "cpuinfo", "hypervisor", "kind"),
    [
        (("QEMU", "Standard PC (Q35 + ICH9, 2009)"), FLAGS, "", "qemu"),
        (("Red Hat", "KVM"), FLAGS, "", "kvm"),
        (("OpenStack Foundation", "OpenStack Nova"), FLAGS, "", "kvm"),
        (("Amazon EC2", "t3.medium"), FLAGS, "", "amazon"),
        (("Google", "Google Compute Engine"), FLAGS, "", "google"),
        (("VMware, Inc.", "VMware7,1"), FLAGS, "", "vmware"),
        (("innotek GmbH", "VirtualBox"), FLAGS, "", "oracle"),
        (("Microsoft Corporation", "Virtual Machine"), FLAGS, "", "microsoft"),
        (("Microsoft Corporation", "Surface Laptop 5"), "flags\t: fpu vme\n", "", "none"),
        (("Dell Inc.", "PowerEdge R640"), "flags\t: fpu vme\n", "", "none"),
        (("", ""), FLAGS, "", "vm-other"),
        (("", ""), "", "xen", "xen"),
        (("", ""), "", "", "none"),
    ],
)
def test_machines(dmi: tuple[str, ...], cpuinfo: str, hypervisor: str, kind: str) -> None:
    assert detect_machine(dmi, cpuinfo, hypervisor) == kind


def test_this_machine_is_read_and_survives_a_file() -> None:
    found = collect(Host(offline=True), Settings())
    assert found.kernel_name == "Linux"
    assert isinstance(found.boot_time, float)
    assert found.boot_time > 0
    assert decode(System, encode(found)) == found
