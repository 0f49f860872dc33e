"""Healthy runtime facts."""

from __future__ import annotations

from preflight.facts.model import Known, Unknown
from preflight.facts.model.runtime import Runtime


def healthy() -> Known[Runtime]:
    return Unknown("failed", "not written yet")
