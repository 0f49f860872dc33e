from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown, known
from preflight.facts.model.network import Route
from preflight.facts.neighbours import parse_neighbours, parse_proc_arp, start_neighbours
from preflight.facts.procroutes import parse_proc_ipv6_route, parse_proc_route
from preflight.facts.routes import parse_routes, start_routes
from rules.run import Output

CAPTURES = Path(__file__).parents[1] / "captures" / "network"


def read(name: str) -> str:
    return (CAPTURES / name).read_text()


def by_destination(routes: tuple[Route, ...]) -> dict[str, Route]:
    return {str(route.destination): route for route in routes if route.table != "local"}


@pytest.mark.parametrize("capture", ["debian-12-route4.json", "plain-route4.txt"])
def test_json_and_plain_text_say_the_same(capture: str) -> None:
    found = by_destination(parse_routes(read(capture), 4))
    assert set(found) == {
        "0.0.0.0/0",
        "10.240.0.0/12",
        "10.7.0.0/16",
        "10.8.0.0/24",
        "10.9.0.0/16",
        "10.244.1.0/24",
        "10.244.2.0/24",
        "192.0.2.0/24",
    }
    default = found["0.0.0.0/0"]
    assert (default.interface, str(default.gateway), default.metric) == ("up0", "192.0.2.1", 100)
    assert found["10.240.0.0/12"].table == "100"
    assert (found["10.7.0.0/16"].type, found["10.7.0.0/16"].protocol) == ("blackhole", "bird")
    assert found["10.9.0.0/16"].gateway == ip_address("192.0.2.5")
    assert found["10.9.0.0/16"].interface == "up0"
    assert found["10.8.0.0/24"].gateway == ip_address("fe80::2")
    assert found["192.0.2.0/24"].source == ip_address("192.0.2.11")


def test_json_and_plain_text_are_equal_in_full() -> None:
    assert parse_routes(read("debian-12-route4.json"), 4) == parse_routes(
        read("plain-route4.txt"), 4
    )


def test_busybox() -> None:
    found = by_destination(parse_routes(read("busybox-route4.txt"), 4))
    assert found["10.240.0.0/12"].table == "100"
    assert found["0.0.0.0/0"].metric == 100
    assert found["10.7.0.0/16"].type == "blackhole"
    # It does not print next hops.
    assert found["10.9.0.0/16"].interface == ""
    v6 = by_destination(parse_routes(read("busybox-route6.txt"), 6))
    assert str(v6["::/0"].gateway) == "fe80::1"


def test_ipv6() -> None:
    found = by_destination(parse_routes(read("debian-12-route6.json"), 6))
    assert found["::/0"].protocol == "ra"
    assert found["2001:db8::/64"].interface == "up0"


def test_numbers_of_tables_that_have_names() -> None:
    text = (
        '[{"dst":"10.0.0.0/8","dev":"a","table":"254"},{"dst":"10.0.0.1","dev":"a","table":"255"}]'
    )
    assert [route.table for route in parse_routes(text, 4)] == ["main", "local"]


def test_what_is_no_destination_is_left_out() -> None:
    assert parse_routes('[{},{"dst":"(192.0.2.1,224.0.0.1)","dev":"a"},{"dst":"100"}]', 4) == ()
    assert parse_routes("", 4) == ()
    with pytest.raises(ValueError, match=r"."):
        parse_routes('[{"dst":', 4)


def test_proc_net() -> None:
    found = by_destination(parse_proc_route(read("proc-route.txt")))
    assert (found["0.0.0.0/0"].interface, found["0.0.0.0/0"].metric) == ("up0", 100)
    assert str(found["0.0.0.0/0"].gateway) == "192.0.2.1"
    assert found["10.7.0.0/16"].type == "unreachable"
    assert found["192.0.2.0/24"].gateway is None
    v6 = parse_proc_ipv6_route(read("proc-ipv6_route.txt"))
    ways = by_destination(tuple(route for route in v6 if route.type == "unicast"))
    assert str(ways["::/0"].gateway) == "fe80::1"
    assert any(route.type == "local" and route.table == "local" for route in v6)
    assert any(route.type == "unreachable" for route in v6)


def test_neighbours() -> None:
    found = {str(entry.address): entry for entry in parse_neighbours(read("debian-12-neigh.json"))}
    assert set(found) == {"192.0.2.50", "fe80::1"}
    assert (found["192.0.2.50"].mac, found["192.0.2.50"].state) == ("52:54:00:aa:bb:cc", "STALE")
    (arp,) = parse_proc_arp(read("proc-arp.txt"))
    assert (str(arp.address), arp.interface) == ("192.0.2.50", "up0")
    assert parse_neighbours("[{}]") == ()


class Answering(Host):
    """A machine with another `ip`, or without one."""

    def __init__(self, json: Known[str], plain: Known[str], files: dict[str, str]) -> None:
        super().__init__(offline=True)
        self.json, self.plain, self.files = json, plain, files

    def start(self, argv: Any) -> Any:
        answer = self.json if "-j" in argv else self.plain
        if isinstance(answer, Unknown):
            return lambda: answer
        return lambda: Output(tuple(argv), 0, answer if "-6" not in argv else "", "")

    def read(self, path: str, limit_bytes: int = 0) -> Known[str]:
        return self.files.get(path, Unknown("absent", f"{path} is not there"))


ABSENT = Unknown("absent", "ip is not installed")
OPTION = Unknown("failed", "ip -4 -j route show table all ended with 1")


def test_busybox_is_asked_again_without_json() -> None:
    tables = start_routes(Answering(OPTION, read("busybox-route4.txt"), {}))()
    assert tables.other_tables is None
    assert "10.240.0.0/12" in by_destination(known(tables.routes))


def test_without_ip_the_other_tables_are_unknown() -> None:
    files = {"/proc/net/route": read("proc-route.txt")}
    tables = start_routes(Answering(ABSENT, ABSENT, files))()
    assert tables.other_tables == ABSENT
    assert "10.240.0.0/12" not in by_destination(known(tables.routes))
    assert "0.0.0.0/0" in by_destination(known(tables.routes))


def test_without_anything_the_routes_are_unknown() -> None:
    tables = start_routes(Answering(ABSENT, ABSENT, {}))()
    assert tables.routes == ABSENT
    assert isinstance(start_neighbours(Answering(ABSENT, ABSENT, {}))(), Unknown)


def test_neighbours_without_ip() -> None:
    files = {"/proc/net/arp": read("proc-arp.txt")}
    for json in (ABSENT, "192.0.2.50 dev up0 lladdr 52:54:00:aa:bb:cc STALE"):
        assert len(known(start_neighbours(Answering(json, ABSENT, files))())) == 1
