"""The pod network with other releases than this machine's: `make cni-runtimes`.

containerd 2 and the newest plugins of Debian unstable, and Docker: the packages are downloaded and
unpacked into a directory, and not installed. Each scenario prints a line; 1 where one went wrong.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.cni import containerd
from tests.cni.node import node
from tests.cni.test_install import BARE, SAME

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Configuration version 3: the sections of tests.cni.containerd under their new names.
CONFIG = f"""
version = 3
root = "/run/ctd/root"
state = "/run/ctd/state"
disabled_plugins = ["io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp"]
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{containerd.IMAGE}"
[plugins.'io.containerd.cri.v1.runtime']
disable_apparmor = true
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["/opt/cni/bin"]
conf_dir = "/etc/cni/net.d"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.grpc.v1.cri']
stream_server_address = "127.0.0.1"
"""
DOCKER = r"""
dockerd --data-root /run/dk/data --exec-root /run/dk/exec --pidfile /run/dk/pid -s vfs \
  > /run/dk/log 2>&1 &
for i in $(seq 200); do docker info > /dev/null 2>&1 && break; sleep 0.1; done
docker version --format 'dockerd {{.Server.Version}}'
docker load -q -i IMAGE > /dev/null
docker run -d --name mine --network none NAME > /dev/null
docker run -d --name theirs NAME > /dev/null
iptables -S FORWARD | grep -q -e '-P FORWARD DROP'
nodeprep cni install > /dev/null
nodeprep cni add --docker mine --publish 8080:80
nodeprep cni add --docker theirs && exit 9
nodeprep cni check --docker mine
nodeprep cni doctor
nodeprep cni prove | tail -1
nodeprep cni del --docker mine > /dev/null
pid=$(docker inspect -f '{{.State.Pid}}' mine)
test "$(nsenter -t $pid -n ip -br link | wc -l)" = 1
nodeprep cni remove > /dev/null
docker rm -f mine theirs > /dev/null
kill $(cat /run/dk/pid)
"""


def fetch(directory: Path, packages: tuple[str, ...], suite: str = "") -> None:
    """Downloads and unpacks packages: of a suite of Debian, or of this machine's own sources."""
    options = ["-o", "APT::Sandbox::User=root"]
    if suite:
        apt = directory / "apt"
        for name in ("lists/partial", "archives/partial", "preferences.d"):
            (apt / name).mkdir(parents=True, exist_ok=True)
        (apt / "sources.list").write_text(f"deb [signed-by={KEYRING}] {mirror()} {suite} main\n")
        (apt / "status").touch()
        for name, place in (
            ("Dir::Etc::sourcelist", "sources.list"),
            ("Dir::Etc::sourceparts", "preferences.d"),
            ("Dir::State::lists", "lists"),
            ("Dir::State::status", "status"),
            ("Dir::Cache::archives", "archives"),
            ("Dir::Cache::pkgcache", "pkgcache.bin"),
            ("Dir::Cache::srcpkgcache", "srcpkgcache.bin"),
        ):
            options += ["-o", f"{name}={apt / place}"]
        subprocess.run(["apt-get", *options, "-qq", "update"], check=True)
    debs = directory / "debs"
    debs.mkdir(exist_ok=True)
    subprocess.run(["apt-get", *options, "-qq", "download", *packages], check=True, cwd=debs)
    for deb in debs.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, directory / "root"], check=True)


def mirror() -> str:
    """Where this machine gets Debian's packages from."""
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    done = subprocess.run([*asked, "Origin: Debian"], check=True, capture_output=True, text=True)
    return next(line for line in done.stdout.split() if "security" not in line)


def run(name: str, script: str) -> bool:
    """Prints what a scenario printed; whether it went well."""
    done = node(script, check=False, timeout_s=300)
    ok = done.returncode == 0
    print(f"{'ok  ' if ok else 'FAIL'} {name}", *done.stdout.splitlines(), sep="\n     ")
    if not ok:
        print(done.stderr[-2000:])
    return ok


def main() -> int:
    """All scenarios."""
    with TemporaryDirectory() as place:
        newer, own = Path(place, "newer"), Path(place, "own")
        for directory in (newer, own):
            directory.mkdir()
        fetch(newer, ("containerd", "containernetworking-plugins"), "sid")
        fetch(own, ("docker.io",))
        image = Path(place, "pause.tar")
        containerd.write_image(image)
        plugins = f"mount --bind {newer}/root/usr/lib/cni /usr/lib/cni\n"
        path = f"export PATH={own}/root/usr/bin:{own}/root/usr/sbin:$PATH; mkdir -p /run/dk\n"
        scenarios = {
            "conformance of the newest plugins": (
                f"{plugins}echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
                f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:hypothesispytest "
                "tests/cni/conformance.py tests/cni/conformance_more.py"
            ),
            "containerd 2": (
                f"{BARE}{plugins}export PATH={newer}/root/usr/bin:$PATH\n"
                f"{containerd.start(image, CONFIG)}\nstate > /run/before\n"
                "containerd --version\nnodeprep cni install -o json | grep cni_version\n"
                "nodeprep cni prove | tail -1\nnodeprep cni prove --via containerd | tail -1\n"
                "nodeprep cni doctor\nnodeprep cni install\nnodeprep cni gc\n"
                f"nodeprep cni remove > /dev/null\n{SAME}"
            ),
            "Docker": (
                f"{BARE}{path}"
                + DOCKER.replace("IMAGE", str(image)).replace("NAME", containerd.IMAGE)
            ),
        }
        went_well = [run(name, script) for name, script in scenarios.items()]
        return 0 if all(went_well) else 1


if __name__ == "__main__":
    raise SystemExit(main())
