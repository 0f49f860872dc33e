"""Firewalls of clouds: one plan of a whole cluster, and what each cloud can say of it.

    policies -> plan -> lower(abilities) -> minimise -> arrange -> render
                                                          parse -> rules -> Reach == the plan's

``plan``: what each role's group must let in, in no cloud's words. ``abilities``: what a cloud
cannot say, as an error or a widening that somebody allowed. ``minimal``: the fewest rules.
``reach``: who may reach whom on what, canonical; ``parse(render(plan))`` is compared there, and so
is any two clouds. A cloud is one module here (``ABILITIES``, ``QUOTAS``, ``WHOLE``, ``check``,
``named``, ``arrange``, ``roles``), one renderer in ``rules.render.cloud``, one parser in
``rules.parse.cloud`` and one template.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from rules.errors import UsageError
from rules.words import hint

CLOUDS = ("aws", "gcp", "azure", "openstack", "capa", "capg", "capz")


# The infrastructure providers of Cluster API are clouds here, each with one format of its name.
CAPI = ("capa", "capg", "capz")


def resolve(cloud: str, form: str) -> str:
    """The cloud that a person means: ``capi`` is the one that the format names, capa by default.

    Raises UsageError for a format that is none of ``CAPI``.
    """
    if cloud != "capi":
        return cloud
    if form and form not in CAPI:
        raise UsageError(f"capi has no format called {form!r}; there are {', '.join(CAPI)}")
    return form or CAPI[0]


def load(cloud: str) -> Any:
    """A cloud's module of this package. Raises UsageError for an unknown cloud."""
    if cloud not in CLOUDS:
        listed = ", ".join(CLOUDS)
        raise UsageError(f"no cloud is called {cloud!r}; known are {listed}{hint(cloud, CLOUDS)}")
    return import_module(f"rules.cloud.{cloud}")
