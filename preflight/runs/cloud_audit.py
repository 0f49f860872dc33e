"""One run of `nodeprep cloud audit`: dumps or the live state against the policy."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from preflight.output import check_format, say, write
from preflight.runs.cloud_apply import Reached
from preflight.runs.cloud_policy import CloudRequest, load_rules
from rules.errors import EXIT_DONE, EXIT_FAILED, ConfigError, UsageError
from rules.record import record

if TYPE_CHECKING:
    from rules.cloud.audit import Audit, Gap
    from rules.cloud.document import CloudRules
    from rules.cloud.found import FoundGroup
    from rules.cluster import IPNetwork

# More gaps of one kind than this are counted and not listed, for a person.
MOST_SHOWN = 40
Lists = dict[str, tuple["IPNetwork", ...]]


@record
class State:
    """What is to be judged. ``groups``: ``ROLE=NAME`` for groups that are not called as ours."""

    files: tuple[str, ...] = ()
    live: bool = False
    groups: tuple[str, ...] = ()


def run_audit(request: CloudRequest, state: State, reached: Reached, *, output: str) -> int:
    """Prints what is missing and what is too wide. The exit code."""
    from rules.cloud.audit import audit

    check_format(output)
    if state.live == bool(state.files):
        raise UsageError("cloud audit takes files, or --live; one of the two")
    if state.live and request.cloud != "aws":
        raise UsageError(f"--live asks aws; for {request.cloud} give what its command prints")
    if request.cloud == "capi":
        request = request.but(cloud=_provider(state.files))
    rules = load_rules(request)
    own = _own(state.groups, rules.plan.members)
    groups, lists = _live(request, reached) if state.live else _read(request, state.files)
    kept = [group for group in groups if group.network in ("", request.network or group.network)]
    names = [(group.name, group.network) for group in kept]
    if twice := sorted({name for name, _ in names if [n for n, _ in names].count(name) > 1}):
        raise UsageError(f"there are two groups called {twice[0]}: say which VPC with --network")
    found = audit(rules, kept, own, lists)
    _print(found, rules, output)
    return EXIT_DONE if found.ok else EXIT_FAILED


def _provider(files: Iterable[str]) -> str:
    """Which provider of Cluster API some files are of. Raises UsageError where none or several."""
    from rules.cloud import CAPI
    from rules.files import read_input
    from rules.parse.cloud.detect import detect

    if "-" in files:
        raise UsageError(f"of standard input say which of {', '.join(CAPI)} it is")
    found = {one.cloud for path in files for one in detect(read_input(path), path)}
    if len(found) != 1 or not found <= set(CAPI):
        raise UsageError(
            f"capi is {', '.join(CAPI)}, and the files are of {', '.join(sorted(found))}: name one"
        )
    return found.pop()


def _own(words: Iterable[str], members: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        role, equals, name = word.partition("=")
        if not equals or not name or role not in members:
            raise UsageError(
                f"--group takes ROLE=NAME-OR-ID with a role of {', '.join(members)}, not {word!r}"
            )
        found[name] = role
    return found


def _read(request: CloudRequest, files: Iterable[str]) -> tuple[list[FoundGroup], Lists]:
    """The groups of all files, and the prefix lists. Raises ConfigError and UsageError."""
    import json

    from rules.files import read_input
    from rules.parse.cloud import parse
    from rules.parse.cloud.detect import detect

    cloud = request.cloud
    groups: list[FoundGroup] = []
    lists: Lists = {}
    for path in files:
        text = read_input(path)
        if '"PrefixLists"' in text:
            try:
                lists |= _lists(json.loads(text), path)
            except json.JSONDecodeError as error:
                raise ConfigError(path, f"is not JSON: {error.msg}", line=error.lineno) from None
            if '"SecurityGroups"' not in text:
                continue
        texts = detect(text, path)
        mine = [one for one in texts if one.cloud == cloud]
        if not mine:
            there = ", ".join(f"{one.cloud} ({one.form})" for one in texts)
            raise UsageError(f"{path} is of {there}, and {cloud} is to be audited")
        for one in mine:
            kept = _of_network(one.text, request.network) if one.form == "json" else one.text
            groups += parse(cloud, one.form, kept, path)
    return groups, lists


def _of_network(text: str, network: str) -> str:
    """The rules of one network in what `gcloud` prints of a whole project."""
    import json

    document = json.loads(text)
    if not network or not isinstance(document, list):
        return text
    name = network.rpartition("/")[2]
    return json.dumps(
        [
            item
            for item in document
            if not isinstance(item, dict) or str(item.get("network")).rpartition("/")[2] == name
        ]
    )


def _lists(document: Any, source: str) -> Lists:
    """From `aws ec2 describe-prefix-lists`, or managed lists with their entries put in."""
    from rules.parse.cloud import values

    found: Lists = {}
    top = values.mapping(document, source, "")
    for item in values.sequence(top.get("PrefixLists"), source, "PrefixLists"):
        said = values.mapping(item, source, "PrefixLists")
        entries = [
            one.get("Cidr") if isinstance(one, dict) else one
            for one in (*(said.get("Cidrs") or ()), *(said.get("Entries") or ()))
        ]
        if entries:
            name = str(said.get("PrefixListId"))
            found[name] = tuple(values.network(word, source, name) for word in entries)
    return found


def _live(request: CloudRequest, reached: Reached) -> tuple[list[FoundGroup], Lists]:
    """What EC2 says now. Raises CloudError."""
    from rules.parse.cloud.aws import described

    ec2 = reached.ec2()
    filters = [{"Name": "vpc-id", "Values": [request.network]}] if request.network else []
    listed = ec2.every("describe_security_groups", "SecurityGroups", Filters=filters)
    groups = list(described({"SecurityGroups": listed}, "EC2"))
    names = {rule.peer.name for group in groups for rule in group.ingress}
    lists: Lists = {}
    for name in sorted(one for one in names if one.startswith("pl-")):
        entries = ec2.every("get_managed_prefix_list_entries", "Entries", PrefixListId=name)
        lists[name] = tuple(ip_network(item["Cidr"]) for item in entries)
    return groups, lists


def _print(found: Audit, rules: CloudRules, output: str) -> None:
    document: dict[str, Any] = {
        "schema_version": 1,
        "kind": "CloudAudit",
        "cloud": rules.cloud,
        "roles": list(rules.plan.receivers),
        "digest": rules.plan.digest,
        "ok": found.ok,
        "groups": [{"name": name, "role": role} for name, role in found.groups],
        "absent": list(found.absent),
        "missing": [{**_gap(gap), "flows": list(gap.by)} for gap in found.missing],
        "too_wide": [{**_gap(gap), "rules": list(gap.by)} for gap in found.too_wide],
        "widenings": [{"flow": item.flow, "why": item.why} for item in rules.widenings],
        "left_out": list(rules.left_out),
    }
    lines = [
        *(f"{name} is of {role}" for name, role in found.groups),
        *_lines("missing", found.missing, "needed by"),
        *_lines("too wide", found.too_wide, "let in by"),
    ]
    if found.ok:
        lines.append(f"lets in what the policy does ({rules.plan.digest})")
    write(document, [*map(_clean, lines)], output)
    for role in found.absent:
        say(f"no group there is of {role}: name it with --group {role}=NAME")


def _clean(line: str) -> str:
    from preflight.report.plain import printable

    return printable(line)


def _lines(word: str, gaps: tuple[Gap, ...], why: str) -> list[str]:
    lines = [f"{word}: {gap}; {why} {'; '.join(gap.by) or 'nobody'}" for gap in gaps[:MOST_SHOWN]]
    if len(gaps) > MOST_SHOWN:
        lines.append(f"{word}: {len(gaps) - MOST_SHOWN} more, all of them with -o json")
    return lines


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "role": gap.role,
        "groups": list(gap.groups),
        "to": gap.place.value,
        "from": gap.sender,
        "family": gap.family,
        "protocol": gap.protocol,
        "ports": None if gap.ports is None else list(gap.ports),
        "without": list(gap.without),
        "what": gap.what,
    }
