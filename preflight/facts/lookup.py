"""What names lead to: /etc/hosts, the system's resolver, the name servers alone."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Sequence
from ipaddress import ip_address

from preflight.facts.model import Known, Unknown
from preflight.facts.model.identity import HostEntry, NameLookup
from preflight.facts.model.network import IPAddress, ResolvConf

# getaddrinfo waits 5 s for each silent name server and cannot be interrupted.
LOOKUP_LIMIT_S = 0.5
# A resolver tries at most six search domains; the first ones are the node's own.
SEARCH_DOMAINS_ASKED = 3
HOSTS, NAME_SERVICE, NAME_SERVER, BUILT_IN = "/etc/hosts", "name service", "name server", "built in"
# systemd-resolved's stub, which answers for localhost without asking anybody (RFC 6761, 6.3).
RESOLVED_STUBS = ("127.0.0.53", "127.0.0.54")
_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


def parse_hosts(text: str, wanted: Collection[str]) -> tuple[HostEntry, ...]:
    """hosts(5) -> the entries with one of the ``wanted`` names or with that name and a domain.

    The others are left out: a host that blocks advertisements has a hundred thousand of them.
    """
    short = {name.lower().split(".", 1)[0] for name in wanted if name}
    # Most lines of a long file hold none of the names anywhere: those are not taken apart.
    candidate = re.compile("|".join(map(re.escape, short)), re.IGNORECASE).search
    entries = []
    for line in filter(candidate, text.splitlines()):
        words = line.split("#", 1)[0].split()
        if not any(name.lower().split(".", 1)[0] in short for name in words[1:]):
            continue
        try:
            entries.append(HostEntry(ip_address(words[0]), tuple(words[1:])))
        except ValueError:
            continue
    return tuple(entries)


def find_in_hosts(entries: Sequence[HostEntry], name: str) -> NameLookup | None:
    """What /etc/hosts says for exactly this name (case aside), None where it says nothing."""
    wanted = name.lower()
    found = [entry for entry in entries if wanted in (item.lower() for item in entry.names)]
    addresses = tuple(dict.fromkeys(entry.address for entry in found))
    return NameLookup(name, addresses, source=HOSTS) if addresses else None


def find_localhost(
    entries: Sequence[HostEntry], nsswitch: str, resolv_conf: Known[ResolvConf]
) -> NameLookup:
    """What ``localhost`` leads to without asking a name server, which nobody should for it.

    systemd's resolver makes the answer up: through nss-myhostname, nss-resolve, or its stub.
    """
    if found := find_in_hosts(entries, "localhost"):
        return found
    services: list[str] = []
    for line in nsswitch.splitlines():
        if line.startswith("hosts:"):
            services = line.split("#", 1)[0].split()[1:]
    stub = not isinstance(resolv_conf, Unknown) and any(
        server in RESOLVED_STUBS for server in resolv_conf.nameservers
    )
    if {"myhostname", "resolve"} & set(services) or (stub and "dns" in services):
        return NameLookup("localhost", _LOOPBACK, source=BUILT_IN)
    return NameLookup("localhost", (), "it is not in /etc/hosts", HOSTS)


def start_lookup(ask: Callable[[], Known[NameLookup]]) -> Callable[[], Known[NameLookup]]:
    """Starts a lookup beside the rest; its answer waits until ``LOOKUP_LIMIT_S`` after the start.

    The thread is a daemon: one that hangs does not keep the process from ending.
    """
    answers: list[Known[NameLookup]] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    end = time.monotonic() + LOOKUP_LIMIT_S
    thread.start()

    def answer() -> Known[NameLookup]:
        thread.join(max(0.0, end - time.monotonic()))
        late = Unknown("timeout", f"no name server answered within {LOOKUP_LIMIT_S:g} s")
        return answers[0] if answers else late

    return answer


def ask_name_service(name: str, source: str = NAME_SERVICE) -> Known[NameLookup]:
    """What the system's resolver answers for ``name``. Unknown where it could not ask."""
    import socket

    missing = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
    try:
        # Bytes: text would go through the idna codec, whose import takes 4 ms.
        host = name.encode("ascii")
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeEncodeError:
        return NameLookup(name, (), "the name is not ASCII", source)
    except socket.gaierror as error:
        if error.errno in missing:
            return NameLookup(name, (), "the name is not known", source)
        return Unknown("failed", f"{name} could not be looked up: {error.strerror}")
    except OSError as error:
        return Unknown("failed", f"{name} could not be looked up: {error}")
    addresses = (_address(answer[4][0]) for answer in answers)
    return NameLookup(name, tuple(dict.fromkeys(filter(None, addresses))), source=source)


def _address(text: object) -> IPAddress | None:
    try:
        return ip_address(str(text).split("%", 1)[0])
    except ValueError:
        return None


def questions(name: str, search: Sequence[str]) -> tuple[str, ...]:
    """The absolute names (with the last dot) under which a name server may know this node.

    The dot keeps /etc/hosts out of it, which holds names without one.
    """
    if "." in name:
        return (f"{name}.",)
    domains = [domain.strip(".") for domain in search[:SEARCH_DOMAINS_ASKED]]
    return tuple(f"{name}.{domain}." for domain in domains if domain) or (f"{name}.",)


def ask_name_servers(
    name: str,
    search: Sequence[str],
    unlikely: str,
    ask: Callable[[str, str], Known[NameLookup]] = ask_name_service,
) -> Known[NameLookup]:
    """The first answer of the name servers for this node's name.

    A domain that answers for every name says nothing about this one: it is seen by asking for
    ``unlikely``, a label that nobody has, in the same domain.
    """
    wildcards, refused = [], None
    for question in questions(name, search):
        answer = ask(question, NAME_SERVER)
        if isinstance(answer, Unknown):
            refused = answer
        elif answer.addresses:
            domain = question.split(".", 1)[1]
            other = ask(f"{unlikely}.{domain}", NAME_SERVER)
            if isinstance(other, Unknown) or set(other.addresses) != set(answer.addresses):
                return NameLookup(question.rstrip("."), answer.addresses, source=NAME_SERVER)
            wildcards.append(domain.rstrip("."))
    if wildcards:
        error = f"the domain {wildcards[0]} answers for every name"
        return NameLookup(name, (), error, NAME_SERVER)
    return refused or NameLookup(name, (), "no name server knows the name", NAME_SERVER)
