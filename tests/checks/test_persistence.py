from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest

from preflight.checks.boot import boot_setting
from preflight.facts.model import Unknown, known
from preflight.facts.model.kernel import Setting
from preflight.finding import Status
from preflight.settings import KubeletSettings, Settings
from tests.checks.kernels import modules, pod_network, verdicts, with_kernel
from tests.nodes import judge, kernel, target

FORWARD = "net.ipv4.ip_forward"
DUAL = pod_network(
    "bridge", pod_subnets=(ip_network("10.244.0.0/16"), ip_network("fd00:10:244::/56"))
)


def lines(*pairs: tuple[str, str]) -> tuple[Setting, ...]:
    """A file for each line, in order."""
    return tuple(
        Setting(f"/etc/sysctl.d/{number:02d}.conf", key, value)
        for number, (key, value) in enumerate(pairs)
    )


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ((), None),
        (((FORWARD, "1"),), "1"),
        (((FORWARD, "1"), (FORWARD, "0")), "0"),
        (((FORWARD, "0"), (FORWARD, "1")), "1"),
        # The same switch by its other name.
        (((FORWARD, "1"), ("net.ipv4.conf.all.forwarding", "0")), "0"),
        (((FORWARD, "1"), ("net.ipv4.conf.eth0.forwarding", "0")), "1"),
        # A pattern counts only where no line names the key.
        ((("net.ipv4.ip_*", "0"), (FORWARD, "1")), "1"),
        (((FORWARD, "1"), ("net.ipv4.ip_*", "0")), "1"),
        ((("net.ipv4.ip_*", "0"),), "0"),
        ((("net.*", "0"),), None),
        # A line that takes the key out of patterns.
        (((f"-{FORWARD}", ""), ("net.ipv4.ip_*", "0")), None),
    ],
)
def test_what_boot_sets(settings: tuple[tuple[str, str], ...], value: str | None) -> None:
    found = boot_setting(lines(*settings), FORWARD)
    assert (None if found is None else found.value) == value


def test_setting_all_sets_the_default_for_new_interfaces() -> None:
    found = boot_setting(
        lines(("net.ipv6.conf.all.forwarding", "1")), "net.ipv6.conf.default.forwarding"
    )
    assert found is not None


def test_kept_settings_pass_with_their_files() -> None:
    (found,) = judge("persistent-sysctl", with_kernel(), target(settings=DUAL))
    assert found.status is Status.PASS
    assert kernel.SYSCTL_FILE in found.message


def test_nothing_keeps_forwarding() -> None:
    found = judge("persistent-sysctl", with_kernel(sysctl_files=()), target(settings=DUAL))
    # br_netfilter starts with its settings at 1, so nobody has to say so.
    assert verdicts(found) == {
        "net.ipv4.ip_forward": "warn",
        "net.ipv6.conf.all.forwarding": "warn",
        "net.ipv6.conf.default.forwarding": "warn",
        "": "pass",
    }


def test_a_later_file_is_named_and_mended() -> None:
    later = Setting("/etc/sysctl.d/99-zz.conf", FORWARD, "0")
    files = (*known(kernel.healthy().sysctl_files), later)
    found = judge("persistent-sysctl", with_kernel(sysctl_files=files))[0]
    assert "/etc/sysctl.d/99-zz.conf sets it to 0" in found.message
    assert found.remedy.startswith("sed -i --follow-symlinks 's|^[[:space:]-]*net[./]ipv4[./]")
    vendor = replace(later, path="/usr/lib/sysctl.d/99-vendor.conf")
    found = judge("persistent-sysctl", with_kernel(sysctl_files=(vendor,)))[0]
    assert found.remedy.startswith("cp /usr/lib/sysctl.d/99-vendor.conf /etc/sysctl.d/99-vendor")
    pattern = replace(later, key="net.ipv4.ip_*")
    found = judge("persistent-sysctl", with_kernel(sysctl_files=(pattern,)))[0]
    assert (
        found.remedy
        == "printf '%s\\n' '' 'net.ipv4.ip_forward = 1' >> /etc/sysctl.d/99-kubernetes.conf"
    )
    line = replace(later, path="/proc/cmdline")
    found = judge("persistent-sysctl", with_kernel(sysctl_files=(line,)))[0]
    assert "command line" in found.remedy


