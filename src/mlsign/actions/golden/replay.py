"""Replay: a package run on its golden test data in the sandbox, by one runtime or several, and signed where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mlsign.actions.golden.runs import GoldenRun, GoldenRuns, RunLimits, run_golden
from mlsign.actions.golden.statement import check_signable, statement_of, unconfined
from mlsign.actions.scoring.confinement import Confinement
from mlsign.actions.scoring.jailing import jail_spec
from mlsign.actions.signing.adding import add_bundle
from mlsign.actions.signing.sign import RefusedToSign, checked_manifest
from mlsign.actions.verification.admit import Denied
from mlsign.actions.verification.contents import Storage
from mlsign.actions.verification.examine import Examination, ExamineRequest, examine
from mlsign.actions.verification.known import opened_store
from mlsign.actions.verification.verify import Report, VerifyRequest, judge_package, selected
from mlsign.digest import Digest
from mlsign.errors import InputError
from mlsign.formats.golden_run import decode_golden_run, encode_golden_run
from mlsign.formats.manifest import GoldenSet, Manifest
from mlsign.identity import Identity
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage
from mlsign.package.stream import Advance
from mlsign.policy.model import Mode, Policy, SandboxSettings, Verdict
from mlsign.sandbox.machine import platform_name, processor_name
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.signers.protocol import Signer
from mlsign.trust.authenticate import authenticate_statement
from mlsign.trust.root import TrustRoot

_GET_DATA: Final = "pack the model with mlsign pack --golden DIR, or have it made with --golden-from or --golden-auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """Which runtimes are to run the model, and how confined.

    ``verify`` is what the package is verified by first. Where it is None nobody is trusted, and the package is held against its own
    manifest alone; one run may then take ``seconds``, or what a policy gives that says nothing of it.
    """

    runtimes: tuple[RuntimeName, ...] = (RuntimeName.ONNXRUNTIME,)
    verify: VerifyRequest | None = None
    confinement: Confinement = Confinement.REQUIRED
    seconds: float | None = None
    now: datetime | None = None
    store: Path | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRun:
    """A statement about one run in place: which file, by whom, and whether it says that the run passed."""

    runtime: RuntimeName
    bundle: str
    identity: Identity
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What the model answered, where that was computed, and what is signed of it.

    ``digest`` is what signatures of the package are about. ``report`` is None where no signature was checked.
    """

    path: str
    name: str
    digest: Digest
    golden: tuple[GoldenSet, ...]
    platform: str
    processor: str
    confinement: Confinement
    ran: datetime
    report: Report | None
    runs: GoldenRuns
    signed: tuple[SignedRun, ...] = ()

    @property
    def passed(self) -> bool:
        """Every runtime ran every set, and all answers are within the tolerances."""
        return bool(self.runs.runs) and all(run.passed for run in self.runs.runs)


def replay(path: Path, request: ReplayRequest, *, signer: Signer | None = None, advance: Advance | None = None) -> Replay:
    """Runs the package at ``path`` on every golden set of its manifest; with a signer, adds a bundle that says so for each runtime.

    Answers that differ, and runs that came to nothing, are in the result. Raises ``Denied`` before anything is run that the policy
    does not allow; ``InputError`` (``replay.…``, ``package.bundles``, ``file.changed``) for a package that is not what its manifest
    says, has no golden data, or cannot be signed for; ``TrustError`` when a new bundle does not hold, and ``OutsideError``.
    """
    moment = request.now or datetime.now(UTC)
    # The package stays open to the end: its name may lead elsewhere by the time that a run is signed.
    with OpenPackage.open(path) as package, _looked_at(package, request, now=moment, advance=advance) as looked:
        manifest = looked.manifest(path)
        if not manifest.golden:
            raise InputError("has no golden test data to run", code="replay.golden", where=str(path), hint=_GET_DATA)
        digest = looked.examination.evidence.digest
        if digest is None:  # of a package that is denied, which an audit lets through
            raise InputError("has files that could not be read, so it has no digest", code="replay.refused", where=str(path))
        processor = processor_name()
        if signer is not None:  # what could not be signed in the end is not run for it
            _check_walls(request.confinement)
            package.check_room(limits=request.limits)
            check_signable(manifest, subject=digest, ran=moment, processor=processor)
        # 2. Run the bytes that were hashed, from the memory in which they were.
        found = Replay(
            path=str(path),
            name=f"{manifest.name}-{manifest.version}",
            digest=digest,
            golden=manifest.golden,
            platform=platform_name(),
            processor=processor,
            confinement=request.confinement,
            ran=moment,
            report=looked.report,
            runs=looked.run(request),
        )
        if signer is None:
            return found
        # 3. Say what came of each run, whatever that is; of a runtime that was not started there is nothing to say.
        started = (run for run in found.runs.runs if run.version)
        signed = (
            _sign(run, found, package=package, examination=looked.examination, signer=signer, request=request) for run in started
        )
        return replace(found, signed=tuple(signed))


