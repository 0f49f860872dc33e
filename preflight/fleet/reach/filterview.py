"""What this host's own packet filter does with probes, in and out: read once, traced for each."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from preflight.checks.firewallscene import where
from preflight.fleet.reach.frames import ECHO
from preflight.fleet.reach.model import label
from rules.cluster import IPAddress
from rules.errors import NodeprepError
from rules.flows import Protocol
from rules.packet import Packet
from rules.tracing.live import local_addresses, read_live, routes
from rules.tracing.trace import Trace, Tracer

# A port that clients have (IANA's ephemeral range begins at 49152).
_CLIENT_PORT = 50000


class FilterView:
    """``problem``: why the rules could not be read (no root, no program); then all is unknown."""

    def __init__(self) -> None:
        self.problem = ""
        try:
            self._tracer = Tracer(read_live())
            self._local = local_addresses()
            self._routes = routes()
        except NodeprepError as error:
            self.problem = str(error)

    @property
    def addresses(self) -> frozenset[str]:
        """This host's own, as text; none where they could not be read."""
        return frozenset() if self.problem else frozenset(str(one.ip) for one in self._local)

    def incoming(self, source: IPAddress, ports: Iterable[tuple[str, int]]) -> dict[str, str]:
        """What becomes of packets of ``source`` at each port of this host, by its label. See
        ``_said``."""
        own = self._own(source.version)
        return {
            label(protocol, port): self._judge(source, own, protocol, port, "input")
            for protocol, port in ports
        }

    def outgoing(self, destination: IPAddress, protocol: str, port: int) -> str:
        """What becomes of this host's packets to a port of ``destination``."""
        return self._judge(self._own(destination.version), destination, protocol, port, "output")

    def _own(self, family: int) -> IPAddress | None:
        if self.problem:
            return None
        found = [
            one.ip
            for one in self._local
            if one.version == family and not (one.ip.is_loopback or one.ip.is_link_local)
        ]
        return found[0] if found else None

    def _judge(
        self,
        source: IPAddress | None,
        destination: IPAddress | None,
        protocol: str,
        port: int,
        hook: str,
    ) -> str:
        if self.problem:
            return f"unknown: {self.problem}"
        if source is None or destination is None:
            return "unknown: this host has no address of the family"
        named = Protocol(protocol)
        packet = Packet(
            family=source.version,
            protocol=named.number,
            source=source,
            destination=destination,
            source_port=_CLIENT_PORT if named.has_ports else None,
            destination_port=port if named.has_ports else None,
            icmp_type=ECHO[protocol][0] if protocol in ECHO else None,
            icmp_code=0 if protocol in ECHO else None,
        )
        try:
            found = self._tracer.trace(
                packet, local_addresses=self._local, hook=hook, routes=self._routes
            )
        except NodeprepError as error:
            return f"unknown: {error}"
        return _said(found)


class FreshView:
    """A ``FilterView`` that is read again when it is old: rules change while a listener runs.

    Reading takes a twentieth of a second, and seconds where there are thousands of rules or a busy
    machine; it is done beside the listener, which answers meanwhile, and at most a tenth of the
    time.
    """

    _OLD_S, _SHARE = 2.0, 10
    # How long a question waits for what is being read, before it gets what was read last.
    _PATIENCE_S = 0.3

    def __init__(self) -> None:
        self._reading: threading.Thread | None = None
        self._read()

    def refresh(self) -> None:
        """Begins to read where the view is old. A probe calls it: the question about it follows."""
        reading = self._reading is not None and self._reading.is_alive()
        if not reading and time.monotonic() > self._until:
            self._reading = threading.Thread(target=self._read, daemon=True)
            self._reading.start()

    def incoming(self, source: IPAddress, ports: Iterable[tuple[str, int]]) -> dict[str, str]:
        """As of ``FilterView``."""
        self.refresh()
        if self._reading is not None:
            self._reading.join(self._PATIENCE_S)
        return self._view.incoming(source, ports)

    def _read(self) -> None:
        began = time.monotonic()
        self._view = FilterView()
        ended = time.monotonic()
        self._until = ended + max(self._OLD_S, self._SHARE * (ended - began))


def _said(found: Trace) -> str:
    """Empty: let through. Else ``dropped by ...``, ``rejected by ...`` or ``unknown: ...``."""
    if found.admitted is True:
        return ""
    if found.admitted is None:
        return f"unknown: {'; '.join(found.unknown) or 'a rule that cannot be told'}"
    verb = "rejected" if found.verdict == "reject" else "dropped"
    return f"{verb} by {where(found.decided_by)}"
