"""The ``golden`` section of a policy."""

from __future__ import annotations

import re
from typing import Final

from mlsign.policy.fields import PolicyFields, kind_of, read_boolean, read_seconds, refusal
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.yaml_source import Node, Scalar

MAX_RTOL: Final = 1.0
MAX_ATOL: Final = 1_000_000.0
MAX_SECONDS: Final = 3600.0
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,6})(?:\.[0-9]{1,12})?(?:e-[1-9][0-9]?)?", re.ASCII)


def decode_golden(node: Node, path: str) -> GoldenSettings:
    """The demands; a replay asks for data to replay. Raises ``InputError`` (``policy.golden``, ``policy.range``, …)."""
    fields = PolicyFields(node, path=path, names=("required", "replay", "max_rtol", "max_atol", "time"))
    required = fields.optional("required", read_boolean)
    replay = fields.optional("replay", read_boolean) or False
    if not (required or replay):
        raise fields.wrong("asks for nothing", code="golden", hint="add required: true or replay: true, or leave golden out")
    if replay and required is False:
        raise fields.wrong(
            "replays golden data and does not require any", code="golden", name="required", hint="say required: true"
        )
    if fields.has("time") and not replay:
        raise fields.wrong("is for a replay, and there is none", code="golden", name="time", hint="add replay: true")
    default = GoldenSettings()
    rtol = fields.optional("max_rtol", lambda n, p: _read_number(n, p, maximum=MAX_RTOL))
    atol = fields.optional("max_atol", lambda n, p: _read_number(n, p, maximum=MAX_ATOL))
    return GoldenSettings(
        required=True,
        replay=replay,
        max_rtol=default.max_rtol if rtol is None else rtol,
        max_atol=default.max_atol if atol is None else atol,
        replay_seconds=fields.optional("time", lambda n, p: read_seconds(n, p, maximum=MAX_SECONDS)) or default.replay_seconds,
    )


def _read_number(node: Node, path: str, *, maximum: float) -> float:
    """A number in plain decimal, perhaps with a negative exponent: ``0.001`` or ``1e-3``."""
    if not isinstance(node, Scalar) or not node.plain or not _NUMBER.fullmatch(node.text):
        text = node.text if isinstance(node, Scalar) else kind_of(node)
        raise refusal("is not a number as 0.001 or 1e-3", node.place, path, code="type", found=text)
    value = float(node.text)
    if value > maximum:
        raise refusal(f"is {value:g}, expected 0 to {maximum:g}", node.place, path, code="range", found=node.text)
    return value