def _check_walls(confinement: Confinement) -> None:
    """Returns unless it is certain that nothing confines the model. Raises ``InputError`` (``replay.unconfined``)."""
    from mlsign.sandbox.preconditions import can_confine

    if confinement is Confinement.WAIVED and not can_confine():
        raise unconfined("without any wall")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """A package in sealed memory; ``policy`` and ``report`` are None where it was not verified."""

    examination: Examination
    policy: Policy | None = None
    report: Report | None = None

    def manifest(self, path: Path) -> Manifest:
        """Raises ``InputError`` (``replay.refused``, ``sign.manifest``) where there is none, or content is not what it says."""
        manifest = self.examination.evidence.manifest
        if self.report is not None and manifest is not None:
            return manifest
        try:
            return checked_manifest(path, self.examination)
        except RefusedToSign as err:
            first = err.findings[0]
            raise InputError(
                f"is not what its manifest says, so nothing of it is run: {first.code} {first.message}",
                code="replay.refused",
                where=str(path),
                expected=first.expected,
                found=first.found,
                hint=first.hint or "mlsign verify shows everything that is wrong with it",
            ) from err

    def run(self, request: ReplayRequest) -> GoldenRuns:
        settings = SandboxSettings()
        if self.policy is not None:
            settings = self.policy.sandbox
        elif request.seconds is not None:
            settings = replace(settings, cpu_seconds=request.seconds, wall_seconds=request.seconds)
        spec = jail_spec(settings, wall=request.confinement.wall)
        specs = tuple(replace(spec, runtime=runtime) for runtime in request.runtimes)
        golden = None if self.policy is None else self.policy.golden
        # The time that a policy gives is for one replay, and these are several.
        seconds = None if golden is None or not golden.replay else golden.replay_seconds * len(specs)
        waived = request.confinement is Confinement.WAIVED
        return run_golden(self.examination, specs, RunLimits(limits=request.limits, seconds=seconds), allow_unsandboxed=waived)


@contextmanager
def _looked_at(package: OpenPackage, request: ReplayRequest, *, now: datetime, advance: Advance | None) -> Iterator[_Looked]:
    """Step 1: the package in sealed memory, verified or read trusting nobody. Gives the memory back at the end. Raises ``Denied``."""
    if request.verify is None:
        looked = _Looked(examination=_examine(package, request, now=now, advance=advance))
    else:
        looked = _judge(package, request.verify, now=now, advance=advance)
    try:
        if looked.report is not None and looked.report.decision.enforced_verdict is not Verdict.ALLOW:
            raise Denied(looked.report)
        yield looked
    finally:
        looked.examination.contents.close()


def _examine(package: OpenPackage, request: ReplayRequest, *, now: datetime, advance: Advance | None) -> Examination:
    # As for whoever signs: a stranger's package is not worth hours of hashing, and this one was chosen by name.
    limits = replace(request.limits, max_unvouched_bytes=request.limits.max_package_bytes)
    with opened_store(request.store) as store:
        wanted = ExamineRequest(
            root=TrustRoot(keys=()), now=now, store=store, storage=Storage.SEALED_UNVOUCHED, keep_golden=True, limits=limits
        )
        return examine(package, wanted, advance=advance)


def _judge(package: OpenPackage, request: VerifyRequest, *, now: datetime, advance: Advance | None) -> _Looked:
    chosen = selected(package, request)
    policy = chosen.policy.policy
    # The policy but for its demands on runs: this is the run that it asks for, perhaps the first one on this platform.
    without = replace(policy, golden=replace(policy.golden, replay=False, platforms=()))
    report, examination = judge_package(
        package,
        replace(chosen, policy=replace(chosen.policy, policy=without), now=request.now or now),
        storage=Storage.SEALED_UNVOUCHED if policy.mode is Mode.AUDIT else Storage.SEALED,
        keep_golden=True,
        advance=advance,
    )
    return _Looked(examination=examination, policy=policy, report=report)


def _sign(
    run: GoldenRun,
    found: Replay,
    *,
    package: OpenPackage,
    examination: Examination,
    signer: Signer,
    request: ReplayRequest,
) -> SignedRun:
    manifest = examination.evidence.manifest_digest
    assert manifest is not None  # noqa: S101  the manifest was decoded, so it was hashed
    statement = statement_of(
        run,
        sets=found.golden,
        name=found.name,
        subject=found.digest,
        manifest=manifest,
        ran=found.ran,
        platform=found.platform,
        processor=found.processor,
        wall=found.confinement.wall,
    )
    payload = encode_golden_run(statement, limits=request.limits)
    # No key is used and no service asked for a bundle that would make the package unverifiable.
    package.check_room(limits=request.limits)
    bundle = signer.sign(payload)
    # What would not be accepted is not written.
    proof = authenticate_statement(
        bundle, decode_golden_run, root=signer.trust, now=request.now or datetime.now(UTC), limits=request.limits
    )
    name = add_bundle(package, bundle, files=examination.contents.files, limits=request.limits)
    return SignedRun(runtime=run.runtime, bundle=name, identity=proof.identity, passed=statement.passed)
