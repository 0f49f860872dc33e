"""What one file says, before it is merged with the others."""

from __future__ import annotations

from typing import Any

from rules.record import field, record


@record
class Layer:
    """``values``: a field of Settings by its dotted name (``cluster.pod_subnets``) -> its value.

    ``ignore`` and ``skip`` add up over all layers instead. ``api_versions`` are the kubeadm APIs
    of the documents, each with its line; ``warnings`` what is odd, a line of text each.
    """

    source: str
    values: dict[str, Any]
    ignore: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    api_versions: tuple[tuple[str, int], ...] = ()
    warnings: list[str] = field(default_factory=list)
