"""The command `nodeprep` on a kernel with loadable modules, which test machines may not have.

    python -m tests.fixes.modular fix --role master ...

/run/modules stands for /proc/modules; what may be loaded does not work before it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

from preflight.facts.host import Host
from preflight.facts.model import Known, Unknown
from preflight.fixes.kinds import module
from preflight.versions.modules import MODULES
from rules.errors import NodeprepError

LOADED = "/run/modules"
# What the lab's kernel has as modules; the rest is built in.
LOADABLE = ("ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_sh", "ip_set", "xt_set")
_PLACES = {MODULES[name][1] for name in LOADABLE}
SEED = rf"""
mkdir -p /run/lib/upper /run/lib/work /run/boot
mount -t overlay overlay \
    -o lowerdir=/usr/lib,upperdir=/run/lib/upper,workdir=/run/lib/work /usr/lib
place=/usr/lib/modules/$(uname -r)
mkdir -p $place
printf 'kernel/%s.ko\n' {" ".join(sorted(set(MODULES) - set(LOADABLE)))} > $place/modules.builtin
printf 'kernel/%s.ko:\n' {" ".join(LOADABLE)} > $place/modules.dep
: > {LOADED}
cat > /run/bin/modprobe <<'END'
#!/bin/bash
[ "$1" = -r ] && {{ sed -i "/^$3 /d" {LOADED}; exit; }}
grep -q "^$2 " {LOADED} || echo "$2 1 0 - Live 0x0" >> {LOADED}
END
chmod 755 /run/bin/modprobe
printf 'proxy: {{mode: ipvs}}\n' > /etc/nodeprep/nodeprep.yaml
"""


def main() -> int:
    from preflight.__main__ import answer

    read, exists = Host.read_bytes, Host.exists

    def read_bytes(self: Host, path: str, limit_bytes: int = 1 << 20) -> Known[bytes]:
        if path == "/proc/config.gz":
            return Unknown("absent", "this kernel does not say how it was built")
        return read(self, LOADED if path == "/proc/modules" else path, limit_bytes)

    Host.read_bytes = read_bytes  # type: ignore[method-assign]
    Host.exists = lambda self, path: path not in _PLACES and exists(self, path)  # type: ignore[method-assign]
    module.LOADED = LOADED
    if not Path(LOADED).exists():
        raise NodeprepError(f"{LOADED} is not there: this runs in a lab only")
    return answer()


if __name__ == "__main__":
    sys.exit(main())