def test_bridge_settings_that_boot_turns_off() -> None:
    key = "net.bridge.bridge-nf-call-iptables"
    files = (*known(kernel.healthy().sysctl_files), Setting("/usr/lib/sysctl.d/z.conf", key, "0"))
    assert verdicts(judge("persistent-sysctl", with_kernel(sysctl_files=files)))[key] == "warn"


def test_what_is_wrong_now_is_for_the_other_checks() -> None:
    facts = with_kernel(sysctls={**kernel.SYSCTLS, FORWARD: "0"}, sysctl_files=())
    assert verdicts(judge("persistent-sysctl", facts)) == {"": "pass"}


@pytest.mark.parametrize("id", ["persistent-sysctl", "persistent-modules"])
def test_where_nothing_applies_files_at_boot_it_is_skipped(id: str) -> None:
    nothing = Unknown("absent", "nothing here applies them")
    facts = with_kernel(boot_applier="", sysctl_files=nothing, modules_load=nothing)
    (found,) = judge(id, facts)
    assert found.status is Status.SKIP


@pytest.mark.parametrize("id", ["persistent-sysctl", "persistent-modules", "persistent-swap"])
def test_unreadable_files_are_unknown(id: str) -> None:
    denied = Unknown("denied", "/etc/sysctl.d/x.conf may not be read")
    facts = with_kernel(sysctl_files=denied, modules_load=denied, boot_swap=denied)
    assert judge(id, facts)[0].status is Status.UNKNOWN


def test_modules_are_listed_loaded_or_built_in() -> None:
    assert verdicts(judge("persistent-modules", with_kernel())) == {"": "pass"}
    (lost,) = judge("persistent-modules", with_kernel(modules_load=()))
    assert (lost.subject, lost.status) == ("br_netfilter", Status.WARN)
    assert "modules-load.d" in lost.remedy
    builtin = with_kernel(modules=modules("br_netfilter", state="builtin"), modules_load=())
    assert verdicts(judge("persistent-modules", builtin)) == {"": "pass"}
    unloaded = with_kernel(modules=modules("br_netfilter", state="loadable"), modules_load=())
    assert judge("persistent-modules", unloaded) == []


def test_a_blacklist_keeps_a_listed_module_away() -> None:
    facts = with_kernel(modules=modules("br_netfilter", denied_by="/etc/modprobe.d/cis.conf"))
    (found,) = judge("persistent-modules", facts)
    assert "/etc/modprobe.d/cis.conf" in found.message


@pytest.mark.parametrize(
    ("setting", "remedy"),
    [
        (Setting("/etc/fstab", "/swap.img", "swap"), "sed -i.bak"),
        (
            Setting("/run/systemd/generator.late/dev-sda2.swap", "/dev/sda2", "swap unit"),
            "systemctl mask --now dev-sda2.swap",
        ),
        (
            Setting("/usr/lib/systemd/zram-generator.conf", "/dev/zram0", "zram"),
            "systemctl mask dev-zram0.swap",
        ),
        (
            Setting(
                "/etc/systemd/system/multi-user.target.wants/dphys-swapfile.service",
                "dphys-swapfile.service",
                "service",
            ),
            "systemctl disable --now dphys-swapfile.service",
        ),
    ],
)
def test_swap_at_boot(setting: Setting, remedy: str) -> None:
    (found,) = judge("persistent-swap", with_kernel(boot_swap=(setting,)))
    assert found.status is Status.WARN
    assert found.remedy.startswith(remedy)
    tolerant = Settings(kubelet=KubeletSettings(fail_swap_on=False))
    (found,) = judge(
        "persistent-swap", with_kernel(boot_swap=(setting,)), target(settings=tolerant)
    )
    assert found.status is Status.SKIP
