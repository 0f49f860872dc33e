"""One run of `nodeprep cni profiles`: what pod network products need, and whether it is so here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from preflight import config as configuration
from preflight.finding import Finding, Status
from preflight.output import check_format, write
from preflight.report.plain import printable
from rules.cluster import Role
from rules.cnis import PROFILES, Mode, Profile, find, parse_choice
from rules.errors import EXIT_DONE, EXIT_FAILED, EXIT_UNDETERMINED

# The checks that tell whether a node suits a product.
_CHECKS = (
    "kernel-modules",
    "port-free",
    "mtu-fits",
    "reverse-path-filter",
    "cni-plugins-present",
    "cni-product-ready",
)


def run_profiles(*, name: str, config: str, output: str) -> int:
    """All products in short; or one of them, held against this node."""
    check_format(output)
    if not name:
        rows = [(PROFILES[each], PROFILES[each].mode("")) for each in PROFILES]
        items = [profile_item(profile, mode) for profile, mode in rows if mode is not None]
        document = {"schema_version": 1, "kind": "CniProfiles", "profiles": items}
        write(document, _table(items), output)
        return EXIT_DONE
    choice = parse_choice(name)
    profile, mode = find(choice)
    settings = configuration.load(config=config)
    cluster = replace(settings.cluster, cni=choice)
    findings = _judge(replace(settings, cluster=cluster))
    item = profile_item(profile, mode)
    document = {
        "schema_version": 1,
        "kind": "CniProfiles",
        "profiles": [item],
        "findings": [
            {
                "id": found.id,
                "subject": found.subject,
                "status": found.status.value,
                "message": found.message,
                "remedy": found.remedy,
            }
            for found in findings
        ],
    }
    write(document, [*_details(item), *_found(findings)], output)
    if any(found.status is Status.FAIL for found in findings):
        return EXIT_FAILED
    unknown = any(found.status is Status.UNKNOWN for found in findings)
    return EXIT_UNDETERMINED if unknown else EXIT_DONE


def _judge(settings: Any) -> list[Finding]:
    from preflight.cni.doctor import examine

    return examine(settings, None, role=Role.WORKER, names=_CHECKS)


def profile_item(profile: Profile, mode: Mode) -> dict[str, Any]:
    """A product in one of its modes: what it lays down and what it needs."""
    flows = [flow for flow in profile.flows_in(mode) if not flow.local and not flow.optional]
    return {
        "name": profile.name,
        "title": profile.title,
        "mode": mode.name,
        "modes": [each.name for each in profile.modes],
        "system": profile.system,
        "conf_files": list(profile.conf_files),
        "binaries": list(profile.binaries),
        "ipam": profile.ipam,
        "files": list(profile.files),
        "links": list(profile.links),
        "modules": list(profile.modules_in(mode)),
        "kernel_options": list(profile.options_in(mode)),
        "sysctls": [f"{key}={value}" for key, value in profile.sysctls],
        "ports": sorted({flow.label for flow in flows}),
        "overhead_bytes": mode.overhead(4),
        "replaces_proxy": mode.replaces_proxy or not profile.kube_proxy,
        "notes": [*profile.notes, *mode.notes],
        "source": mode.source or profile.source,
    }


def _table(items: list[dict[str, Any]]) -> list[str]:
    rows = [("NAME", "CONFIGURATION", "PLUGINS", "PORTS BETWEEN NODES", "OFF THE MTU")]
    for item in items:
        overhead = item["overhead_bytes"]
        rows.append(
            (
                item["name"],
                ", ".join(item["conf_files"][:1]) or "-",
                ", ".join(item["binaries"][:3]) or "-",
                ", ".join(item["ports"][:3]) or "-",
                "-" if overhead is None else str(overhead),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        printable("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
        .rstrip()
        for row in rows
    ]  # fmt: skip


def _details(item: dict[str, Any]) -> list[str]:
    words = {
        "conf_files": "configuration",
        "binaries": "plugins",
        "files": "files",
        "links": "interfaces",
        "modules": "modules",
        "kernel_options": "kernel options",
        "sysctls": "sysctls",
        "ports": "between nodes",
    }
    mode = f", {item['mode']}" if item["mode"] else ""
    lines = [f"{item['title']}{mode}"]
    for key, title in words.items():
        if item[key]:
            lines.append(f"  {title + ':':16}{', '.join(item[key])}")
    if item["ipam"]:
        lines.append(f"  {'addresses:':16}{item['ipam']}")
    if item["overhead_bytes"]:
        lines.append(f"  {'off the MTU:':16}{item['overhead_bytes']} bytes")
    lines += [f"  {'note:':16}{note}" for note in item["notes"]]
    return [*map(printable, lines), f"  {'source:':16}{item['source']}"]


def _found(findings: list[Finding]) -> list[str]:
    lines = []
    for found in findings:
        if found.status is Status.SKIP:
            continue
        lines.append(f"{found.status.value.upper():8}{found.id}  {found.message}")
        if found.status is not Status.PASS and found.remedy:
            lines.append(f"        fix: {found.remedy}")
    return [printable(line) for line in lines]
