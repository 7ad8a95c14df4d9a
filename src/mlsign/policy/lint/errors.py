"""All independent errors of a policy at once: at most one for each field at the top, which the decoder finds one by one.

After an error the field that it is in is set aside, with those that are read in its light, and the rest is decoded
again. Nothing is decided by what is left: a policy with an error is no policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError
from mlsign.policy.decoding.policy import API_VERSION, KIND, PolicyDocument
from mlsign.policy.decoding.yaml_source import Mapping, Node, Place, Scalar, Sequence
from mlsign.policy.lint.remark import Remark, Severity

MAX_ERRORS: Final = 50
_WHERE: Final = re.compile(r"(.*?):([0-9]{1,9}):([0-9]{1,9})(?: (.*))?", re.DOTALL)
_FIRST: Final = re.compile(r"[^.\[]+")
_DEPENDENT: Final = MappingProxyType({"digests": ("revoked",)})
"""Fields that are read in the light of another: what is said of them would be a consequence."""

_NOWHERE: Final = Place(source="", line=1, column=1)


def _scalar(text: str) -> Scalar:
    return Scalar(text=text, plain=False, place=_NOWHERE)


def _map(**entries: Node) -> Mapping:
    return Mapping(entries=tuple((_scalar(key), value) for key, value in entries.items()), place=_NOWHERE)


def _list(item: Node) -> Sequence:
    return Sequence(items=(item,), place=_NOWHERE)


_ONE: Final = Scalar(text="1", plain=True, place=_NOWHERE)
_SOUND: Final[MappingProxyType[str, Node]] = MappingProxyType(
    {
        "apiVersion": _scalar(API_VERSION),
        "kind": _scalar(KIND),
        "name": _scalar("name"),
        "signers": _list(_map(name=_scalar("name"), require=_ONE, any=_list(_map(key=_scalar("key"))))),
        "operators": _map(allow=_list(_scalar("ai.onnx:Gemm"))),
    }
)
"""What stands in for a required field while the others are read."""


def find_errors(node: Node, *, source: str, decode: Callable[[Node], PolicyDocument]) -> tuple[Remark, ...]:
    """What ``decode`` refuses about a policy: the first error of each top field, ``MAX_ERRORS`` at most; nothing for a sound one."""
    found: list[Remark] = []
    for _ in range(MAX_ERRORS):
        try:
            decode(node)
        except InputError as err:
            remark = remark_of(err, source=source)
            # What is said of a stand-in, or of loosening a field that was set aside, is a consequence.
            if remark.place.source and not (found and remark.code == "policy.loosens"):
                found.append(remark)
            rest = _without(node, remark.path)
            if rest is None or rest == node:
                break
            node = rest
        else:
            break
    return tuple(found)


def remark_of(error: InputError, *, source: str) -> Remark:
    """An error of the decoder as a remark, at the place that its ``where`` spells: in ``source``, or in a parent of it."""
    match = _WHERE.fullmatch(error.where)
    line, column = (int(match[2]), int(match[3])) if match else (1, 1)
    hint = f"the fields are {error.expected}" if error.code == "policy.unknown" and not error.hint else error.hint
    return Remark(
        code=error.code,
        severity=Severity.ERROR,
        place=Place(source=match[1] if match else source, line=line, column=column),
        path=(match[4] or "") if match else "",
        message=error.message.replace(f", line {line} column {column}", ""),
        hint=hint,
    )


def _without(node: Node, path: str) -> Node | None:
    """The policy without the top field of ``path``, or with something sound in its place; None where that is not to be had."""
    match = _FIRST.match(path)
    if match is None or not isinstance(node, Mapping):
        return None
    gone = (match[0], *_DEPENDENT.get(match[0], ()))
    kept = tuple((key, value) for key, value in node.entries if key.text not in gone)
    sound = tuple((_scalar(name), _SOUND[name]) for name in gone if name in _SOUND)
    return replace(node, entries=kept + sound)
