"""Lists of revoked certificates (CRLs, RFC 5280, section 5): which certificates their authorities have taken back.

Complete lists by the authority itself alone: what says only a part (a delta, one reason, one kind of certificate) or speaks
for others leaves something unsaid, and is refused. Where the files come from is for whoever names them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

from mlsign.errors import InputError, TrustError, shown
from mlsign.trust.certificates import UNREADABLE, load_certificate

MAX_LIST_BYTES: Final = 16 * 1024 * 1024
_TOLERANCE: Final = timedelta(minutes=5)
"""How far clocks of honest machines may be apart."""
_HASHES: Final = frozenset({"sha256", "sha384", "sha512"})
_HARMLESS: Final = frozenset(
    {
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
        x509.ReasonFlags.privilege_withdrawn,
    }
)
"""Reasons that leave what was signed before as good as it was. With any other, or none, somebody else may have the key."""
_EXPIRED_ON_LIST: Final = x509.ObjectIdentifier("2.5.29.60")
_GENERALIZED_TIME: Final = b"\x18\x0f"
_READABLE: Final = frozenset({CRLEntryExtensionOID.CRL_REASON, CRLEntryExtensionOID.INVALIDITY_DATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """From when on a certificate is no longer good, and whether what it signed before is."""

    date: datetime
    harmless: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _List:
    """A list whose signature nobody has checked. ``expired_since`` is from when on it keeps certificates that expired."""

    parsed: x509.CertificateRevocationList
    start: datetime
    end: datetime
    expired_since: datetime | None
    entries: Mapping[int, tuple[_Entry, ...]]


def decode_revocations(data: bytes, *, where: str) -> bytes:
    """The one list in a file in DER or PEM, in DER. Raises ``InputError`` (``certificate.crl.format``)."""
    try:
        if data.lstrip().startswith(b"-----BEGIN "):
            if data.count(b"-----BEGIN ") != 1:
                raise _unreadable("holds more than one PEM block, expected one list (BEGIN X509 CRL)", where=where)
            found = x509.load_pem_x509_crl(data)
        else:
            found = x509.load_der_x509_crl(data)
    except UNREADABLE as err:
        raise _unreadable("is not a list of revoked certificates in DER or PEM", where=where) from err
    der = found.public_bytes(Encoding.DER)
    try:
        _load(der)
    except InputError as err:
        err.where = where
        raise
    return der


def check_not_revoked(
    chain: tuple[bytes, ...], *, revocations: tuple[bytes, ...], signed: datetime | None, now: datetime
) -> None:
    """Returns when each certificate of a verified chain below its root is on no list, and a current list speaks for each.

    ``signed`` is the earliest trusted time of the signature, or None. Without any list nothing is asked. Raises
    ``TrustError`` (``certificate.revoked``, ``certificate.crl``) and ``InputError`` (``certificate.crl.format``).
    """
    if not revocations:
        return
    lists = tuple(_load(der) for der in revocations)
    for der, issuer in pairwise(chain):
        certificate = load_certificate(der)
        for current in _current(lists, certificate, load_certificate(issuer), now=now):
            for entry in current.entries.get(certificate.serial_number, ()):
                _judge(entry, certificate, signed=signed)


def _current(
    lists: tuple[_List, ...], certificate: x509.Certificate, issuer: x509.Certificate, *, now: datetime
) -> tuple[_List, ...]:
    """The lists that speak for the certificate now. Raises ``TrustError`` (``certificate.crl``) where there is none."""
    by_issuer = [each for each in lists if _is_by(each, issuer)]
    current = tuple(each for each in by_issuer if each.start <= now + _TOLERANCE and now <= each.end)
    if not by_issuer:
        raise _no_list("no list of revoked certificates by its authority says whether a certificate is still good", certificate)
    if not current:
        latest = max(by_issuer, key=lambda each: each.end)
        raise _no_list(
            "the list of revoked certificates is not current",
            certificate,
            expected=f"one for {now:%Y-%m-%dT%H:%M:%SZ}",
            found=f"{latest.start:%Y-%m-%dT%H:%M:%SZ} to {latest.end:%Y-%m-%dT%H:%M:%SZ}",
        )
    # An authority may drop certificates from its list once they have expired, those of stolen keys too (section 3.3).
    end = certificate.not_valid_after_utc
    if all(each.start > end and (each.expired_since is None or each.expired_since > end) for each in current):
        raise _no_list(
            "the certificate has expired, and lists of revoked certificates no longer say whether it was good", certificate
        )
    return current


def _is_by(found: _List, issuer: x509.Certificate) -> bool:
    """Whether the authority signed the list, and may. Names alone say nothing: two authorities can have the same."""
    if found.parsed.issuer != issuer.subject:
        return False
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    key = issuer.public_key()
    if not usage.crl_sign or not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        return False
    return found.parsed.is_signature_valid(key)


def _judge(entry: _Entry, certificate: x509.Certificate, *, signed: datetime | None) -> None:
    if entry.harmless and signed is not None and signed < entry.date:
        return
    raise TrustError(
        f"the certificate was revoked from {entry.date:%Y-%m-%dT%H:%M:%SZ} on",
        code="certificate.revoked",
        where="certificate",
        expected="a certificate that its authority still stands by"
        if signed is None or not entry.harmless
        else "a signature before",
        found=f"{shown(certificate.subject.rfc4514_string())}, reason {entry.reason}",
    )


@lru_cache(maxsize=16)
def _load(der: bytes) -> _List:
    if len(der) > MAX_LIST_BYTES:
        raise _unreadable(f"is a list of {len(der)} bytes, allowed are {MAX_LIST_BYTES}")
    try:
        parsed = x509.load_der_x509_crl(der)
        algorithm, extensions = parsed.signature_hash_algorithm, parsed.extensions
        start, end = parsed.last_update_utc, parsed.next_update_utc
        found: defaultdict[int, list[_Entry]] = defaultdict(list)
        for revoked in parsed:
            found[revoked.serial_number].append(_decode_entry(revoked))
    except UNREADABLE as err:
        raise _unreadable("is not a readable list of revoked certificates") from err
    if algorithm is None or algorithm.name not in _HASHES:
        raise _unreadable("is a list that is not signed with SHA-2")
    if end is None:
        raise _unreadable("is a list that does not say until when it is good (nextUpdate)")
    for extension in extensions:
        # Delta lists and lists of a part (section 5.2.4, 5.2.5) say so in critical extensions, if their makers are careful.
        partial = extension.oid in {ExtensionOID.DELTA_CRL_INDICATOR, ExtensionOID.ISSUING_DISTRIBUTION_POINT}
        if partial or extension.critical:
            raise _unreadable("is a list of changes or of a part, or has a critical extension", found=extension.oid.dotted_string)
    entries = MappingProxyType({serial: tuple(listed) for serial, listed in found.items()})
    return _List(parsed=parsed, start=start, end=end, expired_since=_expired_since(extensions), entries=entries)


def _decode_entry(revoked: x509.RevokedCertificate) -> _Entry:
    date, reason = revoked.revocation_date_utc, x509.ReasonFlags.unspecified
    for extension in revoked.extensions:
        if extension.critical and extension.oid not in _READABLE:
            # Such as the name of another authority whose certificate it is (section 5.3.3).
            raise _unreadable("is a list with an entry that says more than can be read", found=extension.oid.dotted_string)
        if isinstance(extension.value, x509.CRLReason):
            reason = extension.value.reason
        elif isinstance(extension.value, x509.InvalidityDate):
            date = min(date, extension.value.invalidity_date_utc)
        elif isinstance(extension.value, x509.CertificateIssuer):
            raise _unreadable("is a list that speaks for other authorities", found=extension.oid.dotted_string)
    return _Entry(date=date, harmless=reason in _HARMLESS, reason=reason.value)


def _expired_since(extensions: x509.Extensions) -> datetime | None:
    """The time of the extension ExpiredCertsOnCRL (X.509, section 9.5.2.8); one that cannot be read says nothing."""
    for extension in extensions:
        if extension.oid == _EXPIRED_ON_LIST and isinstance(extension.value, x509.UnrecognizedExtension):
            der = extension.value.value
            try:
                if der.startswith(_GENERALIZED_TIME):
                    return datetime.strptime(der[2:].decode("ascii"), "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
            except ValueError:
                return None
    return None


def _no_list(message: str, certificate: x509.Certificate, *, expected: str = "", found: str = "") -> TrustError:
    issuer = shown(certificate.issuer.rfc4514_string())
    source = _source(certificate)
    return TrustError(
        message,
        code="certificate.crl",
        where="certificate",
        expected=expected or f"a current list by {issuer}",
        found=found or "none",
        hint=f"fetch the list of {issuer}{f' from {shown(source)}' if source else ''} and name the file under revocations",
    )


def _source(certificate: x509.Certificate) -> str:
    """Where the certificate says that its list is: for people to fetch, nothing here does."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ""
    names = [name.value for point in points for name in point.full_name or () if isinstance(name, x509.UniformResourceIdentifier)]
    return names[0] if names else ""


def _unreadable(message: str, *, where: str = "revocations", found: str = "") -> InputError:
    return InputError(message, code="certificate.crl.format", where=where, found=found)
