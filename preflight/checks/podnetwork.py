"""The pod network: configuration, plugins, bridge, leftovers, and what each product wants."""

from __future__ import annotations

from importlib import import_module

# In the order of the report; importing a file registers its checks.
for _name in ("cniconf", "cniplugins", "cnibridge", "cnileftovers", "cniproducts"):
    import_module(f"preflight.checks.{_name}")
