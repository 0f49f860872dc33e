"""Routes in a real kernel: set, changed, taken away, and nobody else's with them."""

from __future__ import annotations

import json
import sys

import pytest

from tests.cni.node import node
from tests.kernel import require_kernel

SCRIPT = r"""
import json
from preflight.cni import routes
from rules.errors import CommandError

found = []
for name, hop in (("10.244.2.0/24", "192.0.2.21"), ("fd00:2::/64", "2001:db8::21")):
    other = hop[:-1] + "2"
    steps = [routes.read(name)]
    for state in (f"via {hop} dev up0", f"via {hop} dev up0", f"via {other} dev up0", None, None):
        routes.write(name, state)
        steps.append(routes.read(name))
    found.append(steps)
# Somebody's own, without a metric: it comes back as it was.
before = routes.read("10.244.9.0/24")
routes.write("10.244.9.0/24", "via 192.0.2.21 dev up0")
routes.write("10.244.9.0/24", before)
found.append(before)
for state in ("via 203.0.113.1 dev up0", "via 192.0.2.1 dev nope", "nonsense"):
    try:
        routes.write("10.244.3.0/24", state)
    except CommandError as error:
        found.append(str(error))
hops = ("192.0.2.21", "2001:db8::21", "203.0.113.9", "192.0.2.11", "2001:db8:9::1")
found.append([routes.way_to(hop) for hop in hops])
print(json.dumps(found))
"""


@pytest.mark.kernel
def test_routes() -> None:
    require_kernel()
    done = node(
        "ip address add 2001:db8::11/64 dev up0 nodad; ip -6 route add default via 2001:db8::1\n"
        "ip route add 10.244.2.0/24 via 192.0.2.9 metric 100\n"
        "ip -6 route add fd00:2::/64 via 2001:db8::9 metric 100\n"
        "ip route add 10.244.9.0/24 via 192.0.2.9 proto bird src 192.0.2.11\n"
        "{ ip route; ip -6 route; } > /run/before\n"
        f"{sys.executable} - <<'END'\n{SCRIPT}\nEND\n"
        "{ ip route; ip -6 route; } | diff /run/before - >&2"
    )
    four, six, bird, unreachable, no_link, nonsense, ways = json.loads(done.stdout)
    first, second = "via 192.0.2.21 dev up0", "via 192.0.2.22 dev up0"
    assert four == [None, first, first, second, None, None]
    first, second = "via 2001:db8::21 dev up0", "via 2001:db8::22 dev up0"
    assert six == [None, first, first, second, None, None]
    assert bird == "via 192.0.2.9 dev up0 proto 12 src 192.0.2.11"
    assert "Network is unreachable" in unreachable
    assert "no link is called nope" in no_link
    assert "is no way" in nonsense
    assert ways == ["via 192.0.2.21 dev up0", "via 2001:db8::21 dev up0", "", "", ""]
