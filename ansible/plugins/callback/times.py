# Copyright: the nodeprep authors
# Apache-2.0 (see LICENSE) or, as you like, the
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""What each task took and changed, and how much of it was nodeprep's own."""

from __future__ import annotations

DOCUMENTATION = r"""
name: times
type: aggregate
short_description: How long the tasks took, and nodeprep in them
version_added: 0.1.0
description:
  - At the end of a play it prints for each host how long its tasks took and how much of that
    nodeprep itself ran.
  - Enable it by C(ANSIBLE_CALLBACKS_ENABLED=nodeprep.kubernetes.times).
options:
  record:
    description:
      - A file to which each result is added, as one line of JSON.
    type: path
    env:
      - name: NODEPREP_ANSIBLE_RECORD
    ini:
      - section: callback_nodeprep_times
        key: record
"""

import json
import os
import time

from ansible.plugins.callback import CallbackBase

_KEPT = (
    "changed",
    "changes",
    "msg",
    "verdict",
    "findings",
    "stdout",
    "stderr",
    "rc",
    "dest",
    "path",
)


def _command_ms(result):
    """How long a command ran, where it was nodeprep itself."""
    argv, delta = result.get("cmd"), result.get("delta")
    if not (isinstance(argv, list) and argv and delta):
        return 0.0
    if os.path.basename(str(argv[0])) != "nodeprep":
        return 0.0
    hours, minutes, seconds = delta.rpartition(" ")[2].split(":")
    return ((int(hours) * 60 + int(minutes)) * 60 + float(seconds)) * 1000


class CallbackModule(CallbackBase):
    """Collects by host and task."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "nodeprep.kubernetes.times"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._started = {}
        self._tasks_ms = {}
        self._own_ms = {}

    def v2_runner_on_start(self, host, task):
        """A task begins on a host."""
        self._started[(host.get_name(), task._uuid)] = time.time()

    def v2_runner_on_ok(self, result):
        """It is done."""
        self._note(result, "ok")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """It failed."""
        self._note(result, "ignored" if ignore_errors else "failed")

    def v2_runner_on_unreachable(self, result):
        """The host did not answer."""
        self._note(result, "unreachable")

    def v2_runner_on_skipped(self, result):
        """It was not for this host."""
        self._note(result, "skipped")

    def v2_playbook_on_stats(self, stats):
        """The table."""
        for host in sorted(self._tasks_ms):
            self._display.display(
                f"{host}: tasks {self._tasks_ms[host] / 1000:.1f} s, of it nodeprep "
                f"{self._own_ms.get(host, 0) / 1000:.2f} s"
            )

    def _note(self, result, status):
        host, task = result._host.get_name(), result._task
        started = self._started.pop((host, task._uuid), None)
        took_ms = 0.0 if started is None else (time.time() - started) * 1000
        found = result._result
        own_ms = found.get("nodeprep_ms") or _command_ms(found)
        self._tasks_ms[host] = self._tasks_ms.get(host, 0.0) + took_ms
        self._own_ms[host] = self._own_ms.get(host, 0.0) + own_ms
        place = self.get_option("record")
        if not place:
            return
        line = {
            "host": host,
            "task": task.get_name(),
            "action": task.action,
            "status": status,
            "took_ms": round(took_ms, 1),
            "nodeprep_ms": round(own_ms, 1),
            "result": {name: found[name] for name in _KEPT if name in found},
        }
        with open(place, "a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
