"""The statement of a signed policy: an in-toto Statement about one policy file and every file that it rests on.

Ours alone (docs/formats/policy-signature.md). What the files say is not read here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_hex, sha256
from mlsign.formats.statement import STATEMENT_TYPE
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

PREDICATE_TYPE: Final = "https://mlsign/policy/v1"
MAX_STATEMENT_BYTES: Final = MIB
MAX_FILES: Final = 4096
MAX_NAME: Final = 4096
_FORMAT: Final = "policy_statement"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatement:
    """A policy by the name of its file and the sha256 of its bytes.

    ``files`` are its parents and all that they and it name, as the policy spells it relative to itself; sha256 as well.
    """

    name: str
    digest: Digest
    files: Mapping[str, Digest]

    @property
    def content(self) -> Digest:
        """One digest for all that was signed, whatever the file is called."""
        files: JsonValue = {name: digest.hex for name, digest in self.files.items()}
        return sha256(encode_json({"policy": self.digest.hex, "files": files}))


def decode_policy_statement(payload: bytes, *, limits: Limits = DEFAULT) -> PolicyStatement:
    """The statement. Raises ``InputError`` (``json.…``, ``policy_statement.…``, ``digest.…``)."""
    value = decode_json(payload, where="statement", max_bytes=MAX_STATEMENT_BYTES, limits=limits)
    top = Fields(value, where="", format_name=_FORMAT)
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(PREDICATE_TYPE,))
    item, where = top.items("subject", maximum=1, minimum=1)[0]
    name, digest = _decode_file(Fields(item, where=where, format_name=_FORMAT))
    predicate = top.fields("predicate")
    files: dict[str, Digest] = {}
    for other, found in predicate.each("files", _decode_file, maximum=MAX_FILES):
        if other in files:
            raise predicate.wrong("names a file twice", code="duplicate", name="files", found=other)
        files[other] = found
    predicate.done()
    top.done()
    return PolicyStatement(name=name, digest=digest, files=MappingProxyType(files))


def _decode_file(fields: Fields) -> tuple[str, Digest]:
    name = fields.text("name", maximum=MAX_NAME)
    digests = fields.fields("digest")
    digest = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
    digests.done()
    fields.done()
    return name, digest


def encode_policy_statement(statement: PolicyStatement) -> bytes:
    """The canonical payload bytes, files in the order of their names."""
    return encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [_file(statement.name, statement.digest)],
            "predicateType": PREDICATE_TYPE,
            "predicate": {"files": [_file(name, digest) for name, digest in sorted(statement.files.items())]},
        }
    )


def _file(name: str, digest: Digest) -> JsonValue:
    return {"name": name, "digest": {"sha256": digest.hex}}
