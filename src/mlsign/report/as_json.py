"""Reports as JSON, after ``schemas/report.v1.schema.json``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlsign.errors import MlsignError
from mlsign.report.claims import claimed_object
from mlsign.report.findings_as_json import dump, finding_object, policy_object

if TYPE_CHECKING:
    from mlsign.actions.inspection.inspect import Inspection
    from mlsign.actions.verification.verify import Report
    from mlsign.evidence.record import SignatureRecord, TrustFacts
    from mlsign.formats.manifest import Previous
    from mlsign.interface import TypeSpec, ValueSpec
    from mlsign.onnx.summary import ModelSummary, RunBounds
    from mlsign.policy.exemption import Excepted
    from mlsign.policy.remedies.why_not import WhyNot

SCHEMA = "mlsign/report/v1"
INSPECTION_SCHEMA = "mlsign/inspection/v1"
ERROR_SCHEMA = "mlsign/error/v1"
MAX_NUMBER = 2**53 - 1
"""The largest integer that every JSON reader takes exactly (RFC 7493); it stands for everything above as well."""


def render_report(report: Report, *, why_not: WhyNot | None = None) -> str:
    """The whole report; findings that passed are in it too. ``why_not`` is there where it was asked for."""
    evidence, decision = report.evidence, report.decision
    manifest = evidence.manifest
    return dump(
        {
            "schema": SCHEMA,
            "decision": decision.verdict.value,
            "mode": decision.mode.value,
            "path": report.path,
            "package": {
                "name": None if manifest is None else manifest.name,
                "version": None if manifest is None else manifest.version.text,
                "digest": None if evidence.digest is None else str(evidence.digest),
                "license": None if manifest is None else manifest.license,
            },
            "policy": policy_object(report.policy),
            "now": _time(report.now),
            "signers": [_signer(group.name, record) for group in decision.met for record in group.signatures],
            "summary": None if decision.summary is None else decision.summary.bundle,
            "signatures": [_signature(record) for record in evidence.signatures],
            "findings": [finding_object(finding) for finding in decision.findings],
            "exceptions": [_exception(item) for item in decision.excepted],
            "model": None if evidence.summary is None else _summary(evidence.summary),
            "trust": None if evidence.trust is None else _trust(evidence.trust),
            "unverified": list(evidence.unverified),
            "unread": [{"path": str(f.path), "size": f.size, "known_by": f.known_by.value} for f in evidence.unread],
            **_why_not(why_not),
        }
    )


def _why_not(found: WhyNot | None) -> dict[str, Any]:
    if found is None:
        return {}
    from mlsign.report.why_not import why_not_object

    return {"why_not": why_not_object(found)}


def render_inspection(inspection: Inspection) -> str:
    """What ``mlsign inspect`` found."""
    manifest = inspection.manifest
    return dump(
        {
            "schema": INSPECTION_SCHEMA,
            "path": inspection.path,
            "package": None
            if manifest is None
            else {
                "name": manifest.name,
                "version": manifest.version.text,
                "license": manifest.license,
                "description": manifest.description,
                "previous": None if (before := manifest.previous) is None else _previous(before),
            },
            "model_path": inspection.model_path,
            "model_bytes": inspection.model_bytes,
            "model": _summary(inspection.summary),
            "files": [{"path": str(f.path), "size": f.size} for f in inspection.files],
            "claimed_signers": [claimed_object(s) for s in inspection.signers],
        }
    )


def _previous(before: Previous) -> dict[str, str]:
    return {"version": before.version.text, "digest": str(before.digest)}


def render_error(error: MlsignError) -> str:
    """An error as JSON, for callers that asked for JSON and got no report."""
    return dump(
        {
            "schema": ERROR_SCHEMA,
            "code": error.code,
            "message": error.message,
            "where": error.where,
            "expected": error.expected,
            "found": error.found,
            "hint": error.hint,
        }
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _signer(group: str, record: SignatureRecord) -> dict[str, Any]:
    return {
        "group": group,
        "identity": None if record.identity is None else record.identity.describe(),
        "method": None if record.method is None else record.method.value,
        "time": _time(record.times[0].time) if record.times else None,
        "bundle": record.bundle,
    }


def _exception(item: Excepted) -> dict[str, Any]:
    return {
        "reason": item.exemption.reason,
        "until": _time(item.exemption.until),
        "findings": [finding_object(finding) for finding in item.findings],
    }


def _trust(facts: TrustFacts) -> dict[str, Any]:
    return {
        "source": facts.source,
        "digest": str(facts.digest),
        "fetched": None if facts.fetched is None else _time(facts.fetched),
        "expires": None if facts.expires is None else _time(facts.expires),
    }


def _signature(record: SignatureRecord) -> dict[str, Any]:
    return {
        "bundle": record.bundle,
        "standing": record.standing.value,
        "method": None if record.method is None else record.method.value,
        "identity": None if record.identity is None else record.identity.describe(),
        "times": [{"time": _time(time.time), "source": time.source.value} for time in record.times],
        "logged": record.logged,
        "about": None if record.about is None else str(record.about),
        "reasons": [finding_object(reason) for reason in record.reasons],
    }


def _type(spec: TypeSpec) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": spec.kind.value}
    if spec.element:
        out["element"] = spec.element
    if spec.shape is not None:
        out["shape"] = list(spec.shape)
    if spec.inner is not None:
        out["inner"] = _type(spec.inner)
    return out


def _value(value: ValueSpec) -> dict[str, Any]:
    return {"name": value.name, "type": _type(value.type)}


def _summary(summary: ModelSummary) -> dict[str, Any]:
    return {
        "ir_version": summary.ir_version,
        "producer": {"name": summary.producer_name, "version": summary.producer_version},
        "opset_imports": [{"domain": o.domain, "version": o.version} for o in summary.opsets],
        "operators": [{"domain": u.operator.domain, "name": u.operator.name, "count": u.count} for u in summary.operators],
        "functions": [{"domain": f.domain, "name": f.name} for f in summary.functions],
        "function_calls": [
            {"domain": u.operator.domain, "name": u.operator.name, "count": u.count} for u in summary.function_calls
        ],
        "inputs": [_value(value) for value in summary.inputs],
        "outputs": [_value(value) for value in summary.outputs],
        "nodes": summary.node_count,
        "graphs": summary.graph_count,
        "depth": summary.graph_depth,
        "parameters": summary.parameter_count,
        "parameter_bytes": summary.parameter_bytes,
        "external": [
            {"name": t.name, "location": t.location, "offset": t.offset, "length": t.length, "size": t.size}
            for t in summary.external
        ],
        "metadata_keys": list(summary.metadata_keys),
        "problems": [{"code": p.code, "message": p.message, "where": p.where} for p in summary.problems],
        "bounds": None if summary.bounds is None else _bounds(summary.bounds),
    }


def _bounds(bounds: RunBounds) -> dict[str, Any]:
    return {
        "open_dimension": bounds.open_dimension,
        "peak_bytes": min(bounds.peak_bytes, MAX_NUMBER),
        "largest_bytes": min(bounds.largest_bytes, MAX_NUMBER),
        "largest": bounds.largest,
        "steps": min(bounds.steps, MAX_NUMBER),
        "operations": min(bounds.operations, MAX_NUMBER),
        "unknown": [
            {"kind": item.kind.value, "where": item.where, "operator": item.operator, "detail": item.detail}
            for item in bounds.unknown
        ],
    }
