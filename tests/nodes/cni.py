"""Healthy pod network facts: plugins of kubernetes-cni, no configuration before kubeadm."""

from __future__ import annotations

from preflight.facts.model import Unknown
from preflight.facts.model.cni import Cni, CniFile, Plugin

CONF_DIR = "/etc/cni/net.d"
PLUGIN_DIR = "/opt/cni/bin"
SPECS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NAMES = (
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
)
# What `nodeprep cni install` publishes on the first node of 10.244.0.0/16.
CONFLIST = """{
  "cniVersion": "1.0.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge",
      "bridge": "cni0",
      "isDefaultGateway": true,
      "hairpinMode": true,
      "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.1.0/24"}]]}
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"""
IN_USE = ("bridge", "host-local", "portmap")


def plugin(name: str, directory: str = PLUGIN_DIR, *, asked: bool = False) -> Plugin:
    """A sound plugin; ``asked``: its VERSION was asked for, because the chain has it."""
    return Plugin(
        path=f"{directory}/{name}",
        name=name,
        executable=True,
        machine="x86_64",
        size_bytes=4_000_000,
        versions=SPECS if asked else Unknown("not-asked", "it is not in the configuration in use"),
    )


def conf(text: str, name: str = "10-nodeprep.conflist") -> CniFile:
    """A file of the configuration directory."""
    return CniFile(f"{CONF_DIR}/{name}", text)


def healthy() -> Cni:
    """Before `kubeadm init`: plugins and nothing else."""
    return Cni(
        conf_dirs=(CONF_DIR,),
        plugin_dirs=(PLUGIN_DIR, "/usr/lib/cni", "/usr/libexec/cni"),
        files=(),
        plugins=tuple(plugin(name) for name in NAMES),
        leases=(),
        cache=(),
        live_containers=(),
        namespaces=(),
        traces={"/etc/apparmor.d": ""},
    )


def configured(text: str = CONFLIST, name: str = "10-nodeprep.conflist") -> Cni:
    """With the bridge configuration in place and its plugins asked for their versions."""
    sound = healthy()
    return Cni(
        **{
            **vars(sound),
            "files": (conf(text, name),),
            "plugins": tuple(plugin(name, asked=name in IN_USE) for name in NAMES),
        }
    )
