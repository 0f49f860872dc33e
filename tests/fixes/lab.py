"""A machine to mend: private namespaces, overlays over its files, and no way to the real kernel.

What is not of a namespace (fs.*, vm.*, kernel.*, connection tracking) is a private copy, swap is
a file, and systemctl works on files; so nothing that a fix does reaches the machine itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.faults.lab import SETUP as NAMESPACES
from tests.rules.backend.lab import ROOT, Machine

VALIDATOR = Draft202012Validator(
    json.loads((ROOT / "docs" / "schemas" / "fix.schema.json").read_text())
)
PRIVATE = r"""
# A copy, and no overlay: what the machine does to its own /etc meanwhile would show.
mkdir /run/etc
cp -a /etc/. /run/etc/
mount --bind /run/etc /etc
# Private copies of what the whole machine has one of.
for directory in fs vm kernel net/netfilter; do
    mkdir -p "/run/proc/$directory"
    cp -r "/proc/sys/$directory/." "/run/proc/$directory/" 2> /dev/null || true
    chmod -R u+w "/run/proc/$directory"
    mount --bind "/run/proc/$directory" "/proc/sys/$directory"
done
printf 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n' > /run/swaps
mount --bind /run/swaps /proc/swaps
mkdir -p /run/systemd/system /run/active /run/bin /etc/nodeprep
cat > /run/bin/systemctl <<'END'
#!/bin/bash
# Enabling is systemctl's own work on files; what would run is a file in /run/active.
export SYSTEMD_OFFLINE=1
case "$1" in
show)
    shift 3
    known=()
    for unit; do
        for place in /etc /usr/lib; do
            [ -e "$place/systemd/system/$unit" ] && known+=("$unit") && break
        done
    done
    # One call for all, as each costs what the real `show` of all does; one for each where a unit
    # has no line of its own.
    declare -A states
    mapfile -t told < <(/usr/bin/systemctl is-enabled "${known[@]}" 2> /dev/null)
    for index in "${!known[@]}"; do
        unit=${known[index]}
        [ ${#told[@]} = ${#known[@]} ] && states[$unit]=${told[index]} && continue
        states[$unit]=$(/usr/bin/systemctl is-enabled "$unit" 2> /dev/null)
    done
    for unit; do
        load=not-found
        [ -z "${states[$unit]+known}" ] || load=loaded
        [ "/etc/systemd/system/$unit" -ef /dev/null ] && load=masked
        active=inactive
        [ -e "/run/active/$unit" ] && active=active
        printf 'Id=%s\nLoadState=%s\nActiveState=%s\nUnitFileState=%s\n\n' \
            "$unit" "$load" "$active" "${states[$unit]}"
    done ;;
is-active) [ -e "/run/active/$2" ] && echo active || { echo inactive; exit 3; } ;;
start) touch "/run/active/$2" ;;
stop) rm -f "/run/active/$2" ;;
daemon-reload | daemon-reexec | restart | reload)
    echo "$*" >> /run/effects
    [ ! -e "/run/fails/$2" ] || { echo "Job for $2 failed." >&2; exit 1; } ;;
*) exec /usr/bin/systemctl "$@" ;;
esac
END
cat > /run/bin/swapoff <<'END'
#!/bin/bash
grep -v "^$1 " /proc/swaps > /run/swaps.new || true
cat /run/swaps.new > /run/swaps
END
cat > /run/bin/swapon <<'END'
#!/bin/bash
priority=-2
[ "$1" = -p ] && priority=$2 && shift 2
printf '%s file 1024 0 %s\n' "$1" "$priority" >> /run/swaps
END
for name in apt-get modprobe; do
    printf '#!/bin/bash\necho "%s $*" >> /run/ran\n' $name > /run/bin/$name
