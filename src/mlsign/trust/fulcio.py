"""What a certificate of Fulcio says: the identity, and the claims of the token it was issued for.

Sigstore's OID registry (sigstore/fulcio, ``docs/oid-info.md``), arc 1.3.6.1.4.1.57264.1.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from cryptography import x509

from mlsign.errors import TrustError, shown
from mlsign.identity import KeylessIdentity
from mlsign.trust.certificates import key_digest

_ARC: Final = "1.3.6.1.4.1.57264.1"
_ISSUER: Final = f"{_ARC}.8"
_OLD_ISSUER: Final = f"{_ARC}.1"
_OTHER_NAME: Final = f"{_ARC}.7"
_UTF8_STRING: Final = 0x0C
_MAX_VALUE: Final = 4096

_CLAIMS: Final = {
    f"{_ARC}.9": "signer_uri",
    f"{_ARC}.10": "signer_digest",
    f"{_ARC}.11": "runner_environment",
    f"{_ARC}.12": "source_repository",
    f"{_ARC}.13": "source_digest",
    f"{_ARC}.14": "source_ref",
    f"{_ARC}.15": "source_repository_id",
    f"{_ARC}.16": "source_owner",
    f"{_ARC}.17": "source_owner_id",
    f"{_ARC}.18": "workflow",
    f"{_ARC}.19": "workflow_digest",
    f"{_ARC}.20": "trigger",
    f"{_ARC}.21": "run",
    f"{_ARC}.22": "visibility",
}
"""Extensions that hold a DER UTF8String. The older ones (.2 to .6) say the same in raw bytes and are not read."""


def keyless_identity(certificate: x509.Certificate) -> KeylessIdentity:
    """Whom the certificate was issued to, and what else it says. Raises ``TrustError`` (``certificate.identity``)."""
    claims: dict[str, str] = {}
    issuers: list[str] = []
    for extension in certificate.extensions:
        name = extension.oid.dotted_string
        if name == _OLD_ISSUER:
            issuers.append(_text(extension.value, name))
        elif name == _ISSUER:
            issuers.append(_utf8_string(extension.value, name))
        elif name in _CLAIMS:
            claims[_CLAIMS[name]] = _utf8_string(extension.value, name)
    if not issuers or len(set(issuers)) != 1 or not issuers[0]:
        raise _wrong(f"it names {len(set(issuers))} issuers of the token")
    return KeylessIdentity(
        subject=_subject(certificate),
        issuer=issuers[0],
        spki=key_digest(certificate),
        claims=MappingProxyType(claims),
    )


def _subject(certificate: x509.Certificate) -> str:
    """The one alternative name: an address, a URI, or Sigstore's user name."""
    try:
        names = list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound as err:
        raise _wrong("it names no subject") from err
    if len(names) != 1:
        raise _wrong(f"it names {len(names)} subjects")
    name = names[0]
    if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier):
        subject = name.value
    elif isinstance(name, x509.OtherName) and name.type_id.dotted_string == _OTHER_NAME:
        subject = _utf8_string(x509.UnrecognizedExtension(name.type_id, name.value), _OTHER_NAME)
    else:
        raise _wrong("its subject is no address, URI or user name")
    if not subject or len(subject) > _MAX_VALUE:
        raise _wrong("its subject is empty or too long")
    return subject


def _raw(value: x509.ExtensionType, name: str) -> bytes:
    if not isinstance(value, x509.UnrecognizedExtension) or len(value.value) > _MAX_VALUE:
        raise _wrong(f"its extension {name} is none that Sigstore writes")
    return value.value


def _text(value: x509.ExtensionType, name: str) -> str:
    try:
        return _raw(value, name).decode("utf-8")
    except UnicodeDecodeError as err:
        raise _wrong(f"its extension {name} is not UTF-8") from err


def _utf8_string(value: x509.ExtensionType, name: str) -> str:
    """The text of a DER UTF8String (X.690, sections 8.1.3 and 10.1): one tag, one shortest length, nothing after it."""
    der = _raw(value, name)
    for size in (2, 3, 4):
        if der[:size] == _header(len(der) - size, size=size):
            try:
                return der[size:].decode("utf-8")
            except UnicodeDecodeError as err:
                raise _wrong(f"its extension {name} is not UTF-8") from err
    raise _wrong(f"its extension {name} is no UTF8String")


def _header(length: int, *, size: int) -> bytes | None:
    """Tag and length of a UTF8String of ``length`` bytes, or None where ``size`` is not what they take."""
    if length < 0:
        return None
    if length < 0x80:
        encoded = bytes([length])
    else:
        octets = length.to_bytes((length.bit_length() + 7) // 8)
        encoded = bytes([0x80 | len(octets)]) + octets
    return bytes([_UTF8_STRING]) + encoded if len(encoded) + 1 == size else None


def _wrong(reason: str) -> TrustError:
    return TrustError(
        f"the certificate is none that Sigstore issues: {shown(reason)}", code="certificate.identity", where="certificate"
    )
