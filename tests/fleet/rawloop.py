"""Run in a network namespace of its own: a listener and a prober of every protocol without ports,
on loopback. Prints what each met, and what the listener saw."""

from __future__ import annotations

import json
import threading
import time
from ipaddress import ip_address

from preflight.fleet.reach.frames import ECHO, FRAMES
from preflight.fleet.reach.listener import Listener
from preflight.fleet.reach.model import Errand, Outcome, Peer
from preflight.fleet.reach.prober import Prober
from preflight.fleet.reach.settle import Evidence, settle
from rules.cluster import Role

KEY = bytes.fromhex("5a" * 32)
HOME = {4: ip_address("127.0.0.1"), 6: ip_address("::1")}
SEEN: set[str] = set()
FAMILIES = {"icmp": (4,), "icmpv6": (6,)}


def errands() -> list[Errand]:
    return [
        Errand(Peer("x", Role.WORKER, (HOME[family],)), HOME[family], name, 0, (), "")
        # Echoes first: what was seen of them is asked for on the other ways.
        for name in sorted(FRAMES, key=lambda name: name not in ECHO)
        for family in FAMILIES.get(name, (4, 6))
    ]


def met(prober: Prober) -> dict[str, list[str]]:
    found = {}
    for errand in errands():
        raw = prober.run(errand)
        told = settle(raw, Evidence())
        found[f"{errand.label} v{errand.address.version}"] = [told.outcome.value, told.detail]
        if told.outcome is Outcome.OPEN and errand.protocol not in ECHO:
            body = prober.ask(raw)
            assert body, errand
            SEEN.update(json.loads(body)["seen"])
    return found


def main() -> None:
    prober = Prober(KEY, lambda _: 1500)
    ports = {(name, 0): frozenset(FAMILIES.get(name, (4, 6))) for name in FRAMES}
    listener = Listener(
        KEY, "x", ports, rules=lambda *_: {}, held_by=lambda *_: "", half_open=lambda _: []
    )
    listener.open()
    stopped = threading.Event()
    serving = threading.Thread(target=listener.serve, args=(30, stopped.is_set))
    serving.start()
    began = time.monotonic()
    with_one = met(prober)
    took = time.monotonic() - began
    stopped.set()
    serving.join()
    print(
        json.dumps(
            {
                "with": with_one,
                "seen": sorted(SEEN),
                "wrong": listener.wrong,
                "problems": [port.problem for port in listener.ports if port.problem],
                "took_s": took,
            }
        )
    )


if __name__ == "__main__":
    main()
