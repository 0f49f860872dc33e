"""The programs of the pod network: there, executable, for this machine, whole."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks.cnireader import Reader, locate, reader, wanted_network
from preflight.checks.packages import install_packages, package_manager
from preflight.checks.registry import Judgement, check, failed, passed, undetermined, warned
from preflight.checks.scope import is_node, pod_network
from preflight.cni.products import brought, made_of_reference_plugins, needed_beforehand
from preflight.cni.spec import NetworkConfig
from preflight.cni.winner import CRIO
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.cni import Cni, Plugin
from preflight.target import Phase, Target
from rules.cnis import Profile

# Where the packages put the plugins: kubernetes-cni of pkgs.k8s.io, and the distributions' own.
_KUBERNETES_DIR = "/opt/cni/bin"
_DISTRIBUTION_DIRS = ("/usr/lib/cni", "/usr/libexec/cni")
# 64-bit kernels that are usually built to run programs of the 32-bit machine too.
_MAY_RUN = {
    ("x86_64", "i686"),
    ("aarch64", "arm"),
    ("s390x", "s390"),
    ("ppc64", "ppc"),
    ("mips64", "mips"),
}


@check(
    "cni-plugins-present",
    title="Every CNI plugin of the chain is there and can run",
    why="A runtime reports the node Ready with a plugin missing, cut off or built for another "
    "machine: then every pod hangs in ContainerCreating.",
    source="https://kubernetes.io/docs/setup/production-environment/container-runtimes/",
    fix="cni-plugins-present",
)
def cni_plugins_present(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each plugin that is not sound (subject: its type), else one pass."""
    if not is_node(facts, target):
        return
    profile, _ = pod_network(target)
    if profile.system != "linux":
        return
    cni, who = known(facts.cni), reader(facts, target)
    network = None if isinstance(cni.files, Unknown) else wanted_network(cni, who, profile)
    kinds = required(network, who, profile, target)
    if not kinds:
        yield passed(
            f"no plugin is needed beforehand: {profile.title} brings "
            f"{', '.join(brought(profile)) or 'what it needs'}"
        )
        return
    plugins = known(cni.plugins)
    directories = _searched(plugins, cni, who)
    sound: list[str] = []
    absent: list[str] = []
    for kind in kinds:
        plugin = locate(plugins, directories, kind)
        if plugin is None and (elsewhere := locate(plugins, cni.plugin_dirs, kind)):
            yield _elsewhere(elsewhere, who)
        elif plugin is None:
            absent.append(kind)
        elif (found := _defect(plugin, facts, who)) is not None:
            yield found
        else:
            sound.append(plugin.path)
    yield from _absent(absent, who, profile, facts)
    if len(sound) == len(kinds):
        yield passed(_list(sound), observed=", ".join(sound))


def _searched(plugins: tuple[Plugin, ...], cni: Cni, who: Reader) -> tuple[str, ...]:
    """The runtime's directories; every known one where those have no plugin at all.

    That the runtime looks in the wrong place is one fault, and cri-cni-paths names it.
    """
    if any(plugin.path.rpartition("/")[0] in who.plugin_dirs for plugin in plugins):
        return who.plugin_dirs
    return cni.plugin_dirs


def required(
    network: NetworkConfig | None, who: Reader, profile: Profile, target: Target
) -> tuple[str, ...]:
    """The types that must be on the node now.

    With a configuration: its whole chain, less what the product's pods have yet to bring. Without:
    what nobody else brings. Runtimes but CRI-O, which does that itself, run loopback for every pod.
    """
    from preflight.cni.schema import REFERENCE

    if network is None:
        kinds = needed_beforehand(profile)
    elif target.phase is Phase.BEFORE:
        coming = () if made_of_reference_plugins(profile) else brought(profile)
        kinds = tuple(kind for kind in network.types if kind in REFERENCE and kind not in coming)
    else:
        kinds = network.types
    coming_too = "loopback" in brought(profile) and target.phase is Phase.BEFORE
    chain = tuple(dict.fromkeys(kind for kind in kinds if kind != "loopback"))
    return chain if who.kind == CRIO or coming_too else (*chain, "loopback")


def _elsewhere(plugin: Plugin, who: Reader) -> Judgement:
    """There, where the runtime does not look, although other plugins are where it does."""
    wanted = f"{who.plugin_dirs[0]}/{plugin.name}"
    return failed(
        f"{plugin.name} is not in {', '.join(who.plugin_dirs)}; {plugin.path} is not looked at",
        subject=plugin.name,
        observed=plugin.path,
        expected=wanted,
        remedy=f"ln -s {shlex.quote(plugin.path)} {shlex.quote(wanted)}",
    )


def _absent(kinds: list[str], who: Reader, profile: Profile, facts: Facts) -> Iterator[Judgement]:
    """The types that are nowhere, one judgement for all that one command brings."""
    from preflight.cni.schema import REFERENCE

    places = ", ".join(who.plugin_dirs)
    plain = [kind for kind in kinds if kind in REFERENCE]
    for group, remedy in (
        (plain, install_plugins(facts, who)),
        (
            [kind for kind in kinds if kind not in plain],
            f"see why the pod of {profile.title} on this node does not run, which installs it: "
            "kubectl -n kube-system get pods -o wide",
        ),
    ):
        if not group:
            continue
        if group == ["loopback"]:
            why = f"{who.title} runs it for every pod"
        else:
            why = f"{profile.title} needs {'them' if len(group) > 1 else 'it'}"
        yield failed(
            f"{_words(group)} {'are' if len(group) > 1 else 'is'} not in {places}, and {why}",
            subject=",".join(group),
            observed="absent",
            expected=", ".join(f"{who.plugin_dirs[0]}/{kind}" for kind in group),
            remedy=remedy,
        )


