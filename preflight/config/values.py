"""Words of a configuration file -> values. Each reader raises ValueError with the problem."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from rules.cluster import CniChoice, IPAddress, IPNetwork, Role
from rules.errors import UsageError
from rules.version import NEWEST, Version, parse_version

# The port matrix has rows from here on; older releases differ in more than nodeprep knows.
OLDEST_ACCEPTED = Version(1, 18)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SECRET = re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b|\b[0-9a-fA-F]{64}\b")
_SHOWN_CHARACTERS = 60
# (first, last, what it is), as numbers: files hold thousands of addresses, and the properties of
# `ipaddress` cost ten times as much (RFC 6890; RFC 5771 and RFC 4291 for multicast).
_UNUSABLE = {
    version: tuple(
        (int(network.network_address), int(network.broadcast_address), word)
        for text, word in ranges
        for network in (ip_network(text),)
    )
    for version, ranges in {
        4: (
            ("0.0.0.0/32", "unspecified"),
            ("127.0.0.0/8", "loopback"),
            ("224.0.0.0/4", "multicast"),
            ("169.254.0.0/16", "link-local"),
        ),
        6: (
            ("::/128", "unspecified"),
            ("::1/128", "loopback"),
            ("ff00::/8", "multicast"),
            ("fe80::/10", "link-local"),
        ),
    }.items()
}


def shown(text: str) -> str:
    """A word from a file, for a message: quoted, short, on one line, tokens and keys hidden."""
    text = _SECRET.sub("(hidden)", text)
    return repr(text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}...")


def version(text: str) -> Version:
    """``1.37``, ``v1.30.2`` -> Version, if it is one that the tables know."""
    found = parse_version(text)
    if found is None:
        raise ValueError(f"{shown(text)} is not a Kubernetes version such as 1.37 or v1.37.2")
    if not OLDEST_ACCEPTED <= found.release <= NEWEST:
        raise ValueError(
            f"Kubernetes {found} is not one that nodeprep knows; it knows "
            f"{OLDEST_ACCEPTED} to {NEWEST}"
        )
    return found


def address(text: str) -> IPAddress:
    """An IPv4 or IPv6 address of a machine: no zone, and one that peers can send to."""
    try:
        found = ip_address(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IP address") from None
    if "%" in text:
        raise ValueError(f"{shown(text)} has a zone (%); give an address that peers can use")
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        raise ValueError(f"{shown(text)} is an IPv4 address written as IPv6; write {mapped}")
    number = int(found)
    for first, last, word in _UNUSABLE[found.version]:
        if first <= number <= last:
            raise ValueError(f"{found} ({word}) is not an address that peers can send to")
    return found


def network(text: str, *, adjust: Callable[[str], None] | None = None) -> IPNetwork:
    """A range in CIDR form. Host bits are an error, or ``adjust`` is told and they are cleared."""
    body, slash, bits = text.partition("/")
    if not slash or not re.fullmatch(r"\d{1,3}", bits):
        raise ValueError(f"{shown(text)} is not a range such as 10.244.0.0/16 or fd00:10::/56")
    try:
        ip_address(body)
        found = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a range such as 10.244.0.0/16") from None
    if "%" in text or getattr(found.network_address, "ipv4_mapped", None) is not None:
        raise ValueError(f"{shown(text)} is not a range; leave out zones and mapped addresses")
    if ip_address(body) != found.network_address:
        if adjust is None:
            raise ValueError(f"{text} has host bits set; the range is {found}")
        adjust(f"{text} has host bits set; it is taken as {found}")
    return found


def source(text: str) -> IPNetwork:
    """Who may send: a range, or one address."""
    if "/" in text:
        return network(text)
    found = address(text)
    # As ip_network(found), which takes four times as long.
    whole = (int(found), found.max_prefixlen)
    return IPv4Network(whole) if found.version == 4 else IPv6Network(whole)


def subnets(text: str, *, adjust: Callable[[str], None] | None = None) -> tuple[IPNetwork, ...]:
    """One range, or one of each family with a comma between, as kubeadm writes dual stack."""
    found = tuple(network(word.strip(), adjust=adjust) for word in text.split(","))
    if len({item.version for item in found}) != len(found):
        raise ValueError(f"{shown(text)} has two ranges of one family; give one of each")
    for item in found:
        if item.prefixlen == 0 or item.is_multicast or item.is_loopback:
            raise ValueError(f"{item} cannot be a range of pods, services or nodes")
    return found


def address_or_any(text: str) -> IPAddress:
    """As ``address``, and 0.0.0.0 or ::, which kubeadm and the kubelet take for: choose one."""
    return ip_address(text) if text in ("0.0.0.0", "::") else address(text)  # noqa: S104


def bind_address(text: str) -> IPAddress:
    """What a program may listen on: any address, loopback and 0.0.0.0 included."""
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IP address") from None


def addresses(text: str) -> tuple[IPAddress, ...]:
    """The kubelet's ``--node-ip``: one address, one of each family with a comma between, or 0.0.0.0
    or :: for the family that it is to choose from."""
    words = text.split(",")
    if len(words) == 1:
        return (address_or_any(text),)
    found = tuple(address(word.strip()) for word in words)
    if len({item.version for item in found}) != len(found):
        raise ValueError(f"{shown(text)} has two addresses of one family; give one of each")
    return found


def port(text: str) -> int:
    """A port number, 1 to 65535."""
    if not re.fullmatch(r"[1-9]\d{0,4}", text) or int(text) > 65535:
        raise ValueError(f"{shown(text)} is not a port, 1 to 65535")
    return int(text)


def port_range(text: str) -> tuple[int, int]:
    """``30000-32767``, ``30000+2767`` (as the API server takes it) or one port."""
    match = re.fullmatch(r"(\d{1,5})(?:([-+])(\d{1,5}))?", text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a range of ports such as 30000-32767")
    first, sign, second = match.groups()
    low = port(first)
    high = low if sign is None else port(second if sign == "-" else str(low + int(second)))
    if high < low:
        raise ValueError(f"{shown(text)} is the wrong way round; write {high}-{low}")
    return low, high


def host_name(text: str) -> str:
    """A node's name or a DNS domain: RFC 1123, lower case, at most 253 characters."""
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError(
            f"{shown(text)} is not a host name: lower-case letters, digits, - and . only, "
            "at most 63 characters between two dots"
        )
    return text


