"""Runs ``tests/cni/conformance*.py`` inside a node of its own."""

from __future__ import annotations

import sys

import pytest

from tests.cni.node import node
from tests.kernel import require_kernel


@pytest.mark.kernel
def test_the_plugins_do_what_a_caller_relies_on() -> None:
    require_kernel()
    done = node(
        "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding\n"
        f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:hypothesispytest "
        "tests/cni/conformance.py tests/cni/conformance_more.py",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "skipped" not in done.stdout
