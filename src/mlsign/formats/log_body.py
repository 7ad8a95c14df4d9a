"""What a transparency log says was signed: the canonical body of an entry of Rekor, version 1 or 2.

Kinds ``hashedrekord`` and ``dsse`` (0.0.1, 0.0.2) and ``intoto`` (0.0.2), as
sigstore/rekor (``pkg/types``) and sigstore/rekor-tiles define them. Facts about the entry only; whether they are those
of a signature is for ``trust.log``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, decode_base64, decode_json

MAX_BODY_VALUES: Final = 4096
_SIGNATURE_BYTES: Final = 16 * 1024
_VERIFIER_BYTES: Final = 64 * 1024
_LABELS: Final = (b"CERTIFICATE", b"PUBLIC KEY")


class Logged(Enum):
    """Over what the digest of an entry is: the signed message, or the payload of a DSSE envelope."""

    MESSAGE = "message"
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBody:
    """One signature as the log knows it: digest by ``algorithm`` of what ``logged`` says, signature, verifier in DER.

    ``verifier`` is a certificate, or a SubjectPublicKeyInfo.
    """

    logged: Logged
    algorithm: str
    digest: bytes
    signature: bytes
    verifier: bytes


def decode_log_body(body: bytes, *, kind: str, version: str, limits: Limits = DEFAULT) -> LogBody:
    """The body of an entry that says it is of that kind. Raises ``InputError`` (``log.…``, ``json.…``)."""
    value = decode_json(body, where="log entry", max_bytes=limits.max_bundle_bytes, max_values=MAX_BODY_VALUES, limits=limits)
    top = Fields(value, where="log entry", format_name="log")
    top.literal("kind", allowed=(kind,))
    top.literal("apiVersion", allowed=(version,))
    reader = _READERS.get((kind, version))
    if reader is None:
        known = ", ".join(f"{k} {v}" for k, v in _READERS)
        raise InputError(
            f"is of the kind {shown(kind)} {shown(version)}, known are {known}",
            code="log.kind",
            where="log entry",
            expected=known,
            found=shown(f"{kind} {version}"),
        )
    found = reader(top.fields("spec"))
    top.done()
    return found


def _hashedrekord_1(spec: Fields) -> LogBody:
    data = spec.fields("data")
    hashed = data.fields("hash")
    algorithm = hashed.literal("algorithm", allowed=("sha256", "sha384", "sha512"))
    digest = _hex(hashed, "value")
    signature = spec.fields("signature")
    key = signature.fields("publicKey")
    body = LogBody(
        logged=Logged.MESSAGE,
        algorithm=algorithm,
        digest=digest,
        signature=signature.base64("content", maximum=_SIGNATURE_BYTES),
        verifier=_pem(key, "content"),
    )
    for fields in (hashed, data, key, signature, spec):
        fields.done()
    return body


_V2_ALGORITHMS: Final = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


def _hashedrekord_2(spec: Fields) -> LogBody:
    record = spec.fields("hashedRekordV002")
    algorithm, digest = _hash_2(record.fields("data"))
    signature, verifier = _signature_2(record.fields("signature"))
    record.done()
    spec.done()
    return LogBody(logged=Logged.MESSAGE, algorithm=algorithm, digest=digest, signature=signature, verifier=verifier)


def _dsse_2(spec: Fields) -> LogBody:
    record = spec.fields("dsseV002")
    algorithm, digest = _hash_2(record.fields("payloadHash"))
    value, where = record.items("signatures", maximum=1, minimum=1)[0]
    signature, verifier = _signature_2(Fields(value, where=where, format_name="log"))
    record.done()
    spec.done()
    return LogBody(logged=Logged.PAYLOAD, algorithm=algorithm, digest=digest, signature=signature, verifier=verifier)


def _hash_2(fields: Fields) -> tuple[str, bytes]:
    algorithm = _V2_ALGORITHMS[fields.literal("algorithm", allowed=tuple(_V2_ALGORITHMS))]
    digest = fields.base64("digest", maximum=64)
    fields.done()
    return algorithm, digest


def _signature_2(fields: Fields) -> tuple[bytes, bytes]:
    """A signature and the certificate or key of whoever made it."""
    content = fields.base64("content", maximum=_SIGNATURE_BYTES)
    verifier = fields.fields("verifier")
    # The algorithm follows from the key itself; what the log calls it is not needed to check the signature.
    verifier.text("keyDetails", maximum=64)
    material = verifier.fields("x509Certificate" if verifier.has("x509Certificate") else "publicKey")
    raw = material.base64("rawBytes", maximum=_VERIFIER_BYTES)
    for each in (material, verifier, fields):
        each.done()
    return content, raw


def _dsse_1(spec: Fields) -> LogBody:
    # The hash of the envelope is over one of many spellings of it, which nobody keeps; payload and signature are bound below.
    spec.take("envelopeHash")
    payload = spec.fields("payloadHash")
    algorithm = payload.literal("algorithm", allowed=("sha256",))
    digest = _hex(payload, "value")
    value, where = spec.items("signatures", maximum=1, minimum=1)[0]
    signature = Fields(value, where=where, format_name="log")
    body = LogBody(
        logged=Logged.PAYLOAD,
        algorithm=algorithm,
        digest=digest,
        signature=signature.base64("signature", maximum=_SIGNATURE_BYTES),
        verifier=_pem(signature, "verifier"),
    )
    for fields in (payload, signature, spec):
        fields.done()
    return body


def _intoto_2(spec: Fields) -> LogBody:
    content = spec.fields("content")
    envelope = content.fields("envelope")
    payload = content.fields("payloadHash")
    algorithm = payload.literal("algorithm", allowed=("sha256",))
    digest = _hex(payload, "value")
    value, where = envelope.items("signatures", maximum=1, minimum=1)[0]
    signature = Fields(value, where=where, format_name="log")
    # The log holds the base64 of the text that stood in the envelope, which is base64 already.
    inner = signature.base64("sig", maximum=2 * _SIGNATURE_BYTES)
    body = LogBody(
        logged=Logged.PAYLOAD,
        algorithm=algorithm,
        digest=digest,
        signature=decode_base64(inner.decode("ascii", errors="replace"), where=f"{where}.sig"),
        verifier=_pem(signature, "publicKey"),
    )
    payload.done()
    return body


_READERS: Final[dict[tuple[str, str], Callable[[Fields], LogBody]]] = {
    ("hashedrekord", "0.0.1"): _hashedrekord_1,
    ("hashedrekord", "0.0.2"): _hashedrekord_2,
    ("dsse", "0.0.1"): _dsse_1,
    ("dsse", "0.0.2"): _dsse_2,
    ("intoto", "0.0.2"): _intoto_2,
}


def _hex(fields: Fields, name: str) -> bytes:
    text = fields.text(name, maximum=128)
    try:
        value = bytes.fromhex(text)
    except ValueError as err:
        raise fields.wrong("is not hex", code="hex", name=name) from err
    if value.hex() != text:
        raise fields.wrong("is not lower-case hex", code="hex", name=name)
    return value


def _pem(fields: Fields, name: str) -> bytes:
    """The DER of one PEM certificate or public key, itself in base64."""
    pem = fields.base64(name, maximum=_VERIFIER_BYTES).strip()
    lines = pem.split(b"\n")
    for label in _LABELS:
        if lines[0] == b"-----BEGIN %s-----" % label and lines[-1] == b"-----END %s-----" % label:
            return decode_base64(b"".join(lines[1:-1]).decode("ascii", errors="replace"), where=f"{fields.where}.{name}")
    raise fields.wrong("is not one PEM certificate or public key", code="pem", name=name)
