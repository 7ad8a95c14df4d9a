"""Conditions in CEL (the Common Expression Language): the only module that knows the library which evaluates them.

A condition is bounded before it runs: its length is, the library bounds how deep it nests, and macros that go over lists
are refused, and so are regular expressions that are not written out, so that evaluating takes time in proportion to the
condition and to what it is handed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from mlsign.errors import InputError, OutsideError, shown
from mlsign.policy.condition import MAX_CONDITION_CHARS

VariableValue: TypeAlias = str | int | datetime | tuple[str, ...]

# Names with dots are variables of their own: a misspelt one is then an error of the condition, not of its evaluation.
VARIABLES: Final = MappingProxyType(
    {
        "manifest.name": "STRING",
        "manifest.version": "STRING",
        "manifest.license": "STRING",
        "manifest.description": "STRING",
        "manifest.files": "TEXTS",
        "model.operators": "TEXTS",
        "model.inputs": "TEXTS",
        "model.outputs": "TEXTS",
        "model.nodes": "INT",
        "model.parameters": "INT",
        "model.parameter_bytes": "INT",
        "model.run_bytes": "INT",
        "model.run_steps": "INT",
        "digest": "STRING",
        "now": "TIMESTAMP",
    }
)
_LOOPS: Final = b"@result"
"""The accumulator of every macro that goes over a list, as it stands in the compiled form of a condition."""
_NUL: Final = "\x00"
_MATCHES: Final = re.compile(r"\bmatches\b", re.ASCII)
_WRITTEN_OUT: Final = re.compile(
    r"""matches\s*\(\s*(?:[rR](?:'[^'\n]*'|"[^"\n]*")|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\s*\)""", re.ASCII
)
_ERRORS: Final = (RuntimeError, TypeError, ValueError, OverflowError)


class Answer(Enum):
    """What a condition came to. Only a BOOL that is false is ``NO``."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def check_condition(text: str) -> None:
    """Returns for a condition that can be evaluated.

    Raises ``InputError`` (``cel.syntax``, ``cel.type``, ``cel.loop``, ``cel.pattern``) with the words of the library, and
    ``OutsideError`` (``cel.binding``) where it is not installed.
    """
    _compiled(text)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Any:
    """The condition, ready to be evaluated: decisions over and over ask the same ones."""
    if len(text) > MAX_CONDITION_CHARS:
        raise InputError(f"has {len(text)} characters, allowed are {MAX_CONDITION_CHARS}", code="cel.syntax")
    if _NUL in text:
        raise InputError("has a NUL, at which the library would stop reading", code="cel.syntax")
    try:
        found = _environment().compile(text)
        kind, form = found.return_type().name(), found.serialize()
    except _ERRORS as err:
        raise InputError(f"is no condition in CEL: {_words(err)}", code="cel.syntax") from err
    if _LOOPS in form:
        raise InputError(
            "goes over a list by a macro, which has no bound",
            code="cel.loop",
            hint="ask with in: 'ai.onnx:Loop' in model.operators",
        )
    if kind != "BOOL":
        raise InputError(f"is of the type {shown(kind)}, and only BOOL is a condition", code="cel.type")
    # A package that brings the expression decides what is denied, and one of 64 KiB takes ten seconds.
    if not all(_WRITTEN_OUT.match(text, use.start()) for use in _MATCHES.finditer(text)):
        raise InputError(
            "has a regular expression that is not written out",
            code="cel.pattern",
            hint="write it as manifest.name.matches('^fraud-'), or compare with ==, in, startsWith or contains",
        )
    return found


def evaluate(text: str, values: Mapping[str, VariableValue]) -> tuple[Answer, str]:
    """The answer, and for an unknown one the reason. What is left out of ``values`` is an error where it decides.

    So is a text with a NUL: the library ends it there, and the condition would be about another text.
    """
    try:
        compiled = _compiled(text)
        data = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items() if not _is_cut(value)}
        found = compiled.eval(data=data)
        kind, value = found.type().name(), found.value()
    except (*_ERRORS, InputError, OutsideError) as err:
        return Answer.UNKNOWN, _words(err)
    # The truth of a value of this library says nothing: that of an error is True as well.
    if kind == "BOOL" and value is False:
        return Answer.NO, ""
    if kind == "BOOL" and value is True:
        return Answer.YES, ""
    return Answer.UNKNOWN, _words(found)


def _is_cut(value: VariableValue) -> bool:
    """Whether the library would see less of a text than there is."""
    texts = (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
    return any(_NUL in text for text in texts)


def _words(told: object) -> str:
    """What the library says in several lines, in one."""
    return shown(" ".join(str(told).split()), limit=300)


def _environment() -> Any:
    try:
        from cel_expr_python import cel  # noqa: PLC0415 - a policy without rules has no need of it
    except ImportError as err:
        raise OutsideError(
            "rules of a policy need the package cel-expr-python, which is not installed",
            code="cel.binding",
            hint="pip install 'mlsign[cel]'",
        ) from err
    texts = cel.Type.List(cel.Type.STRING)
    kinds = {"STRING": cel.Type.STRING, "INT": cel.Type.INT, "TIMESTAMP": cel.Type.TIMESTAMP, "TEXTS": texts}
    return cel.NewEnv(variables={name: kinds[kind] for name, kind in VARIABLES.items()})
