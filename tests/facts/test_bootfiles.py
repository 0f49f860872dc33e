from __future__ import annotations

from preflight.facts.bootfiles import (
    MODULE_DIRECTORIES,
    SYSCTL_DIRECTORIES,
    boot_applier,
    dropins,
    normal_key,
    parse_cmdline,
    parse_modules_load,
    parse_sysctl,
    read_boot_settings,
)
from preflight.facts.limits import parse_default_nofile, parse_limit, read_open_files_limit
from preflight.facts.model import Unknown
from preflight.facts.model.kernel import Setting
from preflight.facts.sysctls import interface_names, path_of, read_sysctls
from tests.facts.tree import Tree, denied

# Ubuntu 24.04: /etc/sysctl.d/10-network-security.conf and the like.
UBUNTU = """# Turn on Source Address Verification
net.ipv4.conf.default.rp_filter=2
net.ipv4.conf.all.rp_filter = 2
; a comment of the other kind
-net.bridge.bridge-nf-call-iptables = 0
net/ipv4/conf/eth0.100/forwarding=1
"""
# Fedora: /usr/lib/sysctl.d/50-default.conf
FEDORA = """-net.ipv4.conf.all.rp_filter
net.ipv4.conf.*.rp_filter = 2
this is no assignment
"""


def test_sysctl_lines() -> None:
    assert parse_sysctl("f", UBUNTU) == (
        Setting("f", "net.ipv4.conf.default.rp_filter", "2"),
        Setting("f", "net.ipv4.conf.all.rp_filter", "2"),
        Setting("f", "net.bridge.bridge-nf-call-iptables", "0"),
        Setting("f", "net.ipv4.conf.eth0/100.forwarding", "1"),
    )
    assert parse_sysctl("f", FEDORA) == (
        Setting("f", "-net.ipv4.conf.all.rp_filter", ""),
        Setting("f", "net.ipv4.conf.*.rp_filter", "2"),
    )


def test_the_first_separator_decides_what_the_others_mean() -> None:
    assert normal_key("net.ipv4.conf.eth0/100.rp_filter") == "net.ipv4.conf.eth0/100.rp_filter"
    assert normal_key("net/ipv4/conf/eth0.100/rp_filter") == "net.ipv4.conf.eth0/100.rp_filter"
    assert (
        path_of("net.ipv4.conf.eth0/100.rp_filter") == "/proc/sys/net/ipv4/conf/eth0.100/rp_filter"
    )


def test_modules_load_lines() -> None:
    text = "# br_netfilter\n\noverlay\nbr-netfilter\n; x\nloop max_loop=64\n"
    assert [setting.key for setting in parse_modules_load("f", text)] == [
        "overlay",
        "br_netfilter",
        "loop",
    ]


def test_command_line() -> None:
    sysctls, modules = parse_cmdline(
        "ro sysctl.net.ipv4.ip_forward=1 modules-load=br-netfilter,overlay quiet"
    )
    assert sysctls == (Setting("/proc/cmdline", "net.ipv4.ip_forward", "1"),)
    assert [setting.key for setting in modules] == ["br_netfilter", "overlay"]


def test_order_is_by_name_and_the_first_directory_hides_the_others() -> None:
    tree = Tree(
        {
            "/usr/lib/sysctl.d/50-default.conf": "",
            "/usr/lib/sysctl.d/99-k8s.conf": "",
            "/etc/sysctl.d/99-k8s.conf": "",
            "/etc/sysctl.d/10-first.conf": "",
            "/etc/sysctl.d/README": "",
            "/run/sysctl.d/60-cloud.conf": "",
        }
    )
    assert dropins(tree, SYSCTL_DIRECTORIES) == (
        "/etc/sysctl.d/10-first.conf",
        "/usr/lib/sysctl.d/50-default.conf",
        "/run/sysctl.d/60-cloud.conf",
        "/etc/sysctl.d/99-k8s.conf",
    )
    assert dropins(tree, MODULE_DIRECTORIES) == ()


