"""The text of a policy with the operator sets that it names. Its keys are not read here: judging models needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.decode import PolicyDocument, decode_policy
from mlsign.policy.hazards import decode_hazards
from mlsign.policy.model import Hazard
from mlsign.policy.operator_sets import decode_operator_set
from mlsign.roots.shipped import read_shipped

_BASELINE: Final = "baseline.yaml"


def read_policy_document(path: Path, *, limits: Limits = DEFAULT) -> PolicyDocument:
    """The policy at ``path``. Raises ``InputError`` (``policy.…``) with the line and what to do, and ``OutsideError``."""
    data, _ = read_user_file(path, max_bytes=limits.max_policy_bytes, what="policy")
    return decode_policy(data, name=path.name, operator_sets=load_operator_sets(), hazards=load_hazards(), limits=limits)


def shipped_baseline() -> PolicyDocument:
    """The policy ``baseline`` that travels with mlsign. Raises ``OutsideError`` where it is missing."""
    data = read_shipped("policies", _BASELINE)[_BASELINE]
    return decode_policy(data, name=_BASELINE, operator_sets=load_operator_sets(), hazards=load_hazards())


def load_operator_sets() -> dict[str, frozenset[OperatorId]]:
    """The operator sets that policies and ``pack --allow`` can name."""
    files = read_shipped("policies", "operators/*-v*.json")
    sets = (decode_operator_set(content, where=name) for name, content in files.items())
    return {found.name: found.operators for found in sets}


def load_hazards() -> dict[OperatorId, frozenset[Hazard]]:
    """The operators that do more than compute, from the catalogue that travels with mlsign."""
    name = "operators/properties.json"
    return decode_hazards(read_shipped("policies", name)[name], where=name)
