"""The statement of a countersignature: an in-toto Statement about one bundle, by somebody who has seen it.

Ours alone: the OpenSSF Model Signing specification knows none. It says nothing about the files of a package beyond what the
countersigned bundle says, so on its own it counts for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.formats.predicate_types import COUNTERSIGNATURE_TYPE, MAX_COUNTERSIGNATURE_BYTES
from mlsign.formats.statement import STATEMENT_TYPE
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, decode_json, encode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersignature:
    """Which bundle somebody vouches for: the sha256 of its file, and what the file was called, which proves nothing."""

    name: str
    digest: Digest


def decode_countersignature(payload: bytes, *, limits: Limits = DEFAULT) -> Countersignature:
    """The statement. Raises ``InputError`` (``json.…``, ``countersignature.…``, ``digest.…``)."""
    value = decode_json(payload, where="countersignature", max_bytes=MAX_COUNTERSIGNATURE_BYTES, limits=limits)
    top = Fields(value, where="", format_name="countersignature")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(COUNTERSIGNATURE_TYPE,))
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
            "predicateType": COUNTERSIGNATURE_TYPE,
            "predicate": {},
        }
    )
