"""Frozen dataclasses that cost nothing until somebody asks for their machinery.

``dataclasses.dataclass`` compiles five methods for every class when its module is imported: about
0.7 ms a class, 45 ms for the classes of one `nodeprep check`, a fifth of its whole run. ``record``
shares its methods among all classes and makes the field descriptions (which ``fields``,
``replace`` and ``is_dataclass`` use) on first use. For the type checker it is ``dataclass``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as record
    from dataclasses import field
else:
    from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field
    from inspect import get_annotations

    class _Fields:
        """``__dataclass_fields__`` of a record: made by the real machinery when first read."""

        def __get__(self, instance: Any, owner: type) -> dict[str, Any]:
            body = {"__annotations__": get_annotations(owner), "__module__": owner.__module__}
            body.update(owner.__record_defaults__)
            body.update(
                {
                    name: field(default_factory=make)
                    for name, make in owner.__record_factories__.items()
                }
            )
            made = dataclass(frozen=True)(type(owner.__name__, (), body)).__dataclass_fields__
            owner.__dataclass_fields__ = made
            return made

    def _init(self: Any, *args: Any, **kwargs: Any) -> None:
        kind = type(self)
        names = kind.__match_args__
        values = self.__dict__
        if not kwargs and len(args) == len(names):
            values.update(zip(names, args, strict=True))
            return
        if len(args) > len(names) or not kwargs.keys() <= kind.__record_names__:
            strange = sorted(kwargs.keys() - kind.__record_names__)
            raise TypeError(f"{kind.__name__} takes {', '.join(names)}; not {strange or args!r}")
        values.update(kind.__record_defaults__)
        values.update(zip(names, args, strict=False))
        if args and kwargs and any(name in kwargs for name in names[: len(args)]):
            raise TypeError(f"{kind.__name__} got a value twice")
        values.update(kwargs)
        if len(values) < len(names):
            for name, make in kind.__record_factories__.items():
                if name not in values:
                    values[name] = make()
            if missing := [name for name in names if name not in values]:
                raise TypeError(f"{kind.__name__} needs {', '.join(missing)}")

    def _eq(self: Any, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def _hash(self: Any) -> int:
        values = self.__dict__
        return hash((type(self), *[values[name] for name in self.__match_args__]))

    def _repr(self: Any) -> str:
        values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({values})"

    def _frozen_set(self: Any, name: str, _value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _frozen_delete(self: Any, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def record(cls: type | None = None, *, frozen: bool = True) -> Any:
        """As ``dataclass(frozen=True)``, without inheritance of fields."""
        if cls is None:
            return record
        if not frozen:
            raise TypeError("a record is frozen")
        names = tuple(get_annotations(cls))
        defaults, factories = {}, {}
        for name in names:
            value = cls.__dict__.get(name, MISSING)
            if isinstance(value, Field):
                delattr(cls, name)
                if value.default_factory is not MISSING:
                    factories[name] = value.default_factory
                value = value.default
            if value is not MISSING:
                defaults[name] = value
        cls.__match_args__ = names
        cls.__record_names__ = frozenset(names)
        cls.__record_defaults__, cls.__record_factories__ = defaults, factories
        cls.__dataclass_fields__ = _Fields()
        cls.__init__, cls.__eq__, cls.__hash__ = _init, _eq, _hash
        cls.__repr__ = _repr
        cls.__setattr__, cls.__delattr__ = _frozen_set, _frozen_delete
        return cls


__all__ = ["field", "record"]
