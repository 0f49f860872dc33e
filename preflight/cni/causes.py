"""What the plugins' own words mean, and what mends it. Pure.

Nearly every failure of the reference plugins has code 999, so only the words tell them apart.
They are those of the Go sources of https://github.com/containernetworking/plugins and .../cni.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from preflight.cni.failure import INCOMPATIBLE_VERSION, PluginFailure
from preflight.cni.proof import Cause, Step
from preflight.cni.schema import BRIDGE_DEFAULT_NAME
from preflight.cni.spec import NetworkConfig
from rules.cluster import IPAddress
from rules.errors import CommandError, NodeprepError
from rules.record import record

# Pattern -> (name, what it means, what mends it). {1} is the pattern's first group, {plugin} the
# plugin's type, {bridge} the network's bridge. Every one that matches counts.
_SAID: tuple[tuple[str, str, str, str], ...] = (
    (
        r'"?(\S+?)"? already has an IP address different from',
        "stale-bridge-address",
        "{1} has the address of an earlier network, and the plugin does not take another's bridge",
        "ip link delete {1}",
    ),
    (
        r"could not set bridge's mac: invalid argument",
        "bridge-mac",
        "{bridge} was made without a MAC of its own and has none since its last port went "
        "(containerd/nerdctl#4283)",
        "ip link delete {bridge} && nodeprep cni install",
    ),
    (
        r"already exists but is not a bridge",
        "not-a-bridge",
        "an interface of another kind is called {bridge}",
        "ip link delete {bridge}, or give the bridge another name",
    ),
    (
        r"no IP addresses available in range set:? ?(\S*)",
        "addresses-used-up",
        "every address of {1} is taken: by live pods, or by leases that dead ones left",
        "nodeprep cni gc; where that frees nothing, a larger range",
    ),
    (
        r"(?:Chain '?(CNI-\w+)'?|Couldn't load target).*(?:does not exist|No such file)",
        "iptables-nft-delete",
        "DEL looks for the chain of a pod whose masquerading was never set up, and fails with "
        "iptables-nft (coreos/go-iptables#108)",
        "masquerade by the node's one rule: nodeprep cni install --masquerade node",
    ),
    (
        r"incompatible, use 'nft' tool",
        "iptables-mixed",
        "native nft rules are in a table that iptables-nft takes for its own",
        "find who adds them: nft list ruleset; take them to a table of their own",
    ),
    (
        r"failed to add route.*file exists",
        "two-default-routes",
        "isDefaultGateway gives pods a default route, and so does a route in ipam",
        "take the default route out of ipam.routes, or write isGateway in place of "
        "isDefaultGateway",
    ),
    (
        r'failed to find plugin "?([^" ]+)"?',
        "plugin-missing",
        "the program {1} is not in the plugin directories of the runtime",
        "nodeprep cni install, which finds or installs the plugins",
    ),
    (
        r"failed to locate iptables|exec: \"ip6?tables\": executable file not found",
        "iptables-missing",
        "{plugin} runs iptables, which is not in the PATH of who calls it",
        "install iptables, or masquerade by the node's rule: nodeprep cni install",
    ),
    (
        r"unknown FS magic on|failed to (?:open|Statfs) (?:netns|\")",
        "namespace-gone",
        "the container's network namespace is not there any more",
        "nodeprep cni gc",
    ),
    (
        # Of releases since 1.2 with the name of the host's end.
        r"container veth name (?:provided )?\(?\"?(\S+?)\"?\)?(?: peer provided \(\S+\))? already",
        "attached-already",
        "the container has an interface {1} already, of an earlier ADD",
        "nodeprep cni del ID NETNS, then add it again",
    ),
    (
        r"operation not supported",
        "kernel-option",
        "this kernel is built without what {plugin} needs ({option})",
        "a kernel with {option}, or the plugin bridge or ptp",
    ),
    (
        r"(?:failed to lookup master|Link not found|no such network interface)",
        "master-missing",
        "the link that carries the pods is not there",
        "give --master a link of: ip -br link",
    ),
    (
        r"dhcp\.sock",
        "dhcp-daemon",
        "the dhcp plugin asks its daemon, which does not run",
        "systemctl enable --now cni-dhcp.socket",
    ),
    (
        r"could not check ipv6 dnat",
        "portmap-check",
        "portmap before release 1.3 cannot CHECK pods without IPv6",
        "install release 1.3 or later of the plugins, or write disableCheck",
    ),
    (
        r"promiscuous mode|promisc.*hairpin|hairpin.*promisc",
        "hairpin-and-promisc",
        "a bridge has hairpin mode or is promiscuous, not both",
        "take promiscMode out",
    ),
    (
        r"exec format error",
        "wrong-architecture",
        "the program {plugin} is for another kind of processor, or damaged",
        "nodeprep cni install --archive with this machine's architecture",
    ),
    (
        r"permission denied.*|may not be run",
        "refused",
        "IPv6 is switched off (disable_ipv6), or the plugin's directory is mounted noexec",
        "sysctl net.ipv6.conf.all.disable_ipv6=0, or take the IPv6 range out; see: findmnt",
    ),
    (
        r"no space left on device",
        "disk-full",
        "there is no room for leases or the cache below /var/lib/cni",
        "make room on the file system of /var/lib/cni: df -h /var/lib/cni; df -i /var/lib/cni",
    ),
    (
        r"read-only file system",
        "read-only",
        "leases or the cache below /var/lib/cni cannot be written",
        "mount -o remount,rw the file system of /var/lib/cni",
    ),
    (
        r"CNI veth created for bridge (\S+) was not found|veth .* not (?:found|connected) .*bridge",
        "pod-unplugged",
        "the pod's interface does not hang on {bridge} any more",
        "delete the pod and it is made anew; or: ip link set VETH master {bridge}",
    ),
    (
        r"Expected Route .*not found in routing table",
        "pod-route",
        "a route inside the pod is gone",
        "delete the pod and it is made anew",
    ),
    (
        r"Failed to find address added by container",
        "lease-lost",
        "the pod's address is not reserved any more, and the next pod may get the same one",
        "delete the pod and it is made anew, before another one gets its address",
    ),
    (
        r"Failed to find Gateway (\S+) for interface (\S+)",
        "pod-link-down",
        "the interface inside the pod is down or has lost its routes",
        "delete the pod and it is made anew; or, inside it: ip link set eth0 up",
    ),
    (
        r"network is unreachable|no route to host|nexthop has invalid gateway",
        "route-unreachable",
        "a route in ipam.routes has a gateway that no pod reaches at that moment "
        "(containernetworking/plugins#289)",
        "give the route a gateway within the pod range, or none",
    ),
    (
        r"failed to (?:get|pull) sandbox image \"?([^\"\s:]+[^\"\s]*)\"?",
        "sandbox-image",
        "the runtime has no pause image {1} and cannot fetch it, and every pod needs it",
        "kubeadm config images pull, or load it: ctr -n k8s.io images import FILE",
    ),
    (
        r"cni plugin not initialized|No networks found|no network config found",
        "no-configuration",
        "the runtime found no network configuration that it can load",
        "nodeprep cni install; where the file is there: restart the runtime",
    ),
    (
        r"device or resource busy",
        "master-busy",
        "the link carries something else already: a bridge, or pods of another kind",
        "ip -d link show; take the link out of the bridge, or choose another --master",
    ),
)
_OPTIONS = {
    "vlan": "CONFIG_VLAN_8021Q",
    "ipvlan": "CONFIG_IPVLAN",
    "macvlan": "CONFIG_MACVLAN",
    "vrf": "CONFIG_NET_VRF",
    "dummy": "CONFIG_DUMMY",
    "bridge": "CONFIG_BRIDGE and CONFIG_VETH",
    "ptp": "CONFIG_VETH",
    "bandwidth": "CONFIG_IFB and CONFIG_NET_SCH_TBF",
    "tap": "CONFIG_TUN",
}


def bridge_name(network: NetworkConfig) -> str:
    """The bridge of a network, the plugin's default where it has none."""
    for plugin in network.plugins:
        if plugin["type"] == "bridge":
            return str(plugin.get("bridge") or BRIDGE_DEFAULT_NAME)
    return BRIDGE_DEFAULT_NAME


