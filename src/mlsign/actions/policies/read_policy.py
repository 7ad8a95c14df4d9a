"""The text of a policy, with those that it extends and the operator sets that it names. Its keys are not read here: judging models needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsign.actions.policies.files import PolicyFiles
from mlsign.digest import Digest
from mlsign.errors import InputError, shown
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, Limits
from mlsign.policy.decoding.extend_source import MAX_PARENTS, PolicySource, decode_source, parent_name
from mlsign.policy.decoding.fields import refusal
from mlsign.policy.decoding.policy import PolicyDocument, decode_policy, decode_policy_node
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.extend import Decode, combine
from mlsign.policy.hazards import decode_hazards
from mlsign.policy.model import Hazard
from mlsign.policy.operator_sets import decode_operator_set
from mlsign.roots.shipped import read_shipped

_BASELINE: Final = "baseline.yaml"


def read_policy_document(path: Path, *, files: PolicyFiles | None = None, limits: Limits = DEFAULT) -> PolicyDocument:
    """The policy at ``path`` with those that it extends. Every file that is read for it is kept by ``files``.

    Raises ``InputError`` (``policy.…``) with the line and what to do, and ``OutsideError``.
    """
    kept = files if files is not None else PolicyFiles(path)
    return combine(read_chain(kept, limits=limits), decoder_of(limits))


def shipped_baseline() -> PolicyDocument:
    """The policy ``baseline`` that travels with mlsign. Raises ``OutsideError`` where it is missing."""
    data = read_shipped("policies", _BASELINE)[_BASELINE]
    return decode_policy(data, name=_BASELINE, operator_sets=load_operator_sets(), hazards=load_hazards())


def decoder_of(limits: Limits) -> Decode:
    """How a text becomes a policy, with the operator sets and hazards that travel with mlsign."""
    sets, hazards = load_operator_sets(), load_hazards()

    def decode(node: Node, digest: Digest) -> PolicyDocument:
        return decode_policy_node(node, digest=digest, operator_sets=sets, hazards=hazards, limits=limits)

    return decode


def read_chain(files: PolicyFiles, *, limits: Limits) -> tuple[PolicySource, ...]:
    """The policy and its parents, the child first. Ends: each file is another one, and there are few of them.

    Raises as ``read_policy_document``.
    """
    sources = [decode_source(files.read_policy(limits=limits), name=files.path.name, limits=limits)]
    while (parent := sources[-1].parent) is not None:
        if len(sources) > MAX_PARENTS:
            raise refusal(f"makes a chain of more than {MAX_PARENTS} parents", parent.place, "extends", code="extends.depth")
        name = parent_name(sources[-1].name, parent)
        try:
            data = files.read_parent(name, shipped=parent.shipped, limits=limits)
        except InputError as err:
            raise refusal(
                f"{shown(name)} {'is missing' if err.code.endswith('.missing') else err.message}",
                parent.place,
                "extends",
                code="extends",
                found=name,
                hint=err.hint or "the path is relative to the policy that names it",
            ) from err
        sources.append(decode_source(data, name=name, limits=limits))
    return tuple(sources)


def load_operator_sets() -> dict[str, frozenset[OperatorId]]:
    """The operator sets that policies and ``pack --allow`` can name."""
    files = read_shipped("policies", "operators/*-v*.json")
    sets = (decode_operator_set(content, where=name) for name, content in files.items())
    return {found.name: found.operators for found in sets}


def load_hazards() -> dict[OperatorId, frozenset[Hazard]]:
    """The operators that do more than compute, from the catalogue that travels with mlsign."""
    name = "operators/properties.json"
    return decode_hazards(read_shipped("policies", name)[name], where=name)
