"""Firewalls of clouds: one plan of a whole cluster, and what each cloud can say of it.

    policies -> plan -> lower(abilities) -> minimise -> arrange -> render
                                                          parse -> rules -> Reach == the plan's

``plan``: what each role's group must let in, in no cloud's words. ``abilities``: what a cloud
cannot say, as an error or a widening that somebody allowed. ``minimal``: the fewest rules.
``reach``: who may reach whom on what, canonical; ``parse(render(plan))`` is compared there, and so
is any two clouds. A cloud is one module here (``ABILITIES``, ``check``, ``named``, ``arrange``),
one renderer in ``rules.render.cloud``, one parser in ``rules.parse.cloud`` and one template.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rules.errors import UsageError

CLOUDS = ("aws", "gcp", "azure", "openstack")


def load(cloud: str) -> Any:
    """A cloud's module of this package. Raises UsageError for an unknown cloud."""
    if cloud not in CLOUDS:
        raise UsageError(f"no cloud is called {cloud!r}; known are {', '.join(CLOUDS)}")
    return import_module(f"rules.cloud.{cloud}")
