"""Sigstore bundles (sigstore/protobuf-specs, ``sigstore_bundle.proto``) in their JSON form.

Tells by which method a bundle is signed and holds what is needed to authenticate it: certificates, log entries and
timestamps as received, none of them checked. OMS signatures are DSSE envelopes in bundles of version 0.3; signatures
over a file (``messageSignature``) and older versions are read for whoever verifies files of other tools.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from typing import Final

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError
from mlsign.formats.dsse import Envelope, decode_envelope, encode_envelope
from mlsign.formats.log_entry import LogEntry, decode_log_entry, encode_log_entry
from mlsign.identity import Method
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, JsonValue, decode_base64, decode_json, encode_json

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_VERSIONS: Final = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
    "application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
    "application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
    MEDIA_TYPE: 3,
}
_METHODS: Final = {
    "publicKey": Method.KEY,
    "x509CertificateChain": Method.CERTIFICATE,
    "certificate": Method.KEYLESS,
}
MAX_CERTIFICATES: Final = 10
MAX_LOG_ENTRIES: Final = 32
MAX_TIMESTAMPS: Final = 32
MAX_CERTIFICATE_BYTES: Final = 64 * 1024
MAX_TIMESTAMP_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a bundle brings along for its verification, in DER: nothing of it is trusted.

    ``certificates`` start with that of the signer. ``timestamps`` are RFC 3161 responses over the signature.
    ``version`` is the minor version of the bundle format.
    """

    certificates: tuple[bytes, ...] = ()
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    version: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An envelope and how it says it was signed.

    ``key_hint`` is the signer's claim of which key it used (hex sha256 of the PEM public key in OMS bundles),
    or empty: the format before OMS 1.1 carried the key itself, which nobody may trust and which is not kept.
    """

    method: Method
    key_hint: str
    envelope: Envelope
    material: Material = field(default_factory=Material)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSignature:
    """A signature over the bytes of a file; ``digest`` is the signer's claim of what they are, or None."""

    digest: Digest | None
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBundle:
    """A signature over a file and how it says it was made."""

    method: Method
    key_hint: str
    content: FileSignature
    material: Material


def decode_bundle(data: bytes, *, limits: Limits = DEFAULT) -> Bundle:
    """One OMS bundle: version 0.3, a DSSE envelope. Raises ``InputError`` (``json.…``, ``bundle.…``, ``base64``)."""
    bundle = _decode(data, media_types=(MEDIA_TYPE,), limits=limits)
    if not isinstance(bundle, Bundle):
        raise InputError("has a signature over a file in place of a DSSE envelope", code="bundle.missing", where="dsseEnvelope")
    return bundle


def decode_sigstore_bundle(data: bytes, *, limits: Limits = DEFAULT) -> Bundle | FileBundle:
    """One bundle of any version and content. Raises ``InputError`` (``json.…``, ``bundle.…``, ``base64``)."""
    return _decode(data, media_types=tuple(_VERSIONS), limits=limits)


def _decode(data: bytes, *, media_types: tuple[str, ...], limits: Limits) -> Bundle | FileBundle:
    # All that is big in a bundle is one string, so few values do; junk of a million would cost a hundred times its bytes.
    value = decode_json(data, max_bytes=limits.max_bundle_bytes, max_values=limits.max_bundle_values, limits=limits)
    top = Fields(value, where="", format_name="bundle")
    version = _VERSIONS[top.literal("mediaType", allowed=media_types)]
    fields = top.fields("verificationMaterial")
    present = [name for name in _METHODS if fields.has(name)]
    if len(present) != 1:
        raise fields.wrong(
            f"has {len(present)} of {', '.join(_METHODS)}, expected exactly one", code="material", found=", ".join(present)
        )
    method = _METHODS[present[0]]
    hint = _decode_key_hint(fields.fields("publicKey")) if method is Method.KEY else ""
    material = _decode_material(fields, method=method, version=version)
    fields.done()
    if method is Method.CERTIFICATE and (version < 3 or material.entries):
        # Before version 0.3 the one certificate of a keyless signature stood in a chain; a logged chain is none of OMS.
        method = Method.KEYLESS
    if method is Method.KEYLESS:
        _check_keyless(fields, material)
    found: Bundle | FileBundle
    if top.has("messageSignature"):
        content = _decode_file_signature(top.fields("messageSignature"))
        found = FileBundle(method=method, key_hint=hint, content=content, material=material)
    else:
        envelope = decode_envelope(top.fields("dsseEnvelope"))
        found = Bundle(method=method, key_hint=hint, envelope=envelope, material=material)
    top.done()
    return found


