"""The smallest change of a foreign file, and nothing else in it."""

from __future__ import annotations

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.facts.bootfiles import parse_sysctl
from preflight.facts.swap import parse_fstab
from preflight.facts.tomlfile import parse_toml
from preflight.fixes.edits import comment_out, loopback_in_hosts, name_in_hosts, with_line
from preflight.fixes.ownfile import is_untouched, parse_rows, seal, with_rows
from preflight.fixes.steps import FixError
from preflight.fixes.tomledit import header_path, set_key
from preflight.fixes.yamledit import set_scalar

CRI = ("plugins", "io.containerd.grpc.v1.cri")
RUNC = (*CRI, "containerd", "runtimes", "runc", "options")


def changed(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[0] in "+-"]


def driver(text: str) -> str:
    return set_key(text, RUNC, "SystemdCgroup", True, source="config.toml")


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        (
            "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]\n"
            "  SystemdCgroup = false # slow\n  BinaryName = ''\n",
            ["-   SystemdCgroup = false # slow", "+   SystemdCgroup = true # slow"],
        ),
        (
            '[ plugins . "io.containerd.grpc.v1.cri" . containerd.runtimes.runc.options ] # here\n'
            '    BinaryName = "x"\n',
            ["+     SystemdCgroup = true"],
        ),
        (
            "version = 2",
            [
                "+ ",
                '+ [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]',
                "+ SystemdCgroup = true",
            ],
        ),
        (
            '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]',
            ["+ SystemdCgroup = true"],
        ),
        (
            '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\n'
            'options = { "SystemdCgroup" = false, Root = "{,}" } # one line\n',
            [
                '- options = { "SystemdCgroup" = false, Root = "{,}" } # one line',
                '+ options = { "SystemdCgroup" = true, Root = "{,}" } # one line',
            ],
        ),
        (
            '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes]\nrunc.options = {}\n',
            ["- runc.options = {}", "+ runc.options = {SystemdCgroup = true}"],
        ),
        (
            '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes]\n'
            '  "runc" . options.SystemdCgroup= false # slow\n  runc.options.Root = "/x"\n',
            [
                '-   "runc" . options.SystemdCgroup= false # slow',
                '+   "runc" . options.SystemdCgroup= true # slow',
            ],
        ),
        (
            'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options.Root = "/x"',
            [
                '+ plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options.'
                "SystemdCgroup = true"
            ],
        ),
    ],
)
def test_toml_changes_by_one_key(text: str, difference: list[str]) -> None:
    made = driver(text)
    assert changed(text, made) == difference
    assert driver(made) == made


@pytest.mark.parametrize(
    "text",
    [
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes]\nrunc = {options = {a = 1}}\n',
        "[[plugins]]\na = 1\n",
        "x = [",
        "plugins = 7\n",
    ],
)
def test_toml_that_a_small_change_does_not_reach_is_refused(text: str) -> None:
    with pytest.raises(FixError):
        driver(text)


def test_the_end_of_a_line_stays_what_it_was() -> None:
    text = "[a]\r\nkey = false\r\nother = 1\r\n"
    assert set_key(text, ("a",), "key", True, source="x") == text.replace("false", "true")


def test_a_key_in_a_text_of_several_lines_is_no_key() -> None:
    text = 'note = """\n[a]\nkey = 1\n"""\n[a]\nkey = false\n'
    try:
        made = set_key(text, ("a",), "key", True, source="x")
    except FixError:
        return  # refused is right too: nothing is changed
    assert parse_toml(made) == {"note": "[a]\nkey = 1\n", "a": {"key": True}}


@given(st.dictionaries(st.text(max_size=4), st.booleans(), max_size=4), st.text(max_size=8))
def test_any_name_and_any_value_survive(entries: dict[str, bool], value: str) -> None:
    import json

    body = "".join(f"{json.dumps(key)} = {json.dumps(v)}\n" for key, v in entries.items())
    try:
        before = parse_toml(body)
    except ValueError:
        return  # JSON's escapes for surrogates are not TOML's
    try:
        made = set_key(body, ("table one", "x"), "value", value, source="x")
    except FixError:
        return
    assert parse_toml(made) == {**before, "table one": {"x": {"value": value}}}


def test_headers() -> None:
    assert header_path('[a.\'b.c\'."d\\"e"]  # f') == ("a", "b.c", 'd"e')
    assert header_path("[[a]]") is None
    assert header_path("a = [1]") is None
    assert header_path("[a b]") is None


