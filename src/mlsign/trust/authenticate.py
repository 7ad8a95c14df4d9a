"""From a bundle to an authentic statement: the only place where ``Authentic`` values are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlsign.errors import TrustError
from mlsign.formats.bundle import Bundle
from mlsign.formats.dsse import pre_authentication_encoding
from mlsign.formats.statement import Statement, decode_statement
from mlsign.identity import Identity, Method
from mlsign.limits import DEFAULT, Limits
from mlsign.trust.keys import PublicKey, verify_signature
from mlsign.trust.root import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentic:
    """A statement and the proven identity behind it. Says nothing yet about the content of a package."""

    statement: Statement
    payload: bytes
    identity: Identity
    times: tuple[datetime, ...]


def authenticate(bundle: Bundle, *, root: TrustRoot, limits: Limits = DEFAULT) -> Authentic:
    """The statement that a trusted identity signed.

    Raises ``TrustError`` (``signature.method``, ``signature.unknown_key``, ``signature.invalid``) and, for a
    properly signed payload that is no OMS statement, ``InputError`` (``statement.…`` and those below it).
    """
    # 1. The method decides what can vouch for the bundle.
    if bundle.method is not Method.KEY:
        raise TrustError(
            f"is signed by method {bundle.method.value}, this version verifies key signatures",
            code="signature.method",
            expected=Method.KEY.value,
            found=bundle.method.value,
        )
    # 2. The hint selects among trusted keys; it never adds one.
    candidates = _candidates(bundle, root=root)
    # 3. The signature is over type and payload exactly as received.
    message = pre_authentication_encoding(bundle.envelope.payload_type, bundle.envelope.unauthenticated_payload)
    key = _first_that_signed(candidates, message=message, signature=bundle.envelope.signature)
    # 4. Only now is the payload read.
    payload = bundle.envelope.unauthenticated_payload
    return Authentic(statement=decode_statement(payload, limits=limits), payload=payload, identity=key.identity, times=())


def _candidates(bundle: Bundle, *, root: TrustRoot) -> tuple[PublicKey, ...]:
    found = tuple(key for key in root.keys if key.hint == bundle.key_hint) if bundle.key_hint else root.keys
    if not found:
        raise TrustError(
            "is signed by a key that the policy does not name",
            code="signature.unknown_key",
            expected=", ".join(key.hint[:16] for key in root.keys) or "no key at all",
            found=bundle.key_hint[:16],
        )
    return found


def _first_that_signed(keys: tuple[PublicKey, ...], *, message: bytes, signature: bytes) -> PublicKey:
    failure: TrustError | None = None
    for key in keys:
        try:
            verify_signature(key, message=message, signature=signature)
        except TrustError as err:
            failure = err
        else:
            return key
    raise failure or TrustError("no key to verify with", code="signature.unknown_key")
