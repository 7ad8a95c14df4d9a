"""Options whose values are plain: a text, a path, a choice or a default, which take no library to be read.

typer reads every value through a model of pydantic, also where it is None, and that takes longer to be imported than a small package
to be verified. What is plain is taken here as it is there, and typer is asked for all that is not, and for every error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, Final, get_args, get_origin

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

_UNCLEAR: Final = object()


class PlainCommand(TyperCommand):
    """A command with plain values."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _plainly(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """A group with plain values among its own options."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _plainly(super().get_params(ctx))


class _PlainOption(TyperOption):
    def process_value(self, ctx: Any, value: Any) -> Any:
        return _processed(self, ctx, value, by_typer=super().process_value)


class _PlainArgument(TyperArgument):
    def process_value(self, ctx: Any, value: Any) -> Any:
        return _processed(self, ctx, value, by_typer=super().process_value)


_PLAIN: Final[dict[type, type]] = {TyperOption: _PlainOption, TyperArgument: _PlainArgument}


def _plainly(parameters: list[Any]) -> list[Any]:
    # typer makes the parameters of a command, and there is no place to tell it of which class.
    for each in parameters:
        each.__class__ = _PLAIN.get(type(each), type(each))
    return parameters


def _processed(parameter: Any, ctx: Any, value: Any, *, by_typer: Callable[[Any, Any], Any]) -> Any:
    plain = plain_value(parameter, value)
    if plain is _UNCLEAR or (parameter.required and parameter.value_is_missing(plain)):
        return by_typer(ctx, value)
    return plain if parameter.callback is None else parameter.callback(ctx, parameter, plain)


def is_plain(value: object) -> bool:
    """Whether ``plain_value`` had an answer."""
    return value is not _UNCLEAR


def plain_value(parameter: Any, value: Any) -> Any:
    """The value that typer would make of ``value``, where that is plain to see."""
    described = getattr(parameter, "type_descriptor", None)
    if described is None or described.parameter_info.parser is not None:
        return _UNCLEAR
    kind, settings = described.annotation, described.parameter_info
    many = parameter.multiple or parameter.nargs == -1
    if value is None:
        return () if many else None
    if not many:
        return _one(value, kind, settings)
    if get_origin(kind) is not list or not isinstance(value, list | tuple):
        return _UNCLEAR
    values = [_one(each, get_args(kind)[0], settings) for each in value]
    return values if all(map(is_plain, values)) else _UNCLEAR


def _one(value: Any, kind: Any, settings: Any) -> Any:
    if kind is Path:
        return _path(value, settings)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next((choice for choice in kind if value is choice or value == choice.value), _UNCLEAR)
    if type(value) is not kind or (kind not in (str, bool) and settings.clamp):
        return _UNCLEAR
    if kind in (int, float):
        low, high = settings.min, settings.max
        return value if (low is None or low <= value) and (high is None or value <= high) else _UNCLEAR
    return value if kind in (str, bool) else _UNCLEAR


def _path(value: Any, settings: Any) -> Any:
    looked_at = settings.exists or settings.writable or not settings.file_okay or not settings.dir_okay
    changed = settings.resolve_path or settings.allow_dash or settings.path_type is not None
    if looked_at or changed or not isinstance(value, str | Path):
        return _UNCLEAR
    # What cannot even be looked at is left to whoever opens it, who says why.
    readable = not settings.readable or os.access(value, os.R_OK) or not os.path.exists(value)  # noqa: PTH110 - which never raises
    return Path(value) if readable else _UNCLEAR
