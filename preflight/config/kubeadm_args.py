"""Extra arguments in a kubeadm configuration: a map up to v1beta3, a list of pairs from v1beta4."""

from __future__ import annotations

from preflight.config.section import Section
from preflight.config.yamlfile import Entry, Mapping, Scalar, Sequence
from rules.errors import ConfigError


def arguments(section: Section | None, key: str, api_version: str) -> Section:
    """The arguments as a section whose keys are flag names without dashes; the last one counts.

    Raises ConfigError for the shape of another apiVersion, which kubeadm refuses too.
    """
    if section is None:
        return Section("", Mapping(0, {}, []), strict=False, warnings=[])
    found = section.value(key)
    entries: dict[str, Entry] = {}
    if found is not None:
        is_list = api_version.endswith("v1beta4")
        if not isinstance(found, Sequence if is_list else Mapping):
            shape = "a list of {name, value}" if is_list else "a mapping of names to values"
            raise section.fail(key, f"expected {shape} in {api_version}, found {found.kind}")
        entries = _pairs(section, key) if isinstance(found, Sequence) else found.entries
    return Section(
        section.source,
        Mapping(section.line_of(key), entries, []),
        strict=False,
        key=section.place(key),
        warnings=section.warnings,
    )


def _pairs(section: Section, key: str) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    for pair in section.sections(key) or []:
        name, value = pair.word("name", str), pair.value("value")
        if name is None:
            raise pair.fail("name", "is missing")
        if value is not None and not isinstance(value, Scalar):
            raise ConfigError(
                pair.source,
                f"expected text, found {value.kind}",
                line=value.line,
                key=pair.place("value"),
            )
        line = pair.line_of("value")
        entries[name] = Entry(line, value or Scalar(line, "", plain=False))
    return entries
