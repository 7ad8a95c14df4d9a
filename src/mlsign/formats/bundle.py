"""Sigstore bundles, version 0.3 (sigstore/protobuf-specs, ``sigstore_bundle.proto``), with a DSSE envelope.

Tells by which method a bundle is signed and keeps what is needed to verify a signature by key. The material
of the other methods is held as received, for the modules that authenticate them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from mlsign.errors import InputError
from mlsign.formats.dsse import Envelope, decode_envelope, encode_envelope
from mlsign.identity import Method
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, decode_base64, decode_json, encode_json

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_MEDIA_TYPES: Final = (MEDIA_TYPE,)
_METHODS: Final = {
    "publicKey": Method.KEY,
    "x509CertificateChain": Method.CERTIFICATE,
    "certificate": Method.KEYLESS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An envelope and how it says it was signed.

    ``key_hint`` is the signer's claim of which key it used (hex sha256 of the PEM public key in OMS bundles),
    or empty: the format before OMS 1.1 carried the key itself, which nobody may trust and which is not kept.
    """

    method: Method
    key_hint: str
    envelope: Envelope


def decode_bundle(data: bytes, *, limits: Limits = DEFAULT) -> Bundle:
    """One bundle. Raises ``InputError`` (``json.…``, ``bundle.…``, ``base64``)."""
    # All that is big in a bundle is one string, so few values do; junk of a million would cost a hundred times its bytes.
    few = replace(limits, max_json_values=min(limits.max_bundle_values, limits.max_json_values))
    top = Fields(decode_json(data, max_bytes=limits.max_bundle_bytes, limits=few), where="", format_name="bundle")
    top.literal("mediaType", allowed=_MEDIA_TYPES)
    material = top.fields("verificationMaterial")
    present = [name for name in _METHODS if material.has(name)]
    if len(present) != 1:
        raise material.wrong(
            f"has {len(present)} of {', '.join(_METHODS)}, expected exactly one", code="material", found=", ".join(present)
        )
    method = _METHODS[present[0]]
    hint = _decode_key_hint(material.fields("publicKey")) if method is Method.KEY else ""
    if method is Method.KEYLESS and (not material.has("tlogEntries") or not material.items("tlogEntries", maximum=32)):
        raise material.wrong("has no log entry, a keyless signature needs one", code="tlog", name="tlogEntries")
    for name in (present[0], "tlogEntries", "timestampVerificationData"):
        if material.has(name):
            material.take(name)
    material.done()
    bundle = Bundle(method=method, key_hint=hint, envelope=decode_envelope(top.fields("dsseEnvelope")))
    top.done()
    return bundle


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


def encode_key_bundle(bundle: Bundle) -> bytes:
    """Canonical bytes of a bundle signed by a key. Raises ``InputError`` for bundles of other methods."""
    if bundle.method is not Method.KEY:
        raise InputError(f"bundles of method {bundle.method.value} are not written here", code="bundle.method")
    return encode_json(
        {
            "mediaType": MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": bundle.key_hint}, "tlogEntries": []},
            "dsseEnvelope": encode_envelope(bundle.envelope),
        }
    )
