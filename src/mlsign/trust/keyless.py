"""Keyless signatures: from a bundle and a Sigstore trust root to whom an issuer vouched for, and when.

The order of the checks is that of the Sigstore client specification (sigstore/architecture-docs, ``client-spec.md``,
section 4); the pieces are in the modules that are named by the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from mlsign.errors import InputError, TrustError
from mlsign.formats.bundle import Material
from mlsign.formats.trusted_root import Authority, TrustedRoot
from mlsign.identity import KeylessIdentity
from mlsign.times import TrustedTime
from mlsign.trust.certificates import check_is_no_authority, check_usage, check_validity, key_pem, load_certificate, verify_chain
from mlsign.trust.fulcio import keyless_identity
from mlsign.trust.keys import PublicKey, decode_public_key
from mlsign.trust.log import SignedFacts, verify_entry
from mlsign.trust.sct import verify_certificate_timestamp
from mlsign.trust.timestamps import verify_timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Vouched:
    """Who signed and when, and the key that must have made the signature: checking that is the caller's last step."""

    identity: KeylessIdentity
    key: PublicKey
    times: tuple[TrustedTime, ...]


def verify_material(material: Material, facts: SignedFacts, *, root: TrustedRoot) -> Vouched:
    """The identity behind the certificate of a bundle, at the times that were proven.

    ``facts`` are what the log must know about the signature. Raises ``TrustError`` (``certificate.…``, ``log.…``,
    ``sct.…``, ``time.missing``) and ``InputError`` for what cannot be read.
    """
    (der,) = material.certificates
    leaf = load_certificate(der)
    # 1. When: by timestamp authorities, and by logs that sign the time at which they took an entry in.
    times = proven_times(material, facts, root=root)
    if not times:
        raise TrustError(
            "no trusted time says when this was signed, and the certificate was good for minutes only", code="time.missing"
        )
    # 2. The certificate was valid at every one of these times, by an authority that was to be trusted then.
    issuer = b""
    for time in times:
        check_validity(leaf, time=time.time)
        issuer = _issuer_at(der, time.time, authorities=root.certificate_authorities)
    # 3. Certificate logs have seen it.
    verify_certificate_timestamp(leaf, issuer=issuer, logs=root.ct_logs)
    # 4. It is one to sign with, and names whom it was issued to.
    check_usage(leaf)
    check_is_no_authority(leaf)
    identity = keyless_identity(leaf)
    return Vouched(identity=identity, key=holder_key(der), times=times)


def proven_times(material: Material, facts: SignedFacts, *, root: TrustedRoot) -> tuple[TrustedTime, ...]:
    """The times at which the signature is known to have existed, earliest first.

    Every log entry must hold. A timestamp by an authority that the root does not name counts for nothing, as if it were
    not there. Raises ``TrustError`` (``log.…``) and ``InputError``.
    """
    times: list[TrustedTime] = []
    for response in material.timestamps:
        try:
            times.append(verify_timestamp(response, signature=facts.signature, authorities=root.timestamp_authorities))
        except TrustError:
            continue
    entries = [verify_entry(entry, facts, root=root, version=material.version) for entry in material.entries]
    times.extend(time for time in entries if time is not None)
    _check_periods(material, times, root=root)
    return tuple(sorted(times, key=lambda t: (t.time, t.source.value)))


def _check_periods(material: Material, times: list[TrustedTime], *, root: TrustedRoot) -> None:
    """A log that signs no time of its own must have been trusted at one that others prove.

    Where nobody proves any, the log must be one that is trusted to this day: the key of a former one may be anybody's.
    """
    periods = {log.log_id: log.period for log in root.logs}
    for entry in material.entries:
        period = periods[entry.log_id]
        good = any(period.covers(time.time) for time in times) if times else period.end is None
        if entry.promise is None and not good:
            raise TrustError("the log of the entry was not to be trusted when this was signed", code="log.period")


def _issuer_at(leaf: bytes, time: datetime, *, authorities: tuple[Authority, ...]) -> bytes:
    """The certificate that issued the leaf, in a chain to an authority that was trusted at ``time``."""
    failure: TrustError | InputError | None = None
    for authority in authorities:
        if not authority.period.covers(time):
            continue
        try:
            chain = verify_chain(leaf, anchors=authority.certificates[-1:], intermediates=authority.certificates[:-1], time=time)
        except (TrustError, InputError) as err:
            failure = err
        else:
            if len(chain) > 1:
                return chain[1]
            # The certificate of the authority itself: nobody's identity.
    raise failure or TrustError(
        f"no certificate authority of the trust root was to be trusted at {time:%Y-%m-%dT%H:%M:%SZ}",
        code="certificate.chain",
        where="certificate",
    )


@lru_cache(maxsize=256)
def holder_key(der: bytes) -> PublicKey:
    """The key of a certificate in DER. Raises ``InputError`` (``key.kind``, ``certificate.format``)."""
    return decode_public_key(key_pem(load_certificate(der)), where="certificate")
