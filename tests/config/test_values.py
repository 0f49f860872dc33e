from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from preflight.config import values
from rules.cluster import CniChoice, Role
from rules.version import Version


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (values.version, "1.37", Version(1, 37)),
        (values.version, "v1.30.2", Version(1, 30, 2)),
        (values.version, "1.32.0-rc.1+k3s1", Version(1, 32)),
        (values.version, "1.18", Version(1, 18)),
        (values.address, "192.0.2.1", ip_address("192.0.2.1")),
        (values.address, "2001:DB8::1", ip_address("2001:db8::1")),
        (values.network, "10.0.0.0/8", ip_network("10.0.0.0/8")),
        (values.source, "0.0.0.0/0", ip_network("0.0.0.0/0")),
        (values.source, "203.0.113.7", ip_network("203.0.113.7/32")),
        (values.source, "2001:db8::7", ip_network("2001:db8::7/128")),
        (values.subnets, "10.244.0.0/16", (ip_network("10.244.0.0/16"),)),
        (
            values.subnets,
            "10.244.0.0/16, fd00::/48",
            (ip_network("10.244.0.0/16"), ip_network("fd00::/48")),
        ),
        (values.addresses, "fd00::1", (ip_address("fd00::1"),)),
        (values.port, "65535", 65535),
        (values.port_range, "30000-32767", (30000, 32767)),
        (values.port_range, "30000+2767", (30000, 32767)),
        (values.port_range, "30000", (30000, 30000)),
        (values.host_name, "m1.example.net", "m1.example.net"),
        (values.endpoint, "api.example.net", "api.example.net"),
        (values.endpoint, "api.example.net:6443", "api.example.net:6443"),
        (values.endpoint, "192.0.2.1:6443", "192.0.2.1:6443"),
        (values.endpoint, "[2001:db8::1]:6443", "[2001:db8::1]:6443"),
        (values.endpoint, "2001:db8::1", "2001:db8::1"),
        (values.url, "https://192.0.2.31:2379", "https://192.0.2.31:2379"),
        (values.url, "http://[fd00::1]:2379/", "http://[fd00::1]:2379/"),
        (values.cri_socket, "/run/crio/crio.sock", "unix:///run/crio/crio.sock"),
        (values.cri_socket, "unix:///run/crio/crio.sock", "unix:///run/crio/crio.sock"),
        (values.role, "control-plane", Role.MASTER),
        (values.role, "multi-master", Role.MULTI_MASTER),
        (values.cni, "flannel", CniChoice("flannel")),
        (values.cni, "flannel/vxlan", CniChoice("flannel", "vxlan")),
        (values.flag, "true", True),
        (values.flag, "F", False),
        (values.path_or_nothing, "", ""),
    ],
)
def test_read(read: Callable[[str], Any], text: str, expected: object) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("read", "text", "problem"),
    [
        (values.version, "1.17", "it knows 1.18 to 1.37"),
        (values.version, "1.38.0", "it knows 1.18 to 1.37"),
        (values.version, "2.0", "it knows"),
        (values.version, "latest", "is not a Kubernetes version"),
        (values.version, "", "is not a Kubernetes version"),
        (values.address, "192.0.2.256", "is not an IP address"),
        (values.address, "192.0.2.1/24", "is not an IP address"),
        (values.address, "::", "unspecified"),
        (values.address, "127.0.0.1", "loopback"),
        (values.address, "::1", "loopback"),
        (values.address, "224.0.0.1", "multicast"),
        (values.address, "169.254.1.1", "link-local"),
        (values.address, "2001:db8::1%eth0", "zone"),
        (values.address, "::ffff:192.0.2.1", "write 192.0.2.1"),
        (values.network, "10.244.1.5/16", "has host bits set; the range is 10.244.0.0/16"),
        (values.network, "fd00::1/64", "has host bits set; the range is fd00::/64"),
        (values.network, "10.0.0.0", "is not a range"),
        (values.network, "10.0.0.0/33", "is not a range"),
        (values.network, "10.0.0.0/255.0.0.0", "is not a range"),
        (values.network, "10.0.0.0/8/8", "is not a range"),
        (values.network, "/8", "is not a range"),
        (values.network, "::ffff:10.0.0.0/104", "mapped"),
        (values.network, "fe80::%eth0/64", "is not a range"),
        (values.subnets, "10.0.0.0/16,10.1.0.0/16", "two ranges of one family"),
        (values.subnets, "10.0.0.0/16,", "is not a range"),
        (values.subnets, "0.0.0.0/0", "cannot be a range"),
        (values.subnets, "224.0.0.0/8", "cannot be a range"),
        (values.subnets, "127.0.0.0/8", "cannot be a range"),
        (values.addresses, "192.0.2.1,192.0.2.2", "two addresses of one family"),
        (values.port, "0", "is not a port"),
        (values.port, "65536", "is not a port"),
        (values.port, "080", "is not a port"),
        (values.port_range, "32767-30000", "write 30000-32767"),
        (values.port_range, "30000-70000", "is not a port"),
        (values.port_range, "30000-", "is not a range of ports"),
        (values.host_name, "M1", "lower-case"),
        (values.host_name, "-m", "is not a host name"),
        (values.host_name, "a..b", "is not a host name"),
        (values.host_name, "a" * 64, "is not a host name"),
        (values.host_name, "a\n", "is not a host name"),
        (values.endpoint, "api:port", "is not HOST"),
        (values.endpoint, "api:0", "is not HOST"),
        (values.endpoint, "api:", "is not HOST"),
        (values.endpoint, "https://api:6443", "is not HOST"),
        (values.endpoint, "[::1]x", "is not HOST"),
        (values.endpoint, "1.2.3", "is not HOST"),
        (values.url, "192.0.2.31:2379", "is not a URL"),
        (values.url, "https://192.0.2.31:2379/v3", "is not a URL"),
        (values.path, "etc/x", "is not an absolute path"),
        (values.path, "/etc/\x1bx", "is not an absolute path"),
        (values.cri_socket, "tcp://127.0.0.1:1", "is not a Unix socket"),
        (values.cri_socket, "unix://run/x", "is not an absolute path"),
        (values.role, "boss", "the roles are master, worker, multi-master, etcd"),
        (values.one_of("a", "b"), "c", "is not one of 'a', 'b'"),
        (values.cni, "flanel", "flannel"),
        (values.cni, "flannel/warp", "warp"),
        (values.cni, "a/b/c", "NAME/MODE"),
        (values.cni, "x" * 5000, "is not a pod network"),
        (values.flag, "yes", "neither true nor false"),
        (values.whole(1, 9), "10", "from 1 to 9"),
        (values.whole(1, 9), "٣", "from 1 to 9"),
    ],
)
def test_refuse(read: Callable[[str], Any], text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=r"(?s).*") as caught:
        read(text)
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_a_token_or_a_key_in_the_wrong_place_is_not_shown() -> None:
    for secret in ("abcdef.0123456789abcdef", "0f" * 32):
        for read in (values.host_name, values.network, values.endpoint, values.cri_socket):
            with pytest.raises(ValueError, match="hidden") as caught:
                read(f"x {secret}")
            assert secret not in str(caught.value)


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(ValueError, match="user name or password") as caught:
        values.url("https://root:hunter2@192.0.2.31:2379")
    assert "hunter2" not in str(caught.value)


def test_host_bits_are_told_and_cleared_where_kubeadm_does_so() -> None:
    told: list[str] = []
    found = values.subnets("10.244.1.0/16", adjust=told.append)
    assert found == (ip_network("10.244.0.0/16"),)
    assert told == ["10.244.1.0/16 has host bits set; it is taken as 10.244.0.0/16"]
