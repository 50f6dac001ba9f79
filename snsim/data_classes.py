"""`dataclass` as in the standard library, but a frozen class is made in a third of the time.

The standard library compiles six methods of each frozen class from text, at every start of Python. A run defines 130
such classes, which took a quarter of the CPU time of a short run. Here only `__init__` is compiled. The other methods
are closures over the names of the fields. Types, options and behaviour are those of the standard library, which makes
all other classes: those with slots, those that can change, and those derived from another data class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")


class _Factory:
    """Stands in a signature for a default that a function makes."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


def _dataclass(cls: type[T] | None = None, /, *, frozen: bool = False, eq: bool = True, **options: Any) -> Any:
    """Return the class as a data class, or a decorator that does, like `dataclasses.dataclass`."""
    if cls is None:
        return lambda decorated: _dataclass(decorated, frozen=frozen, eq=eq, **options)
    if not frozen or options or any(dataclasses.is_dataclass(base) for base in cls.__mro__[1:]):
        return dataclasses.dataclass(frozen=frozen, eq=eq, **options)(cls)
    own = dict(vars(cls))
    dataclasses.dataclass(init=False, repr=False, eq=False)(cls)
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]
    methods = _frozen_methods(cls, {field.name for field in fields})
    methods["__init__"] = _init(cls, fields)
    methods["__repr__"] = _repr(fields)
    if eq:
        methods |= _comparing_methods(fields)
    for name, method in methods.items():
        kept = name in own and not (name == "__hash__" and own[name] is None and "__eq__" in own)
        if not kept:
            method.__qualname__ = f"{cls.__qualname__}.{name}"
            setattr(cls, name, method)
    cls.__dataclass_params__.frozen = True  # type: ignore[attr-defined]  # which derived classes look at
    cls.__dataclass_params__.eq = eq  # type: ignore[attr-defined]
    return cls


def _init(cls: type, fields: tuple[dataclasses.Field[Any], ...]) -> Callable[..., None]:
    """Return `__init__`, compiled: one argument for each field, in order, those by keyword only at the end."""
    names: dict[str, Any] = {"_put": object.__setattr__, "_factory": _FACTORY}
    arguments, by_keyword, lines = ["self"], ["*"], []
    for field in fields:
        name, default = field.name, ""
        value = name
        if field.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"], default = field.default_factory, "=_factory"
            value = f"_make_{name}() if {name} is _factory else {name}" if field.init else f"_make_{name}()"
        elif field.default is not dataclasses.MISSING:
            names[f"_default_{name}"], default = field.default, f"=_default_{name}"
        if field.init:
            (by_keyword if field.kw_only else arguments).append(name + default)
        if field.init or field.default_factory is not dataclasses.MISSING:
            lines.append(f" _put(self, {name!r}, {value})")
    if hasattr(cls, "__post_init__"):
        lines.append(" self.__post_init__()")
    head = ", ".join(arguments + (by_keyword if len(by_keyword) > 1 else []))
    exec(f"def __init__({head}):\n" + ("\n".join(lines) or " pass"), names)
    made: Callable[..., None] = names["__init__"]
    made.__annotations__ = {field.name: field.type for field in fields if field.init} | {"return": None}
    return made


def _repr(fields: tuple[dataclasses.Field[Any], ...]) -> Callable[[Any], str]:
    shown = [field.name for field in fields if field.repr]

    @recursive_repr()
    def represent(self: Any) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"

    return represent


def _comparing_methods(fields: tuple[dataclasses.Field[Any], ...]) -> dict[str, Callable[..., Any]]:
    """Return `__eq__` and `__hash__` by the values of the fields that compare."""
    names = [field.name for field in fields if field.compare]
    if len(names) > 1:
        values: Callable[[Any], Any] = attrgetter(*names)
    else:
        values = lambda value: tuple(getattr(value, name) for name in names)  # noqa: E731

    def equal(self: Any, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return {"__eq__": equal, "__hash__": lambda self: hash(values(self))}


def _frozen_methods(cls: type, names: set[str]) -> dict[str, Callable[..., Any]]:
    """Return the methods that refuse to change a field, and any attribute of the very class."""

    def put(self: Any, name: str, value: object) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def delete(self: Any, name: str) -> None:
        if type(self) is cls or name in names:
            raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    return {"__setattr__": put, "__delattr__": delete}


if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    dataclass = _dataclass