done
printf '#!/bin/bash\necho "networkctl $*" >> /run/effects\n' > /run/bin/networkctl
chmod 755 /run/bin/*
mount --bind /run/bin/swapoff /usr/sbin/swapoff
mount --bind /run/bin/swapon /usr/sbin/swapon
rm -f /etc/sysctl.d/* /etc/modules-load.d/*
printf '# nothing is mounted by this file\n' > /etc/fstab
printf '5c2b6c1a9e0f4d7b8a31f0e2d4c6b8a0\n' > /etc/machine-id
printf 'hosts: files dns\n' > /etc/nsswitch.conf
"""
# Path and attributes of every file, and what the kernel says; times count where undo keeps them.
_SNAPSHOT = r"""
import hashlib, json, os, re, stat, subprocess
found = {}
tops = ["/etc", "/opt/cni", "/var/lib/dbus", "/var/lib/kubelet", "/usr/local/bin"]
# Whatever else is written below /var, /opt and /usr/local is in the upper layers.
overlays = ("/var", "/opt", "/usr/local")
tops += [f"/run/overlay{top}/upper" for top in overlays]
# The machine's own files are as they were, or there is a copy in the upper layer; some are large.
def is_lower(path):
    place = next((top for top in overlays if path.startswith(top + "/")), None)
    return place and not os.path.lexists(f"/run/overlay{place}/upper{path[len(place):]}")
for top in tops:
    for directory, names, files in os.walk(top):
        for name in [*names, *files]:
            path = os.path.join(directory, name)
            info = os.lstat(path)
            item = [oct(info.st_mode), info.st_uid, info.st_gid]
            if stat.S_ISLNK(info.st_mode):
                item.append(os.readlink(path))
            elif stat.S_ISREG(info.st_mode):
                if not is_lower(path):
                    item.append(hashlib.sha256(open(path, "rb").read()).hexdigest())
                item.append(info.st_mtime_ns)
                item.append({n: os.getxattr(path, n).hex() for n in os.listxattr(path)})
            found[path] = item
for top in ("/proc/sys/net", "/proc/sys/fs", "/proc/sys/vm", "/proc/sys/kernel"):
    for directory, _, files in os.walk(top):
        for name in files:
            path = os.path.join(directory, name)
            try:
                found[path] = open(path, "rb").read().hex()
            except OSError:
                pass
for path in ("/proc/swaps", "/run/modules", "/run/ran", "/run/effects"):
    found[path] = open(path).read() if os.path.exists(path) else None
found["/proc/swaps"] = sorted(found["/proc/swaps"].splitlines())
def told(*argv):
    text = subprocess.run(argv, capture_output=True, text=True).stdout
    # Handles and counters go on counting.
    return re.sub(r"\[\d+:\d+\]| # handle \d+|packets \d+ bytes \d+|^#.*", "", text, flags=re.M)
for family in ("iptables", "ip6tables"):
    for kind in ("nft", "legacy"):
        found[f"{family}-{kind}"] = told(f"{family}-{kind}-save")
found["nft"] = told("nft", "list", "ruleset")
found["sets"] = told("ipset", "save")
found["routes"] = told("ip", "route", "show", "table", "all")
found["links"] = re.sub(r"^\d+: ", "", told("ip", "-o", "link"), flags=re.M)
found["active"] = sorted(os.listdir("/run/active"))
found["hostname"] = os.uname().nodename
print(json.dumps(found))
"""
# Of the machine, and not of the fix.
_VOLATILE = ("/proc/sys/net/ipv4/tcp_mem", "/run/effects", "/run/ran")


class Node(Machine):
    """``fix`` and ``undo`` are runs of the program that give its document."""

    setup = NAMESPACES + PRIVATE + "echo ready\nexec sleep 7200\n"

    def __init__(self, directory: Path, seed: str = "", module: str = "preflight") -> None:
        self.module = module
        super().__init__(directory)
        self.shell(seed)

    def fix(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """The document of `nodeprep fix`, for a master that sends no packet."""
        return self._document("fix", "--role", "master", "--offline", *arguments, code=code)

    def undo(self, *arguments: str, code: int | None = 0) -> dict[str, Any]:
        """The document of `nodeprep undo`."""
        return self._document("undo", *arguments, code=code)

    def _document(self, *arguments: str, code: int | None) -> dict[str, Any]:
        process = self.start(sys.executable, "-m", self.module, *arguments, "-o", "json")
        out, err = process.communicate(timeout=60)
        assert code is None or process.returncode == code, f"{process.returncode}: {out}\n{err}"
        document: dict[str, Any] = json.loads(out)
        VALIDATOR.validate(document)
        return document

    def firewall_apply(self, *arguments: str) -> None:
        """`nodeprep firewall apply` as a person would, confirmed at once unless they say."""
        more = arguments or ("--confirm-within", "0")
        self.nodeprep("firewall", "apply", "--role", "master", "--posture", "allow", *more)

    @staticmethod
    def rules(text: str) -> list[str]:
        """What iptables-save printed, without counters and times."""
        lines = (line for line in text.splitlines() if not line.startswith("#"))
        return [line.partition(" [")[0] for line in lines]

    def snapshot(self) -> dict[str, Any]:
        """Every file that could be written, and the state of the kernel."""
        found: dict[str, Any] = json.loads(self.run(sys.executable, "-c", _SNAPSHOT))
        return {path: value for path, value in found.items() if path not in _VOLATILE}

    def effects(self) -> list[str]:
        """What systemctl was asked to do with services and its own files, since the last call."""
        return self.shell("cat /run/effects 2> /dev/null || true; rm -f /run/effects").splitlines()

    def read(self, path: str) -> str:
        """The text of a file in it."""
        return self.run("cat", path)

    def write(self, path: str, text: str) -> None:
        """Puts a file into it."""
        subprocess.run(
            [*self._enter, "bash", "-c", f"mkdir -p $(dirname {path}) && cat > {path}"],
            input=text,
            text=True,
            check=True,
        )


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Path -> (value in one, value in the other), of what differs."""
    return {
        path: (one.get(path), other.get(path))
        for path in sorted({*one, *other})
        if one.get(path) != other.get(path)
    }
