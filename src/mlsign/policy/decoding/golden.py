"""The ``golden`` section of a policy."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.formats.platform import PLATFORM
from mlsign.policy.decoding.fields import (
    PolicyFields,
    kind_of,
    nearest,
    read_boolean,
    read_items,
    read_seconds,
    read_text,
    refusal,
)
from mlsign.policy.decoding.signers import GroupDocument, decode_accepted
from mlsign.policy.decoding.yaml_source import Node, Scalar
from mlsign.policy.golden import GoldenSettings

MAX_RTOL: Final = 1.0
MAX_ATOL: Final = 1_000_000.0
MAX_SECONDS: Final = 3600.0
MAX_PLATFORMS: Final = 64
RUNTIMES: Final = ("onnxruntime", "reference")
DEFAULT_RUNTIMES: Final = ("onnxruntime",)
"""What scores: a run by another one says what the model means, and not what scoring will answer."""
_NAMES: Final = ("required", "replay", "max_rtol", "max_atol", "time", "platforms", "runtimes", "run_by")
_OTHER_NAMES: Final = MappingProxyType(
    {
        **dict.fromkeys(("x86_64", "x86-64"), "amd64"),
        **dict.fromkeys(("aarch64", "arm64/v8"), "arm64"),
        **dict.fromkeys(("i386", "i686"), "386"),
        "armv6l": "arm/v6",
        "armv7l": "arm/v7",
    }
)
"""What kernels, and some tools, call architectures that runs name otherwise: no run will ever be on such a platform."""
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,6})(?:\.[0-9]{1,12})?(?:e-[1-9][0-9]?)?", re.ASCII)


def decode_golden(node: Node, path: str) -> tuple[GoldenSettings, tuple[GroupDocument, ...]]:
    """The demands, and who may sign runs, still by the paths of their keys; a replay and signed runs ask for data as well.

    Raises ``InputError`` (``policy.golden``, ``policy.range``, …).
    """
    fields = PolicyFields(node, path=path, names=_NAMES)
    required = fields.optional("required", read_boolean)
    replay = fields.optional("replay", read_boolean) or False
    if not (required or replay or fields.has("platforms")):
        hint = "add required: true, replay: true or platforms, or leave golden out"
        raise _idle_field(fields) or fields.wrong("asks for nothing", code="golden", hint=hint)
    if required is False:
        raise fields.wrong(
            "needs golden data and does not require any", code="golden", name="required", hint="say required: true"
        )
    if fields.has("time") and not replay:
        raise fields.wrong("is for a replay, and there is none", code="golden", name="time", hint="add replay: true")
    default = GoldenSettings()
    rtol = fields.optional("max_rtol", lambda n, p: _read_number(n, p, maximum=MAX_RTOL))
    atol = fields.optional("max_atol", lambda n, p: _read_number(n, p, maximum=MAX_ATOL))
    platforms, runtimes, runners = _decode_runs(fields)
    settings = GoldenSettings(
        required=True,
        replay=replay,
        max_rtol=default.max_rtol if rtol is None else rtol,
        max_atol=default.max_atol if atol is None else atol,
        replay_seconds=fields.optional("time", lambda n, p: read_seconds(n, p, maximum=MAX_SECONDS)) or default.replay_seconds,
        platforms=platforms,
        runtimes=runtimes,
    )
    return settings, runners


def _idle_field(fields: PolicyFields) -> InputError | None:
    """The error for a field that says something about signed runs where none are asked for."""
    name = next((name for name in ("run_by", "runtimes") if fields.has(name)), None)
    if name is None:
        return None
    return fields.wrong("says nothing without platforms", code="golden", name=name, hint="add platforms: [linux/amd64]")


def _decode_runs(fields: PolicyFields) -> tuple[tuple[str, ...], tuple[str, ...], tuple[GroupDocument, ...]]:
    """Platforms, runtimes, and who may sign. Nobody may by default: a run is worth what whoever signed it is worth."""
    if not fields.has("platforms"):
        if (idle := _idle_field(fields)) is not None:
            raise idle
        return (), (), ()
    platforms = fields.take("platforms")
    if not fields.has("run_by"):
        raise fields.wrong(
            "names nobody who may sign the runs", code="golden", name="run_by", hint="add run_by: [{key: keys/lab.pub}]"
        )
    return (
        _each_once(*platforms, _read_platform),
        fields.optional("runtimes", lambda n, p: _each_once(n, p, _read_runtime)) or DEFAULT_RUNTIMES,
        (decode_accepted(*fields.take("run_by"), name="runners"),),
    )


def _each_once(node: Node, path: str, read: Callable[[Node, str], str]) -> tuple[str, ...]:
    found: list[str] = []
    for item, where in read_items(node, path, minimum=1, maximum=MAX_PLATFORMS):
        text = read(item, where)
        if text in found:
            raise refusal(f"{text} stands twice", item.place, where, code="golden", found=text)
        found.append(text)
    return tuple(found)


def _read_platform(node: Node, path: str) -> str:
    text = read_text(node, path, maximum=128)
    system, _, architecture = text.partition("/")
    other = _OTHER_NAMES.get(architecture)
    if not PLATFORM.fullmatch(text) or other is not None:
        wanted = "linux/amd64" if other is None else f"{system}/{other}"
        raise refusal(
            "is no platform as container images spell it",
            node.place,
            path,
            code="golden",
            expected=wanted,
            found=text,
            hint=f"write {shown(wanted)}" if other is not None else "write it as linux/amd64",
        )
    return text


def _read_runtime(node: Node, path: str) -> str:
    text = read_text(node, path, maximum=128)
    if text not in RUNTIMES:
        wanted = " or ".join(RUNTIMES)
        raise refusal(
            f"is not {wanted}", node.place, path, code="golden", expected=wanted, found=text, near=nearest(text, RUNTIMES)
        )
    return text


def _read_number(node: Node, path: str, *, maximum: float) -> float:
    """A number in plain decimal, perhaps with a negative exponent: ``0.001`` or ``1e-3``."""
    if not isinstance(node, Scalar) or not node.plain or not _NUMBER.fullmatch(node.text):
        text = node.text if isinstance(node, Scalar) else kind_of(node)
        raise refusal("is not a number as 0.001 or 1e-3", node.place, path, code="type", found=text)
    value = float(node.text)
    if value > maximum:
        raise refusal(f"is {value:g}, expected 0 to {maximum:g}", node.place, path, code="range", found=node.text)
    return value
