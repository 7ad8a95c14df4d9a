"""What a scan found as SARIF 2.1.0, in the part of it that code scanning on GitHub reads.

One result for each finding that did not pass. A model is a binary file, so every result is at its first line, and the
place inside the model is the logical location. Nothing in it depends on the machine or on the time: the same models
under the same policy give the same bytes, and fingerprints follow a finding from one commit to the next.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from mlsign.actions.findings import Found, FoundModel
from mlsign.errors import shown
from mlsign.evidence.catalogue.entry import CodeEntry
from mlsign.evidence.catalogue.pages import ENTRIES, render_page
from mlsign.evidence.findings import Finding, Outcome
from mlsign.report.findings_as_json import reference

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_MAX_RESULTS: Final = 25_000
"""An upload with more is rejected (GitHub, "SARIF support for code scanning")."""
_MAX_DESCRIPTION_CHARS: Final = 1024
"""Longest description that GitHub shows; the whole page is in the help."""
_MAX_LINKS: Final = 100
_LEVELS: Final = {Outcome.FAIL: "error", Outcome.UNKNOWN: "warning"}
_SEVERITY: Final = "7.0"
_SEVERITIES: Final = {
    # reads or writes files outside of the model, or waits for ever
    **dict.fromkeys(("MLS310", "MLS314", "MLS318", "MLS319", "MLS362", "MLS363"), "9.1"),
    # runs foreign code, or is nothing but a carrier for it
    **dict.fromkeys(("MLS303", "MLS309", "MLS320", "MLS322"), "8.8"),
    # caps and versions of the policy, incomplete copies, and files that were only not read
    **dict.fromkeys(("MLS102", "MLS104", "MLS111", "MLS115", "MLS304", "MLS305", "MLS306", "MLS307", "MLS311", "MLS323"), "5.0"),
}
"""CVSS-like scores by which GitHub sorts alerts (above 9.0 critical, from 7.0 high, from 4.0 medium)."""


def render_found(found: Found, *, prefix: str, version: str) -> str:
    """The log. ``prefix`` is the folder of what was scanned below the root of the sources, empty where it is that root."""
    pairs = [(model, finding) for model in found.models for finding in model.wrong]
    # Where not all can be told, those that are certain go first. Sorting keeps the order within both.
    kept = (
        sorted(pairs, key=lambda pair: pair[1].outcome is not Outcome.FAIL)[:_MAX_RESULTS] if len(pairs) > _MAX_RESULTS else pairs
    )
    codes = sorted({finding.code for _, finding in kept})
    seen: Counter[str] = Counter()
    run = {
        "tool": {"driver": {"name": "mlsign", "version": version, "rules": [_rule(code) for code in codes]}},
        "invocations": [
            {"executionSuccessful": True, "toolExecutionNotifications": _notes(found, prefix, left=len(pairs) - len(kept))}
        ],
        "results": [_result(model, finding, rule=codes.index(finding.code), prefix=prefix, seen=seen) for model, finding in kept],
        "properties": {
            "decision": found.verdict.value,
            "mode": found.policy.mode.value,
            "policy": found.policy.name,
            "policyDigest": str(found.policy.digest),
            "models": len(found.models),
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=True) + "\n"


def _rule(code: str) -> dict[str, Any]:
    entry = ENTRIES.get(code) or CodeEntry(code=code, title=code, meaning=code, abuse="", action="")
    page = render_page(entry)
    return {
        "id": code,
        "name": "".join(word[:1].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", entry.title)),
        "shortDescription": {"text": entry.title[:1].upper() + entry.title[1:]},
        "fullDescription": {"text": _cut(entry.meaning)},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": ["security", "machine-learning", "onnx"],
            "precision": "high",
            "security-severity": _SEVERITIES.get(code, _SEVERITY),
        },
    }


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_DESCRIPTION_CHARS else f"{text[: _MAX_DESCRIPTION_CHARS - 1]}…"


def _result(model: FoundModel, finding: Finding, *, rule: int, prefix: str, seen: Counter[str]) -> dict[str, Any]:
    uri = _uri(prefix, model.path)
    identity = f"{finding.code}\n{uri}\n{finding.where}\n{finding.found}"
    fingerprint = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    seen[fingerprint] += 1
    numbered = f"{fingerprint}:{seen[fingerprint]}"
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri, "uriBaseId": _ROOT},
            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
        }
    }
    if finding.where and finding.where != shown(model.path):
        location["logicalLocations"] = [{"fullyQualifiedName": finding.where}]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.outcome],
        "message": {"text": _message(finding)},
        "locations": [location],
        # GitHub uses the first alone, and would compute it from the line if it were not there: one for all results.
        "partialFingerprints": {"primaryLocationLineHash": numbered, "mlsignFinding/v1": numbered},
    }


def _uri(prefix: str, path: str) -> str:
    return reference(f"{prefix}/{path}" if prefix else path)


def _message(finding: Finding) -> str:
    """Sentences for people. ``](`` would make a link of foreign text (SARIF 2.1.0, section 3.11.6)."""
    parts = [f"{finding.message[:1].upper()}{finding.message[1:]}"]
    parts += [f"{label}: {value}" for label, value in _labelled(finding) if value]
    return ". ".join(shown(part, limit=_MAX_DESCRIPTION_CHARS) for part in parts).replace("](", "] (") + "."


def _labelled(finding: Finding) -> Iterable[tuple[str, str]]:
    return ("Expected", finding.expected), ("Found", finding.found), ("What to do", finding.hint)


def _notes(found: Found, prefix: str, *, left: int) -> list[dict[str, Any]]:
    """What a reader of the results has to know besides them."""
    notes = [
        {
            "level": "note",
            "message": {"text": "A link to a folder was not followed."},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": _uri(prefix, link), "uriBaseId": _ROOT}}}],
        }
        for link in found.links[:_MAX_LINKS]
    ]
    if left:
        text = f"{left} more findings are not in this file: code scanning takes {_MAX_RESULTS} of one run."
        notes.append({"level": "warning", "message": {"text": text}})
    return notes
