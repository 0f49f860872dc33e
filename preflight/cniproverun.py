"""One run of `nodeprep cni prove`: the proof, its likely causes, the report."""

from __future__ import annotations

import time

from preflight import config as configuration
from preflight.cni.chain import Caller
from preflight.cni.outside import parse_outside, usual_places
from preflight.cni.proof import Proof
from preflight.cni.prove import Request, Steps, prove_by_plugins
from preflight.cnirun import Place
from preflight.firewallrun import check_format, write
from preflight.settings import Settings
from rules.errors import UsageError
from rules.record import record

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
    image: str = ""


def run_prove(place: Place, asked: Asked, *, output: str) -> int:
    """Proves it and prints the outcome; the exit code."""
    check_format(output)
    if asked.via not in VIAS:
        raise UsageError(f"--via takes {', '.join(VIAS)}, not {asked.via!r}")
    settings = configuration.load(config=asked.config, kubeadm_config=asked.kubeadm_config)
    configuration.print_warnings(settings)
    proof = prove(place, asked, settings)
    from preflight.report import podproof

    write(podproof.document(proof), podproof.lines(proof), output)
    return proof.exit_code


def prove(place: Place, asked: Asked, settings: Settings) -> Proof:
    """The proof in this very network."""
    began = time.monotonic()
    node = place.node()
    places = tuple(map(parse_outside, asked.outside)) or usual_places()
    request = Request(
        node.network,
        Caller(node.plugin_dirs, place.cache_dir),
        places,
        settings.cluster.service_subnets,
    )
    steps = Steps()
    prove_by_plugins(request, steps)
    return Proof(
        via=asked.via,
        network=node.network.name,
        conf=node.network.path,
        scratch=asked.scratch,
        steps=tuple(steps.done),
        causes=(),
        duration_ms=(time.monotonic() - began) * 1000,
    )
