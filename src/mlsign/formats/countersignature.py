"""The statement of a countersignature: an in-toto Statement about one bundle, by somebody who has seen it.

Ours alone: the OpenSSF Model Signing specification knows none. It says nothing about the files of a package beyond what the
countersigned bundle says, so on its own it counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.errors import InputError
from mlsign.formats.statement import STATEMENT_TYPE
from mlsign.limits import DEFAULT, KIB, Limits
from mlsign.strict import Fields, decode_json, encode_json

PREDICATE_TYPE: Final = "https://mlsign/countersignature/v1"
MAX_COUNTERSIGNATURE_BYTES: Final = 16 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersignature:
    """Which bundle somebody vouches for: the sha256 of its file, and what the file was called, which proves nothing."""

    name: str
    digest: Digest


def claims_countersignature(payload: bytes, *, limits: Limits = DEFAULT) -> bool:
    """Whether a payload calls itself one, so that the right decoder refuses or reads it once it is authentic."""
    if len(payload) > MAX_COUNTERSIGNATURE_BYTES or PREDICATE_TYPE.encode() not in payload:
        return False
    try:
        value = decode_json(payload, max_bytes=MAX_COUNTERSIGNATURE_BYTES, limits=limits)
    except InputError:
        return False
    return isinstance(value, dict) and value.get("predicateType") == PREDICATE_TYPE


def decode_countersignature(payload: bytes, *, limits: Limits = DEFAULT) -> Countersignature:
    """The statement. Raises ``InputError`` (``json.…``, ``countersignature.…``, ``digest.…``)."""
    value = decode_json(payload, where="countersignature", max_bytes=MAX_COUNTERSIGNATURE_BYTES, limits=limits)
    top = Fields(value, where="", format_name="countersignature")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(PREDICATE_TYPE,))
    item, where = top.items("subject", maximum=1, minimum=1)[0]
    subject = Fields(item, where=where, format_name="countersignature")
    digests = subject.fields("digest")
    found = Countersignature(
        name=subject.text("name", maximum=limits.max_path_bytes),
        digest=decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256"),
    )
    predicate = top.fields("predicate")
    for fields in (digests, subject, predicate, top):
        fields.done()
    return found


def encode_countersignature(countersignature: Countersignature) -> bytes:
    """The canonical payload bytes."""
    return encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": countersignature.name, "digest": {"sha256": countersignature.digest.hex}}],
            "predicateType": PREDICATE_TYPE,
            "predicate": {},
        }
    )
