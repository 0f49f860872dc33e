# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""The cluster as an inventory tells it: who has which role, which address, which pod range."""

from __future__ import annotations

import ipaddress

from ansible.errors import AnsibleFilterError

CONTROL_PLANE = "kube_control_plane"
# As Kubespray called it up to 2.20.
OLD_CONTROL_PLANE = "kube-master"
ROLES = ("master", "multi-master", "worker", "etcd")


def roles(groups, hostvars=None):
    """Host -> role, of the groups that Kubespray names; C(nodeprep_role) of a host wins.

    A host in several groups is what needs most: control plane, then node, then etcd.
    """
    planes = list(groups.get(CONTROL_PLANE, groups.get(OLD_CONTROL_PLANE, [])))
    nodes = list(groups.get("kube_node", groups.get("kube-node", [])))
    found = {}
    for host in planes:
        found[str(host)] = "multi-master" if len(planes) > 1 else "master"
    for host in nodes:
        found.setdefault(str(host), "worker")
    for host in groups.get("etcd", []):
        found.setdefault(str(host), "etcd")
    for host in found:
        own = _said(hostvars, host, "nodeprep_role")
        if own is not None and own not in ROLES:
            raise AnsibleFilterError(
                "nodeprep_role of {} is {!r}; the roles are {}".format(host, own, ", ".join(ROLES))
            )
        found[host] = own or found[host]
    if not found:
        raise AnsibleFilterError(
            "the inventory has no hosts in kube_control_plane, kube_node and etcd"
        )
    return found


def nodes(groups, hostvars, cards=None, pod_subnet="", mask4=24, mask6=64, subnets=""):
    """The C(nodes) of a cluster file: a list of name, role, addresses and, if any, podSubnet.

    A name is in lower case, as the kubelet's is. An address is the inventory's
    (C(nodeprep_addresses), C(ip) and C(ip6), C(access_ip), an address in C(ansible_host) that is
    the host's alone), else that of the host's card; where C(subnets), the ranges of the cluster,
    are of two families and the inventory has one, the card has the other. A pod range is
    C(nodeprep_pod_cidr), else the one that the card says the node has already, else the first that
    nobody has.
    """
    cards = cards or {}
    role_of = roles(groups, hostvars)
    # Each look at a host's variables puts all of them together.
    said = {host: hostvars[host] for host in role_of if host in hostvars}
    reached = _reached(said)
    families = {each.version for each in _networks(subnets, "the cluster's ranges")}
    found = {}
    for host, role in role_of.items():
        found[host] = {
            "name": str(_said(said, host, "nodeprep_node_name") or host).lower(),
            "role": role,
            "addresses": _addresses(host, said, reached, cards.get(host), families),
        }
    wide = _networks(pod_subnet, "the pods' range")
    hosts = [host for host, role in role_of.items() if role != "etcd"]
    ranges = _pod_ranges(hosts, said, cards, wide, {4: int(mask4), 6: int(mask6)})
    for host, own in ranges.items():
        if own:
            found[host]["podSubnet"] = ",".join(str(each) for each in own)
    return list(found.values())


def distinct(nodes):
    """Those of C(nodes) that a cluster file can hold together.

    Of several with one name or one address the first stays, and a pod range that overlaps an
    earlier node's is left out: a clone must not keep the others from being probed.
    """
    found, taken, ranges = [], set(), []
    for node in nodes:
        own = {str(node["name"]).lower(), *(_spelt(each) for each in node["addresses"])}
        if own & taken:
            continue
        taken |= own
        pods = _networks(node.get("podSubnet"), "podSubnet of {}".format(node["name"]))
        if any(
            one.version == each.version and one.overlaps(each) for one in pods for each in ranges
        ):
            node = {key: value for key, value in node.items() if key != "podSubnet"}
        else:
            ranges += pods
        found.append(node)
    return found


def etcd_endpoints(groups, hostvars):
    """The clients' URLs of the hosts that are external members of etcd; empty where none is.

    Where the inventory has no address its name must do: the card that would tell is made with this.
    """
    role_of = roles(groups, hostvars)
    members = [host for host, role in role_of.items() if role == "etcd"]
    if not members:
        return []
    said = {host: hostvars[host] for host in role_of if host in hostvars}
    reached = _reached(said)
    places = [(_told(host, said, reached) or [host.lower()])[0] for host in members]
    return [f"https://[{each}]:2379" if ":" in each else f"https://{each}:2379" for each in places]


def _pod_ranges(hosts, hostvars, cards, wide, masks):
    """Host -> its ranges, one a family; what a host has already is nobody else's."""
    found, used, given = {}, [], set()
    for host in hosts:
        said = _said(hostvars, host, "nodeprep_pod_cidr")
        text = ",".join(said) if isinstance(said, (list, tuple)) else said
        own = _networks(text, f"nodeprep_pod_cidr of {host}")
        if not own:
            had = (cards.get(host) or {}).get("node_pod_subnets")
            own = _kept(had if isinstance(had, list) else [], wide)
        else:
            given.add(host)
        found[host] = own
        used += own
    _refuse_overlaps(found, given)
    for host in hosts:
        if not found[host]:
            found[host] = [_free(host, each, masks[each.version], used) for each in wide]
            used += found[host]
    return found


