"""From bundles to signatures that count: decode, authenticate, and hold each statement against the content."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from mlsign.actions._collector import collector_paused
from mlsign.compare.content import Content, check_coverage, compare_with_statement, merge
from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, MlsignError
from mlsign.evidence.findings import Finding, Outcome, finding_of
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.formats.bundle import Bundle, decode_bundle
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.statement import Statement, StatementFormat, decode_statement
from mlsign.identity import Identity, Method
from mlsign.limits import MIB, Limits
from mlsign.package.read import FoundBundle, OpenPackage, read_bundle_file
from mlsign.paths import PackagePath
from mlsign.trust.authenticate import Authentic, Signer, authenticate, authenticate_statement
from mlsign.trust.root import TrustRoot
from mlsign.words import counted, size

if TYPE_CHECKING:
    from mlsign.formats.countersignature import Countersignature
    from mlsign.formats.golden_run import GoldenRunStatement
    from mlsign.formats.slsa import SlsaStatement
    from mlsign.formats.verification_summary import VerificationSummary

_CODES: Final = {
    "signature.invalid": "MLS203",
    "signature.unknown_key": "MLS204",
    "statement.subject": "MLS207",
    "statement.format": "MLS211",
    "signature.method": "MLS209",
}
_FAMILIES: Final = {
    "certificate": "MLS212",
    "key": "MLS212",
    "log": "MLS213",
    "sct": "MLS213",
    "root": "MLS218",
    "summary": "MLS220",
    "time": "MLS214",
    "timestamp": "MLS214",
}
"""By the first part of the error code: which kind of proof did not hold."""
_STANDINGS: Final = {
    PredicateType.COUNTERSIGNATURE: Standing.COUNTERSIGNATURE,
    PredicateType.SUMMARY: Standing.SUMMARY,
    PredicateType.PROVENANCE: Standing.PROVENANCE,
    PredicateType.GOLDEN_RUN: Standing.GOLDEN_RUN,
}
"""What an authentic statement is that is no signature of the package."""
_OTHER_CONTENT: Final = "MLS210"
_CONTENT: Final = "MLS101"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One bundle file: the one authentic statement in it, of whichever kind, or the reason why there is none.

    ``digest`` is the sha256 of the file, None where it could not be read; ``claimed`` the kind that the statement calls itself,
    None for a signature of the package; ``named`` whether the policy names the signer, for a summary whether one by its signer
    may be accepted.
    """

    name: str
    inode: tuple[int, int] | None
    digest: Digest | None
    bundle: Bundle | None = None
    claimed: PredicateType | None = None
    reason: Finding | None = None
    authentic: Authentic[Statement] | None = None
    countersigned: Authentic[Countersignature] | None = None
    summarized: Authentic[VerificationSummary] | None = None
    attested: Authentic[SlsaStatement] | None = None
    golden_run: Authentic[GoldenRunStatement] | None = None
    named: bool = False

    @property
    def signer(self) -> Signer | None:
        """Who signed, where that is proven."""
        proofs = (self.authentic, self.countersigned, self.summarized, self.attested, self.golden_run)
        return next((proof.signer for proof in proofs if proof is not None), None)

    @property
    def vouching(self) -> Authentic[Statement] | None:
        """The statement, where it is by somebody whom the policy names.

        Anybody can have a genuine keyless signature. What strangers say must not decide what is read, hashed or called
        unverified, and by which digest a package is known.
        """
        return self.authentic if self.named else None

    @property
    def vouched_manifest(self) -> Digest | None:
        """The sha256 of the manifest that somebody found in order whose summaries may be accepted."""
        if self.summarized is None or not self.named:
            return None
        from mlsign.formats.verification_summary import Result

        found = self.summarized.statement
        return None if found.judged is None or found.result is not Result.PASSED else found.judged.manifest


@collector_paused()
def attempt_bundles(
    package: OpenPackage,
    *,
    extra: Iterable[Path],
    root: TrustRoot,
    named: Callable[[Identity], bool],
    summarizers: Callable[[Identity], bool],
    now: datetime,
    formats: frozenset[StatementFormat],
    limits: Limits,
) -> tuple[Attempt, ...]:
    """Every bundle in ``signatures/`` and every one the user named, authenticated where that is possible.

    ``named`` tells whether the policy names an identity, ``summarizers`` whether summaries by one may be accepted.

    Raises ``InputError`` for a named signature that is not there, and for too many bundles.
    """
    inside = package.read_bundles(limits=limits)
    reading = _Reading(root=root, now=now, formats=formats, limits=limits)
    # First what the user named: strangers can fill the package, and must not take the trials of these.
    outside = [_attempt(read_bundle_file(path, limits=limits), reading) for path in extra]
    attempts = (*(_attempt(item, reading) for item in inside), *outside)
    return tuple(replace(a, named=_is_named(a, named=named, summarizers=summarizers)) for a in attempts)


