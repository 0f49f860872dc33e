"""Faults of names, identifiers, name service, proxy and clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from preflight.facts.model import Facts, known
from preflight.facts.model.identity import Privileges
from preflight.facts.model.network import TimeSync
from tests.faults.model import LiveFault, SavedFault

# Every machine that runs the tests starts from the same names, whatever its own are.
BASELINE = """
printf 'hosts: files dns\\n' > /etc/nsswitch.conf
printf '5c2b6c1a9e0f4d7b8a31f0e2d4c6b8a0\\n' > /etc/machine-id
rm -f /var/lib/dbus/machine-id /etc/cloud/cloud.cfg
unset http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
"""
CLOUD_INIT = """
mkdir -p /etc/cloud /var/lib/cloud/data
rm -rf /etc/cloud/cloud.cfg.d /etc/cloud/cloud-init.disabled /var/lib/cloud/instance
printf 'preserve_hostname: false\\n' > /etc/cloud/cloud.cfg
printf 'lab-node\\n' > /var/lib/cloud/data/previous-hostname
printf '{"fqdn": "lab-node", "hostname": "lab-node"}\\n' > /var/lib/cloud/data/set-hostname
"""
# A name server in the namespace `peer` that knows the names of its arguments, all at 192.0.2.99.
NAME_SERVER = """
printf 'search example.net\\nnameserver 192.0.2.1\\n' > /etc/resolv.conf
cat > /run/name-server.py <<'END'
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.1", 53))
while True:
    query, asker = server.recvfrom(512)
    end = query.index(0, 12)
    name, at = [], 12
    while query[at]:
        name.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    known = ".".join(name) in sys.argv[1:]
    wanted = known and query[end + 1 : end + 3] == bytes([0, 1])
    answer = query[:2] + bytes([0x81, 0x80 if known else 0x83, 0, 1, 0, wanted, 0, 0, 0, 0])
    answer += query[12 : end + 5]
    if wanted:
        answer += bytes([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 99])
    server.sendto(answer, asker)
