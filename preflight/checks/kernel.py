"""The kernel: its release and its options."""

from __future__ import annotations

from collections.abc import Iterator

from preflight.checks import scope
from preflight.checks.registry import (
    ERROR,
    WARNING,
    Judgement,
    check,
    failed,
    passed,
    undetermined,
    warned,
)
from preflight.facts.model import Facts, Unknown, known
from preflight.facts.model.kernel import Kernel
from preflight.target import Target
from preflight.versions.kernel import (
    NFTABLES_PROXY_KERNEL,
    OPTIONAL_OPTIONS,
    kernel_rule,
    needlessly_asked_options,
    parse_release,
    required_options,
)
from preflight.versions.modules import MODULES

_CONFIGURATION = "kernel configuration"


@check(
    "kernel-version",
    title="A kernel that this Kubernetes version expects",
    why="kubeadm up to 1.33 refuses old kernels. From 1.34 it only prints a warning, for all but "
    "the kernel.org long-term lines it knows: a distribution that maintains another release "
    "itself (RHEL 9 with 5.14, Ubuntu with 5.19) works all the same.",
    source="https://github.com/kubernetes/system-validators/blob/master/validators/types_unix.go",
    severity=WARNING,
    aliases=("SystemVerification",),
    applies="By the kubeadm version; kube-proxy's nftables mode asks for 5.13.",
)
def kernel_version(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement by kubeadm's rule, one by kube-proxy's where it has one."""
    text = known(facts.system).kernel_release
    release = parse_release(text)
    if release is None:
        yield undetermined(f"{text!r} is not a kernel release that can be read")
        return
    rule = kernel_rule(target.version)
    if rule.accepts(release):
        yield passed(f"kernel {text}; kubeadm {target.version} expects {rule}", observed=text)
    elif rule.refuses:
        yield failed(
            f"kernel {text}, and kubeadm {target.version} refuses all but {rule}",
            observed=text,
            expected=str(rule),
            remedy=f"install a kernel of {rule}, then start the machine again",
            severity=ERROR,
        )
    else:
        yield _unlisted(text, str(rule), target)
    proxied = scope.runs_proxy(target) and target.cluster.proxy_mode == "nftables"
    if proxied and scope.is_node(facts, target) and release < NFTABLES_PROXY_KERNEL:
        wanted = ".".join(map(str, NFTABLES_PROXY_KERNEL))
        yield failed(
            f"kernel {text}, and kube-proxy's nftables mode needs {wanted}",
            subject="kube-proxy",
            observed=text,
            expected=f">= {wanted}",
            remedy="set mode: iptables in the KubeProxyConfiguration, or install a newer kernel",
            severity=ERROR,
        )


def _unlisted(text: str, rule: str, target: Target) -> Judgement:
    """A kernel that kubeadm only warns about; an enterprise distribution maintains its own."""
    vendor = ".el" in text or ".amzn" in text or ".fc" in text
    return failed(
        f"kernel {text} is not of the lines that kubeadm {target.version} lists ({rule}); "
        + ("its distribution maintains it, and " if vendor else "")
        + "kubeadm prints a warning and goes on",
        observed=text,
        expected=rule,
        remedy="nothing to do where the distribution still maintains this kernel: "
        "pass --ignore kernel-version"
        if vendor
        else f"install a kernel of {rule}, then start the machine again",
    )


@check(
    "kernel-config",
    title="The kernel has the options that kubelet, runtime and pod network need",
    why="Without these options containers cannot be isolated, limited or reached. kubeadm fails "
    "where it finds no kernel configuration at all; here, what the kernel is seen to do counts.",
    source="https://github.com/kubernetes/system-validators/blob/master/validators/types_unix.go",
    aliases=("SystemVerification",),
    applies="By the cgroup version of the host and the needs of the pod network; not to an "
    "external etcd member.",
)
def kernel_config(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each missing option, one for those that are there or untold."""
    if not scope.is_node(facts, target):
        yield scope.not_a_node()
        return
    kernel = known(facts.kernel)
    version = 2 if isinstance(kernel.cgroups, Unknown) else kernel.cgroups.version
    profile, mode = scope.pod_network(target)
    by_module = {MODULES[name][0] for name in profile.modules_in(mode) if name in MODULES}
    wanted = dict.fromkeys(required_options(version), "kubelet and runtime need it")
    for name in profile.options_in(mode):
        # Where a module carries the option, kernel-modules names what is missing.
        if name not in by_module:
            wanted.setdefault(name, f"{profile.title} needs it")
    states = {name: has_option(kernel, name) for name in wanted}
    for name, why in wanted.items():
        if states[name] is False:
            yield _missing_option(kernel, name, why)
    yield from _optional(kernel)
    yield from _needlessly_asked(kernel, target, version)
    if untold := [name for name in wanted if states[name] is None]:
        yield _untold(kernel, untold)
    elif all(states.values()):
        yield passed(f"all {len(wanted)} options are there, by {_evidence(kernel)}")


def has_option(kernel: Kernel, name: str) -> bool | None:
    """By what works, then by the configuration, then by modules; None where nothing tells.

    What is seen to work counts more than a file that may be another kernel's.
    """
    if kernel.features.get(name):
        return True
    if not isinstance(kernel.config, Unknown) and name in kernel.config.options:
        return kernel.config.options[name] != "n"
    if name in kernel.features:
        return False
    for module in kernel.modules:
        if MODULES.get(module.name, ("",))[0] == name and module.state != "unknown":
            return module.state != "absent"
    return None


def _evidence(kernel: Kernel) -> str:
    return "what works" if isinstance(kernel.config, Unknown) else kernel.config.path


def _missing_option(kernel: Kernel, name: str, why: str) -> Judgement:
    return failed(
        f"the kernel has no CONFIG_{name} (by {_evidence(kernel)}); {why}",
        subject=name,
        observed="n",
        expected="y or m",
        remedy=f"boot a kernel that is built with CONFIG_{name}",
    )


def _optional(kernel: Kernel) -> Iterator[Judgement]:
    for name, lost in OPTIONAL_OPTIONS.items():
        if has_option(kernel, name) is False:
            yield warned(
                f"the kernel has no CONFIG_{name}: {lost}",
                subject=name,
                observed="n",
                expected="y",
                remedy=f"boot a kernel that is built with CONFIG_{name}",
            )


def _needlessly_asked(kernel: Kernel, target: Target, version: int) -> Iterator[Judgement]:
    """Options that this kubeadm refuses to miss, though nothing on this host would use them."""
    config = kernel.config
    if isinstance(config, Unknown):
        return
    names = [
        name
        for name in needlessly_asked_options(target.version, version)
        if config.options.get(name) == "n"
    ]
    if names:
        yield warned(
            f"kubeadm {target.version} asks for {', '.join(f'CONFIG_{name}' for name in names)}, "
            f"which nothing uses on a host with cgroup v{version}",
            subject="kubeadm",
            observed="n",
            remedy="pass --ignore-preflight-errors=SystemVerification to kubeadm",
        )


def _untold(kernel: Kernel, names: list[str]) -> Judgement:
    config = kernel.config
    why = config.message if isinstance(config, Unknown) else f"{config.path} does not tell"
    return undetermined(
        f"{why}, and nothing else shows whether these are there: {', '.join(names)}",
        subject=_CONFIGURATION,
        remedy="modprobe configs" if isinstance(config, Unknown) else "",
    )
