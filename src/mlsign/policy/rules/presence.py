"""A folder without an ONNX model, under a policy that takes such folders."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.findings import Finding, Outcome

CODE: Final = "MLS411"


def check() -> tuple[Finding, ...]:
    """Says that nothing was inspected; runs only where the catalogue found that there is nothing to inspect."""
    message = "no file in it is named .onnx, and the policy takes such folders: nothing was inspected"
    return (Finding(code=CODE, outcome=Outcome.PASS, message=message),)
