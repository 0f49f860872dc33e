"""JUnit XML, as CI servers read it: one test case for each finding."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from preflight.finding import Finding, Status
from preflight.report.model import Report

# XML 1.0 forbids these even as character references (https://www.w3.org/TR/xml/#charsets).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Fail is <failure>, unknown is <error>, skip and ignored are <skipped>, warn is output."""
    cases = [_case(found, report.node) for found in report.findings]
    suite = Element(
        "testsuite",
        name=_clean(report.suite),
        tests=str(len(cases)),
        failures=str(sum(case.find("failure") is not None for case in cases)),
        errors=str(sum(case.find("error") is not None for case in cases)),
        skipped=str(sum(case.find("skipped") is not None for case in cases)),
        time=f"{report.duration_ms / 1000:.3f}",
        timestamp=report.started.rstrip("Z"),
        hostname=_clean(report.node),
    )
    suite.extend(cases)
    root = Element("testsuites")
    root.append(suite)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(found: Finding, node: str) -> Element:
    name = f"{found.id}[{found.subject}]" if found.subject else found.id
    case = Element(
        "testcase",
        name=_clean(name),
        classname=_clean(f"nodeprep.{node or 'node'}"),
        time=f"{found.duration_ms / 1000:.6f}",
    )
    details = "\n".join(
        f"{key}: {value}"
        for key, value in (
            ("observed", found.observed),
            ("expected", found.expected),
            ("remedy", found.remedy),
            ("source", found.source),
        )
        if value
    )
    if found.ignored:
        SubElement(case, "skipped", message=_clean(f"ignored: {found.message}"))
    elif found.status is Status.FAIL:
        SubElement(case, "failure", message=_clean(found.message), type=found.id).text = _clean(
            details
        )
    elif found.status is Status.UNKNOWN:
        SubElement(case, "error", message=_clean(found.message), type="unknown").text = _clean(
            details
        )
    elif found.status is Status.SKIP:
        SubElement(case, "skipped", message=_clean(found.message))
    elif found.status is Status.WARN:
        SubElement(case, "system-out").text = _clean(f"warning: {found.message}\n{details}")
    return case


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
