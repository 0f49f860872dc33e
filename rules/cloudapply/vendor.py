"""Calls of a vendor's own command (gcloud, az, openstack), every failure of which is one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from rules.cloudapply.failure import CloudError, Raced
from rules.cloudapply.things import VendorStep
from rules.errors import CommandError
from rules.record import record
from rules.run import run

MOST_SAID = 300
# They are programs of Python that load for a second, and wait for an operation of the cloud.
TIMEOUT_S = 120.0


@record
class Command:
    """A vendor's command. ``log_in``: what a person runs to be known to the cloud.

    ``always``: words behind every call. ``unknown``: how it says that nobody is logged in; ``gone``
    and ``there``: that a thing is not there, or there already.
    """

    program: str
    title: str
    install: str
    log_in: str
    always: tuple[str, ...]
    unknown: re.Pattern[str]
    gone: re.Pattern[str]
    there: re.Pattern[str]


# The words of HTTP clients and of the clouds' own errors.
_SLOW = re.compile(r"timed? ?out|ReadTimeout|ConnectTimeout|deadline exceeded", re.I)
_THROTTLED = re.compile(
    r"rateLimitExceeded|RATE_LIMIT|Rate Limit|TooManyRequests|too many requests|"
    r"HTTP 429|\(429\)|OverLimit|throttl|queries per minute",
    re.I,
)
_UNREACHED = re.compile(
    r"NameResolutionError|Name or service not known|Connection refused|Max retries exceeded|"
    r"Unable to establish connection|Network is unreachable|connection attempt.* failed|"
    r"Failed to establish a new connection|[Ss]erverNotFound|TransportError",
)
_DENIED = re.compile(
    r"AuthorizationFailed|PERMISSION_DENIED|[Rr]equired '[a-z.A-Z]+' permission|"
    r"HttpException: 403|\(HTTP 403\)|PolicyNotAuthorized|does not have authorization",
)


class Vendor:
    """One vendor's command, as this machine has it. ``timeout_s``: for one call of it."""

    def __init__(self, command: Command, timeout_s: float = TIMEOUT_S) -> None:
        self._command, self._timeout_s = command, timeout_s

    def call(self, words: Iterable[str]) -> str:
        """One call; what it printed. Raises CommandError where it is absent, Raced, CloudError."""
        said = list(words)
        command = self._command
        action = " ".join([command.program, *_names(said)])
        argv = [command.program, *said, *command.always]
        try:
            done = run(argv, timeout_s=self._timeout_s, ok=range(-255, 256))
        except CommandError as error:
            if error.reason == "absent":
                raise CommandError(
                    "absent",
                    f"{command.title} is changed by its own command, and {command.program} is not "
                    f"installed: {command.install}",
                ) from None
            if error.reason == "timeout":
                raise CloudError(
                    f"{action}: no answer within {self._timeout_s:g} s; --timeout takes more "
                    "seconds"
                ) from None
            # What execve says of one word above 128 KiB.
            if "Argument list too long" in str(error):
                raise CloudError(
                    f"{action}: a rule has more addresses than a command line holds; fewer a rule: "
                    "--quota ranges=N (Google), --quota addresses=N (Azure)"
                ) from error
            raise CloudError(f"{action}: {error}") from error
        if done.returncode:
            raise self._failure(action, done.stderr or done.stdout, done.returncode)
        return done.stdout

    def carry_out(self, step: VendorStep) -> None:
        """One step of a plan."""
        self.call(step.argv)

    def json(self, words: Iterable[str]) -> Any:
        """The JSON that a call prints. Raises CloudError where it prints something else."""
        said = list(words)
        text = self.call(said)
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            action = " ".join([self._command.program, *_names(said)])
            raise CloudError(f"{action}: it printed no JSON: {error.msg}") from None

    def items(self, words: Iterable[str]) -> list[dict[str, Any]]:
        """A list of objects. Raises CloudError where it is none."""
        said = list(words)
        found = self.json(said)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            action = " ".join([self._command.program, *_names(said)])
            raise CloudError(f"{action}: it printed no list of objects")
        return found

    def _failure(self, action: str, said: str, code: int) -> CloudError:
        command = self._command
        line = _said(said)
        end = f"({line[:MOST_SAID]})" if line else f"(it ended with {code} and said nothing)"
        if command.unknown.search(said):
            return CloudError(
                f"{action}: {command.program} knows no account here: {command.log_in} {end}"
            )
        if _THROTTLED.search(said):
            why = f"{command.title} throttles the calls of this account; run it again later"
            return CloudError(f"{action}: {why} {end}")
        if command.gone.search(said) or command.there.search(said):
            return Raced(f"{action}: {line[:MOST_SAID]}")
        if _DENIED.search(said):
            return CloudError(f"{action}: this account may not do it {end}")
        if _SLOW.search(said):
            return CloudError(f"{action}: {command.title} did not answer in time {end}")
        if _UNREACHED.search(said):
            return CloudError(f"{action}: {command.title} cannot be reached {end}")
        return CloudError(f"{action}: {command.title} refused it {end}")


def _names(words: list[str]) -> list[str]:
    """The words of a command before its arguments: ``compute firewall-rules create``."""
    found: list[str] = []
    for word in words:
        if word.startswith("-") or not re.fullmatch(r"[a-z-]+", word):
            break
        found.append(word)
    return found


def _said(text: str) -> str:
    """The line that says what is wrong, where a traceback or advice stands around it."""
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    wrong = [line for line in lines if re.match(r"ERROR|Error|.*(Exception|Error):", line)]
    return (wrong or lines or [""])[0]
