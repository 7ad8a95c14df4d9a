"""``dataclass(frozen=True, slots=True)`` of the standard library, for classes that are made in a quarter of the time.

The standard library writes six methods for each class as text and compiles them, a third of a millisecond in all, and a command
makes more than a hundred such classes before it does anything. Here only ``__init__`` is written; the other methods are made of
functions that are there. What the classes do is the same, and types see the decorator of the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, FrozenInstanceError, fields
from dataclasses import dataclass as _standard
from functools import partial
from operator import attrgetter, eq, ge, gt, le, lt
from typing import TYPE_CHECKING, Any, Final, NoReturn

__all__ = ["dataclass"]

_set: Final = object.__setattr__


def _quick(*, frozen: bool, slots: bool, kw_only: bool = False, eq: bool = True, order: bool = False) -> Callable[[type], type]:
    if not (frozen and slots):
        raise TypeError("only frozen dataclasses with slots are made here")
    return partial(_made, kw_only=kw_only, eq=eq, order=order)


def _made(cls: type, *, kw_only: bool, eq: bool, order: bool) -> type:
    # Else the standard library makes one of the signature, and reads that off a text.
    cls.__doc__ = cls.__doc__ or cls.__name__
    out: type = _standard(init=False, repr=False, eq=False, slots=True, kw_only=kw_only)(cls)
    every = fields(out)
    if hasattr(cls, "__post_init__") or not all(each.init for each in every):
        raise TypeError("every field is given by the caller, and nothing is done to it")
    methods = {
        "__init__": _init(cls, every, star="*," if kw_only and every else ""),
        "__repr__": _repr(every),
        **(_equality(every) if eq else {}),
        **(_order(every) if order else {}),
        "__setattr__": _refuse_setting,
        "__delattr__": _refuse_deleting,
        "__getstate__": _state,
        "__setstate__": _set_state,
    }
    for name, method in methods.items():
        if name not in cls.__dict__:
            setattr(out, name, method)
    return out


def _init(cls: type, every: tuple[Field[Any], ...], *, star: str) -> Callable[..., None]:
    known: dict[str, Any] = {"_set": _set, "_absent": MISSING}
    parameters, lines = [], []
    for index, each in enumerate(every):
        name = value = each.name
        if each.default is not MISSING:
            known[f"_default{index}"] = each.default
            parameters.append(f"{name}=_default{index}")
        elif each.default_factory is not MISSING:
            known[f"_default{index}"] = each.default_factory
            parameters.append(f"{name}=_absent")
            value = f"_default{index}() if {name} is _absent else {name}"
        else:
            parameters.append(name)
        lines.append(f" _set(self, {name!r}, {value})\n")
    text = f"def __init__(self,{star}{','.join(parameters)}):\n" + ("".join(lines) or " pass")
    exec(text, known)  # noqa: S102 - made of the names of fields, which are ours
    init: Callable[..., None] = known["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.__annotations__ = {**{each.name: each.type for each in every}, "return": None}
    return init


def _repr(every: Iterable[Field[Any]]) -> Callable[[Any], str]:
    names = [each.name for each in every if each.repr]
    return lambda value: f"{type(value).__qualname__}({', '.join([f'{name}={getattr(value, name)!r}' for name in names])})"


def _equality(every: Iterable[Field[Any]]) -> dict[str, Callable[..., Any]]:
    compared = _getter([each.name for each in every if each.compare])
    hashed = _getter([each.name for each in every if (each.compare if each.hash is None else each.hash)])
    return {"__eq__": _comparison(eq, compared), "__hash__": lambda value: hash(hashed(value))}


def _order(every: Iterable[Field[Any]]) -> dict[str, Callable[..., Any]]:
    compared = _getter([each.name for each in every if each.compare])
    return {f"__{way.__name__}__": _comparison(way, compared) for way in (lt, le, gt, ge)}


def _comparison(way: Callable[[Any, Any], bool], compared: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], bool]:
    return lambda value, other: way(compared(value), compared(other)) if other.__class__ is value.__class__ else NotImplemented


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    return attrgetter(*names) if len(names) > 1 else lambda value: tuple([getattr(value, name) for name in names])


def _refuse_setting(_: object, name: str, __: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(_: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _state(value: Any) -> list[Any]:
    return [getattr(value, each.name) for each in fields(value)]


def _set_state(value: Any, state: list[Any]) -> None:
    for each, item in zip(fields(value), state, strict=True):
        _set(value, each.name, item)


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = _quick
