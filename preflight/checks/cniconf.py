"""CNI configuration: which file the runtime takes, and what is wrong in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from preflight.checks.cnireader import (
    Reader,
    chosen,
    locate,
    reader,
    uplink_interface,
    wanted_network,
)
from preflight.checks.registry import (
    Judgement,
    check,
    failed,
    passed,
    skipped,
    undetermined,
    warned,
)
from preflight.checks.scope import is_node, not_a_node, own_node, pod_network
from preflight.cni.problem import ERROR, Context, Problem
from preflight.cni.products import belongs, made_of_reference_plugins, product_of
from preflight.cni.spec import NetworkConfig, effective_version
from preflight.cni.winner import Choice
from preflight.facts.model import Facts, Unknown, known
from preflight.target import Phase, Target
from rules.cnis import Profile


@check(
    "cni-conf-winner",
    title="The runtime takes the wanted CNI configuration",
    why="Runtimes take the first file by name. One that Podman or an earlier cluster left there "
    "gives pods the wrong network, and a broken first file keeps the node from being Ready "
    "although good ones follow.",
    source="https://github.com/containerd/containerd/blob/main/docs/cri/config.md",
    fix="cni-conf-winner",
)
def cni_conf_winner(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement, for the runtime that the kubelet is to use."""
    if not is_node(facts, target):
        yield not_a_node()
        return
    profile, _ = pod_network(target)
    if profile.system != "linux" or not (profile.conf_files or profile.binaries):
        yield skipped(f"{profile.title} has no CNI configuration on a Linux node")
        return
    who = reader(facts, target)
    choice = chosen(known(facts.cni), who)
    if choice.unread is not None:
        yield undetermined(f"which file {who.title} takes is not known: {choice.unread.message}")
    elif choice.blocked_by is not None:
        yield _blocked(choice, who)
    elif choice.network is None:
        yield _nothing(choice, who, profile, target)
    elif belongs(choice.network, profile):
        yield _right(choice, choice.network, who)
    else:
        yield _wrong(choice.network, who, profile, target)


def _blocked(choice: Choice, who: Reader) -> Judgement:
    broken = choice.blocked_by
    assert broken is not None  # noqa: S101  (the caller looked)
    follow = "follows" if len(choice.others) == 1 else "follow"
    rest = f", although {_names(choice.others)} {follow}" if choice.others else ""
    return failed(
        f"{broken.path} {broken.problem}: {who.title} looks at it first and takes no network at all"
        f"{rest}",
        observed=broken.path,
        expected="a first file that can be read",
        remedy=_aside(broken.path, "broken"),
    )


def _nothing(choice: Choice, who: Reader, profile: Profile, target: Target) -> Judgement:
    what = f"no CNI configuration in {who.conf_dir}"
    if choice.skipped:
        broken = choice.skipped[0]
        return failed(
            f"{what} can be used: {broken.path} {broken.problem}",
            observed=broken.path,
            remedy=_aside(broken.path, "broken"),
        )
    if who.network and choice.others:
        what = f"no file in {who.conf_dir} has the network {who.network} that {who.title} is set to"
    elif target.phase is Phase.BEFORE:
        if made_of_reference_plugins(profile):
            return passed(f"{what} yet; it is written once the node has its pod range")
        return passed(f"{what} yet; it comes with {profile.title}")
    return failed(
        f"{what}, so that the node stays NotReady",
        expected=" or ".join(profile.conf_files),
        remedy=_install(profile, who),
    )


def _right(choice: Choice, network: NetworkConfig, who: Reader) -> Judgement:
    seen = f"{who.title} takes {network.path}: {_describe(network)}"
    if choice.skipped:
        broken = choice.skipped[0]
        return warned(
            f"{seen}; it passes over {broken.path}, which {broken.problem}",
            observed=network.path,
            remedy=_aside(broken.path, "broken"),
        )
    rest = f"; {_names(choice.others)} come{'s' if len(choice.others) == 1 else ''} after it"
    return passed(f"{seen}{rest if choice.others else ''}", observed=network.path)


def _wrong(network: NetworkConfig, who: Reader, profile: Profile, target: Target) -> Judgement:
    base = network.path.rpartition("/")[2]
    seen = f"{who.title} takes {network.path} ({_describe(network)}), the first by name"
    expected = " or ".join(profile.conf_files) or f"a chain that begins with {profile.name}"
    later = bool(profile.conf_files) and base > profile.conf_files[0]
    if later and target.phase is Phase.BEFORE:
        return warned(
            f"{seen}, until {profile.title} puts {profile.conf_files[0]} before it: pods that "
            "start earlier get a wrong network",
            observed=network.path,
            expected=expected,
            remedy=_aside(network.path, "disabled"),
        )
    return failed(
        f"{seen}, and the wanted network is {profile.name}",
        observed=f"{network.path} ({product_of(network)})",
        expected=expected,
        remedy=_aside(network.path, "disabled"),
    )