END
serve() {
    ip netns exec "$PEER" python3 /run/name-server.py "$@" < /dev/null > /dev/null 2>&1 &
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        ip netns exec "$PEER" ss -Hlun 'sport = :53' | grep -q . && break
        sleep 0.1
    done
}
"""


def _live(name: str, finds: str, shell: str, **more: Any) -> LiveFault:
    baseline = BASELINE + more.pop("baseline", "")
    return LiveFault(name, frozenset({finds}), shell, baseline, **more)


def _named(name: str) -> str:
    # Not by hostname(1), which refuses some of the names that the kernel takes.
    return f"printf '{name}\\n' > /proc/sys/kernel/hostname"


def _identity(**changes: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, identity=replace(known(facts.identity), **changes))


def _system(**changes: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, system=replace(known(facts.system), **changes))


def _network(**changes: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, network=replace(known(facts.network), **changes))


def _hardware(**changes: Any) -> Callable[[Facts], Facts]:
    return lambda facts: replace(facts, hardware=replace(known(facts.hardware), **changes))


def _saved(name: str, finds: str, change: Callable[[Facts], Facts]) -> SavedFault:
    return SavedFault(name, frozenset({finds}), change)


LIVE = (
    _live("host name localhost", "hostname-set", _named("localhost")),
    _live("host name in upper case", "hostname-valid", _named("LAB-NODE")),
    _live("host name with an underscore", "hostname-valid", _named("lab_node")),
    _live(
        "host name of 64 characters",
        "hostname-valid",
        _named("a" * 64),
    ),
    _live(
        "host name resolves to another machine",
        "hostname-resolves",
        "printf '127.0.0.1 localhost\\n192.0.2.99 lab-node\\n' > /etc/hosts",
    ),
    _live(
        "host name resolves to 127.0.1.1 only",
        "hostname-resolves",
        "printf '127.0.0.1 localhost\\n127.0.1.1 lab-node\\n' > /etc/hosts",
    ),
    _live(
        "name server gives the host name to another machine",
        "hostname-unique",
        # The first server goes; the second knows the name.
        "kill $!; wait $! || true; serve lab-node.example.net",
        baseline=f"{NAME_SERVER}serve nobody.example.net",
        arguments=(),
    ),
    _live(
        "another name in /etc/hostname", "hostname-persistent", "printf 'old\\n' > /etc/hostname"
    ),
    _live("no /etc/hostname", "hostname-persistent", "rm /etc/hostname"),
    _live(
        "cloud-init brings another name back",
        "hostname-persistent",
        'printf \'{"hostname": "ip-192-0-2-11"}\\n\' > /var/lib/cloud/data/set-hostname',
        baseline=CLOUD_INIT,
    ),
    _live("empty machine ID", "machine-id-unique", ": > /etc/machine-id"),
    _live("no machine ID", "machine-id-unique", "rm /etc/machine-id"),
    _live(
        "machine ID that was never written down",
        "machine-id-unique",
        "printf 'uninitialized\\n' > /etc/machine-id",
    ),
    _live(
        "machine ID of the template left with D-Bus",
        "machine-id-unique",
        "mkdir -p /var/lib/dbus && printf '%032d\\n' 7 > /var/lib/dbus/machine-id",
    ),
    _live(
        "name server on loopback", "dns-loop", "printf 'nameserver 127.0.0.1\\n' > /etc/resolv.conf"
    ),
    _live(
        "name server on IPv6 loopback",
        "dns-loop",
        "printf 'nameserver 192.0.2.1\\nnameserver ::1\\n' > /etc/resolv.conf",
    ),
    _live(
        "four name servers",
        "dns-resolvers",
        "printf 'nameserver 192.0.2.%d\\n' 1 2 3 4 > /etc/resolv.conf",
    ),
    _live("no name server", "dns-resolvers", "printf 'search example.net\\n' > /etc/resolv.conf"),
    _live(
        "resolver file that leads nowhere",
        "dns-resolvers",
        "ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf",
    ),
    _live(
        "localhost missing from /etc/hosts",
        "localhost-resolves",
        "printf '192.0.2.11 lab-node\\n' > /etc/hosts",
    ),
    _live(
        "localhost is the node's outer address",
        "localhost-resolves",
        "printf '192.0.2.11 lab-node localhost\\n' > /etc/hosts",
    ),
    _live(
        "proxy that would get the cluster's traffic",
        "proxy-bypass",
        "export HTTPS_PROXY=http://192.0.2.8:3128 NO_PROXY=localhost",
    ),
)
SAVED = (
    _saved(
        "product UUID of unprogrammed firmware",
        "product-uuid-unique",
        _identity(product_uuid="03000200-0400-0500-0006-000700080009"),
    ),
    _saved(
        "product UUID of unprogrammed firmware in the other byte order",
        "product-uuid-unique",
        _identity(product_uuid="00020003-0004-0005-0006-000700080009"),
    ),
    _saved(
        "product UUID of all ones",
        "product-uuid-unique",
        _identity(product_uuid="FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
    ),
    _saved("machine ID in memory only", "machine-id-unique", _identity(machine_id_transient=True)),
    _saved(
        "clock that nobody keeps",
        "time-synchronised",
        _network(time_sync=TimeSync(False, "kernel")),
    ),
    _saved(
        "clock two seconds off",
        "time-synchronised",
        _network(time_sync=TimeSync(True, "chrony", 2000.0)),
    ),
    _saved("clock source hpet", "clock-source", _hardware(clock_source="hpet")),
    _saved("another init than systemd", "init-system", _system(systemd=False, init="openrc-init")),
    _saved(
        "root in a container without capabilities",
        "root-privileges",
        lambda facts: replace(facts, privileges=Privileges(0, 0x00000000A80425FB)),
    ),
)
FAULTS = (*LIVE, *SAVED)
