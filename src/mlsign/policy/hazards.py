"""Operators that do more than compute: read files, run code, reach the network. Written by hand, with a source for each.

The catalogue (``policies/operators/properties.json``) knows more properties than a policy acts on; those tell reviewers
what to think of before they allow an operator.
"""

from __future__ import annotations

from typing import Final

from mlsign.errors import InputError
from mlsign.interface import OperatorId, decode_operator
from mlsign.limits import DEFAULT, Limits
from mlsign.policy.model import Hazard
from mlsign.strict import Fields, decode_json

SCHEMA: Final = "mlsign/operator-properties/v1"
WHOLE_DOMAIN: Final = "*"
MAX_PROPERTIES: Final = 64
MAX_OPERATORS: Final = 4096

_HAZARDS: Final = {hazard.value: hazard for hazard in Hazard}


def decode_hazards(data: bytes, *, where: str = "", limits: Limits = DEFAULT) -> dict[OperatorId, frozenset[Hazard]]:
    """The operators with a hazard; one named ``*`` stands for its domain.

    Raises ``InputError`` (``operator_properties.…``, ``json.…``, ``operator.spelling``), also for a hazard that the catalogue
    does not explain: a word that was misspelled would be a hazard that nobody acts on.
    """
    document = decode_json(data, where=where, max_bytes=limits.max_policy_bytes, limits=limits)
    fields = Fields(document, where=where, format_name="operator_properties")
    fields.literal("schema", allowed=(SCHEMA,))
    fields.text("description")
    known = {name for name, _, _ in fields.entries("properties", maximum=MAX_PROPERTIES)}
    if missing := sorted(_HAZARDS.keys() - known):
        raise InputError(f"does not explain {missing[0]}", code="operator_properties.missing", where=where)
    out: dict[OperatorId, frozenset[Hazard]] = {}
    for name, value, place in fields.entries("operators", maximum=MAX_OPERATORS):
        entry = Fields(value, where=place, format_name="operator_properties")
        properties = entry.texts("properties", minimum=1, maximum=MAX_PROPERTIES)
        entry.text("source")
        entry.optional("note", entry.text)
        entry.done()
        if unknown := sorted(set(properties) - known):
            raise InputError(f"{unknown[0]} is no property", code="operator_properties.value", where=place)
        found = frozenset(_HAZARDS[word] for word in properties if word in _HAZARDS)
        if found:
            out[_operator(name)] = found
    fields.done()
    return out


def _operator(name: str) -> OperatorId:
    domain, _, rest = name.rpartition(":")
    return OperatorId(domain, WHOLE_DOMAIN) if rest == WHOLE_DOMAIN else decode_operator(name)
