"""Who claims to have signed a package: what its bundles say of themselves, none of it checked."""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.errors import MlsignError, shown
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.statement import StatementFormat, decode_statement
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import FoundBundle, OpenPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedSigner:
    """What a bundle says about its signer. Nothing of it has been checked: that is what ``verify`` is for.

    ``holder`` and ``issuer`` are what its certificate says of itself; ``key_hint`` is there for a signature by a bare key, in
    bundles of OMS the sha256 of the key's PEM file. ``subject`` is the name of what it says it is over; ``problem`` says what it
    is instead of a signature over files, or why it cannot be read.
    """

    bundle: str
    method: str
    holder: str
    issuer: str
    key_hint: str
    subject: str
    problem: str


def claimed_signers(package: OpenPackage, *, limits: Limits = DEFAULT) -> tuple[ClaimedSigner, ...]:
    """What the bundles of a package say about their signers, none of it checked. Raises as ``OpenPackage.read_bundles`` does."""
    return tuple(_claimed(bundle, limits=limits) for bundle in package.read_bundles(limits=limits))


def _claimed(found: FoundBundle, *, limits: Limits) -> ClaimedSigner:
    method = hint = holder = issuer = subject = problem = ""
    try:
        if isinstance(found.content, MlsignError):
            raise found.content
        bundle = decode_bundle(found.content, limits=limits)
        method, hint = bundle.method.value, bundle.key_hint
        subject, other = _said(bundle.envelope.unauthenticated_payload, limits=limits)
        problem = f"claims to be {other}, which signs no files" if other else ""
        if bundle.material.certificates:
            from mlsign.trust.claimed import claimed_holder

            holder, issuer = claimed_holder(bundle.material, method=bundle.method)
    except MlsignError as err:
        problem = problem or str(err)
    return ClaimedSigner(
        bundle=found.name, method=method, holder=holder, issuer=issuer, key_hint=hint, subject=subject, problem=problem
    )


def _said(payload: bytes, *, limits: Limits) -> tuple[str, str]:
    """The name of what a payload says it is over, and what else than a signature over files it is. Raises ``InputError``."""
    match claimed_predicate(payload, limits=limits):
        case None:
            return decode_statement(payload, limits=limits, formats=frozenset(StatementFormat)).subject_name, ""
        case PredicateType.COUNTERSIGNATURE:
            from mlsign.formats.countersignature import decode_countersignature

            over = decode_countersignature(payload, limits=limits)
            return over.name, f"a countersignature over the signature {over.digest}"
        case PredicateType.SUMMARY:
            from mlsign.formats.verification_summary import decode_summary

            summary = decode_summary(payload, limits=limits)
            return summary.name, f"a verification summary of {shown(summary.name)}"
        case PredicateType.PROVENANCE:
            from mlsign.formats.slsa import decode_slsa_statement

            return "", f"provenance, built by {shown(decode_slsa_statement(payload, limits=limits).provenance.builder)}"
        case PredicateType.GOLDEN_RUN:
            from mlsign.formats.golden_run import decode_golden_run

            run = decode_golden_run(payload, limits=limits)
            words = f"{'passed' if run.passed else 'failed'} with {shown(run.place.runtime)} on {run.place.platform}"
            return run.name, f"a golden run of {shown(run.name)}, {words}"
