"""What ``diff`` found, as JSON after ``schemas/diff.v1.schema.json``."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from mlsign.report.findings_as_json import dump, finding_object, policy_object

if TYPE_CHECKING:
    from mlsign.actions.comparison.difference import Behaviour, Difference, PolicyDifference, Side, WeightsDifference
    from mlsign.compare.facts import FieldChange
    from mlsign.compare.graphs.result import GraphDifference, LoneNode, NodeRef
    from mlsign.evidence.record import MeasuredOutput

DIFF_SCHEMA: Final = "mlsign/diff/v1"


def render_difference(found: Difference) -> str:
    """The whole difference; nothing is cut short."""
    return dump(
        {
            "schema": DIFF_SCHEMA,
            "same": found.is_same,
            "same_model": found.same_model,
            "renamed_only": found.is_renamed_only,
            "before": _side(found.before),
            "after": _side(found.after),
            "interface": {
                "breaking": found.is_breaking,
                "changes": [
                    {
                        "side": change.side.value,
                        "name": change.name,
                        "kind": change.kind.value,
                        "effect": change.effect.value,
                        "before": change.before,
                        "after": change.after,
                        "reason": change.reason,
                    }
                    for change in found.interface
                ],
            },
            "problems": {
                "both": list(found.problems.both),
                "added": list(found.problems.added),
                "removed": list(found.problems.removed),
            },
            "operators": [
                {"domain": each.operator.domain, "name": each.operator.name, "before": each.before, "after": each.after}
                for each in found.operators
            ],
            "opsets": _fields(found.opsets),
            "graph": _graph(found.graph),
            "weights": _weights(found.weights),
            "behaviour": _behaviour(found.behaviour),
            "manifest": _fields(found.manifest),
            "signers": {
                "authenticated": found.authenticated,
                "both": list(found.signers.both),
                "added": list(found.signers.added),
                "removed": list(found.signers.removed),
            },
            "files": None
            if found.files is None
            else {"added": list(found.files.added), "removed": list(found.files.removed), "changed": list(found.files.changed)},
            "metadata": _fields(found.metadata),
            "notes": _fields(found.notes),
            "policy": None if found.policy is None else _policy(found.policy),
        }
    )


def _side(side: Side) -> dict[str, Any]:
    return {
        "path": side.path,
        "name": side.name,
        "version": side.version,
        "model_path": side.model_path,
        "model_bytes": side.model_bytes,
        "parameters": side.parameters,
    }


def _fields(changes: tuple[FieldChange, ...]) -> list[dict[str, Any]]:
    return [{"field": change.field, "before": change.before, "after": change.after} for change in changes]


def _graph(graph: GraphDifference) -> dict[str, Any]:
    return {
        "same": graph.is_same,
        "approximate": graph.approximate,
        "nodes_before": graph.before,
        "nodes_after": graph.after,
        "identical": graph.identical,
        "added": list(map(_lone, graph.added)),
        "removed": list(map(_lone, graph.removed)),
        "changed": [
            {
                "before": _node(change.before),
                "after": _node(change.after),
                "attributes": _fields(change.attributes),
                "inputs": _fields(change.inputs),
            }
            for change in graph.changed
        ],
        "outputs": _fields(graph.outputs),
        "functions": _fields(graph.functions),
        "renamed": {
            "nodes": graph.renames.nodes,
            "values": graph.renames.values,
            "weights": graph.renames.weights,
            "examples": [{"before": before, "after": after} for before, after in graph.renames.examples],
        },
    }


def _node(node: NodeRef) -> dict[str, Any]:
    return {"where": node.where, "operator": node.operator, "name": node.name}


def _lone(found: LoneNode) -> dict[str, Any]:
    return {
        **_node(found.node),
        "takes_from": list(found.takes_from),
        "gives_to": list(found.gives_to),
        "nodes_inside": found.inside,
    }


def _weights(weights: WeightsDifference) -> dict[str, Any]:
    return {
        "same": weights.is_same,
        "identical": weights.identical,
        "changed": [
            {
                "before": change.before,
                "after": change.after,
                "types": list(change.types),
                "change": "not compared" if change.difference is None else change.difference.change.value,
                "transposed": change.transposed,
                "problem": change.problem,
                **_numbers(change.difference, ("elements", "different", "largest", "mean", "relative_l2")),
                **_numbers(change.difference, ("zeros", "unmeasured", "clipped")),
            }
            for change in weights.changed
        ],
        "added": list(weights.added),
        "removed": list(weights.removed),
    }


def _behaviour(found: Behaviour) -> dict[str, Any]:
    return {
        "ran": found.ran.value,
        "inputs": list(found.inputs),
        "outputs": [_output(output) for output in found.outputs],
        "problems": list(found.problems),
    }


def _output(output: MeasuredOutput) -> dict[str, Any]:
    odd = output.difference
    return {
        "name": output.output,
        "same": odd is None,
        **_numbers(output, ("compared", "unequal", "too_far", "absolute", "relative", "ulps")),
        "difference": None if odd is None else {"message": odd.message, "before": odd.expected, "after": odd.found},
    }


def _numbers(found: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Numbers by name; null where there is none, and for what JSON has no number for."""
    values = {name: getattr(found, name, None) for name in names}
    return {name: value if value is None or isfinite(value) else None for name, value in values.items()}


def _policy(found: PolicyDifference) -> dict[str, Any]:
    return {
        "policy": policy_object(found.before.policy),
        "before": found.before.decision.verdict.value,
        "after": found.after.decision.verdict.value,
        "alters_decision": found.alters_decision,
        "appeared": [finding_object(finding) for finding in found.appeared],
        "disappeared": [finding_object(finding) for finding in found.disappeared],
    }
