"""From a bundle to an authentic statement: the only place where ``Authentic`` values are made.

What a signature by a key has no need of is imported where it is needed: certificates, logs and their times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.formats.bundle import Bundle, FileBundle, Material
from mlsign.formats.dsse import old_pre_authentication_encoding, pre_authentication_encoding
from mlsign.formats.statement import ACCEPTED_FORMATS, Statement, StatementFormat, decode_statement
from mlsign.formats.statement_old import OLD_PREDICATE_TYPE
from mlsign.identity import Identity, Method
from mlsign.limits import DEFAULT, Limits
from mlsign.times import TrustedTime
from mlsign.trust.keys import PublicKey, verify_by_sha256, verify_prehashed, verify_signature
from mlsign.trust.root import TrustRoot

if TYPE_CHECKING:
    from mlsign.trust.log import SignedFacts

S = TypeVar("S")

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far clocks of honest machines may be apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A proven identity, the times at which its signature is known to have existed, and whether a log has it."""

    identity: Identity
    times: tuple[TrustedTime, ...]
    logged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentic(Generic[S]):
    """A statement and the proven identity behind it. Says nothing yet about whose word counts, nor about which package is here."""

    statement: S
    payload: bytes
    signer: Signer

    @property
    def identity(self) -> Identity:
        return self.signer.identity

    @property
    def times(self) -> tuple[TrustedTime, ...]:
        return self.signer.times


class Encoding(Enum):
    """How what was signed was made of the payload: by DSSE, or by the signers of OMS 0.2, who also took sha256 for every key."""

    DSSE = "dsse"
    OMS_0_2 = "oms-0.2"


def authenticate(
    bundle: Bundle,
    *,
    root: TrustRoot,
    now: datetime,
    formats: frozenset[StatementFormat] = ACCEPTED_FORMATS,
    limits: Limits = DEFAULT,
    decode: Callable[..., Statement] = decode_statement,
) -> Authentic[Statement]:
    """The signature of a package: the statement that a trusted identity signed, in one of ``formats``; ``decode`` is for whoever keeps what was read.

    Raises ``TrustError`` (``signature.…``, ``certificate.…``, ``log.…``, ``sct.…``, ``time.…``), ``InputError`` for
    material that cannot be read and, for a properly signed payload that is no OMS statement or one in another format,
    ``InputError`` (``statement.…`` and those below it).
    """
    payload = bundle.envelope.unauthenticated_payload
    # 1. Who signed, and when, is proven over the bytes as received.
    try:
        signer, _ = authenticate_envelope(bundle, root=root, now=now)
    except TrustError as err:
        if err.code != "signature.invalid" or not _may_be_old(bundle, formats=formats):
            _hint_at_old(err, bundle)
            raise
        # 2. What holds in the encoding of old signers only is by one of them: it can be no other statement than theirs.
        signer, formats = _authenticate_old(bundle, root=root, now=now), frozenset({StatementFormat.OMS_0_2})
    # 3. Only then are they read.
    return Authentic(statement=decode(payload, limits=limits, formats=formats), payload=payload, signer=signer)


def authenticate_statement(
    bundle: Bundle, decode: Callable[..., S], *, root: TrustRoot, now: datetime, limits: Limits = DEFAULT
) -> Authentic[S]:
    """Another statement than a signature: the one that a trusted identity signed, as ``decode`` reads it.

    ``decode`` is that of the one kind that is wanted (``decode_countersignature``, ``decode_summary`` and the like) and refuses
    every other. Raises as ``authenticate_envelope`` does, and, for a properly signed payload, as ``decode`` does.
    """
    signer, payload = authenticate_envelope(bundle, root=root, now=now)
    return Authentic(statement=decode(payload, limits=limits), payload=payload, signer=signer)


def _may_be_old(bundle: Bundle, *, formats: frozenset[StatementFormat]) -> bool:
    # Keyless signatures were made by another library, which encoded them as it should.
    return StatementFormat.OMS_0_2 in formats and bundle.method is not Method.KEYLESS


def _hint_at_old(err: TrustError, bundle: Bundle) -> None:
    """Says what else may be the matter. What the payload claims decides nothing."""
    if err.code == "signature.invalid" and OLD_PREDICATE_TYPE.encode() in bundle.envelope.unauthenticated_payload:
        err.hint = err.hint or "OMS 0.2 signed other bytes; that is tried where the policy lists oms-0.2 under formats"


def _authenticate_old(bundle: Bundle, *, root: TrustRoot, now: datetime) -> Signer:
    payload = bundle.envelope.unauthenticated_payload
    signed = Signed(
        message=old_pre_authentication_encoding(bundle.envelope.payload_type, payload),
        payload=payload,
        signature=bundle.envelope.signature,
        encoding=Encoding.OMS_0_2,
    )
    return _authenticate(bundle, signed, root=root, now=now)


def authenticate_envelope(bundle: Bundle, *, root: TrustRoot, now: datetime) -> tuple[Signer, bytes]:
    """Who signed the payload of an envelope, and the payload, whatever it says. Raises as ``authenticate`` does."""
    payload = bundle.envelope.unauthenticated_payload
    message = pre_authentication_encoding(bundle.envelope.payload_type, payload)
    signed = Signed(message=message, payload=payload, signature=bundle.envelope.signature)
    return _authenticate(bundle, signed, root=root, now=now), payload


