"""Faults that are put into a lab, and by which fixes they are mended."""

from __future__ import annotations

from dataclasses import dataclass

from tests.fixes import modular

_CRI = 'plugins."io.containerd.grpc.v1.cri"'
_CRI3 = "plugins.'io.containerd.cri.v1.runtime'"
_KUBELET = r"""
printf '#!/bin/sh\necho Kubernetes v1.37.0\n' > /usr/local/bin/kubelet
chmod 755 /usr/local/bin/kubelet
printf '[Service]\nExecStart=/usr/local/bin/kubelet\n[Install]\nWantedBy=multi-user.target\n' \
    > /etc/systemd/system/kubelet.service
"""
_CHRONY = r"""
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' \
    > /etc/systemd/system/chrony.service
cat > /run/bin/chronyc <<'END'
#!/bin/bash
[ -e /run/active/chrony.service ] || exit 1
echo C0000201,192.0.2.1,3,1795460000.0,0.00002,0.00001,0.00003,1.0,0.0,0.01,0.02,0.001,64.0,Normal
END
chmod 755 /run/bin/chronyc
"""
# systemd's generator of swap in compressed memory is installed.
SWAP_GENERATOR = """
mkdir -p /run/generators && cp -r /usr/lib/systemd/system-generators/. /run/generators
touch /run/generators/zram-generator
mount --bind /run/generators /usr/lib/systemd/system-generators
"""
# Who this node is, and what it needs to hear from whom.
CLUSTER = r"""
cat > /etc/nodeprep/nodeprep.yaml <<'END'
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/12}
cni: {name: bridge}
nodes:
  - {name: lab-node, role: master, addresses: [192.0.2.11], podSubnet: 10.244.1.0/24}
  - {name: w1, role: worker, addresses: [192.0.2.21], podSubnet: 10.244.2.0/24}
END
"""


@dataclass(frozen=True)
class Case:
    """``mends``: the checks that do not pass before and pass after. ``arguments`` go to fix.

    ``besides``: what a part of nodeprep that fix calls runs by itself. ``program``: the module that
    is nodeprep.
    """

    name: str
    mends: tuple[str, ...]
    seed: str
    arguments: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    program: str = "preflight"