def _refuse_overlaps(ranges, given):
    """Stops where a range that the inventory gives is another host's too."""
    taken = [(one, host) for host, own in ranges.items() for one in own]
    # In order of their first address, one that overlaps any overlaps its neighbour.
    taken.sort(key=lambda each: (each[0].version, each[0].network_address, -each[0].prefixlen))
    widest, owner = None, None
    for one, host in taken:
        overlaps = widest is not None and _overlap(one, widest) and host != owner
        if overlaps and not given.isdisjoint((host, owner)):
            raise AnsibleFilterError(
                f"nodeprep_pod_cidr: {widest} of {owner} and {one} of {host} overlap"
            )
        if widest is None or not _overlap(one, widest):
            widest, owner = one, host


def _kept(had, wide):
    """The ranges of a card, where there is one inside of each range of the pods."""
    own = _networks(",".join(had), "the card's range")
    fits = [one for one in own if any(_inside(one, each) for each in wide)]
    versions = sorted(each.version for each in wide)
    return fits if sorted(one.version for one in fits) == versions else []


def _free(host, wide, mask, used):
    if mask < wide.prefixlen:
        raise AnsibleFilterError(f"a /{mask} for each node does not fit into {wide}")
    taken = [one for one in used if one.version == wide.version]
    # Plain numbers, as a range of IPv6 has too many parts to look at one by one.
    size = 1 << (wide.max_prefixlen - mask)
    start, last = int(wide.network_address), int(wide.broadcast_address)
    while start <= last:
        end = start + size - 1
        hit = [
            int(one.broadcast_address)
            for one in taken
            if int(one.network_address) <= end and start <= int(one.broadcast_address)
        ]
        if not hit:
            return type(wide)((start, mask))
        start = (max(hit) // size + 1) * size
    raise AnsibleFilterError(f"{wide} has no /{mask} left for {host}")


def _inside(one, wide):
    return one.version == wide.version and one.subnet_of(wide)


def _overlap(one, other):
    return one.version == other.version and one.overlaps(other)


def _networks(text, what):
    try:
        return [ipaddress.ip_network(word.strip()) for word in str(text or "").split(",") if word]
    except ValueError as error:
        raise AnsibleFilterError(f"{what}: {error}") from error


def _addresses(host, hostvars, reached, card, families):
    found = _told(host, hostvars, reached)
    had = (card or {}).get("addresses")
    had = [str(each) for each in had] if isinstance(had, list) else []
    if not found:
        found = had
    elif len(families) > 1 and not _said(hostvars, host, "nodeprep_addresses"):
        untold = families - {_version(each) for each in found}
        if untold and card is None:
            raise AnsibleFilterError(
                f"no IPv{min(untold)} address of {host} is known, and the cluster has both "
                "families: give it ip and ip6, or run the play without --limit"
            )
        found = found + [each for each in had if _version(each) in untold]
    if not found:
        raise AnsibleFilterError(
            f"no address of {host} is known: give it the variable ip, or let the play reach it"
        )
    return found


def _reached(hostvars):
    """Address -> how many hosts are reached by it. Of one that several have, a router forwards."""
    found = {}
    for host in hostvars:
        address = _spelt(_said(hostvars, host, "ansible_host"))
        found[address] = found.get(address, 0) + 1
    return found


def _told(host, hostvars, reached):
    """The addresses that the inventory itself says; empty where it says none."""
    said = _said(hostvars, host, "nodeprep_addresses")
    if said:
        return [str(each) for each in (said if isinstance(said, (list, tuple)) else [said])]
    for names in (("ip", "ip6"), ("access_ip", "access_ip6")):
        words = [_said(hostvars, host, name) for name in names]
        found = [str(each) for each in words if _is_address(each)]
        if found:
            return found
    by = _said(hostvars, host, "ansible_host")
    return [str(by)] if _is_a_peers(by) and reached[_spelt(by)] == 1 else []


def _is_a_peers(value):
    """Whether it is an address that other nodes can send to: a tunnel's or a link's own is not."""
    if not _is_address(value) or "%" in str(value):
        return False
    address = ipaddress.ip_address(str(value))
    return not (address.is_loopback or address.is_link_local or address.is_unspecified)


def _is_address(value):
    try:
        ipaddress.ip_address(str(value))
    except ValueError:
        return False
    return True


def _version(address):
    return ipaddress.ip_address(str(address)).version


def _spelt(address):
    """One address is one text, however it was written."""
    return str(ipaddress.ip_address(str(address))) if _is_address(address) else str(address)


def _said(hostvars, host, name):
    if hostvars is None or host not in hostvars:
        return None
    return hostvars[host].get(name)


class FilterModule:
    """C(nodeprep.kubernetes.roles) and the others."""

    def filters(self):
        """Name -> function."""
        return {
            "roles": roles,
            "nodes": nodes,
            "distinct": distinct,
            "etcd_endpoints": etcd_endpoints,
        }
