# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""The nodeprep program on the node: called with ``-o json``, its document given back."""

from __future__ import annotations

import json
import os
import time

SCHEMA_VERSION = 1
CACHE_VARIABLE = "NODEPREP_CACHE_DIR"
# Exit codes of the contract with which there is a document: done, failed, undetermined.
_WITH_DOCUMENT = (0, 1, 3)
_COUNTED = ("fail", "warn", "unknown")


def common_arguments():
    """The options that every module takes."""
    return dict(
        executable=dict(type="str", default="nodeprep"),
        config=dict(type="path"),
        kubeadm_config=dict(type="path"),
    )


def role_arguments():
    """The options of the modules that are about a role."""
    return dict(
        common_arguments(),
        role=dict(type="str", required=True, choices=["master", "multi-master", "worker", "etcd"]),
        kubernetes_version=dict(type="str"),
        cni=dict(type="str"),
    )


class Nodeprep:
    """Runs the program for a module. ``spent_ms``: how long its processes took, together."""

    def __init__(self, module):
        self.module = module
        self.spent_ms = 0.0
        self._program = module.get_bin_path(
            module.params["executable"], required=True, opt_dirs=["/usr/local/bin"]
        )

    def flags(self, *names):
        """The options of these names as flags; one that is not given is none."""
        found = []
        for name in names:
            value = self.module.params[name]
            flag = "--" + name.replace("_", "-")
            if value is True:
                found.append(flag)
            elif isinstance(value, list):
                if value:
                    found.append("{}={}".format(flag, ",".join(value)))
            # By identity, as 0 is a value and equals False.
            elif value is not None and value is not False and value != "":
                # With = also a value that begins with a dash is a value.
                found.append(f"{flag}={value}")
        return found

    def flags_but(self, *names):
        """All options as flags, but these and C(executable)."""
        return self.flags(
            *(name for name in self.module.argument_spec if name not in (*names, "executable"))
        )

    def changing(self, words):
        """The document of a command that changes something; in check mode of its dry run."""
        more = ["--dry-run"] if self.module.check_mode else []
        if self.module._diff:
            more.append("--diff")
        return self.read(words + more)

    def read(self, words):
        """The document that a command prints. Ends the module where it prints none."""
        argv = [self._program, *words, "-o", "json"]
        started = time.time()
        variables = {"NO_COLOR": "1"}
        if self.module.check_mode and CACHE_VARIABLE not in os.environ:
            # The single file keeps no compiled code: nothing is written.
            variables[CACHE_VARIABLE] = ""
        code, out, err = self.module.run_command(
            # A ~ or a $ in a value is a part of it.
            argv,
            environ_update=variables,
            expand_user_and_vars=False,
        )
        self.spent_ms += (time.time() - started) * 1000
        try:
            document = json.loads(out)
        except ValueError:
            document = None
        if code not in _WITH_DOCUMENT or not isinstance(document, dict):
            self.module.fail_json(
                msg=_reason(err) or f"{self._program} printed nothing that is understood",
                cmd=argv,
                rc=code,
                stdout=out,
                stderr=err,
            )
        if document.get("schema_version") != SCHEMA_VERSION:
            self.module.fail_json(
                msg="{} speaks schema version {}, and this collection knows {}: use those of one "
                "release".format(self._program, document.get("schema_version"), SCHEMA_VERSION),
                cmd=argv,
                rc=code,
            )
        return document

    def result(self, document, *names):
        """What a module returns of a document: ``changed``, the times, and these members."""
        found = {name: document.get(name) for name in names}
        found["changed"] = bool(document.get("changed"))
        found["nodeprep_ms"] = round(self.spent_ms, 1)
        if "changes" in names and self.module._diff:
            found["diff"] = differences(document["changes"])
        return found


def differences(changes):
    """The contract's changes as Ansible shows them: one item an object."""
    return [
        dict(
            before_header=change["object"],
            after_header=change["object"],
            before=_text(change["before"]),
            after=_text(change["after"]),
        )
        for change in changes
    ]


def counted(findings):
    """The findings that do not pass, and say something."""
    return [finding for finding in findings if finding["status"] in _COUNTED]


def sentence(verdict, findings):
    """One line for a person: the verdict, and what fails."""
    failing = [
        "{}: {}".format(finding["id"], finding["message"])
        for finding in findings
        if finding["status"] == "fail" and not finding["ignored"]
    ]
    return "; ".join([verdict, *failing])


def is_broken(verdict, fail_on):
    """Whether the verdict is one that the task is to fail on."""
    if fail_on == "undetermined":
        return verdict != "ready"
    return fail_on == "error" and verdict == "not-ready"


def _text(value):
    if not value:
        return ""
    return value if value.endswith("\n") else value + "\n"


def _reason(err):
    """What nodeprep said last; its lines begin with its name."""
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    own = [line for line in lines if line.startswith("nodeprep: ")] or lines[-1:]
    return own[-1] if own else ""
