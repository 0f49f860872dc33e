"""The services that configure interfaces, and which interfaces they leave alone."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.facts.bootfiles import dropins
from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.facts.model.network import LinkManager, LinkRule

# In the order of precedence (NetworkManager.conf(5), systemd.network(5)).
_NM_MAIN = "/etc/NetworkManager/NetworkManager.conf"
_NM_DIRECTORIES = (
    "/etc/NetworkManager/conf.d",
    "/run/NetworkManager/conf.d",
    "/usr/lib/NetworkManager/conf.d",
)
_BASES = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")
_FALSE = ("0", "no", "false", "off", "n", "f")
# A match by anything else than these says which hardware it means.
_BROAD_KEYS = frozenset({"Name", "Type"})
_FOREIGN = ("ManageForeignRoutes", "ManageForeignRoutingPolicyRules")


def parse_sections(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Sections of an ini file in their order, each with its (key, value) lines."""
    name = ""
    lines: list[tuple[str, str]] = []
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            yield name, lines
            name, lines = line[1:-1], []
        elif "=" in line and line[0] not in "#;":
            key, _, value = line.partition("=")
            lines.append((key.strip(), value.strip()))
    yield name, lines


def parse_networkmanager(texts: list[tuple[str, str]]) -> tuple[LinkRule, ...]:
    """(path, text) in the order in which they are read -> what is not managed, by name.

    A later ``unmanaged-devices`` takes an earlier one's place; ``+=`` adds. Sections of devices
    stand for themselves.
    """
    listed: list[LinkRule] = []
    devices: list[LinkRule] = []
    for path, text in texts:
        for section, lines in parse_sections(text):
            pairs = dict(lines)
            if section == "keyfile":
                for key, value in lines:
                    if key == "unmanaged-devices":
                        listed = [LinkRule(path, _names(value), managed=False)]
                    elif key == "unmanaged-devices+":
                        listed.append(LinkRule(path, _names(value), managed=False))
            elif section.startswith("device") and pairs.get("managed", "").lower() in _FALSE:
                devices.append(LinkRule(path, _names(pairs.get("match-device", "")), managed=False))
    return (*devices, *listed)


def _names(value: str) -> tuple[str, ...]:
    """``interface-name:cali*;type:veth;except:x`` -> patterns of names; other words say no name."""
    words = (word.strip() for word in value.replace(",", ";").split(";"))
    prefix = "interface-name:"
    return tuple(
        "*" if word == "*" else word.removeprefix(prefix).lstrip("=~")
        for word in words
        if word == "*" or word.startswith(prefix)
    )


def parse_network_file(path: str, text: str) -> LinkRule | None:
    """A .network file as a rule; None for one that only means certain hardware."""
    match: list[tuple[str, str]] = []
    managed = True
    for section, lines in parse_sections(text):
        if section == "Match":
            match += lines
        elif section == "Link":
            managed &= dict(lines).get("Unmanaged", "no").lower() not in ("yes", "true", "1", "on")
    keys = {key for key, _ in match}
    kinds = [word for key, value in match if key == "Type" for word in value.split()]
    if not keys or not keys <= _BROAD_KEYS or (kinds and not {"ether", "*"} & set(kinds)):
        return None
    names = tuple(word for key, value in match if key == "Name" for word in value.split())
    # A ! before the list means every name that is not in it.
    if names and names[0].startswith("!"):
        return LinkRule(path, (names[0][1:], *names[1:]), managed=managed, inverted=True)
    return LinkRule(path, names or ("*",), managed=managed)


def collect_link_managers(host: Host) -> Known[tuple[LinkManager, ...]]:
    """Those that run. Without systemd none of the two does."""
    units = host.units()
    if isinstance(units, Unknown):
        return () if units.reason == "absent" else units
    active = {name for name, unit in units.items() if unit.active == "active"}
    found: list[LinkManager] = []
    if "NetworkManager.service" in active:
        texts = _read(host, _networkmanager_files(host))
        if isinstance(texts, Unknown):
            return texts
        rules = parse_networkmanager(texts)
        found.append(LinkManager("NetworkManager", rules, claims_unnamed=True))
    if "systemd-networkd.service" in active:
        networkd = _networkd(host)
        if isinstance(networkd, Unknown):
            return networkd
        found.append(networkd)
    return tuple(found)


def _networkmanager_files(host: Host) -> tuple[str, ...]:
    """Below /usr/lib and /run first, then the main file, then /etc; a name in an earlier
    directory of ``_NM_DIRECTORIES`` hides the same one in a later."""
    files = dropins(host, _NM_DIRECTORIES)
    own = tuple(path for path in files if path.startswith("/etc/"))
    lib = tuple(path for path in files if path.startswith("/usr/"))
    return (*lib, *(path for path in files if path.startswith("/run/")), _NM_MAIN, *own)


def _networkd(host: Host) -> Known[LinkManager]:
    files = _read(host, dropins(host, [f"{base}/network" for base in _BASES], ".network"))
    mains = [f"{base}/networkd.conf" for base in _BASES]
    main = next((path for path in mains if host.exists(path)), "")
    more = dropins(host, [f"{base}/networkd.conf.d" for base in _BASES])
    settings = _read(host, (*filter(None, [main]), *more))
    if isinstance(files, Unknown):
        return files
    if isinstance(settings, Unknown):
        return settings
    values = {
        key: value
        for _, text in settings
        for section, lines in parse_sections(text)
        if section == "Network"
        for key, value in lines
    }
    rules = [rule for path, text in files if (rule := parse_network_file(path, text))]
    removes = tuple(key for key in _FOREIGN if values.get(key, "yes").lower() not in _FALSE)
    return LinkManager("systemd-networkd", tuple(rules), removes_foreign=removes)


def _read(host: Host, paths: tuple[str, ...]) -> Known[list[tuple[str, str]]]:
    found = []
    for path in paths:
        text = host.read_optional(path)
        if isinstance(text, Unknown):
            return text
        found.append((path, text or ""))
    return found
