"""DSSE envelopes (https://github.com/secure-systems-lab/dsse, version 1.0.2): a payload and its signature.

Holds bytes as received; nothing here has been verified.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from mlsign.strict import Fields, JsonValue, decode_base64

IN_TOTO_TYPE: Final = "application/vnd.in-toto+json"
_MAX_SIGNATURE_BYTES: Final = 16 * 1024
_MAX_KEYID: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One payload and exactly one signature, neither of them checked."""

    payload_type: str
    unauthenticated_payload: bytes
    signature: bytes


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed (DSSE protocol, "PAE"): type and payload with their lengths, so neither can slide into the other."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def old_pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What signers of OMS 0.2 signed in its place: the payload as Python would write it in a program, escapes and quotes included.

    A slip of the reference signer (model_signing 0.2, ``DSSEV1`` and ``b'…'``). It is still one encoding for each payload,
    and never one that the standard gives for any.
    """
    return f"DSSEV1 {len(payload_type)} {payload_type} {len(payload)} {payload!r}".encode()


def decode_envelope(fields: Fields) -> Envelope:
    """An envelope of one signature. Raises ``InputError`` (``bundle.…``, ``base64``).

    More than one signature is refused: a verifier that reads only the first would let the others through
    unchecked, and several signers are several bundles here.
    """
    signatures = fields.items("signatures", maximum=1000)
    if len(signatures) != 1:
        raise fields.wrong(
            f"has {len(signatures)} signatures, expected exactly 1", code="signatures", name="signatures", found=len(signatures)
        )
    value, where = signatures[0]
    signature = Fields(value, where=where, format_name="bundle")
    # keyid is a hint for finding a key, often empty or null; keys are found by trying them.
    if signature.has("keyid"):
        keyid = signature.take("keyid")
        if keyid is not None and (not isinstance(keyid, str) or len(keyid) > _MAX_KEYID):
            raise signature.wrong("is not a string or null", code="type", name="keyid")
    raw = decode_base64(signature.text("sig", maximum=2 * _MAX_SIGNATURE_BYTES), where=f"{where}.sig")
    signature.done()
    envelope = Envelope(
        payload_type=fields.literal("payloadType", allowed=(IN_TOTO_TYPE,)),
        unauthenticated_payload=decode_base64(fields.text("payload", maximum=2**30), where=f"{fields.where}.payload"),
        signature=raw,
    )
    fields.done()
    return envelope


def encode_envelope(envelope: Envelope) -> JsonValue:
    """The envelope as a JSON object."""
    return {
        "payload": b64encode(envelope.unauthenticated_payload).decode("ascii"),
        "payloadType": envelope.payload_type,
        "signatures": [{"sig": b64encode(envelope.signature).decode("ascii"), "keyid": ""}],
    }
