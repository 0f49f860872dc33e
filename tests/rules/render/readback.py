"""A rendered artefact -> the ruleset that a host then has, by the parsers of the package."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from rules.parse.firewalld import parse_firewalld
from rules.parse.ipset import IpSet, parse_ipset_save
from rules.parse.iptables import parse_iptables_save
from rules.parse.nft import parse_nft
from rules.parse.ufw import parse_ufw
from rules.render import Artefact, Posture
from rules.render.ufw import put
from rules.ruleset import Ruleset

UFW_EMPTY = """*filter
:ufw-before-input - [0:0]
:ufw-before-output - [0:0]
:ufw-before-forward - [0:0]
COMMIT
"""
PUBLIC = '<?xml version="1.0" encoding="utf-8"?>\n<zone target="{}"><service name="ssh"/></zone>\n'
SSH = '<service><port protocol="tcp" port="22"/></service>'


def ipsets(made: Artefact) -> dict[str, IpSet]:
    """The sets that a restore leaves behind: filled beside, then swapped in."""
    lines = []
    for name, text in made.files.items():
        if name.endswith(".ipset"):
            for line in text.splitlines():
                words = line.split()
                if line.startswith("add "):
                    lines.append(f"add {words[1].removesuffix('-t')} {words[2]}")
                elif line.startswith("create ") and not words[1].endswith("-t"):
                    lines.append(line.removesuffix(" -exist"))
    return parse_ipset_save("\n".join(lines))


@cache
def listed(text: str) -> str:
    """What the kernel makes of a file for nft, as JSON."""
    done = subprocess.run(
        ["unshare", "--net", "sh", "-ec", "nft -f - && nft -j list ruleset"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_back(made: Artefact, posture: Posture, family: int) -> Ruleset:
    """The host with these rules and, under ``allow``, a foreign policy of DROP to open."""
    if made.target == "nftables":
        return parse_nft(listed(made.files["nodeprep.nft"]))
    if made.target in ("iptables", "ip6tables"):
        policy = "ACCEPT" if posture is Posture.ENFORCE else "DROP"
        rules = next(text for name, text in made.files.items() if name.endswith(".rules"))
        built_in = "".join(f":{name} {policy} [0:0]\n" for name in ("INPUT", "FORWARD"))
        jumps = "-A INPUT -j NODEPREP-INPUT\n-A FORWARD -j NODEPREP-FORWARD\nCOMMIT"
        text = rules.replace("*filter\n", f"*filter\n{built_in}").replace("COMMIT", jumps)
        return parse_iptables_save(text, "iptables-nft", family, ipsets(made))
    if made.target == "ufw":
        return read_ufw(made, posture, family)
    return parse_firewalld(firewalld_files(made, posture))


def read_ufw(
    made: Artefact,
    posture: Posture,
    family: int,
    *,
    own: Mapping[str, str] | None = None,
    commands: tuple[str, ...] = (),
) -> Ruleset:
    """``own``: ufw's files before ours; without them, ones that open nothing."""
    name = "before.rules" if family == 4 else "before6.rules"
    prefix = "ufw" if family == 4 else "ufw6"
    before = (own or {}).get(name, UFW_EMPTY.replace("ufw-", f"{prefix}-"))
    forward = "ACCEPT" if posture is Posture.ENFORCE else "DROP"
    files = {
        **(own or {}),
        name: put(before, made.files[name]),
        "/etc/default/ufw": f'IPV6=yes\nDEFAULT_FORWARD_POLICY="{forward}"\n',
    }
    return parse_ufw(files, family, ipsets(made), commands=commands)


def firewalld_files(made: Artefact, posture: Posture) -> dict[str, str]:
    """Under ``enforce`` the zone lets everything in, else nothing: ours alone decide."""
    target = "ACCEPT" if posture is Posture.ENFORCE else "DROP"
    zone = PUBLIC.format(target)
    if posture is Posture.ALLOW:
        zone = zone.replace('<service name="ssh"/>', "")
    return {**made.files, "zones/public.xml": zone, "services/ssh.xml": SSH}


def of_machine(names: tuple[str, ...], directory: str) -> dict[str, str]:
    """Files of this machine's packages."""
    return {name: Path(directory, name).read_text(encoding="utf-8") for name in names}
