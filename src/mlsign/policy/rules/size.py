"""How large a model may be: nodes bound the time to build a session, parameters bound its memory."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.policy.model import ModelSettings

NODES: Final = "MLS305"
PARAMETER_BYTES: Final = "MLS306"


def check(evidence: Evidence, settings: ModelSettings) -> tuple[Finding, ...]:
    """A finding for each cap that the policy sets."""
    summary = evidence.summary
    nodes = None if summary is None else summary.node_count
    size = None if summary is None else summary.parameter_bytes
    return (
        *_hold(nodes, settings.max_nodes, code=NODES, unit="nodes", name="model.max_nodes"),
        *_hold(
            size, settings.max_parameter_bytes, code=PARAMETER_BYTES, unit="parameter bytes", name="model.max_parameter_bytes"
        ),
    )


def _hold(found: int | None, cap: int | None, *, code: str, unit: str, name: str) -> tuple[Finding, ...]:
    if cap is None:
        return ()
    if found is None:
        message = f"the number of {unit} is not known: the model was not read"
        return (Finding(code=code, outcome=Outcome.UNKNOWN, message=message, expected=f"at most {cap}"),)
    return (
        Finding(
            code=code,
            outcome=Outcome.FAIL if found > cap else Outcome.PASS,
            message=f"the model has {found} {unit}, the policy allows {cap}",
            expected=f"at most {cap}",
            found=str(found),
            hint=f"raise {name} if a model of this size is meant to run here" if found > cap else "",
        ),
    )
