"""The options that say what a network is to be: one list for every command that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, get_type_hints

from preflight.cli import cnioptions as o
from preflight.cli.options import ConfigOption, KubeadmConfigOption

# Option -> (its type and help, what it is when it is not given).
_OPTIONS: dict[str, tuple[Any, Any]] = {
    "plugin": (o.PluginOption, ""),
    "ipam": (o.IpamOption, ""),
    "pod_cidr": (o.PodCidrOption, ""),
    "node_index": (o.NodeIndexOption, -1),
    "chain": (o.ChainOption, None),
    "mtu": (o.MtuOption, -1),
    "name": (o.NameOption, ""),
    "bridge": (o.BridgeOption, ""),
    "masquerade": (o.MasqueradeOption, ""),
    "master": (o.MasterOption, ""),
    "vlan_id": (o.VlanIdOption, 0),
    "mode": (o.ModeOption, ""),
    "device": (o.DeviceOption, ""),
    "address": (o.AddressOption, None),
    "pod_sysctl": (o.PodSysctlOption, None),
    "rate": (o.RateOption, 0),
    "cni_version": (o.CniVersionOption, ""),
    "plugin_dir": (o.PluginDirOption, None),
    "config": (ConfigOption, ""),
    "kubeadm_config": (KubeadmConfigOption, ""),
}
# Those that may be repeated have the plural's name in preflight.cni.plan.Flags.
_REPEATED = {"address": "addresses", "pod_sysctl": "pod_sysctls", "plugin_dir": "plugin_dirs"}


def takes_network(command: Callable[..., int]) -> Callable[..., int]:
    """The command with these options before its own; it gets them as ``network``.

    ``network`` is what preflight.cni.plan.Flags is made of.
    """
    own = dict(inspect.signature(command).parameters)
    del own["network"]
    hints = get_type_hints(command, include_extras=True)

    @wraps(command)
    def called(**given: Any) -> int:
        network = {
            _REPEATED.get(name, name): tuple(given[name] or ())
            if name in _REPEATED
            else given[name]
            for name in _OPTIONS
        }
        return command(network=network, **{name: given[name] for name in own})

    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        *(inspect.Parameter(name, keyword, default=default, annotation=kind)
          for name, (kind, default) in _OPTIONS.items()),
        *(own[name].replace(kind=keyword, annotation=hints[name]) for name in own),
    ]  # fmt: skip
    # What typer reads.
    called.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=int)
    called.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": int}
    return called