def read_statements(
    paths: Iterable[Path], *, root: TrustRoot, summarizers: Callable[[Identity], bool], now: datetime, limits: Limits
) -> tuple[SignatureRecord, ...]:
    """The authentic verification summaries in files, by those who may give them, and provenance and golden runs by anybody.

    Whatever else lies there is not looked at: nothing in these files can say what is in a package.

    Raises ``InputError`` for a file that is not there.
    """
    found = (read_bundle_file(path, limits=limits) for path in paths)
    reading = _Reading(root=root, now=now, formats=frozenset(), limits=limits)
    attempts = (_attempt(item, reading) for item in found)
    records: list[SignatureRecord] = []
    for attempt in attempts:
        if attempt.summarized is not None and summarizers(attempt.summarized.signer.identity):
            records.append(_record(attempt, Standing.SUMMARY, ()))
        elif attempt.attested is not None:
            records.append(_record(attempt, Standing.PROVENANCE, ()))
        elif attempt.golden_run is not None:
            records.append(_record(attempt, Standing.GOLDEN_RUN, ()))
    return tuple(records)


def _is_named(attempt: Attempt, *, named: Callable[[Identity], bool], summarizers: Callable[[Identity], bool]) -> bool:
    if attempt.summarized is not None:
        return summarizers(attempt.summarized.signer.identity)
    return attempt.authentic is not None and named(attempt.authentic.identity)