def test_hosts_of_a_name() -> None:
    before = (
        "127.0.0.1 localhost\n127.0.1.1 n1.example.net N1 # cloud\n"
        "192.0.2.9 other n1 # kept\n192.0.2.8 n10"
    )
    made = name_in_hosts(before, "n1", "192.0.2.11", "x")
    assert made == (
        "127.0.0.1 localhost\n192.0.2.11 n1.example.net N1 # cloud\n"
        "192.0.2.9 other # kept\n192.0.2.8 n10"
    )
    assert name_in_hosts(made, "n1", "192.0.2.11", "x") == made
    assert name_in_hosts("::1 a", "n1", "192.0.2.11", "x").endswith(
        "::1 a\n192.0.2.11 n1  # nodeprep x\n"
    )
    assert name_in_hosts(None, "n1", "192.0.2.11", "x") == "192.0.2.11 n1  # nodeprep x\n"


def test_hosts_of_localhost() -> None:
    made = loopback_in_hosts("192.0.2.9 localhost\n192.0.2.8 a LOCALHOST b # c\n", "x")
    assert made.splitlines() == [
        "192.0.2.8 a b # c",
        "127.0.0.1 localhost  # nodeprep x",
        "::1 localhost  # nodeprep x",
    ]
    assert loopback_in_hosts(made, "x") == made
    assert loopback_in_hosts("127.0.0.1 localhost\n::1 localhost", "x") == (
        "127.0.0.1 localhost\n::1 localhost"
    )


def test_lines_of_others() -> None:
    assert comment_out("a\nb", lambda line: line == "b", "x") == "a\n# nodeprep x: b"
    assert with_line("a", "b") == "a\nb\n"
    assert with_line(None, "b") == "b\n"


def test_rows_of_several_checks_in_one_file() -> None:
    one = with_rows(None, "b-check", {"k": "k = 1"})
    two = with_rows(one, "a-check", {"l": "l = 2"})
    assert parse_rows(two) == {"a-check": {"l": "l = 2"}, "b-check": {"k": "k = 1"}}
    # What one check wrote already stays under its name, another value moves.
    assert with_rows(two, "a-check", {"k": "k = 1"}) == two
    assert parse_rows(with_rows(two, "a-check", {"k": "k = 3"})) == {
        "a-check": {"k": "k = 3", "l": "l = 2"}
    }


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_foreign_edit_is_seen(added: str) -> None:
    text = seal("# Written by nodeprep fix for x.\nvalue = 1\n")
    assert is_untouched(text)
    assert not is_untouched(text + added)
    assert not is_untouched(text.replace("value", f"{added}=", 1))


def test_yaml_changes_by_one_key() -> None:
    text = "kind: KubeletConfiguration\ncgroupDriver: cgroupfs # old\nx:\n  cgroupDriver: a\n"
    made = set_scalar(text, "cgroupDriver", "systemd", source="x")
    assert changed(text, made) == [
        "- cgroupDriver: cgroupfs # old",
        "+ cgroupDriver: systemd # old",
    ]
    assert set_scalar("a: 1", "b", "c", source="x") == "a: 1\nb: c\n"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"a": 1, "d": "cgroupfs"}', '{"a": 1, "d": "systemd"}'),
        ('{"a": 1}\n', '{"d": "systemd", "a": 1}\n'),
        ("{}", '{"d": "systemd"}'),
        ('"d": cgroupfs\r\na: 1\r\n', '"d": systemd\r\na: 1\r\n'),
        ("---\n  a: 1\n  'd': cgroupfs\n...\n", "---\n  a: 1\n  'd': systemd\n...\n"),
        ("? d\n: x\n", "? d\n: systemd\n"),
        ("d:\n", "d: systemd\n"),
    ],
)
def test_yaml_and_json_however_they_are_written(text: str, wanted: str) -> None:
    assert set_scalar(text, "d", "systemd", source="x") == wanted


@pytest.mark.parametrize(
    "text", ["- a", "a: [", "a: &x cgroupfs\nd: *x\n", "d: a\nd: b\n", "a: 1\n---\nd: x\n", "3"]
)
def test_yaml_that_a_small_change_does_not_reach_is_refused(text: str) -> None:
    with pytest.raises(FixError, match=r"^x "):
        set_scalar(text, "d", "systemd", source="x")


def test_only_a_newline_ends_a_line() -> None:
    fstab = "# page\x0c/notes none swap sw\n/a none swap sw\u2028 0 0"
    assert [each.key for each in parse_fstab("", fstab)] == ["/a"]
    made = comment_out(fstab, lambda line: bool(parse_fstab("", line)), "x")
    assert made == "# page\x0c/notes none swap sw\n# nodeprep x: /a none swap sw\u2028 0 0"
    sysctl = "# was\x0bnet.ipv4.ip_forward = 0\nvm.swappiness = 1\n"
    assert [each.key for each in parse_sysctl("", sysctl)] == ["vm.swappiness"]
    hosts = "192.0.2.9 # gone\x0c192.0.2.9 n1\n"
    assert name_in_hosts(hosts, "n1", "192.0.2.1", "x").startswith(hosts)