def _check_keyless(fields: Fields, material: Material) -> None:
    if not material.entries:
        raise fields.wrong("has no log entry, a keyless signature needs one", code="tlog", name="tlogEntries")
    if len(material.certificates) != 1:
        # Intermediate certificates come from the trust root; what the signer adds could only mislead.
        raise fields.wrong(
            f"has {len(material.certificates)} certificates, a keyless signature has one", code="chain", name="certificate"
        )


def _decode_material(fields: Fields, *, method: Method, version: int) -> Material:
    certificates: tuple[bytes, ...] = ()
    if method is Method.KEYLESS:
        certificates = (_decode_der(fields.fields("certificate")),)
    elif method is Method.CERTIFICATE:
        chain = fields.fields("x509CertificateChain")
        certificates = chain.each("certificates", _take_der, maximum=MAX_CERTIFICATES, minimum=1)
        chain.done()
    entries: tuple[LogEntry, ...] = ()
    if fields.has("tlogEntries"):
        entries = fields.each("tlogEntries", decode_log_entry, maximum=MAX_LOG_ENTRIES)
    return Material(certificates=certificates, entries=entries, timestamps=_decode_timestamps(fields), version=version)


def _decode_timestamps(fields: Fields) -> tuple[bytes, ...]:
    if not fields.has("timestampVerificationData"):
        return ()
    if fields.is_null("timestampVerificationData"):
        fields.take("timestampVerificationData")
        return ()
    data = fields.fields("timestampVerificationData")
    found: tuple[bytes, ...] = ()
    if data.has("rfc3161Timestamps"):
        found = data.each("rfc3161Timestamps", _take_timestamp, maximum=MAX_TIMESTAMPS)
    data.done()
    if len(set(found)) != len(found):
        raise data.wrong("has the same timestamp twice", code="timestamps", name="rfc3161Timestamps")
    return found


def _take_timestamp(fields: Fields) -> bytes:
    return fields.base64("signedTimestamp", maximum=MAX_TIMESTAMP_BYTES)


def _take_der(fields: Fields) -> bytes:
    return fields.base64("rawBytes", maximum=MAX_CERTIFICATE_BYTES)


def _decode_der(fields: Fields) -> bytes:
    found = _take_der(fields)
    fields.done()
    return found


def _decode_file_signature(fields: Fields) -> FileSignature:
    digest: Digest | None = None
    if fields.has("messageDigest"):
        claim = fields.fields("messageDigest")
        claim.literal("algorithm", allowed=("SHA2_256",))
        digest = Digest(algorithm=Algorithm.SHA256, value=claim.base64("digest", maximum=64))
        claim.done()
    content = FileSignature(digest=digest, signature=fields.base64("signature", maximum=16 * 1024))
    fields.done()
    return content


def _decode_key_hint(key: Fields) -> str:
    hint = key.text("hint", maximum=1024, empty=True) if key.has("hint") else ""
    old = key.optional("rawBytes", lambda name: key.text(name, maximum=16 * 1024))
    if old is not None:
        decode_base64(old, where=f"{key.where}.rawBytes")
        key.optional("keyDetails", key.text)
    elif not hint:
        raise key.wrong("has neither hint nor rawBytes", code="material")
    key.done()
    return hint


def encode_bundle(bundle: Bundle) -> bytes:
    """The canonical bytes of a bundle of version 0.3; what ``decode_bundle`` reads back is equal."""
    material: dict[str, JsonValue] = {"tlogEntries": [encode_log_entry(entry) for entry in bundle.material.entries]}
    certificates: list[JsonValue] = [{"rawBytes": _base64(der)} for der in bundle.material.certificates]
    if bundle.method is Method.KEY:
        material["publicKey"] = {"hint": bundle.key_hint}
    elif bundle.method is Method.CERTIFICATE:
        material["x509CertificateChain"] = {"certificates": certificates}
    else:
        material["certificate"] = certificates[0]
    if bundle.material.timestamps:
        stamps: list[JsonValue] = [{"signedTimestamp": _base64(der)} for der in bundle.material.timestamps]
        material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
    return encode_json(
        {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": encode_envelope(bundle.envelope)}
    )


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")