class _Reading:
    """What all bundles are held against, and what the ones that were read leave for the others.

    Many sign one statement, which is read once. A signature that does not say by which key it is has to be tried against every
    key, junk too; there are only so many trials for all, and one over a long payload counts as many.
    """

    def __init__(self, *, root: TrustRoot, now: datetime, formats: frozenset[StatementFormat], limits: Limits) -> None:
        self.root, self.now, self.formats, self.limits = root, now, formats, limits
        self.decode = cache(decode_statement)
        self._trials = limits.max_key_trials

    def check_trials(self, bundle: Bundle) -> None:
        """Raises ``InputError`` (``signature.trials``)."""
        if bundle.method is Method.KEY and not bundle.key_hint:
            # Each trial hashes the message anew.
            self._trials -= len(self.root.keys) * (1 + len(bundle.envelope.unauthenticated_payload) // MIB)
            if self._trials < 0:
                raise InputError(
                    "is one of too many signatures that do not say by which key they are",
                    code="signature.trials",
                    expected=f"{self.limits.max_key_trials} trials of keys in all",
                    hint="remove signatures of others, or sign again with mlsign sign",
                )


def _attempt(found: FoundBundle, reading: _Reading) -> Attempt:
    digest = sha256(found.content) if isinstance(found.content, bytes) else None
    attempt = Attempt(name=found.name, inode=found.inode, digest=digest)
    try:
        if isinstance(found.content, MlsignError):
            raise found.content
        bundle = decode_bundle(found.content, limits=reading.limits)
        attempt = replace(attempt, bundle=bundle)
        reading.check_trials(bundle)
        claimed = claimed_predicate(bundle.envelope.unauthenticated_payload, limits=reading.limits)
        attempt = replace(attempt, claimed=claimed)
        return _authenticated(attempt, bundle, claimed, reading)
    except MlsignError as err:
        _forget(err)
        # Before authentication it is the bundle that is wrong, after it the statement inside.
        code = _code_of(err, attempt.bundle)
        # A method that is not verified here was not found wanting, it was not looked at.
        outcome = Outcome.UNKNOWN if err.code == "signature.method" else Outcome.FAIL
        return replace(attempt, reason=finding_of(err, code=code, where=found.name, outcome=outcome))


def _authenticated(attempt: Attempt, bundle: Bundle, claimed: PredicateType | None, reading: _Reading) -> Attempt:
    """The attempt with the authentic statement of the kind that the payload calls itself; the decoder of that kind refuses others."""
    root, now, limits = reading.root, reading.now, reading.limits
    match claimed:
        case None:
            authentic = authenticate(bundle, root=root, now=now, formats=reading.formats, limits=limits, decode=reading.decode)
            return replace(attempt, authentic=authentic)
        case PredicateType.COUNTERSIGNATURE:
            from mlsign.formats.countersignature import decode_countersignature

            over = authenticate_statement(bundle, decode_countersignature, root=root, now=now, limits=limits)
            return replace(attempt, countersigned=over)
        case PredicateType.SUMMARY:
            from mlsign.formats.verification_summary import decode_summary

            summary = authenticate_statement(bundle, decode_summary, root=root, now=now, limits=limits)
            return replace(attempt, summarized=summary)
        case PredicateType.PROVENANCE:
            from mlsign.formats.slsa import decode_slsa_statement

            provenance = authenticate_statement(bundle, decode_slsa_statement, root=root, now=now, limits=limits)
            return replace(attempt, attested=provenance)
        case PredicateType.GOLDEN_RUN:
            from mlsign.formats.golden_run import decode_golden_run

            run = authenticate_statement(bundle, decode_golden_run, root=root, now=now, limits=limits)
            return replace(attempt, golden_run=run)


def _forget(error: MlsignError) -> None:
    """Lets go of what the functions held that raised it: the error is one of these, and nobody looks for circles meanwhile."""
    import traceback

    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found = found.__context__


def _code_of(error: MlsignError, bundle: Bundle | None) -> str:
    if bundle is None:
        return "MLS202"
    family = error.code.partition(".")[0]
    return _CODES.get(error.code) or _FAMILIES.get(family) or "MLS206"


@collector_paused()
def judge(
    attempts: tuple[Attempt, ...], content: Content, *, needed: Iterable[PackagePath], unsigned: frozenset[PackagePath]
) -> tuple[tuple[SignatureRecord, ...], tuple[Finding, ...]]:
    """Which signatures count, and what is wrong with the content where none does.

    A signature counts when it is authentic, about exactly this content, and covers everything that is
    loaded. While at least one does, the others are merely not counted: a stray or stale bundle that anybody
    can drop into ``signatures/`` neither helps nor harms.
    """
    needed = tuple(needed)
    records: list[SignatureRecord] = []
    mismatches: list[tuple[Finding, ...]] = []

    def hold(statement: Statement) -> _Held:
        # Many sign one statement, and one of 100,000 files takes longer to compare than to look up.
        if id(statement) not in held:
            uncovered = check_coverage(statement, needed=needed, unsigned=unsigned)
            held[id(statement)] = uncovered, compare_with_statement(statement, content, unsigned=unsigned)
        return held[id(statement)]

    held: dict[int, _Held] = {}
    for attempt in attempts:
        record, differences = _judge_one(attempt, hold)
        records.append(record)
        mismatches.append(differences)
    if any(record.standing is Standing.COUNTED for record in records):
        total = sum(seen.size for seen in content.values())
        message = f"{counted(len(content), 'file')}, {size(total)}: every byte is what was signed"
        return tuple(records), (Finding(code=_CONTENT, outcome=Outcome.PASS, message=message),)
    return tuple(records), merge(*mismatches)


_Held: TypeAlias = tuple[tuple[Finding, ...], tuple[Finding, ...]]
"""What a statement leaves out of what is loaded, and what is not as it says."""


def _judge_one(attempt: Attempt, hold: Callable[[Statement], _Held]) -> tuple[SignatureRecord, tuple[Finding, ...]]:
    if attempt.claimed is not None and attempt.signer is not None:
        return _record(attempt, _STANDINGS[attempt.claimed], ()), ()
    authentic = attempt.authentic
    if authentic is None:
        return _record(attempt, Standing.REJECTED, () if attempt.reason is None else (attempt.reason,)), ()
    uncovered, differences = hold(authentic.statement)
    if not uncovered and not differences:
        return _record(attempt, Standing.COUNTED if attempt.named else Standing.STRANGER, ()), ()
    reasons = uncovered
    if differences:
        places = ", ".join(finding.where for finding in differences[:4])
        more = " and others" if len(differences) > 4 else ""
        summary = Finding(
            code=_OTHER_CONTENT,
            outcome=Outcome.FAIL,
            message=f"the signature is genuine but over other content: {places}{more}",
            where=attempt.name,
        )
        reasons = (*uncovered, summary)
    return _record(attempt, Standing.REJECTED, reasons), differences


def _record(attempt: Attempt, standing: Standing, reasons: tuple[Finding, ...]) -> SignatureRecord:
    authentic, signer = attempt.authentic, attempt.signer
    return SignatureRecord(
        bundle=attempt.name,
        digest=attempt.digest,
        about=None if attempt.countersigned is None else attempt.countersigned.statement.digest,
        method=None if attempt.bundle is None else attempt.bundle.method,
        standing=standing,
        identity=None if signer is None else signer.identity,
        times=() if signer is None else signer.times,
        logged=signer is not None and signer.logged,
        algorithms=frozenset() if authentic is None else frozenset({authentic.statement.algorithm}),
        reasons=reasons,
        summary=None if attempt.summarized is None else attempt.summarized.statement,
        provenance=None if attempt.attested is None else attempt.attested.statement,
        claims_provenance=attempt.claimed is PredicateType.PROVENANCE,
        golden_run=None if attempt.golden_run is None else attempt.golden_run.statement,
        claims_golden_run=attempt.claimed is PredicateType.GOLDEN_RUN,
    )