CASES = (
    Case(
        "kernel settings",
        (
            "ip-forward",
            "ipv6-forward",
            "bridge-nf-call",
            "nodeport-ephemeral-clash",
            "inotify-limits",
            "open-files-limit",
        ),
        r"""
printf 'networking: {podSubnet: "10.244.0.0/16,fd00:244::/56"}\n' > /etc/nodeprep/nodeprep.yaml
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
echo 0 > /proc/sys/net/bridge/bridge-nf-call-iptables
echo 30000 40000 > /proc/sys/net/ipv4/ip_local_port_range
echo 4242 > /proc/sys/net/ipv4/ip_local_reserved_ports
echo 100 > /proc/sys/fs/inotify/max_user_instances
echo 100 > /proc/sys/fs/inotify/max_user_watches
echo 4096 > /proc/sys/fs/nr_open
echo 1 > /proc/sys/net/ipv4/conf/up0/forwarding
printf 'net.ipv4.ip_forward = 0\n' > /etc/sysctl.d/10-site.conf
printf '# ours\nnet.ipv4.ip_forward=0\nvm.swappiness = 1' > /etc/sysctl.d/zzz-late.conf
mkdir -p /etc/systemd/system.conf.d
printf '[Manager]\nDefaultLimitNOFILE=1024:4096\n' > /etc/systemd/system.conf.d/limits.conf
""",
        effects=("daemon-reexec",),
    ),
    Case(
        "connection tracking",
        ("conntrack-max",),
        "echo 1024 > /proc/sys/net/netfilter/nf_conntrack_max",
        ("--cni", "nsx-ncp"),
    ),
    Case(
        "settings that a reboot loses",
        ("persistent-sysctl",),
        r"""
echo 1 > /proc/sys/net/ipv4/ip_forward
mkdir -p /etc/ufw
printf 'ENABLED=yes\n' > /etc/ufw/ufw.conf
printf 'net/ipv4/ip_forward=0\n' > /etc/ufw/sysctl.conf
""",
    ),
    Case(
        "swap",
        ("swap-off", "persistent-swap"),
        SWAP_GENERATOR
        + r"""
printf '/swap.img file 1024 0 -2\n/dev/zram0 file 1024 0 100\n' >> /run/swaps
printf 'UUID=0a1b / ext4 defaults 0 1\n/swap.img none swap sw 0 0' > /etc/fstab
chmod 640 /etc/fstab; chown 0:4 /etc/fstab; setfattr -n user.note -v kept /etc/fstab || true
mkdir -p /etc/systemd/system/swap.target.wants /etc/systemd/zram-generator.conf.d
printf '[Swap]\nWhat=/dev/sdb1\n[Install]\nWantedBy=swap.target\n' \
    > /etc/systemd/system/dev-sdb1.swap
ln -s ../dev-sdb1.swap /etc/systemd/system/swap.target.wants/dev-sdb1.swap
printf '# ours\n[zram0]\nzram-size = ram / 2\n' > /etc/systemd/zram-generator.conf
printf '[zram1]\nzram-size = 512\n' > /etc/systemd/zram-generator.conf.d/site.conf
mkdir -p /etc/systemd/system/multi-user.target.wants
printf '[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n' \
    > /usr/local/lib/zramswap.service
ln -s /usr/local/lib/zramswap.service /etc/systemd/system/multi-user.target.wants/
ln -s /usr/local/lib/zramswap.service /etc/systemd/system/zramswap.service
touch /run/active/zramswap.service
""",
        effects=("daemon-reload",),
    ),
    Case(
        "names",
        ("hostname-resolves", "localhost-resolves"),
        r"""
printf '127.0.1.1 lab-node.example.net lab-node\n192.0.2.99 other localhost # kept\n' > /etc/hosts
chmod 600 /etc/hosts
""",
    ),
    Case(
        "a clone",
        ("hostname-set", "machine-id-unique"),
        r"""
hostname localhost
printf 'template\n' > /etc/hostname
printf 'uninitialized\n' > /etc/machine-id
mkdir -p /var/lib/dbus
rm -f /var/lib/dbus/machine-id
printf '00000000000000000000000000000007\n' > /var/lib/dbus/machine-id
rm -f /etc/ssh/ssh_host_*; mkdir -p /etc/ssh
ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
""",
        (
            *("--hostname", "w7", "--regenerate-machine-id", "--regenerate-ssh-host-keys"),
            *("--only", "ssh-host-key-unique,hostname-resolves"),
        ),
        ("restart ssh.service",),
    ),
    Case(
        "a name that Kubernetes refuses",
        ("hostname-valid",),
        r"""
hostname Lab-Node; printf 'Lab-Node\n' > /etc/hostname
mkdir -p /etc/cloud/cloud.cfg.d
printf 'preserve_hostname: false\n' > /etc/cloud/cloud.cfg
printf 'preserve_hostname: false\nhostname: of-the-image\n' > /etc/cloud/cloud.cfg.d/site.cfg
""",
        ("--hostname", "w8", "--only", "hostname-persistent"),
    ),
    Case(
        "modules",
        ("kernel-modules", "persistent-modules"),
        # Nothing loads on first use where kernel.modprobe is empty.
        modular.SEED
        + """
printf '' > /proc/sys/kernel/modprobe
printf 'ip_vs 1 0 - Live 0x0\\nip_vs_rr 1 0 - Live 0x0\\n' > /run/modules
""",
        program="tests.fixes.modular",
    ),
    Case(
        "services",
        ("kubelet-service", "time-synchronised", "hostname-persistent"),
        _KUBELET + _CHRONY + "printf 'old\\n' > /etc/hostname\nsystemctl disable kubelet.service\n",
        ("--hostname", "lab-node"),
    ),
    Case(
        "containerd without a file",
        ("cri-cgroup-driver", "cri-cni-paths"),
        "rm -rf /etc/containerd /opt/cni",
        effects=("restart containerd.service",),
    ),
    Case(
        "CRI-O and a file that is read last",
        ("cri-cgroup-driver",),
        r"""
mkdir -p /etc/crio/crio.conf.d
printf '[crio.runtime]\nlog_level = "info"\n' > /etc/crio/crio.conf
printf '[crio.runtime]\ncgroup_manager = "cgroupfs" # of the site\n' > /etc/crio/crio.conf.d/zz.conf
cat > /etc/nodeprep/kubeadm.yaml <<'END'
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {criSocket: "unix:///run/crio/crio.sock"}
END
""",
        ("--kubeadm-config", "/etc/nodeprep/kubeadm.yaml"),
        ("restart crio.service",),
    ),
    Case(
        "containerd, layout 2",
        ("cri-cgroup-driver", "cri-cni-paths"),
        rf"""
mkdir -p /etc/containerd /srv/cni /opt/cni/bin
cat > /etc/containerd/config.toml <<'END'
# Mirrors are in hosts.toml.
version = 2   # as Debian ships it

[{_CRI}]
  sandbox_image = "registry.example.net/pause:3.9"
  [{_CRI}.cni]
    bin_dir = "/srv/cni" # of the old network
    conf_dir = "/srv/cni"
  [{_CRI}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [{_CRI}.containerd.runtimes.runc.options]
      SystemdCgroup = false
END
""",
        ("--cni", "flannel"),
        ("restart containerd.service",),
    ),
    Case(
        "containerd, layout 3",
        ("cri-cgroup-driver", "cri-cni-paths"),
        rf"""
mkdir -p /etc/containerd /srv/cni
cat > /etc/containerd/config.toml <<'END'
version = 3
[{_CRI3}.cni]
bin_dirs = ["/srv/cni"]
conf_dir = '/srv/cni'
[{_CRI3}.containerd]
default_runtime_name = "site"
[{_CRI3}.containerd.runtimes.site]
runtime_type = "io.containerd.runc.v2"
END
""",
        ("--cni", "flannel"),
        ("restart containerd.service",),
    ),
    Case(
        "the kubelet's cgroup driver",
        ("cri-cgroup-driver",),
        _KUBELET
        + rf"""
mkdir -p /etc/containerd /var/lib/kubelet
cat > /etc/containerd/config.toml <<'END'
version = 2
[{_CRI}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{_CRI}.containerd.runtimes.runc.options]
SystemdCgroup = true
END
printf 'kind: KubeletConfiguration\n# by hand\ncgroupDriver: cgroupfs\nfailSwapOn: true\n' \
    > /var/lib/kubelet/config.yaml
""",
        ("--phase", "after"),
        ("restart kubelet.service",),
    ),
    Case(
        "managers of interfaces",
        ("cni-links-unmanaged",),
        r"""
touch /run/active/NetworkManager.service /run/active/systemd-networkd.service
mkdir -p /etc/NetworkManager/conf.d /etc/systemd/network
printf '[Service]\nExecStart=/bin/true\n' > /etc/systemd/system/NetworkManager.service
printf '[keyfile]\nunmanaged-devices=interface-name:docker*\n' \
    > /etc/NetworkManager/conf.d/50-site.conf
mkdir -p /etc/systemd/networkd.conf.d
printf '[Match]\nName=*\n' > /etc/systemd/network/00-all.network
printf '[Network]\nManageForeignRoutes=yes\n' > /etc/systemd/networkd.conf.d/site.conf
printf '[Match]\nName=*\n[Network]\nDHCP=yes\n' > /etc/systemd/network/50-all.network
""",
        effects=("reload NetworkManager.service", "networkctl reload"),
    ),
    Case(
        "a packet filter that drops",
        ("firewall-admits", "firewall-forwards"),
        CLUSTER
        + r"""
iptables -A INPUT -i lo -j ACCEPT
iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
iptables -A INPUT -p tcp --dport 22 -j ACCEPT
iptables -P INPUT DROP
iptables -P FORWARD DROP
ip6tables -A INPUT -i lo -j ACCEPT
ip6tables -P FORWARD DROP
""",
        besides=("daemon-reload",),
    ),
    Case(
        "no pod network",
        ("cni-conf-winner", "cni-plugins-present"),
        CLUSTER
        + rf"""
rm -rf /opt/cni /etc/cni
mkdir -p /etc/containerd /opt/cni/bin
ln -s /usr/lib/cni/loopback /opt/cni/bin/
printf 'version = 2\n[{_CRI}.cni]\nbin_dir = "/opt/cni/bin"\nconf_dir = "/etc/cni/net.d"\n' \
    > /etc/containerd/config.toml
""",
        ("--phase", "after"),
        besides=("daemon-reload",),
    ),
    Case(
        "a program whose package is missing",
        (),
        r"""
printf '#!/bin/bash\n[ -e /run/installed ] && echo install ok installed\n' > /run/bin/dpkg-query
printf '#!/bin/bash\necho "$@" > /run/installed\n' > /run/bin/apt-get
chmod 755 /run/bin/*
touch /run/nothing
mount --bind /run/nothing $(readlink -f $(command -v losetup))
""",
        ("--install-packages", "--only", "executable"),
    ),
)
