"""A SARIF 2.1.0 log of findings, in the part of it that code scanning on GitHub reads: what scans and reports share.

One result for each finding that did not pass. A model is a binary file, so every result is at its first line, and the
place inside the model is the logical location. Nothing in it depends on the machine or on the order in which things were
found, and fingerprints follow a finding from one commit to the next.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlsign.errors import shown
from mlsign.evidence.catalogue.addresses import name_of
from mlsign.evidence.catalogue.entry import CodeEntry
from mlsign.evidence.catalogue.pages import ENTRIES, render_page
from mlsign.evidence.findings import Finding, Outcome
from mlsign.policy.model import Mode, Policy, Verdict
from mlsign.report.findings_as_json import dump, reference

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT: Final = "%SRCROOT%"
_MAX_RESULTS: Final = 25_000
"""An upload with more is rejected (GitHub, "SARIF support for code scanning")."""
_MAX_DESCRIPTION_CHARS: Final = 1024
"""Longest description that GitHub shows; the whole page is in the help."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A finding that did not pass and the file it is about, a path from the root of the sources.

    ``lasting`` is what tells it from others of its code in that file, in words that are the same at the next run.
    """

    finding: Finding
    path: str
    lasting: tuple[str, ...]


def render_log(
    placed: Sequence[Placed],
    *,
    policy: Policy,
    verdict: Verdict,
    version: str,
    notes: Iterable[dict[str, Any]] = (),
    more: dict[str, Any],
) -> str:
    """The log of one run. ``notes`` are what a reader has to know besides, ``more`` further properties of the run."""
    # Where not all can be told, those that are certain go first. Sorting keeps the order within both.
    kept = placed
    if len(placed) > _MAX_RESULTS:
        kept = sorted(placed, key=lambda one: one.finding.outcome is not Outcome.FAIL)[:_MAX_RESULTS]
    codes = sorted({one.finding.code for one in kept})
    seen: Counter[str] = Counter()
    notices = [*_audit(policy, verdict), *notes, *_left(len(placed) - len(kept))]
    run = {
        "tool": {"driver": {"name": "mlsign", "version": version, "rules": [_rule(code) for code in codes]}},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notices}],
        "results": [_result(one, rule=codes.index(one.finding.code), mode=policy.mode, seen=seen) for one in kept],
        "properties": {
            "decision": verdict.value,
            "mode": policy.mode.value,
            "policy": policy.name,
            "policyDigest": str(policy.digest),
            **more,
        },
    }
    return dump({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def note(text: str) -> dict[str, Any]:
    """A note about the whole run. ``](`` would make a link of foreign text."""
    return {"level": "note", "message": {"text": shown(text, limit=_MAX_DESCRIPTION_CHARS).replace("](", "] (")}}


def note_at(path: str, text: str) -> dict[str, Any]:
    """A note about one file."""
    location = {"physicalLocation": {"artifactLocation": {"uri": reference(path), "uriBaseId": _ROOT}}}
    return {"level": "note", "message": {"text": text}, "locations": [location]}


def _audit(policy: Policy, verdict: Verdict) -> list[dict[str, Any]]:
    if policy.mode is not Mode.AUDIT:
        return []
    denied = "this would have been denied" if verdict is not Verdict.ALLOW else "nothing would have been denied"
    return [{"level": "warning", "message": {"text": f"Audit mode: {denied}, and the policy stops nothing."}}]


def _left(left: int) -> list[dict[str, Any]]:
    if not left:
        return []
    text = f"{left} more findings are not in this file: code scanning takes {_MAX_RESULTS} of one run."
    return [{"level": "warning", "message": {"text": text}}]


def _rule(code: str) -> dict[str, Any]:
    entry = ENTRIES.get(code) or CodeEntry(code=code, title=code, meaning=code, abuse="", action="")
    page = render_page(entry)
    return {
        "id": code,
        "name": "".join(word[:1].upper() + word[1:] for word in re.findall("[A-Za-z0-9]+", entry.title)),
        "shortDescription": {"text": entry.title[:1].upper() + entry.title[1:]},
        "fullDescription": {"text": _cut(entry.meaning)},
        "helpUri": name_of(code),
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


def _result(one: Placed, *, rule: int, mode: Mode, seen: Counter[str]) -> dict[str, Any]:
    finding, uri = one.finding, reference(one.path)
    identity = "\n".join((finding.code, uri, *one.lasting))
    fingerprint = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    seen[fingerprint] += 1
    numbered = f"{fingerprint}:{seen[fingerprint]}"
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri, "uriBaseId": _ROOT},
            "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
        }
    }
    if finding.where and not f"/{shown(one.path)}".endswith(f"/{finding.where}"):
        location["logicalLocations"] = [{"fullyQualifiedName": finding.where}]
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": _LEVELS[finding.outcome],
        "message": {"text": f"{_message(finding)}{' Audit mode: nothing was stopped.' if mode is Mode.AUDIT else ''}"},
        "locations": [location],
        # GitHub uses the first alone, and would compute it from the line if it were not there: one for all results.
        "partialFingerprints": {"primaryLocationLineHash": numbered, "mlsignFinding/v1": numbered},
    }


def _message(finding: Finding) -> str:
    """Sentences for people. ``](`` would make a link of foreign text (SARIF 2.1.0, section 3.11.6)."""
    parts = [f"{finding.message[:1].upper()}{finding.message[1:]}"]
    parts += [f"{label}: {value}" for label, value in _labelled(finding) if value]
    return ". ".join(shown(part, limit=_MAX_DESCRIPTION_CHARS) for part in parts).replace("](", "] (") + "."


def _labelled(finding: Finding) -> Iterable[tuple[str, str]]:
    return ("Expected", finding.expected), ("Found", finding.found), ("What to do", finding.hint)