def test_etc_sysctl_conf_counts_only_without_systemd() -> None:
    # Debian 13 has no 99-sysctl.conf link any more, so systemd never reads this file.
    files = {"/etc/sysctl.conf": "net.ipv4.ip_forward=1\n", "/etc/modules": "br_netfilter\n"}
    assert read_boot_settings(Tree(files), "systemd") == ((), ())
    sysctls, modules = read_boot_settings(Tree(files), "openrc")
    assert sysctls == (Setting("/etc/sysctl.conf", "net.ipv4.ip_forward", "1"),)
    assert modules == (Setting("/etc/modules", "br_netfilter", ""),)


def test_ufw_has_the_last_word_while_it_is_enabled() -> None:
    files = {
        "/etc/sysctl.d/k8s.conf": "net.ipv4.ip_forward = 1\n",
        "/etc/ufw/sysctl.conf": "net/ipv4/ip_forward=0\n",
        "/etc/ufw/ufw.conf": "ENABLED=yes\n",
    }
    sysctls, _ = read_boot_settings(Tree(files), "systemd")
    assert not isinstance(sysctls, Unknown)
    assert sysctls[-1] == Setting("/etc/ufw/sysctl.conf", "net.ipv4.ip_forward", "0")
    files["/etc/ufw/ufw.conf"] = "ENABLED=no\n"
    sysctls, _ = read_boot_settings(Tree(files), "systemd")
    assert not isinstance(sysctls, Unknown)
    assert len(sysctls) == 1


def test_a_file_that_may_not_be_read_could_say_anything() -> None:
    path = "/etc/sysctl.d/99-hardening.conf"
    sysctls, modules = read_boot_settings(Tree({path: denied(path)}), "systemd")
    assert isinstance(sysctls, Unknown)
    assert sysctls.reason == "denied"
    assert modules == ()


def test_who_applies_them_at_boot() -> None:
    assert boot_applier(Tree({"/run/systemd/system/x": ""})) == "systemd"
    assert boot_applier(Tree({"/run/openrc/softlevel": "default"})) == "openrc"
    assert boot_applier(Tree({"/proc/1/comm": "init\n", "/etc/inittab": ""})) == "sysvinit"
    assert boot_applier(Tree({"/proc/1/comm": "init\n"})) == ""
    sysctls, modules = read_boot_settings(Tree({}), "")
    assert isinstance(sysctls, Unknown)
    assert isinstance(modules, Unknown)


def test_sysctls_of_the_machine() -> None:
    max_watches = "/proc/sys/fs/inotify/max_user_watches"
    found, refused = read_sysctls(
        Tree(
            {
                "/proc/sys/net/ipv4/conf/all/rp_filter": "0\n",
                "/proc/sys/net/ipv4/conf/eth0.100/rp_filter": "1\n",
                "/proc/sys/net/ipv4/ip_forward": "1\n",
                max_watches: denied(max_watches),
            }
        )
    )
    assert found == {
        "net.ipv4.ip_forward": "1",
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.eth0/100.rp_filter": "1",
    }
    assert refused == ("fs.inotify.max_user_watches",)


def test_interfaces_of_pods_are_read_for_one_setting_only() -> None:
    assert interface_names(("veth01", "eth0")) == (
        "net.ipv4.conf.veth01.rp_filter",
        "net.ipv4.conf.eth0.rp_filter",
        "net.ipv6.conf.eth0.disable_ipv6",
        "net.ipv6.conf.eth0.accept_ra",
    )


def test_limits_of_services() -> None:
    assert parse_limit("524288") == 524288
    assert parse_limit("512K") == 512 * 1024
    assert parse_limit("infinity") == -1
    assert parse_limit("many") is None
    assert parse_limit("") is None
    text = "[Manager]\n#DefaultLimitNOFILE=1024:524288\nDefaultLimitNOFILE=4096\n"
    assert parse_default_nofile(text) == (4096, 4096)
    assert parse_default_nofile("DefaultLimitNOFILE=1024:524288\n") == (1024, 524288)
    assert parse_default_nofile("[Manager]\n") is None


def test_a_dropin_counts_more_than_the_main_file() -> None:
    tree = Tree(
        {
            "/etc/systemd/system.conf": "DefaultLimitNOFILE=4096\n",
            "/etc/systemd/system.conf.d/limits.conf": "DefaultLimitNOFILE=1024:1048576\n",
        }
    )
    assert read_open_files_limit(tree, "systemd") == (1024, 1048576)
    assert read_open_files_limit(Tree({}), "systemd") == read_open_files_limit(tree, "")
