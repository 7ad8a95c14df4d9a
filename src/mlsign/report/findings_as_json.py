"""What a scan found as JSON, after ``schemas/findings.v1.schema.json``, and how findings and paths are spelled in JSON.

Apart from the other reports, whose imports a scan has no use for.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlsign.evidence.catalogue.addresses import page_of

if TYPE_CHECKING:
    from mlsign.actions.inspection.findings import Found
    from mlsign.evidence.findings import Finding
    from mlsign.policy.model import Policy

SCHEMA = "mlsign/findings/v1"


def render_found(found: Found) -> str:
    """What ``mlsign inspect --findings`` found, after ``schemas/findings.v1.schema.json``."""
    return dump(
        {
            "schema": SCHEMA,
            "decision": found.verdict.value,
            "mode": found.policy.mode.value,
            "path": spelled(found.path),
            "policy": policy_object(found.policy),
            "models": [
                {
                    "path": spelled(model.path),
                    "uri": reference(model.path),
                    "size": model.size,
                    "decision": model.verdict.value,
                    "findings": [finding_object(finding) for finding in model.findings],
                }
                for model in found.models
            ],
            "links": [spelled(link) for link in found.links],
        }
    )


def spelled(path: str) -> str:
    """A path as text that every JSON reader takes: bytes that are no UTF-8 become escapes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def reference(path: str) -> str:
    """The path as a relative reference (RFC 3986), byte for byte: the spelling that stands for one file alone."""
    return quote(path.encode("utf-8", "surrogateescape"))


def policy_object(policy: Policy) -> dict[str, Any]:
    """Which policy decided: its chain, what that loosens, and who signed it, where somebody asked."""
    lineage = policy.lineage
    return {
        "name": policy.name,
        "digest": str(policy.digest),
        "revision": policy.revision,
        "expires": None if policy.expires is None else f"{policy.expires:%Y-%m-%dT%H:%M:%SZ}",
        "signer": None if lineage.signer is None else lineage.signer.describe(),
        "chain": [{"name": link.name, "source": spelled(link.source), "digest": str(link.digest)} for link in lineage.chain],
        "loosened": [
            {
                "field": each.field,
                "reason": each.reason,
                "parent": spelled(each.parent),
                "child": spelled(each.child),
                "from": each.tight,
                "to": each.loose,
            }
            for each in lineage.loosened
        ],
    }


def finding_object(finding: Finding) -> dict[str, str]:
    """A finding as every format of ours spells it."""
    return {
        "code": finding.code,
        "outcome": finding.outcome.value,
        "message": finding.message,
        "where": finding.where,
        "expected": finding.expected,
        "found": finding.found,
        "cause": finding.cause,
        "hint": finding.hint,
        "page": page_of(finding.code),
    }


def dump(value: dict[str, Any]) -> str:
    """One document."""
    # ASCII only: a bidirectional override in a file name stays an escape in every log and terminal.
    # The runner of GitHub Actions takes ``##[`` for a command wherever it stands in the output of a step.
    return json.dumps(value, indent=2, ensure_ascii=True).replace("##[", r"##\u005b") + "\n"
