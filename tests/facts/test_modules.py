from __future__ import annotations

import pytest

from preflight.facts.kconfig import parse_config
from preflight.facts.model import Unknown
from preflight.facts.model.kernel import KernelConfig, Module
from preflight.facts.modules import parse_index, parse_loaded, parse_modprobe, read_modules
from preflight.versions.modules import LOADED_BY_NOBODY, MODULES, PROXY_MODULES
from tests.facts.tree import Tree

RELEASE = "6.1.0-40-amd64"
PLACE = f"/lib/modules/{RELEASE}"
PROC_MODULES = """xt_conntrack 16384 2 - Live 0x0000000000000000
br_netfilter 36864 0 - Live 0x0000000000000000
bridge 311296 1 br_netfilter, Live 0x0000000000000000
"""
DEBIAN = b"""kernel/fs/overlayfs/overlay.ko:
kernel/net/bridge/br_netfilter.ko: kernel/net/bridge/bridge.ko kernel/net/802/stp.ko
kernel/net/netfilter/ipvs/ip_vs.ko: kernel/net/netfilter/nf_conntrack.ko
"""
FEDORA = b"""kernel/fs/overlayfs/overlay.ko.xz:
kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz
"""
ARCH = b"kernel/net/netfilter/xt_MASQUERADE.ko.zst: kernel/net/netfilter/x_tables.ko.zst\n"
BUILTIN = b"kernel/net/sched/sch-fq.ko\nkernel/fs/ext4/ext4.ko\n"
NO_CONFIG = Unknown("absent", "no configuration")


def state(files: dict[str, str | bytes | Unknown], name: str, config: str | None = None) -> Module:
    known = (
        NO_CONFIG
        if config is None
        else KernelConfig(
            "/boot/config", parse_config(config, [each[0] for each in MODULES.values()])
        )
    )
    found = read_modules(Tree(files), RELEASE, known)
    return next(module for module in found if module.name == name)


def test_parsers() -> None:
    assert parse_loaded(PROC_MODULES) == {"xt_conntrack", "br_netfilter", "bridge"}
    assert parse_index(DEBIAN) == {"overlay", "br_netfilter", "ip_vs"}
    assert parse_index(FEDORA) == {"overlay", "vxlan"}
    assert parse_index(ARCH) == {"xt_MASQUERADE"}
    assert parse_index(BUILTIN) == {"sch_fq", "ext4"}
    assert parse_index(b"") == frozenset()


def test_modprobe_rules_of_a_hardened_host() -> None:
    text = """# CIS
install cramfs /bin/false
install br-netfilter /bin/true
install ip_vs /sbin/modprobe --ignore-install ip_vs && /bin/true
blacklist vxlan
options nf_conntrack hashsize=32768
install overlay \\
  /usr/bin/false
"""
    blocked, denied = parse_modprobe(text)
    assert blocked == {"cramfs", "br_netfilter", "overlay"}
    assert denied == {"vxlan"}


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("br_netfilter", "loaded"),
        ("overlay", "loadable"),
        ("ip_vs", "loadable"),
        ("sch_fq", "builtin"),
        ("openvswitch", "absent"),
    ],
)
def test_states_of_a_modular_kernel(name: str, wanted: str) -> None:
    files: dict[str, str | bytes | Unknown] = {
        "/proc/modules": PROC_MODULES,
        f"{PLACE}/modules.dep": DEBIAN,
        f"{PLACE}/modules.builtin": BUILTIN,
    }
    assert state(files, name).state == wanted


def test_a_kernel_without_modules_has_them_built_in_or_not_at_all() -> None:
    config = "CONFIG_OVERLAY_FS=y\n# CONFIG_VXLAN is not set\n"
    assert state({}, "overlay", config) == Module(
        "overlay", "builtin", "CONFIG_OVERLAY_FS=y in /boot/config"
    )
    assert state({}, "vxlan", config) == Module(
        "vxlan", "absent", "CONFIG_VXLAN is not set in /boot/config"
    )


def test_what_works_needs_no_list() -> None:
    found = state({"/proc/sys/net/bridge/bridge-nf-call-iptables": "1"}, "br_netfilter")
    assert found == Module("br_netfilter", "builtin", "/proc/sys/net/bridge")


def test_an_updated_kernel_that_was_not_booted_has_no_index() -> None:
    found = state({"/proc/modules": ""}, "overlay", "CONFIG_OVERLAY_FS=m\n")
    assert found.state == "unknown"
    assert PLACE in found.evidence


def test_the_module_that_masquerades_had_another_name() -> None:
    files: dict[str, str | bytes | Unknown] = {
        "/proc/modules": "",
        f"{PLACE}/modules.dep": b"kernel/net/ipv4/netfilter/ipt_MASQUERADE.ko:\n",
    }
    assert state(files, "xt_MASQUERADE").state == "loadable"


def test_modprobe_files_are_named() -> None:
    files: dict[str, str | bytes | Unknown] = {
        "/proc/modules": "",
        f"{PLACE}/modules.dep": DEBIAN,
        "/etc/modprobe.d/cis.conf": "install br_netfilter /bin/false\n",
        "/usr/lib/modprobe.d/cis.conf": "blacklist overlay\n",
        "/usr/lib/modprobe.d/vendor.conf": "blacklist ip_vs\n",
        "/etc/modprobe.d/notes.txt": "install overlay /bin/false\n",
    }
    assert state(files, "br_netfilter").blocked_by == "/etc/modprobe.d/cis.conf"
    # The file below /etc hides the one of its name below /usr.
    assert state(files, "overlay") == Module("overlay", "loadable", f"{PLACE}/modules.dep")
    assert state(files, "ip_vs").denied_by == "/usr/lib/modprobe.d/vendor.conf"


def test_every_module_that_is_asked_about_is_read() -> None:
    from rules.cnis import PROFILES

    asked = {name for names in PROXY_MODULES.values() for name in names} | {*LOADED_BY_NOBODY}
    for profile in PROFILES.values():
        for mode in profile.modes:
            asked |= {*profile.modules_in(mode)}
    assert asked <= MODULES.keys()


def test_every_option_that_is_asked_about_is_read() -> None:
    from preflight.facts.kernel import ASKED_OPTIONS
    from rules.cnis import PROFILES

    asked = {
        option
        for profile in PROFILES.values()
        for mode in profile.modes
        for option in profile.options_in(mode)
    }
    assert asked <= ASKED_OPTIONS
