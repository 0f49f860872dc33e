"""One run of `nodeprep cni prove`: the proof, its likely causes, the report."""

from __future__ import annotations

from preflight import config as configuration
from preflight.cni.chain import Caller
from preflight.cni.outside import parse_outside, usual_places
from preflight.cni.proof import Cause, Proof, Step
from preflight.cni.prove import Request, Steps, prove_by_plugins
from preflight.cni.spec import NetworkConfig
from preflight.output import check_format, write
from preflight.runs.cni_container import Place
from preflight.runs.stopwatch import Stopwatch
from preflight.settings import Settings
from rules.errors import UsageError
from rules.record import record
from rules.words import wrong_choice

VIAS = ("plugins", "containerd")


@record
class Asked:
    """The flags of `cni prove`."""

    via: str
    scratch: bool
    outside: tuple[str, ...]
    config: str
    kubeadm_config: str
    cri_socket: str = ""


def run_prove(place: Place, asked: Asked, *, output: str) -> int:
    """Proves it and prints the outcome; the exit code."""
    check_format(output)
    if asked.via not in VIAS:
        raise wrong_choice("--via", asked.via, VIAS)
    if asked.scratch and asked.via == "containerd":
        raise UsageError("--scratch goes with --via plugins: a runtime has the host's own network")
    settings = configuration.load(config=asked.config, kubeadm_config=asked.kubeadm_config)
    configuration.print_warnings(settings)
    proof = prove(place, asked, settings)
    from preflight.report import podproof

    write(podproof.document(proof), podproof.lines(proof), output)
    return proof.exit_code


def prove(place: Place, asked: Asked, settings: Settings) -> Proof:
    """The proof, in this very network or in a copy of it."""
    watch = Stopwatch()
    node = place.node()
    places = tuple(map(parse_outside, asked.outside)) or usual_places()
    request = Request(
        node.network,
        Caller(node.plugin_dirs, place.cache_dir),
        places,
        settings.cluster.service_subnets,
    )

    def work() -> tuple[tuple[Step, ...], tuple[Cause, ...]]:
        steps = Steps()
        if asked.via == "containerd":
            from preflight.cni.proveruntime import prove_by_runtime

            prove_by_runtime(request, _socket(asked, settings), steps)
        else:
            prove_by_plugins(request, steps)
        return tuple(steps.done), _causes(steps, node.network, settings)

    if asked.scratch:
        from preflight.cni.remains import lease_dirs
        from preflight.cni.scratch import in_scratch

        steps, causes = in_scratch(work, places, (*lease_dirs(node.network), place.cache_dir))
    else:
        steps, causes = work()
    return Proof(
        via=asked.via,
        network=node.network.name,
        conf=node.network.path,
        scratch=asked.scratch,
        steps=steps,
        causes=causes,
        duration_ms=watch.ms,
    )


def _socket(asked: Asked, settings: Settings) -> str:
    from preflight.cni.sandbox import first_socket
    from preflight.facts.cri import candidates

    return first_socket(candidates(asked.cri_socket or settings.cri_socket))


def _causes(steps: Steps, network: NetworkConfig, settings: Settings) -> tuple[Cause, ...]:
    if all(step.ok is not False for step in steps.done):
        return ()
    from preflight.cni.diagnose import diagnose

    return diagnose(steps, network, settings)