def explain(failure: NodeprepError, network: NetworkConfig) -> list[Cause]:
    """What a failure means, each of the things that it says; empty where its words are unknown."""
    plugin = failure.plugin if isinstance(failure, PluginFailure) else network.chain[0]
    if isinstance(failure, PluginFailure) and failure.code == INCOMPATIBLE_VERSION:
        return [
            Cause(
                "version",
                f"{plugin} does not speak the cniVersion of {network.path}",
                "nodeprep cni render shows one that all plugins here speak",
            )
        ]
    if isinstance(failure, CommandError) and failure.reason == "absent":
        return [Cause("program-missing", str(failure), "nodeprep cni install, or install it")]
    found = []
    for pattern, name, meaning, remedy in _SAID:
        match = re.search(pattern, str(failure), re.IGNORECASE | re.DOTALL)
        if match is not None:
            values = {
                "1": (match[1] or "the range") if match.re.groups else "",
                "plugin": plugin,
                "bridge": bridge_name(network),
                "option": kernel_option(plugin, network),
            }
            found.append(Cause(name, _fill(meaning, values), _fill(remedy, values)))
    return found


def kernel_option(plugin: str, network: NetworkConfig) -> str:
    """The option that a plugin's kind of interface needs, as the network has it set up."""
    said = next((one for one in network.plugins if one["type"] == plugin), {})
    if plugin == "bridge" and (said.get("vlan") or said.get("vlanTrunk")):
        # With a gateway the plugin makes a link of that VLAN on the bridge.
        link = said.get("isGateway") or said.get("isDefaultGateway")
        return "CONFIG_BRIDGE_VLAN_FILTERING" + (" and CONFIG_VLAN_8021Q" if link else "")
    return _OPTIONS.get(plugin, "its kind of interface")


