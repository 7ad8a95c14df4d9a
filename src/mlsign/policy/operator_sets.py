"""Named operator sets: JSON files that policies refer to by name (``inference-v1``).

They are generated from the ONNX schemas, reviewed by hand and shipped; this decoder is strict because an
operator too many in a set is an operator too many in every policy that names it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.interface import OperatorId, decode_operator
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, decode_json

SCHEMA: Final = "mlsign/operator-set/v1"
MAX_OPERATORS: Final = 4096

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSet:
    """Operators under a name that never changes its meaning: a changed set gets a new name."""

    name: str
    operators: frozenset[OperatorId]


def decode_operator_set(data: bytes, *, where: str = "", limits: Limits = DEFAULT) -> OperatorSet:
    """The set. Raises ``InputError`` (``operator_set.…``, ``json.…``, ``operator.spelling``); an empty set is refused."""
    value = decode_json(data, where=where, max_bytes=limits.max_policy_bytes, limits=limits)
    fields = Fields(value, where=where, format_name="operator_set")
    fields.literal("schema", allowed=(SCHEMA,))
    name = fields.text("name", maximum=64)
    if not _NAME.fullmatch(name):
        raise fields.wrong(f"is {shown(name)}, expected words as in inference-v1", code="value", name="name", found=name)
    for words in ("description", "generated_from"):
        fields.optional(words, fields.text)
    fields.optional("generated_from", fields.text)
    texts = fields.texts("operators", minimum=1, maximum=MAX_OPERATORS, length=256)
    fields.done()
    operators = frozenset(decode_operator(text, where=f"{where}.operators" if where else "operators") for text in texts)
    if len(operators) != len(texts):
        raise InputError(
            "names an operator twice", code="operator_set.repeated", where=f"{where}.operators" if where else "operators"
        )
    return OperatorSet(name=name, operators=operators)