def endpoint(text: str) -> str:
    """``host``, ``host:port``, ``[v6]:port``: an address or a DNS name with an optional port."""
    host, rest = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        if rest and not rest.startswith(":"):
            raise ValueError(f"{shown(text)} is not HOST:PORT")
        rest = rest[1:]
    elif text.count(":") == 1:
        host, _, rest = text.partition(":")
    try:
        if rest or text.endswith(":"):
            port(rest)
        if re.fullmatch(r"[\d.]+", host) or ":" in host:
            ip_address(host)
        else:
            host_name(host.lower())
    except ValueError:
        raise ValueError(f"{shown(text)} is not HOST or HOST:PORT") from None
    return text


def url(text: str) -> str:
    """An etcd endpoint: ``https://host:port``."""
    if "@" in text:
        raise ValueError("holds a user name or password; etcd is reached with certificates")
    match = re.fullmatch(r"https?://([^/]+)/?", text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a URL such as https://192.0.2.31:2379")
    endpoint(match.group(1))
    return text


def path(text: str) -> str:
    """An absolute path."""
    if not text.startswith("/") or not text.isprintable():
        raise ValueError(f"{shown(text)} is not an absolute path")
    return text


def path_or_nothing(text: str) -> str:
    """An absolute path, or empty where empty means something."""
    return path(text) if text else ""


def cri_socket(text: str) -> str:
    """A runtime's socket, always as ``unix:///path``."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        rest = text
    elif scheme != "unix":
        raise ValueError(f"{shown(text)} is not a Unix socket such as unix:///run/crio/crio.sock")
    return f"unix://{path(rest)}"


def role(text: str) -> Role:
    """A role by its name."""
    if found := Role.named(text):
        return found
    names = ", ".join(item.value for item in Role)
    raise ValueError(f"{shown(text)} is no role; the roles are {names}")


def one_of(*words: str) -> Callable[[str], str]:
    """A reader that takes these words only."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{shown(text)} is not one of {', '.join(map(repr, words))}")
        return text

    return read


def cni(text: str) -> CniChoice:
    """``flannel``, ``flannel/vxlan``: a pod network that the tables know, with its mode."""
    from rules import cnis

    if len(text) > _SHOWN_CHARACTERS or not text.isprintable():
        raise ValueError(f"{shown(text)} is not a pod network, NAME or NAME/MODE")
    try:
        choice = cnis.parse_choice(text)
        profile, mode = cnis.find(choice)
    except UsageError as error:
        raise ValueError(str(error)) from None
    return CniChoice(profile.name, mode.name if choice.mode else "")


def whole(low: int, high: int) -> Callable[[str], int]:
    """A reader of a whole number in a flag's text."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
            raise ValueError(f"{shown(text)} is not a whole number from {low} to {high}")
        return int(text)

    return read


def flag(text: str) -> bool:
    """A boolean in a flag's text, as Go's strconv.ParseBool reads it."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError(f"{shown(text)} is neither true nor false")
