"""The proof against the kernel: rendered rules are exact, and no seeded error gets past it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from rules.cluster import Role
from rules.errors import UsageError
from rules.policy import policy
from rules.proof import probeplan, recorder
from rules.proof import prove as proving
from rules.proof.probeplan import Depth
from rules.proof.proofrun import Difference, LostProbes
from rules.proof.prove import BACKENDS, Proof, prove, render_texts
from rules.proof.sweep import Case, covering, sample_cluster, sweep
from rules.render import Posture
from tests.kernel import require_kernel
from tests.rules.proof.seeds import ENFORCED, IPV4_ONLY, READ, SEEDS, WORKER, Seed

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs/schemas/firewall-proof.schema.json").read_text())
pytestmark = pytest.mark.kernel


@pytest.fixture(autouse=True)
def _kernel() -> None:
    require_kernel()


def texts(backend: str, posture: Posture, seed: Seed) -> dict[str, dict[str, str]]:
    edit = seed.nft if backend == "nftables" else seed.iptables
    return {
        target: {name: edit(text) for name, text in files.items()}
        for target, files in render_texts(WORKER, backend, posture).items()
    }


def found(pattern: str, differences: tuple[Difference, ...]) -> bool:
    return any(re.search(pattern, str(one)) for one in differences)


def test_every_role_and_backend_is_exact() -> None:
    cases = covering()
    assert {(case.policy.role, case.backend) for case in cases} == {
        (role, backend) for role in Role for backend in BACKENDS
    }
    assert {(case.backend, case.posture) for case in cases} == {
        (backend, posture) for backend in BACKENDS for posture in Posture
    }
    seen: list[tuple[Case, Proof]] = []
    sweep(cases, lambda index, proof: seen.append((cases[index], proof)))
    assert len(seen) == len(cases)
    for case, proof in seen:
        label = (proof.role, proof.backend, proof.posture)
        assert proof.exact, (label, [str(one) for one in (*proof.unexpected, *proof.missing)][:9])
        assert proof.families == (4, 6), label
        assert proof.accepted == proof.expected <= proof.probes, label
        assert proof.probes > 100_000, label
        assert case.policy.role.value == proof.role


@pytest.mark.parametrize("backend", BACKENDS)
def test_all_ports_of_the_node_are_exact(backend: str) -> None:
    proof = prove(policy(Role.WORKER, IPV4_ONLY), backend, Posture.ENFORCE, depth=Depth.INPUT)
    assert proof.exact, [str(one) for one in (*proof.unexpected, *proof.missing)][:9]
    names = {name for sender in proof.senders for name in sender.groups}
    assert {"masters", "workers", "pods", "admins", "node-port-clients", "outside"} <= names
    assert proof.probes > (len(proof.senders) - 1) * 2 * 65_536


def seeded() -> list[tuple[Seed, str, Posture]]:
    """Each with nftables and one kind of iptables under enforce, and with one under allow."""
    found = []
    for turn, seed in enumerate((*SEEDS, *ENFORCED, *READ)):
        found += [
            (seed, "nftables", Posture.ENFORCE),
            (seed, BACKENDS[1 + turn % 2], Posture.ENFORCE),
        ]
        if seed in SEEDS:
            found.append((seed, BACKENDS[1 + turn // 2 % 2], Posture.ALLOW))
    return found


@pytest.fixture(scope="module")
def proofs() -> dict[int, Proof]:
    """The outcome of each of ``seeded``, from all cores."""
    require_kernel()
    cases = [
        Case(WORKER, (), backend, posture, Depth.ENDS, texts(backend, posture, seed))
        for seed, backend, posture in seeded()
    ]
    found: dict[int, Proof] = {}
    with pytest.MonkeyPatch.context() as patch:
        # They are found at the ends of ranges; 5,000 ports more would only cost time.
        patch.setattr(probeplan, "MANY", 100)
        sweep(cases, found.__setitem__)
    return found


@pytest.mark.parametrize(
    ("index", "seed", "backend", "posture"),
    [(index, *each) for index, each in enumerate(seeded())],
    ids=lambda part: getattr(part, "name", None) or str(part),
)
def test_seeded_errors_are_found(
    index: int, seed: Seed, backend: str, posture: Posture, proofs: dict[int, Proof]
) -> None:
    assert texts(backend, posture, seed) != render_texts(WORKER, backend, posture)
    judge(seed, proofs[index])


def judge(seed: Seed, proof: Proof) -> None:
    assert not proof.exact
    assert bool(proof.unexpected) == bool(seed.unexpected), list(map(str, proof.unexpected))[:9]
    assert bool(proof.missing) == bool(seed.missing), list(map(str, proof.missing))[:9]
    if seed.unexpected:
        assert found(seed.unexpected, proof.unexpected), list(map(str, proof.unexpected))[:20]
    if seed.missing:
        assert found(seed.missing, proof.missing), list(map(str, proof.missing))[:20]
    if seed.read:
        assert any(re.search(seed.read, line) for line in proof.read), proof.read


def test_a_table_of_nftables_that_drops_under_allow_is_found() -> None:
    made = render_texts(WORKER, "nftables", Posture.ALLOW)["nftables"]
    changed = {
        name: text.replace('comment "nodeprep:loopback"', "\n\t\ttcp dport 4711 drop")
        for name, text in made.items()
    }
    proof = prove(WORKER, "nftables", Posture.ALLOW, texts={"nftables": changed}, depth=Depth.ENDS)
    assert not proof.unexpected
    assert found(r"^input: tcp 4711 from .*outside", proof.missing)
    assert {re.sub(" from.*", "", str(one)) for one in proof.missing} == {"input: tcp 4711"}


def test_a_port_that_only_a_full_sweep_can_find() -> None:
    """The rules do not name the port: it is the result of arithmetic."""
    made = render_texts(policy(Role.WORKER, IPV4_ONLY), "nftables", Posture.ENFORCE)["nftables"]
    hidden = "tcp dport & 0xffff == 0xb7a3 accept\n\t\t"
    changed = {
        name: re.sub(r'(iifname "lo" accept)', hidden + r"\1", text) for name, text in made.items()
    }
    proof = prove(
        WORKER, "nftables", Posture.ENFORCE, texts={"nftables": changed}, depth=Depth.INPUT
    )
    assert found(r"^input: tcp 47011 from .*outside", proof.unexpected)


def test_probes_that_do_not_arrive_are_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    load = proving._load_rules

    def load_and_lose(*arguments: Any) -> None:
        load(*arguments)
        recorder.load(
            "table inet lossy {\nchain early {\ntype filter hook prerouting priority -300;\n"
            "tcp dport 0 drop\n}\n}\n"
        )

    monkeypatch.setattr(proving, "_load_rules", load_and_lose)
    with pytest.raises(LostProbes, match="the machine loses packets"):
        prove(WORKER, "nftables", Posture.ENFORCE, depth=Depth.ENDS)


def test_rules_that_the_kernel_does_not_take_are_an_error() -> None:
    with pytest.raises(Exception, match="nft did not take"):
        prove(WORKER, "nftables", Posture.ENFORCE, texts={"nftables": {"x.nft": "table inet {"}})


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(UsageError, match="firewalld"):
        prove(WORKER, "firewalld", Posture.ENFORCE)


def test_an_ipv4_cluster_and_a_node_without_pods_are_exact() -> None:
    etcd = policy(Role.ETCD, sample_cluster(external_etcd=True))
    assert prove(etcd, "nftables", Posture.ENFORCE, depth=Depth.ENDS).exact
    master = policy(Role.MASTER, IPV4_ONLY)
    proof = prove(master, "iptables-legacy", Posture.ALLOW, depth=Depth.ENDS)
    assert proof.exact, [str(one) for one in (*proof.unexpected, *proof.missing)][:9]


def test_the_command_prints_what_the_schema_says(tmp_path: Path) -> None:
    arguments = ["--role", "etcd", "-o", "json"]
    for word in ("etcd-members=192.0.2.1", "masters=192.0.2.2", "nodes=192.0.2.2"):
        arguments += ["--source", word]
    done = subprocess.run(
        [sys.executable, "-m", "preflight", "firewall", "prove", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
        env={**os.environ, "NODEPREP_STATE_DIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    jsonschema.validate(document, SCHEMA)
    assert document["exact"] is True
    assert document["probes"] > 4 * 65_536
    assert document["accepted"] == document["expected"] > 0


# The interpreter may live where nobody may not look: so it is all loaded, and only then dropped.
UNPRIVILEGED = """
import ctypes, encodings.ascii, encodings.idna, encodings.latin_1, os
import rules.backend.iptables, rules.backend.nftables
from rules.proof.probeplan import Depth
from rules.proof.prove import BACKENDS, prove, render_texts
from rules.render import Posture
from tests.rules.proof.seeds import WORKER
for backend in BACKENDS:
    render_texts(WORKER, backend, Posture.ENFORCE)
os.setgroups([]); os.setresgid(*[65534] * 3); os.setresuid(*[65534] * 3)
ctypes.CDLL(None).prctl(4, 1)  # as after an exec
for backend in BACKENDS:
    assert prove(WORKER, backend, Posture.ENFORCE, depth=Depth.ENDS).exact
print("exact")
"""


def test_it_needs_no_root_where_user_namespaces_are_allowed() -> None:
    if not _users_may():
        pytest.skip("this kernel lets no user make user namespaces")
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=ROOT,
    )
    assert done.stdout == "exact\n", done.stderr[-2000:]


def _users_may() -> bool:
    for name in ("kernel/unprivileged_userns_clone", "user/max_user_namespaces"):
        path = Path("/proc/sys") / name
        if path.exists() and path.read_text().strip() == "0":
            return False
    restricted = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
    return not restricted.exists() or restricted.read_text().strip() == "0"
