"""Sign: a signature over a package as it lies there, after making sure that it is what its manifest says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from mlsign.actions.examine import Examination, ExamineRequest, examine
from mlsign.compare.content import CHANGED, EXTRA, MISSING, compare_with_manifest
from mlsign.errors import InputError, TrustError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.bundle import encode_key_bundle
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Resource, build_statement, encode_statement
from mlsign.identity import Identity
from mlsign.limits import DEFAULT, Limits
from mlsign.package.hashing import Advance
from mlsign.package.read import OpenPackage, read_user_file
from mlsign.package.write import add_signature
from mlsign.paths import SIGNATURES_NAME
from mlsign.signers.key import KeySigner, decode_private_key
from mlsign.trust.authenticate import authenticate
from mlsign.trust.root import TrustRoot

_CONTENT_CODES = frozenset({CHANGED, MISSING, EXTRA})


class Addition(Enum):
    """What a call of ``sign`` changed."""

    ADDED = "added"
    PRESENT = "present"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signature in place. ``others`` is how many further bundles the package carries, by whomever."""

    addition: Addition
    bundle: str
    identity: Identity
    digest: str
    name: str
    files: int
    others: int


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
            hint="pack the model again; nobody should sign what nobody packed",
        )
        self.findings = findings


def sign(path: Path, signer: KeySigner, *, advance: Advance | None = None, limits: Limits = DEFAULT) -> Signed:
    """Adds the signer's bundle to the package, or finds that it is already there.

    Everything is hashed again, so what is signed is what lies there now. Raises ``RefusedToSign`` when that
    is not what the manifest says, ``InputError`` when there is no manifest, and ``OutsideError``.
    """
    with OpenPackage.open(path) as package:
        # Trusting nobody, so that no older statement, not even the signer's own, says what may be left unread.
        request = ExamineRequest(root=TrustRoot(keys=()), limits=limits)
        examination = examine(package, request, advance=advance)
        examination.contents.close()
    manifest = _check(path, examination)
    label = f"{manifest.name}-{manifest.version}"
    statement = build_statement(
        name=label,
        algorithm=manifest.algorithm,
        resources=tuple(
            Resource(path=p, digest=seen.digests[manifest.algorithm]) for p, seen in examination.contents.observed.items()
        ),
        ignore_paths=(SIGNATURES_NAME,),
    )
    payload = encode_statement(statement)
    mine = _find_mine(examination, signer, payload, limits=limits)
    bundles = len(examination.attempts)
    addition, name, others = Addition.PRESENT, mine or "", bundles - 1
    if mine is None:
        addition, name, others = Addition.ADDED, add_signature(path, encode_key_bundle(signer.sign(payload))), bundles
    return Signed(
        addition=addition,
        bundle=name,
        identity=signer.identity,
        digest=str(statement.subject_digest),
        name=label,
        files=len(statement.resources),
        others=others,
    )


def _find_mine(examination: Examination, signer: KeySigner, payload: bytes, *, limits: Limits) -> str | None:
    """The bundle in which this signer already vouches for exactly these bytes."""
    root = TrustRoot(keys=(signer.public,))
    for attempt in examination.attempts:
        if attempt.bundle is None or attempt.bundle.envelope.unauthenticated_payload != payload:
            continue
        try:
            authenticate(attempt.bundle, root=root, limits=limits)
        except TrustError:
            continue  # somebody else's, or a forgery in the signer's name: a true one is added beside it
        return attempt.name
    return None


def _check(path: Path, examination: Examination) -> Manifest:
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
