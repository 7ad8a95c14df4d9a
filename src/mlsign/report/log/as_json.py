"""A log of releases as JSON, after ``schemas/log.v1.schema.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlsign.report.claims import claimed_object
from mlsign.report.findings_as_json import dump, finding_object, spelled

if TYPE_CHECKING:
    from mlsign.actions.releases.list_releases import LoggedRelease, ReleaseLog, Unreadable
    from mlsign.compare.releases import ReleaseChange
    from mlsign.evidence.record import SignatureRecord

SCHEMA: Final = "mlsign/log/v1"


def render_log(log: ReleaseLog) -> str:
    """What ``mlsign log`` found."""
    return dump(
        {
            "schema": SCHEMA,
            "path": spelled(log.path),
            "verified": log.judged,
            "read": log.reading.value,
            "decision": None if log.verdict is None else log.verdict.value,
            "releases": [_release(each) for each in log.releases],
            "twins": [
                {
                    "name": twins.name,
                    "version": twins.version,
                    "digests": [str(digest) for digest in twins.digests],
                    "paths": [spelled(path) for path in twins.paths],
                }
                for twins in log.twins
            ],
            "unreadable": [_unreadable(bad) for bad in log.unreadable],
            "links": [spelled(link) for link in log.links],
            "partial": [spelled(path) for path in log.partial],
        }
    )


def _release(each: LoggedRelease) -> dict[str, Any]:
    found, release, lineage = each.found, each.found.release, each.lineage
    previous, judged = release.previous, found.judged
    return {
        "name": release.name,
        "version": release.version.text,
        "path": spelled(found.path),
        "digest": None if release.digest is None else str(release.digest),
        "same_as": None if each.same_as is None else spelled(each.same_as),
        "policy": None if judged is None else judged.policy,
        "decision": None if judged is None else judged.verdict.value,
        "mode": None if judged is None else judged.mode.value,
        "signers": [] if judged is None else [_signer(record) for record in judged.signers],
        "claimed_signers": [claimed_object(s) for s in found.claims],
        "more_signers": found.more,
        "packed": found.packed,
        "problem": None if found.problem is None else finding_object(found.problem),
        "unread": found.unread,
        "previous": None if previous is None else {"version": previous.version.text, "digest": str(previous.digest)},
        "lineage": {
            "link": lineage.link.value,
            "ending": lineage.ending.value,
            "length": lineage.length,
            "first": each.last.release.version.text,
            "broken_at": None if each.broken_at is None else each.broken_at.release.version.text,
            "next": list(each.next_versions),
        },
        "against": None if each.before is None else each.before.release.version.text,
        "changes": None if each.change is None else _change(each.change),
    }


def _signer(record: SignatureRecord) -> dict[str, Any]:
    return {
        "identity": None if record.identity is None else record.identity.describe(),
        "method": None if record.method is None else record.method.value,
        "times": [{"time": f"{t.time:%Y-%m-%dT%H:%M:%SZ}", "source": t.source.value} for t in record.times],
        "bundle": record.bundle,
    }


def _change(change: ReleaseChange) -> dict[str, Any]:
    before, after = change.parameters
    return {
        "model": change.model.value,
        "weights": change.weights.value,
        "operators": {
            "added": list(map(str, change.added)),
            "removed": list(map(str, change.removed)),
            "other_counts": change.counts,
        },
        "opsets": [{"domain": each.field, "before": each.before, "after": each.after} for each in change.opsets],
        "interface": {"breaking": change.breaking, "compatible": change.compatible},
        "parameters": {"before": before, "after": after},
        "files": {"added": change.files.added, "removed": change.files.removed, "changed": change.files.changed},
        "allowed_operators": {"added": list(map(str, change.allowed)), "removed": list(map(str, change.disallowed))},
    }


def _unreadable(bad: Unreadable) -> dict[str, Any]:
    error = bad.error
    return {"path": spelled(bad.path), "code": error.code, "message": error.message, "hint": error.hint}
