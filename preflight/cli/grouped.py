"""Options that several commands have in common, as one value.

The command takes the value as a keyword; on the command line are the options, in its place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any

Command = Callable[..., int]


def grouped(
    parameter: str,
    options: Mapping[str, tuple[Any, Any]],
    repeated: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Command], Command]:
    """A decorator for commands with this parameter: a dictionary of what the options were given.

    ``options``: name -> its type with its help, and what it is where it is not given. ``repeated``:
    those that may be repeated -> the plural's name, under which the dictionary has a tuple.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True).parameters

        @wraps(command)
        def called(**given: Any) -> int:
            said = {name: given.pop(name) for name in options}
            value = {
                repeated.get(name, name): tuple(text or ()) if name in repeated else text
                for name, text in said.items()
            }
            return command(**{parameter: value}, **given)

        keyword = inspect.Parameter.KEYWORD_ONLY
        parameters = []
        for name, one in own.items():
            if name == parameter:
                parameters += [
                    inspect.Parameter(option, keyword, default=default, annotation=kind)
                    for option, (kind, default) in options.items()
                ]
            else:
                parameters.append(one.replace(kind=keyword))
        # What typer reads.
        called.__dict__["__signature__"] = inspect.Signature(parameters, return_annotation=int)
        called.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": int}
        return called

    return decorate
