"""The documents of each cloud and format, to the byte. NODEPREP_UPDATE_GOLDENS=1 writes them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rules.cloud import CLOUDS
from rules.cloud.document import CloudOptions
from rules.cluster import CniChoice
from rules.render.cloud import formats, render
from tests.rules.cloud.plans import plan_for, widest
from tests.rules.render.clusters import cluster

GOLDENS = Path(__file__).parents[1] / "goldens" / "cloud"
TAGGED = CloudOptions(tags=(("team", "platform"),))
PLAIN = CloudOptions(network="global/networks/prod", scope="some-project")
# Rules of Google carry no labels.
NAMED = CloudOptions(name="prod")
OPTIONS = {"gcp": PLAIN, **dict.fromkeys(("openstack", "capa", "capg", "capz"), NAMED)}
CASES = {f"{cloud}-{form}": (cloud, form) for cloud in CLOUDS for form in formats(cloud)}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    cloud, form = CASES[name]
    plan = plan_for(cloud, cluster(cni=CniChoice("calico", "bgp")))
    (text,) = render(form, widest(plan, cloud, OPTIONS.get(cloud, TAGGED))).files.values()
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("NODEPREP_UPDATE_GOLDENS") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_golden_has_its_case() -> None:
    assert {path.stem for path in GOLDENS.glob("*.txt")} == set(CASES)
