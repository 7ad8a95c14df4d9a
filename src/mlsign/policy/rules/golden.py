"""Golden test data: that a release brings some which could show a fault, and that the model still answers as it says."""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence, ReplayedSet
from mlsign.formats.manifest import GoldenSet, Manifest
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.golden import GoldenSettings

DATA: Final = "MLS405"
REPLAY: Final = "MLS406"


def check(evidence: Evidence, settings: GoldenSettings) -> tuple[Finding, ...]:
    """Findings about the data where it is required, and about the answers where it is replayed; unknown without a manifest."""
    if not settings.required:
        return ()
    if evidence.manifest is None:
        message = "whether there is golden test data is not known without a manifest"
        return (Finding(code=DATA, outcome=Outcome.UNKNOWN, message=message, where=MANIFEST_NAME),)
    data = _data(evidence.manifest, settings)
    return listed((*data, *(_replay(evidence, evidence.manifest) if settings.replay else ())))


def _data(manifest: Manifest, settings: GoldenSettings) -> tuple[Finding, ...]:
    if not manifest.golden:
        return (
            Finding(
                code=DATA,
                outcome=Outcome.FAIL,
                message="the release has no golden test data",
                where=f"{MANIFEST_NAME} golden",
                expected="at least one set",
                found="none",
                hint="pack it with mlsign pack --golden DIR",
            ),
        )
    return tuple(_tolerance(found, settings) for found in manifest.golden)


def _tolerance(found: GoldenSet, settings: GoldenSettings) -> Finding:
    wide = found.rtol > settings.max_rtol or found.atol > settings.max_atol
    return Finding(
        code=DATA,
        outcome=Outcome.FAIL if wide else Outcome.PASS,
        message="the golden test data takes answers that are too far off" if wide else "there is golden test data",
        where=shown(found.path),
        expected=f"rtol at most {settings.max_rtol:g}, atol at most {settings.max_atol:g}",
        found=f"rtol {found.rtol:g}, atol {found.atol:g}",
        hint="pack it with smaller --rtol and --atol, or raise max_rtol or max_atol under golden in the policy" if wide else "",
    )


def _replay(evidence: Evidence, manifest: Manifest) -> tuple[Finding, ...]:
    if evidence.replay is None:
        return (
            Finding(
                code=REPLAY,
                outcome=Outcome.UNKNOWN,
                message="the golden test data was not replayed: nothing is run of a package that is denied anyway",
                hint="mend the other findings first",
            ),
        )
    known = {replayed.path: replayed for replayed in evidence.replay}
    found = (_answers(str(wanted.path), known.get(str(wanted.path))) for wanted in manifest.golden)
    return tuple(finding for findings in found for finding in findings)


def _answers(path: str, replayed: ReplayedSet | None) -> tuple[Finding, ...]:
    if replayed is None:
        return (Finding(code=REPLAY, outcome=Outcome.UNKNOWN, message="the set was not replayed", where=shown(path)),)
    if replayed.problem is not None:
        return (replayed.problem,)
    if replayed.different:
        return tuple(
            Finding(
                code=REPLAY,
                outcome=Outcome.FAIL,
                message=f"the model answers otherwise than its golden test data says: {difference.message}",
                where=f"{shown(path)} {shown(output)}",
                expected=difference.expected,
                found=difference.found,
                hint="do not use the model: it is not the one that was tested, or this runtime computes something else",
            )
            for output, difference in replayed.different
        )
    if not replayed.compared:
        message = "the set has no element to compare, so it shows nothing"
        return (Finding(code=REPLAY, outcome=Outcome.UNKNOWN, message=message, where=shown(path)),)
    message = f"the model answers as its golden test data says, in {replayed.compared} elements"
    return (Finding(code=REPLAY, outcome=Outcome.PASS, message=message, where=shown(path)),)
