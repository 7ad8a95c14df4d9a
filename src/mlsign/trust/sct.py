"""Certificate timestamps (RFC 6962, section 3.2): that a certificate was handed to a public log before it was used.

Without one, an authority could issue a certificate for somebody's identity that nobody but its victims ever sees.
"""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.certificate_transparency import LogEntryType, SignedCertificateTimestamp, Version

from mlsign.errors import InputError, TrustError
from mlsign.formats.trusted_root import Log
from mlsign.trust.certificates import key_digest, load_certificate
from mlsign.trust.log_keys import verify_by_log

_MAX_TIMESTAMPS: Final = 16
_MAX_TBS: Final = 2**24


def verify_certificate_timestamp(leaf: x509.Certificate, *, issuer: bytes, logs: tuple[Log, ...]) -> None:
    """Returns when a log of the trust root has seen the certificate; ``issuer`` is the certificate that issued it, in DER.

    Raises ``TrustError`` (``sct.missing``, ``sct.untrusted``, ``log.signature``) and ``InputError`` (``sct.format``).
    """
    failure: TrustError | InputError | None = None
    for timestamp in _timestamps(leaf):
        try:
            _verify(timestamp, leaf, issuer=load_certificate(issuer), logs=logs)
        except (TrustError, InputError) as err:
            failure = err
        else:
            return
    raise failure or TrustError("the certificate has no timestamp by a certificate log", code="sct.missing", where="certificate")


def _timestamps(leaf: x509.Certificate) -> tuple[SignedCertificateTimestamp, ...]:
    try:
        value = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    except x509.ExtensionNotFound:
        return ()
    found = tuple(value)
    if len(found) > _MAX_TIMESTAMPS:
        raise InputError(f"has {len(found)} certificate timestamps", code="sct.format", where="certificate")
    return found


def _verify(
    timestamp: SignedCertificateTimestamp, leaf: x509.Certificate, *, issuer: x509.Certificate, logs: tuple[Log, ...]
) -> None:
    try:
        time = timestamp.timestamp.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as err:
        raise InputError("has a certificate timestamp of no time", code="sct.format", where="certificate") from err
    for log in logs:
        if log.log_id == timestamp.log_id and log.period.covers(time):
            verify_by_log(
                log,
                message=_signed(timestamp, leaf, issuer, time=time),
                signature=timestamp.signature,
                what="the certificate timestamp",
            )
            return
    raise TrustError(
        "the certificate timestamp is of a log that the trust root does not name for that time",
        code="sct.untrusted",
        where="certificate",
        expected=", ".join(log.log_id.hex()[:16] for log in logs) or "no log at all",
        found=timestamp.log_id.hex()[:16],
    )


def _signed(timestamp: SignedCertificateTimestamp, leaf: x509.Certificate, issuer: x509.Certificate, *, time: datetime) -> bytes:
    """The structure that the log signed: version, type, time, kind of entry, issuer's key, certificate without timestamps."""
    if timestamp.entry_type is not LogEntryType.PRE_CERTIFICATE or timestamp.version is not Version.v1:
        raise InputError("has a certificate timestamp of another kind", code="sct.format", where="certificate")
    body = leaf.tbs_precertificate_bytes
    if len(body) >= _MAX_TBS:
        raise InputError("is a certificate of too many bytes", code="sct.format", where="certificate")
    milliseconds = round(time.timestamp() * 1000)
    head = struct.pack("!BBQH", 0, 0, milliseconds, 1)
    length = struct.pack("!I", len(body))[1:]
    extensions = timestamp.extension_bytes
    return head + key_digest(issuer).value + length + body + struct.pack("!H", len(extensions)) + extensions