def _words(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def plugin_packages(who: Reader) -> dict[str, str]:
    """The package that holds the plugins where the runtime looks, by package manager."""
    own = [path for path in _DISTRIBUTION_DIRS if path in who.plugin_dirs]
    if own and (_KUBERNETES_DIR not in who.plugin_dirs or not who.assumed):
        name = "containernetworking-plugins"
        return {"apt": name, "dnf": name, "zypper": "cni-plugins", "pacman": "cni-plugins"}
    # kubelet and kubeadm come from the same repository (pkgs.k8s.io).
    return {"apt": "kubernetes-cni", "dnf": "kubernetes-cni", "zypper": "kubernetes-cni"}


def install_plugins(facts: Facts, who: Reader) -> str:
    """The command that installs the reference plugins where the runtime looks for them."""
    return install_packages(facts, plugin_packages(who), "the reference CNI plugins")


def _defect(plugin: Plugin, facts: Facts, who: Reader) -> Judgement | None:
    """What is wrong with a plugin that is there; None for a sound one."""
    path = shlex.quote(plugin.path)
    if plugin.damage:
        return failed(
            f"{plugin.path} cannot run: {plugin.damage}",
            subject=plugin.name,
            observed=f"{plugin.size_bytes} bytes",
            remedy=_replace(plugin, facts, who),
        )
    if not plugin.executable:
        return failed(
            f"{plugin.path} is not executable (mode {plugin.mode:04o})",
            subject=plugin.name,
            observed=f"{plugin.mode:04o}",
            expected="0755",
            remedy=f"chmod 0755 {path}",
        )
    if isinstance(plugin.machine, Unknown):
        return undetermined(
            f"for which machine it is could not be told: {plugin.machine.message}",
            subject=plugin.name,
        )
    if (found := _foreign(plugin, plugin.machine, facts, who)) is not None:
        return found
    if plugin.mode & 0o002:
        return warned(
            f"{plugin.path} can be written by everybody, and the runtime runs it as root",
            subject=plugin.name,
            observed=f"{plugin.mode:04o}",
            expected="0755",
            remedy=f"chmod 0755 {path}",
        )
    return None


def _foreign(plugin: Plugin, machine: str, facts: Facts, who: Reader) -> Judgement | None:
    """A program for another machine. One that answered has shown that it runs here."""
    if machine == "script" or not isinstance(plugin.versions, Unknown):
        return None
    if isinstance(facts.system, Unknown):
        return undetermined(
            f"{plugin.path} is for {machine}, and this machine's kind is not known: "
            f"{facts.system.message}",
            subject=plugin.name,
        )
    here = _canonical(facts.system.architecture)
    if _canonical(machine) == here:
        return None
    message = f"{plugin.path} is built for {machine}, and this machine is {here}"
    if (here, machine) in _MAY_RUN:
        return undetermined(f"{message}, which may or may not run it", subject=plugin.name)
    return failed(
        message,
        subject=plugin.name,
        observed=machine,
        expected=here,
        remedy=_replace(plugin, facts, who),
    )


def _replace(plugin: Plugin, facts: Facts, who: Reader) -> str:
    """The command that puts a sound file in its place, or the instruction to do so.

    A link to a sound one of another directory wants no network; else it comes from its package.
    """
    if sound := _twin(plugin, facts):
        return f"ln -sf {shlex.quote(sound.path)} {shlex.quote(plugin.path)}"
    path, again = shlex.quote(plugin.path), install_plugins(facts, who)
    if package_manager(facts) not in plugin_packages(who):
        return f"remove {path} and {again}"
    return f"rm {path} && " + again.replace("apt-get install -y", "apt-get install -y --reinstall")


def _twin(plugin: Plugin, facts: Facts) -> Plugin | None:
    """The same plugin, sound and for this machine, where the runtime does not look."""
    if isinstance(facts.system, Unknown):
        return None
    here = _canonical(facts.system.architecture)
    for other in known(known(facts.cni).plugins):
        sound = other.executable and not other.damage and not isinstance(other.machine, Unknown)
        if other.name == plugin.name and sound and _canonical(str(other.machine)) == here:
            return other
    return None


def _canonical(machine: str) -> str:
    """uname's words for one machine: armv7l -> arm, i386 -> i686, mips64el -> mips64."""
    if machine.startswith("arm") and not machine.startswith("arm64"):
        return "arm"
    if machine in ("i386", "i486", "i586"):
        return "i686"
    names = {"amd64": "x86_64", "arm64": "aarch64", "mipsel": "mips", "mips64el": "mips64"}
    return names.get(machine, machine)


def _list(paths: list[str]) -> str:
    folders: dict[str, list[str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    return "; ".join(f"{', '.join(names)} in {folder}" for folder, names in folders.items())
