"""The pod network: configuration, plugins, bridge, leftovers, and what each product wants.

Importing this registers them in the order of the report.
"""

from __future__ import annotations

from preflight.checks import cnibridge, cniconf, cnileftovers, cniplugins, cniproducts

__all__ = ["cnibridge", "cniconf", "cnileftovers", "cniplugins", "cniproducts"]
