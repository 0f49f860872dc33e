from __future__ import annotations

import gzip

import pytest

from preflight.facts.kconfig import config_release, parse_config, read_config
from preflight.facts.model import Unknown
from preflight.facts.model.kernel import KernelConfig
from tests.facts.tree import Tree, denied

# The first lines and a few options of /boot/config-6.1.0-40-amd64 (Debian 12).
DEBIAN = """#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.153 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
CONFIG_CC_IS_GCC=y
CONFIG_NAMESPACES=y
# CONFIG_CGROUP_DEBUG is not set
CONFIG_OVERLAY_FS=m
CONFIG_HZ=250
"""
RELEASE = "6.1.0-40-amd64"


def test_options_are_y_m_or_n() -> None:
    asked = ("NAMESPACES", "OVERLAY_FS", "CGROUP_DEBUG", "MEMCG", "HZ")
    assert parse_config(DEBIAN, asked) == {
        "NAMESPACES": "y",
        "OVERLAY_FS": "m",
        "CGROUP_DEBUG": "n",
        "MEMCG": "n",
        "HZ": "n",
    }


def test_an_option_that_was_renamed_counts_under_todays_name() -> None:
    # Kernels before 3.7 and some vendor trees have the older names.
    old = "CONFIG_IP_NF_TARGET_REDIRECT=m\nCONFIG_OVERLAYFS_FS=y\n"
    assert parse_config(old, ("NETFILTER_XT_TARGET_REDIRECT", "OVERLAY_FS")) == {
        "NETFILTER_XT_TARGET_REDIRECT": "m",
        "OVERLAY_FS": "y",
    }


def test_release_of_the_header() -> None:
    assert config_release(DEBIAN) == "6.1.153"
    assert config_release("CONFIG_X=y\n") == ""


@pytest.mark.parametrize(
    "path",
    [
        f"/boot/config-{RELEASE}",
        f"/usr/lib/modules/{RELEASE}/config",
        f"/usr/lib/ostree-boot/config-{RELEASE}",
        f"/lib/modules/{RELEASE}/build/.config",
        f"/usr/src/linux-headers-{RELEASE}/.config",
    ],
)
def test_every_place_is_looked_at(path: str) -> None:
    config = read_config(Tree({path: DEBIAN}), RELEASE, ("NAMESPACES",))
    assert config == KernelConfig(path, {"NAMESPACES": "y"})


def test_gzip_in_proc_comes_first() -> None:
    files: dict[str, str | bytes | Unknown] = {
        "/proc/config.gz": gzip.compress(DEBIAN.encode()),
        f"/boot/config-{RELEASE}": "x",
    }
    config = read_config(Tree(files), RELEASE, ("OVERLAY_FS",))
    assert config == KernelConfig("/proc/config.gz", {"OVERLAY_FS": "m"})


def test_a_source_tree_of_another_kernel_does_not_count() -> None:
    config = read_config(Tree({"/usr/src/linux/.config": DEBIAN}), RELEASE, ("NAMESPACES",))
    assert isinstance(config, Unknown)
    assert config.reason == "absent"


def test_refused_and_damaged_files_are_two_reasons() -> None:
    path = f"/boot/config-{RELEASE}"
    refused = read_config(Tree({path: denied(path)}), RELEASE, ())
    damaged = read_config(Tree({"/proc/config.gz": b"\x1f\x8b\x08broken"}), RELEASE, ())
    assert isinstance(refused, Unknown)
    assert refused.reason == "denied"
    assert isinstance(damaged, Unknown)
    assert damaged.reason == "failed"