def _fill(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


@record
class Scene:
    """What the host looks like when a proof has failed.

    ``pod_route``: the interface by which the host reaches a pod's address, empty for none.
    ``forwarding`` by family; ``masquerades``: whether a rule of any packet filter does.
    """

    pod_route: str = ""
    forwarding: tuple[tuple[int, bool], ...] = ()
    masquerades: bool | None = None


def by_steps(steps: Sequence[Step], network: NetworkConfig, scene: Scene) -> list[Cause]:
    """What the pattern of failed steps tells, where nothing said anything."""
    bad = {step.name for step in steps if step.ok is False}
    good = {step.name for step in steps if step.ok}
    first = network.plugins[0]
    bridge = bridge_name(network)
    causes = []
    if "hairpin" in bad and "service" in good and not first.get("hairpinMode"):
        if first.get("promiscMode") is True:
            causes.append(
                Cause(
                    "promiscuous",
                    "a promiscuous bridge stands in for hairpin mode: it does not do that for "
                    "Services, and packets of UDP arrive twice (kubernetes/kubernetes#25793)",
                    f'write "hairpinMode": true in place of promiscMode in {network.path}',
                )
            )
        causes.append(
            Cause(
                "hairpin",
                "pods do not reach themselves through a Service: the bridge sends nothing back to "
                "the port that it came from",
                f'write "hairpinMode": true for {first["type"]} in {network.path}',
            )
        )
    stuck = {"pod-to-gateway", "host-to-pod"} & bad
    if stuck and "pod-to-pod" in good and scene.pod_route not in ("", bridge):
        causes.append(
            Cause(
                "route-diverts",
                f"this host sends packets for pods to {scene.pod_route} and not to {bridge}: a "
                "more specific route, or the range is in use elsewhere",
                f"ip route show table all | grep {scene.pod_route}; take that route away, or give "
                "this node another range",
            )
        )
    small = next((step for step in steps if _only_large(step, good)), None)
    if small is not None:
        causes.append(_too_large(small, network))
    if bad == {"pod-to-outside"} and scene.masquerades is False:
        causes.append(
            Cause(
                "masquerade-missing",
                "nothing gives packets of pods the node's address, and nobody outside knows theirs",
                "nodeprep cni install, which lays down the node's masquerade rule",
            )
        )
    return causes


# Each way at full size, and the same way with a small packet.
_SMALL = {
    "full-size-there": "pod-to-pod",
    "full-size-back": "pod-to-pod",
    "full-size-outside": "pod-to-outside",
}


def _only_large(step: Step, good: Collection[str]) -> bool:
    """Whether a full-size packet is lost where a small one gets through."""
    name, six, _ = step.name.partition("-ipv6")
    return step.ok is False and f"{_SMALL.get(name, '')}{six}" in good


def untold(steps: Sequence[Step], addresses: Sequence[IPAddress]) -> tuple[Cause, ...]:
    """Where to look on, when packets are lost and nothing that is known explains it."""
    lost = [step for step in steps if step.ok is False and step.name in _CROSSING]
    if not lost or not addresses:
        return ()
    return (
        Cause(
            "filtered",
            f"packets of {addresses[0]} are lost on this host or beyond it ({lost[0].name}), and "
            "no setting that is known explains it: most often a rule of a packet filter",
            f"nodeprep firewall trace --from {addresses[0]} --to {_target(lost[0])} --proto icmp "
            "--hook forward, which names the rule; else tcpdump on the uplink",
        ),
    )


def _target(step: Step) -> str:
    """The address that a probe was sent to: the first word of its step."""
    return step.detail.partition(": ")[0].partition(" ")[0]


_CROSSING = frozenset({"pod-to-pod", "pod-to-outside", "host-to-pod", "service"})


def _too_large(step: Step, network: NetworkConfig) -> Cause:
    match = re.search(r"(\d+) bytes fit", step.detail)
    fits = f": {match[1]} bytes fit" if match else ""
    number = match[1] if match else "BYTES"
    return Cause(
        "mtu",
        f"packets of pods are larger than the way out carries{fits}; connections hang wherever "
        "somebody drops the message that says so",
        f'write "mtu": {number} for {network.chain[0]} in {network.path}, or: nodeprep cni install '
        f"--mtu {number}",
    )


def unique(causes: Sequence[Cause]) -> tuple[Cause, ...]:
    """Each cause once, by its name: the first of it."""
    found: dict[str, Cause] = {}
    for cause in causes:
        found.setdefault(cause.name, cause)
    return tuple(found.values())