def _install(profile: Profile, who: Reader) -> str:
    if made_of_reference_plugins(profile):
        return (
            f"write a configuration of the {profile.name} plugin with this node's pod range to "
            f"{who.conf_dir}/{profile.conf_files[0] if profile.conf_files else '10-pods.conflist'}"
        )
    return (
        f"install {profile.title} in the cluster, or see why its pod on this node does not run: "
        "kubectl -n kube-system get pods -o wide"
    )


def _aside(path: str, word: str) -> str:
    """Out of the way: runtimes go by the extension."""
    return f"mv {shlex.quote(path)} {shlex.quote(f'{path}.{word}')}"


def _describe(network: NetworkConfig) -> str:
    name = f"network {network.name}, " if network.name else ""
    return f"{name}{' and '.join(network.chain)}"


def _names(paths: tuple[str, ...]) -> str:
    names = [path.rpartition("/")[2] for path in paths[:3]]
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return f"{', '.join(names)}{more}"


@check(
    "cni-conf-valid",
    title="The CNI configuration says what it means",
    why="The plugins ignore every key that they do not know, and a runtime reports the node Ready "
    "whatever else is wrong: the mistake shows when the first pod starts, or never.",
    source="https://www.cni.dev/docs/spec/",
    applies="where the wanted network has a configuration file on the node",
)
def cni_conf_valid(facts: Facts, target: Target) -> Iterator[Judgement]:
    """Shape: one judgement for each problem (subject: file and place in it), else one pass."""
    if not is_node(facts, target):
        return
    cni, who, (profile, _) = known(facts.cni), reader(facts, target), pod_network(target)
    network = wanted_network(cni, who, profile)
    if network is None:
        yield skipped(f"no readable configuration of {profile.title} is on this node")
        return
    # Imported here: the schema is only needed where there is a file.
    from preflight.cni.lint import lint

    context, unasked = _context(facts, target, who, network)
    problems = lint(network, context)
    yield from (_problem(network, problem) for problem in problems)
    yield from unasked
    if not problems and not unasked:
        version = effective_version(network, who.newest_spec)
        yield passed(f"{network.path} is sound: {_describe(network)}, CNI {version}")


def _problem(network: NetworkConfig, problem: Problem) -> Judgement:
    base = network.path.rpartition("/")[2]
    subject = f"{base}:{problem.place}" if problem.place else base
    make = failed if problem.level == ERROR else warned
    where = f"in {network.path}" + (f" at {problem.place}" if problem.place else "")
    return make(problem.message, subject=subject, remedy=f"{where}: {problem.remedy}")


def _context(
    facts: Facts, target: Target, who: Reader, network: NetworkConfig
) -> tuple[Context, list[Judgement]]:
    """What the file is held against, and the plugins whose versions could not be asked."""
    specs, unasked = _specs(facts, who, network)
    cluster, node = target.cluster, own_node(facts, target)
    uplink = uplink_interface(facts)
    context = Context(
        pod_subnets=cluster.pod_subnets,
        service_subnets=cluster.service_subnets,
        node_subnets=node.pod_subnets if node else (),
        node_count=len(cluster.nodes),
        newest_spec=who.newest_spec,
        runtime=who.title,
        plugin_specs=specs,
        uplink_mtu=uplink.mtu if uplink else None,
        max_pods=target.settings.kubelet.max_pods,
    )
    return context, unasked


def _specs(
    facts: Facts, who: Reader, network: NetworkConfig
) -> tuple[dict[str, tuple[str, ...]], list[Judgement]]:
    from preflight.cni.schema import REFERENCE

    plugins = known(facts.cni).plugins
    specs: dict[str, tuple[str, ...]] = {}
    unasked: list[Judgement] = []
    for kind in network.types if not isinstance(plugins, Unknown) else ():
        plugin = locate(known(plugins), who.plugin_dirs, kind)
        if plugin is None:
            continue
        if not isinstance(plugin.versions, Unknown):
            specs[kind] = plugin.versions
        elif plugin.versions.reason in ("denied", "timeout") and kind in REFERENCE:
            unasked.append(
                undetermined(
                    f"which CNI versions {kind} speaks is not known: {plugin.versions.message}",
                    subject=kind,
                )
            )
    return specs, unasked