def authenticate_file(bundle: FileBundle, content: bytes | Digest, *, root: TrustRoot, now: datetime) -> Signer:
    """Who signed a file, given its bytes or their sha256. Raises as ``authenticate`` does, and ``signature.content``."""
    digest = sha256(content) if isinstance(content, bytes) else content
    if bundle.content.digest is not None and bundle.content.digest != digest:
        raise TrustError(
            "the bundle is about a file with another digest",
            code="signature.content",
            expected=str(digest),
            found=str(bundle.content.digest),
        )
    signed = Signed(message=content, payload=None, signature=bundle.content.signature)
    return _authenticate(bundle, signed, root=root, now=now)


def _authenticate(bundle: Bundle | FileBundle, signed: Signed, *, root: TrustRoot, now: datetime) -> Signer:
    """Who made the signature over the message."""
    # 1. The method decides what can vouch for the bundle, and which steps that takes.
    if bundle.method is Method.KEY:
        signer = _by_key(bundle, signed, root=root)
    elif bundle.method is Method.KEYLESS:
        signer = _keyless(bundle, signed, root=root)
    else:
        signer = _by_certificate(bundle, signed, root=root, now=now)
    # 2. A time that has not come yet means that a clock is wrong, here or there: nothing that follows from it holds.
    for time in signer.times:
        if time.time - now > CLOCK_TOLERANCE:
            raise TrustError(
                f"the trusted time of the signature, {time.time:%Y-%m-%dT%H:%M:%SZ}, has not come yet",
                code="time.future",
                expected=f"before {now:%Y-%m-%dT%H:%M:%SZ}",
                found=f"{time.time:%Y-%m-%dT%H:%M:%SZ} by {time.source.value}",
                hint="check the clock of this machine",
            )
    return signer


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The signature and what it is over: the message or its sha256, and the payload inside where it is an envelope."""

    message: bytes | Digest
    payload: bytes | None
    signature: bytes
    encoding: Encoding = Encoding.DSSE

    def facts(self, verifier: bytes) -> SignedFacts:
        from mlsign.trust.log import SignedFacts

        return SignedFacts(signature=self.signature, verifier=verifier, message=self.message, payload=self.payload)

    def verify(self, key: PublicKey) -> None:
        if not isinstance(self.message, bytes):
            verify_prehashed(key, digest=self.message, signature=self.signature)
        elif self.encoding is Encoding.OMS_0_2:
            verify_by_sha256(key, message=self.message, signature=self.signature)
        else:
            verify_signature(key, message=self.message, signature=self.signature)


def _by_key(bundle: Bundle | FileBundle, signed: Signed, *, root: TrustRoot) -> Signer:
    # 1. The hint selects among trusted keys; it never adds one.
    key = _first_that_signed(_candidates(bundle.key_hint, root=root), signed)
    # 2. A key needs no log and no time. Where there are any and authorities to hold them against, they must be true.
    material = bundle.material
    if root.sigstore is None or material == Material(version=material.version):
        return Signer(identity=key.identity, times=(), logged=False)
    from mlsign.trust.keyless import proven_times

    times = proven_times(material, signed.facts(key.der), root=root.sigstore)
    return Signer(identity=key.identity, times=times, logged=len(material.entries) > 0)


def _keyless(bundle: Bundle | FileBundle, signed: Signed, *, root: TrustRoot) -> Signer:
    if root.sigstore is None:
        raise TrustError(
            "is signed keyless, and there is no trust root to hold that against",
            code="signature.method",
            expected="a Sigstore trust root",
            found="none",
            hint="mlsign trust show says which there is; --trust-root names another",
        )
    from mlsign.trust.keyless import verify_material

    facts = signed.facts(bundle.material.certificates[0])
    vouched = verify_material(bundle.material, facts, root=root.sigstore)
    signed.verify(vouched.key)
    return Signer(identity=vouched.identity, times=vouched.times, logged=True)


def _by_certificate(bundle: Bundle | FileBundle, signed: Signed, *, root: TrustRoot, now: datetime) -> Signer:
    from mlsign.trust.chain import no_authority, verify_holder
    from mlsign.trust.keyless import holder_key, proven_times

    certificates = bundle.material.certificates
    if not root.authorities or not certificates:
        raise no_authority()
    # 1. The signature is by the key of the certificate, whoever's that is.
    signed.verify(holder_key(certificates[0]))
    # 2. Times are proven as for any other signature.
    times: tuple[TrustedTime, ...] = ()
    if root.sigstore is not None:
        times = proven_times(bundle.material, signed.facts(certificates[0]), root=root.sigstore)
    # 3. Any one authority is enough; which one it was is part of the identity, and the policy asks for it.
    failure: MlsignError = no_authority()
    for trust in root.authorities:
        try:
            identity = verify_holder(certificates, trust=trust, times=times, now=now, others=root.authorities)
        except (TrustError, InputError) as err:
            failure = err
        else:
            return Signer(identity=identity, times=times, logged=False)
    raise failure


def _candidates(hint: str, *, root: TrustRoot) -> tuple[PublicKey, ...]:
    found = tuple(key for key in root.keys if key.hint == hint) if hint else root.keys
    if not found:
        raise TrustError(
            "is signed by a key that the policy does not name",
            code="signature.unknown_key",
            expected=f"a key with the hint {', '.join(key.hint[:16] for key in root.keys)}" if root.keys else "no key at all",
            found=f"a key with the hint {hint[:16]}",
        )
    return found


def _first_that_signed(keys: tuple[PublicKey, ...], signed: Signed) -> PublicKey:
    failure: TrustError | None = None
    for key in keys:
        try:
            signed.verify(key)
        except TrustError as err:
            failure = err
        else:
            return key
    raise failure or TrustError("no key to verify with", code="signature.unknown_key")
