"""What the author of the policy does not want, in their own conditions. These can only deny."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.condition import Condition

if TYPE_CHECKING:
    from mlsign.policy.cel import Answer, VariableValue

CODE: Final = "MLS420"
MAX_TEXTS: Final = 10_000
_LARGEST: Final = 2**63 - 1


def check(evidence: Evidence, settings: tuple[Condition, ...], *, now: datetime) -> tuple[Finding, ...]:
    """A finding for each condition: a pass when it is false, a failure when it is true, unknown in every other case."""
    if not settings:
        return ()
    from mlsign.policy.cel import evaluate

    values = variables(evidence, now=now)
    return tuple(_judge(item, *evaluate(item.when, values)) for item in settings)


def variables(evidence: Evidence, *, now: datetime) -> dict[str, VariableValue]:
    """What conditions see. What is not known, or longer than ``MAX_TEXTS``, is not there.

    Signatures are not among it: a condition on them could make one less turn a denial into an allowance.
    """
    out: dict[str, VariableValue] = {"now": now}
    if evidence.digest is not None:
        out["digest"] = str(evidence.digest)
    if evidence.manifest is not None:
        out["manifest.name"] = evidence.manifest.name
        out["manifest.version"] = evidence.manifest.version.text
        out["manifest.license"] = evidence.manifest.license or ""
        out["manifest.description"] = evidence.manifest.description or ""
        out["manifest.files"] = tuple(str(entry.path) for entry in evidence.manifest.files)
    if evidence.summary is not None:
        summary = evidence.summary
        out["model.operators"] = tuple(str(use.operator) for use in summary.operators)
        out["model.inputs"] = tuple(value.name for value in summary.inputs)
        out["model.outputs"] = tuple(value.name for value in summary.outputs)
        out["model.nodes"] = summary.node_count
        out["model.parameters"] = summary.parameter_count
        out["model.parameter_bytes"] = summary.parameter_bytes
        if summary.bounds is not None and not summary.bounds.unknown:
            out["model.run_bytes"] = min(summary.bounds.peak_bytes, _LARGEST)
            out["model.run_steps"] = min(summary.bounds.steps, _LARGEST)
    return {name: value for name, value in out.items() if not isinstance(value, tuple) or len(value) <= MAX_TEXTS}


def _judge(item: Condition, answer: Answer, reason: str) -> Finding:
    from mlsign.policy.cel import Answer

    outcome = {Answer.NO: Outcome.PASS, Answer.YES: Outcome.FAIL, Answer.UNKNOWN: Outcome.UNKNOWN}[answer]
    message = {
        Answer.NO: f"the rule {item.id} has nothing against this package",
        Answer.YES: f"the rule {item.id} denies: {shown(item.message)}",
        Answer.UNKNOWN: f"cannot tell whether the rule {item.id} denies ({shown(item.message)}): {reason}",
    }[answer]
    return Finding(code=CODE, outcome=outcome, message=message, where=f"rules.{item.id}")
