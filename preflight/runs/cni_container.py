"""One run of `nodeprep cni add`, `del` or `check`: one container, the node's own configuration."""

from __future__ import annotations

import os
import re
from typing import Any

from preflight.cni import cache, chain
from preflight.cni.attachment import DEFAULT_INTERFACE, Attachment, validate
from preflight.cni.node import NodeNetwork, find_network
from preflight.cni.result import result_ips
from preflight.facts.host import Host
from preflight.output import check_format, write
from rules.errors import EXIT_DONE, UsageError
from rules.record import record

_PUBLISH = re.compile(r"(?:(?P<ip>[^/]+):)?(?P<host>\d{1,5}):(?P<pod>\d{1,5})(?:/(?P<proto>\w+))?")


@record
class Place:
    """What the flags say about where the configuration, the plugins and the cache are."""

    conf: str = ""
    conf_dir: str = ""
    plugin_dirs: tuple[str, ...] = ()
    cache_dir: str = cache.DEFAULT_CACHE_DIR

    @classmethod
    def given(
        cls, conf: str, conf_dir: str, plugin_dirs: list[str] | None, cache_dir: str
    ) -> Place:
        """From flags; empty ones were not given."""
        return cls(conf, conf_dir, tuple(plugin_dirs or ()), cache_dir or cache.DEFAULT_CACHE_DIR)

    def node(self) -> NodeNetwork:
        """The network in force."""
        return find_network(
            Host(offline=True),
            conf=self.conf,
            conf_dir=self.conf_dir,
            plugin_dirs=self.plugin_dirs,
        )


@record
class Target:
    """The container that is meant: by id and namespace, or as one of Docker's."""

    container: str = ""
    netns: str = ""
    docker: str = ""
    interface: str = DEFAULT_INTERFACE
    arguments: tuple[str, ...] = ()
    publish: tuple[str, ...] = ()

    @classmethod
    def given(
        cls,
        container: str,
        netns: str,
        docker: str,
        interface: str,
        arguments: list[str] | None,
        publish: list[str] | None,
    ) -> Target:
        """From flags; empty ones were not given."""
        return cls(
            container, netns, docker, interface, tuple(arguments or ()), tuple(publish or ())
        )

    def attachment(self, *, netns_needed: bool) -> Attachment:
        """Raises UsageError for what no plugin would take."""
        container, netns = self.container, self.netns
        if self.docker:
            if container or netns:
                raise UsageError("--docker finds id and namespace itself: give nothing beside it")
            from preflight.cni.docker import docker_namespace

            container, netns = docker_namespace(self.docker)
        made = Attachment(
            container,
            netns,
            self.interface,
            tuple(parse_argument(word) for word in self.arguments),
            {"portMappings": [parse_publish(word) for word in self.publish]}
            if self.publish
            else {},
        )
        validate(made)
        if netns_needed and not netns:
            raise UsageError("the path of the container's network namespace is needed: ID NETNS")
        if netns and not netns.startswith("/"):
            raise UsageError(f"{netns!r} is no absolute path of a network namespace")
        if netns_needed and not os.path.exists(netns):
            raise UsageError(f"{netns} is not there; a namespace is made with: ip netns add NAME")
        if netns and is_own(netns):
            raise UsageError(
                f"{netns} is this host's own network, in which a plugin would change the host"
            )
        return made


def is_own(netns: str) -> bool:
    """Whether the path is the network namespace that we are in ourselves."""
    try:
        return os.path.samefile(netns, "/proc/self/ns/net")
    except OSError:
        return False


def parse_argument(word: str) -> tuple[str, str]:
    """``NAME=VALUE`` of --arg."""
    name, equals, value = word.partition("=")
    if not equals:
        raise UsageError(f"--arg takes NAME=VALUE, not {word!r}")
    return name, value


def parse_publish(word: str) -> dict[str, Any]:
    """``[ADDRESS:]HOST:POD[/tcp]`` -> an entry of portMappings (CONVENTIONS.md)."""
    match = _PUBLISH.fullmatch(word)
    if match is None or match["proto"] not in (None, "tcp", "udp", "sctp"):
        raise UsageError(f"--publish takes [ADDRESS:]HOST:POD[/tcp|udp|sctp], not {word!r}")
    ports = {"hostPort": int(match["host"]), "containerPort": int(match["pod"])}
    if not all(0 < port < 65536 for port in ports.values()):
        raise UsageError(f"--publish {word}: a port is 1 to 65535")
    entry: dict[str, Any] = {**ports, "protocol": match["proto"] or "tcp"}
    if match["ip"]:
        from ipaddress import ip_address

        try:
            entry["hostIP"] = str(ip_address(match["ip"].strip("[]")))
        except ValueError as error:
            raise UsageError(f"--publish {word}: {error}") from None
    return entry


def run_add(place: Place, target: Target, output: str) -> int:
    """ADD; prints the addresses or the result."""
    check_format(output)
    attachment = target.attachment(netns_needed=True)
    node = place.node()
    result = chain.add(node.network, attachment, _caller(node, place))
    _print(node, attachment, output, changed=True, result=result, done="added")
    return EXIT_DONE


def run_delete(place: Place, target: Target, output: str) -> int:
    """DEL; says how much of the container was known."""
    check_format(output)
    node, attachment = _attached(place, target)
    known = chain.delete(node.network, attachment, _caller(node, place))
    done = "deleted" if known else "nothing was known of it; DEL was sent all the same"
    if known and not attachment.netns:
        done = "its namespace is not known any more: the interface in it stays, all else is deleted"
    _print(node, attachment, output, changed=known, result=None, done=done)
    return EXIT_DONE


def run_check(place: Place, target: Target, output: str) -> int:
    """CHECK; says so where the file forbids it."""
    check_format(output)
    node, attachment = _attached(place, target)
    asked = chain.check(node.network, attachment, _caller(node, place))
    done = "every plugin says that it is as it made it" if asked else "disableCheck: nobody asked"
    _print(node, attachment, output, changed=False, result=None, done=done)
    return EXIT_DONE


def _caller(node: NodeNetwork, place: Place) -> chain.Caller:
    return chain.Caller(node.plugin_dirs, place.cache_dir)


def _attached(place: Place, target: Target) -> tuple[NodeNetwork, Attachment]:
    """Its network, and the container that is in it; the namespace comes from the cache where none
    was given."""
    attachment = target.attachment(netns_needed=False)
    node = place.node()
    if attachment.netns:
        return node, attachment
    try:
        entry = cache.read(node.network.name, attachment, place.cache_dir) or {}
    except cache.CacheError:
        return node, attachment
    return node, Attachment(**{**vars(attachment), "netns": str(entry.get("netns") or "")})


def _print(
    node: NodeNetwork,
    attachment: Attachment,
    output: str,
    *,
    changed: bool,
    result: dict[str, Any] | None,
    done: str,
) -> None:
    from preflight.report.plain import printable

    document = {
        "schema_version": 1,
        "kind": "CniAttachment",
        "changed": changed,
        "network": node.network.name,
        "conf": node.network.path,
        "container": attachment.container,
        "interface": attachment.interface,
        "netns": attachment.netns,
        "result": result,
    }
    addresses = [address for address, _ in result_ips(result)]
    words = [attachment.container, attachment.interface, *addresses, f"({done})"]
    write(document, [printable(" ".join(words))], output)


VERBS = {"add": run_add, "del": run_delete, "check": run_check}
