"""Sign: a signature over a package as it lies there, after making sure that it is what its manifest says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Final

from mlsign.actions.signing.adding import add_bundle
from mlsign.actions.verification.examine import Examination, examine_to_vouch
from mlsign.actions.verification.known import opened_store
from mlsign.actions.verification.signatures import Attempt
from mlsign.compare.content import CHANGED, EXTRA, MISSING, compare_with_manifest
from mlsign.errors import InputError, MlsignError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.manifest import Manifest
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.statement import Resource, Statement, build_statement, encode_statement
from mlsign.identity import Identity, Method
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage, read_user_file
from mlsign.package.stream import Advance
from mlsign.paths import SIGNATURES_NAME
from mlsign.signers.key import KeySigner, decode_private_key
from mlsign.signers.protocol import Signer
from mlsign.trust.authenticate import authenticate, authenticate_envelope
from mlsign.trust.root import TrustRoot

_CONTENT_CODES = frozenset({CHANGED, MISSING, EXTRA})
_LINKED = "MLS107"


class Addition(Enum):
    """What a call of ``sign`` changed."""

    ADDED = "added"
    PRESENT = "present"


class Agreement(Enum):
    """What a bundle that was there before is over."""

    SAME = "over the same files"
    OTHER = "over other files, so it does not count"
    SUMMARY = "a verification summary, which signs no files"
    PROVENANCE = "a provenance statement, which signs no files"
    GOLDEN_RUN = "a golden run, which signs no files"
    COUNTERSIGNATURE = "a countersignature, which signs another signature"
    UNREADABLE = "not readable as a signature"


_AGREEMENTS: Final = {
    PredicateType.COUNTERSIGNATURE: Agreement.COUNTERSIGNATURE,
    PredicateType.SUMMARY: Agreement.SUMMARY,
    PredicateType.PROVENANCE: Agreement.PROVENANCE,
    PredicateType.GOLDEN_RUN: Agreement.GOLDEN_RUN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A bundle that was there before. ``identity`` is proven, or None where nothing that is trusted here vouches for it."""

    bundle: str
    method: Method | None
    agreement: Agreement
    identity: Identity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature in place, and the further bundles that the package carries, by whomever."""

    addition: Addition
    bundle: str
    identity: Identity
    digest: str
    name: str
    files: int
    others: tuple[Neighbour, ...]


class RefusedToSign(InputError):  # noqa: N818 - named for what happened, as Denied is
    """The package is not what its manifest says; ``findings`` are the differences."""

    def __init__(self, path: str, findings: tuple[Finding, ...]) -> None:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(
            f"will not be signed: {first.code} {first.message}{more}",
            code="sign.refused",
            where=path,
            expected=first.expected,
            found=first.found,
            hint=first.hint if first.code == _LINKED else "pack the model again; nobody should sign what nobody packed",
        )
        self.findings = findings


def sign(
    path: Path,
    signer: Signer,
    *,
    known: TrustRoot | None = None,
    advance: Advance | None = None,
    tell: Callable[[tuple[Neighbour, ...]], None] | None = None,
    now: datetime | None = None,
    store: Path | None = None,
    limits: Limits = DEFAULT,
) -> Signed:
    """Adds the signer's bundle to the package, or finds that it is already there.

    Everything is hashed again, so what is signed is what lies there now; of a file of the ``store`` that nobody has touched, it is what
    mlsign wrote there. ``tell`` is called before the signer is asked to
    sign, with the bundles that are there already; ``known`` is what those are held against. Nothing is written unless the
    new bundle holds against ``signer.trust``. Raises ``RefusedToSign`` when the package is not what its manifest says,
    ``InputError`` when there is no manifest, no room for one more bundle, or a file changes meanwhile, ``TrustError`` when the
    new bundle does not hold, and ``OutsideError``.
    """
    moment = now or datetime.now(UTC)
    # The package stays open to the end: its name may lead elsewhere by the time that a signature is there.
    with OpenPackage.open(path) as package:
        # 1. Look at what lies there, trusting nobody: no older statement, not even the signer's own, says what may be left unread.
        with opened_store(store) as opened:
            examination = examine_to_vouch(package, now=moment, limits=limits, store=opened, advance=advance)
        manifest = checked_manifest(path, examination)
        # 2. What is to be signed follows from the files alone.
        statement = package_statement(manifest, examination)
        payload = encode_statement(statement)
        # 3. Say beside whom.
        others = _neighbours(examination, payload, known=known or TrustRoot(keys=()), now=moment)
        if tell is not None:
            tell(others)
        # 4. A key says the same thing every time; a signature with a time in it is worth making again.
        found = None if signer.material is None else _find_mine(examination, signer, payload, now=moment)
        if found is not None:
            addition, (name, identity) = Addition.PRESENT, found
        else:
            # No key is used and no service asked for a bundle that would make the package unverifiable.
            package.check_room(limits=limits)
            bundle = signer.sign(payload)
            # 5. What would not be accepted is not written: a broken token, a wrong clock, an expired certificate.
            identity = authenticate(bundle, root=signer.trust, now=now or datetime.now(UTC), limits=limits).identity
            name = add_bundle(package, bundle, files=examination.contents.files, limits=limits)
            addition = Addition.ADDED
    return Signed(
        addition=addition,
        bundle=name,
        identity=identity,
        digest=str(statement.subject_digest),
        name=statement.subject_name,
        files=len(statement.resources),
        others=tuple(other for other in others if other.bundle != name),
    )


def package_statement(manifest: Manifest, examination: Examination) -> Statement:
    """What a signature over the package says."""
    return build_statement(
        name=f"{manifest.name}-{manifest.version}",
        algorithm=manifest.algorithm,
        resources=tuple(
            Resource(path=p, digest=seen.digests[manifest.algorithm]) for p, seen in examination.contents.observed.items()
        ),
        ignore_paths=(SIGNATURES_NAME,),
    )


def _neighbours(examination: Examination, payload: bytes, *, known: TrustRoot, now: datetime) -> tuple[Neighbour, ...]:
    return tuple(_neighbour(attempt, payload, known=known, now=now) for attempt in examination.attempts)


def _neighbour(attempt: Attempt, payload: bytes, *, known: TrustRoot, now: datetime) -> Neighbour:
    if attempt.bundle is None:
        return Neighbour(bundle=attempt.name, method=None, agreement=Agreement.UNREADABLE, identity=None)
    identity: Identity | None = None
    with suppress(MlsignError):  # nobody that is trusted here: it is said to be unchecked
        identity = authenticate_envelope(attempt.bundle, root=known, now=now)[0].identity
    agreement = _agreement(attempt.bundle.envelope.unauthenticated_payload, payload)
    return Neighbour(bundle=attempt.name, method=attempt.bundle.method, agreement=agreement, identity=identity)


def _agreement(there: bytes, wanted: bytes) -> Agreement:
    if there == wanted:
        return Agreement.SAME
    claimed = claimed_predicate(there)
    return Agreement.OTHER if claimed is None else _AGREEMENTS[claimed]


def _find_mine(examination: Examination, signer: Signer, payload: bytes, *, now: datetime) -> tuple[str, Identity] | None:
    """The bundle in which this signer already vouches for exactly these bytes, as it would again but for the signature."""
    for attempt in examination.attempts:
        if attempt.bundle is None or attempt.bundle.envelope.unauthenticated_payload != payload:
            continue
        # A copy with a junk timestamp or without a certificate may hold here and be denied elsewhere: a true one goes beside it.
        if attempt.bundle.material != signer.material:
            continue
        try:
            identity = authenticate_envelope(attempt.bundle, root=signer.trust, now=now)[0].identity
        except MlsignError:
            continue  # somebody else's, or a forgery in the signer's name: a true one is added beside it
        # The same authority may vouch for others as well.
        if signer.identity is not None and identity.unique == signer.identity.unique:
            return attempt.name, identity
    return None


def checked_manifest(path: Path, examination: Examination) -> Manifest:
    """The manifest of a package that is what it says. Raises ``RefusedToSign``, ``InputError`` (``sign.manifest``)."""
    evidence = examination.evidence
    if evidence.manifest is None and not any(f.code == "MLS109" for f in evidence.findings):
        raise InputError(
            "has no mlsign.json, so it is not a package",
            code="sign.manifest",
            where=str(path),
            hint="make one first: mlsign pack MODEL.onnx -o DIR",
        )
    # An older bundle of ours that has gone stale says nothing about the package: content is held against the manifest.
    content = () if evidence.manifest is None else compare_with_manifest(evidence.manifest, examination.contents.observed)
    wrong = content + tuple(f for f in evidence.findings if f.outcome is not Outcome.PASS and f.code not in _CONTENT_CODES)
    problems = tuple(
        Finding(code=p.code, outcome=Outcome.FAIL, message=p.message, where=p.where)
        for p in (evidence.summary.problems if evidence.summary else ())
    )
    if wrong or problems or evidence.manifest is None or evidence.summary is None:
        raise RefusedToSign(str(path), wrong + problems)
    return evidence.manifest


def load_key(path: Path, *, ask_password: Callable[[], bytes], limits: Limits = DEFAULT) -> KeySigner:
    """A signer from a private key file; ``ask_password`` is called when the key is encrypted. Raises ``InputError``."""
    pem, _ = read_user_file(path, max_bytes=limits.max_key_bytes, what="key")
    return decode_private_key(pem, where=str(path), ask_password=ask_password)
