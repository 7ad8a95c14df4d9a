"""Signed golden runs: that somebody whom the policy names ran this very package on each platform, and that it passed.

A run by somebody else, of something else, or that failed neither helps nor harms; it is told where the demand is not met.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from mlsign.digest import Digest
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.formats.manifest import Manifest
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.golden import GoldenSettings
from mlsign.policy.rules.countable import CountSettings, shortcomings

if TYPE_CHECKING:
    from mlsign.formats.golden_run import GoldenRunStatement

CODE: Final = "MLS407"
IDLE: Final = "MLS221"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The demands, and what every signature must be to count."""

    golden: GoldenSettings
    count: CountSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class _About:
    """The package that runs have to be of."""

    digest: Digest
    manifest_digest: Digest
    manifest: Manifest


def check(evidence: Evidence, settings: Settings, *, now: datetime) -> tuple[Finding, ...]:
    """Findings where the policy asks for signed runs; unknown without a manifest and a digest that a run could be of."""
    asked = settings.golden
    if not asked.platforms:
        return ()
    if evidence.digest is None or evidence.manifest is None or evidence.manifest_digest is None:
        message = "whether golden runs are of this package is not known: it has no manifest, or its content could not be read"
        return (Finding(code=CODE, outcome=Outcome.UNKNOWN, message=message, where=MANIFEST_NAME),)
    about = _About(digest=evidence.digest, manifest_digest=evidence.manifest_digest, manifest=evidence.manifest)
    held = [(record, _wrong(record, about, settings, now=now)) for record in sorted(evidence.golden_runs, key=lambda r: r.bundle)]
    good = [record for record, wrong in held if not wrong]
    found = [_wanted(platform, runtime, good, evidence) for platform in asked.platforms for runtime in asked.runtimes]
    if all(finding.outcome is Outcome.PASS for finding in found):
        return listed(found)
    broken = (reason for record in evidence.signatures if record.claims_golden_run for reason in record.reasons)
    return listed((*found, *(finding for _, wrong in held for finding in wrong), *broken))


def _wanted(platform: str, runtime: str, good: list[SignatureRecord], evidence: Evidence) -> Finding:
    """Whether there is a run on this platform with this runtime among those that count."""
    wanted = f"{platform} with {runtime}"
    for record in good:
        run, identity = record.golden_run, record.identity
        if run is not None and identity is not None and (run.place.platform, run.place.runtime) == (platform, runtime):
            return Finding(
                code=CODE,
                outcome=Outcome.PASS,
                message=f"somebody whom the policy names ran the model on {wanted}, and it passed",
                where=shown(record.bundle),
                found=shown(identity.unique),
            )
    others = sorted({_place(record.golden_run) for record in evidence.golden_runs if record.golden_run is not None})
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"no signed golden run on {wanted} counts",
        where=f"golden.platforms {platform}",
        expected=f"a run that passed, signed by whom golden.run_by names, on {wanted}",
        found=shown(", ".join(others) or "no signed run", limit=400),
        hint=f"run mlsign replay --runtime {runtime} --attest there, and put the bundle into signatures/",
    )


def _place(run: GoldenRunStatement) -> str:
    return f"{run.place.platform} with {run.place.runtime}{'' if run.passed else ' (failed)'}"


def _wrong(record: SignatureRecord, about: _About, settings: Settings, *, now: datetime) -> tuple[Finding, ...]:
    """Why a genuine run does not count; empty for one that does."""
    run = record.golden_run
    if run is None or record.identity is None:
        return (_not_counted(record, "it names nobody"),)
    if run.subject != about.digest:
        return (_not_counted(record, "it is of another package", str(about.digest), str(run.subject)),)
    if run.manifest != about.manifest_digest:
        # The digest of a package is over digests of files, and says nothing of their names.
        return (_not_counted(record, "it is of another manifest", str(about.manifest_digest), str(run.manifest)),)
    if not any(requirement.is_met_by(record.identity) for requirement in settings.golden.run_by):
        wanted = " or ".join(map(str, settings.golden.run_by)) or "nobody"
        return (_not_counted(record, "it is by somebody whom golden.run_by does not name", wanted, record.identity.unique),)
    return (*shortcomings(record, settings.count.freshness, now=now), *_unproven(record, run, about.manifest))


def _unproven(record: SignatureRecord, run: GoldenRunStatement, manifest: Manifest) -> Iterator[Finding]:
    """What a run by the right person leaves open: it was not confined, failed, was over other sets or outputs, or held to less."""
    if not run.place.confined:
        yield _not_counted(
            record, "the model was not confined, so it may have written its own result", "", ", ".join(run.place.layers)
        )
    if not run.passed:
        failed = ", ".join(str(found.path) for found in run.sets if found.outcome.value != "passed")
        yield _not_counted(record, "it says that the run failed", "a run that passed", failed)
    ran = {found.path: found for found in run.sets}
    wanted = {golden.path: golden for golden in manifest.golden}
    if ran.keys() != wanted.keys():
        names = [", ".join(map(str, sorted(each))) or "none" for each in (wanted, ran)]
        yield _not_counted(record, "it is over other sets than those of the manifest", *names)
    outputs = len(manifest.model.outputs)
    for path in sorted(ran.keys() & wanted.keys()):
        found, golden = ran[path], wanted[path]
        if found.outputs != outputs:
            yield _not_counted(record, f"it is not over every output in {shown(path)}", str(outputs), str(found.outputs))
        if found.rtol > golden.rtol or found.atol > golden.atol:
            told = [f"rtol {each.rtol:g}, atol {each.atol:g}" for each in (golden, found)]
            yield _not_counted(record, f"it took wider tolerances for {shown(path)} than the manifest gives", *told)


def _not_counted(record: SignatureRecord, message: str, expected: str = "", found: str = "") -> Finding:
    return Finding(
        code=IDLE,
        outcome=Outcome.FAIL,
        message=f"the golden run is genuine and does not count: {message}",
        where=shown(record.bundle),
        expected=shown(expected, limit=400),
        found=shown(found, limit=400),
    )
