"""The statement of a verification summary (SLSA VSA v1): somebody verified this package under this policy, and what came of it.

The format is that of the SLSA specification, with one field of ours beside the specified ones: ``mlsign_judged`` binds the
summary to the manifest, which lists every file by name and digest, and to what the files held that the policy names. Only summaries with
that field can stand in for signatures: a subject digest alone says nothing of the names of files.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.formats.claimed_time import read_time, spell_time
from mlsign.formats.predicate_types import MAX_SUMMARY_BYTES, SUMMARY_TYPE
from mlsign.formats.statement import STATEMENT_TYPE
from mlsign.limits import DEFAULT, Limits
from mlsign.strict import Fields, decode_json, encode_json

VERIFIER_ID: Final = "https://mlsign/verifier/v1"
UNEVALUATED: Final = "SLSA_BUILD_LEVEL_UNEVALUATED"
"""The level of a package whose build track was not looked at."""
EXTENSION: Final = "mlsign_judged"
MAX_INPUTS: Final = 1024
_MAX_TEXT: Final = 2048
_MAX_LEVELS: Final = 64
_TOP_FIELDS: Final = ("_type", "predicatetype", "subject", "predicate")
_SUBJECT_FIELDS: Final = ("name", "digest")
_RESOURCE_FIELDS: Final = ("uri", "digest")
_PREDICATE_FIELDS: Final = (
    "verifier",
    "timeverified",
    "resourceuri",
    "policy",
    "inputattestations",
    "verificationresult",
    "verifiedlevels",
    "slsaversion",
    EXTENSION,
)


class Result(Enum):
    """What the verifier came to."""

    PASSED = "PASSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReference:
    """Something by its address, its sha256, or both; empty and None for what is not said."""

    uri: str = ""
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What else the verdict rests on, in our extension.

    ``manifest`` is the sha256 of ``mlsign.json``, ``trusted`` binds what the files held that the policy names, and ``signed`` is
    the earliest trusted time of a signature that counted, None where one of them had none.
    """

    manifest: Digest
    trusted: Digest
    signed: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationSummary:
    """A verdict about the package with the digest ``subject``, at ``verified``, as its signer claims it."""

    name: str
    subject: Digest
    verifier: str
    version: str
    verified: datetime
    resource: str
    policy: ResourceReference
    inputs: tuple[ResourceReference, ...]
    result: Result
    levels: tuple[str, ...]
    slsa: str = ""
    judged: Judged | None = None


def package_uri(name: str, version: str) -> str:
    """What a package is called in a summary: a package URL (purl) of the generic type."""
    return f"pkg:generic/{quote(name, safe='')}@{quote(version, safe='')}"


def policy_uri(name: str) -> str:
    """What a policy is called in a summary; which one it is its digest says."""
    return f"mlsign:policy/{quote(name, safe='')}"


def decode_summary(payload: bytes, *, limits: Limits = DEFAULT) -> VerificationSummary:
    """The summary. Raises ``InputError`` (``json.…``, ``summary.…``, ``digest.…``).

    Fields that the specification does not know are ignored, as it asks; our extension is read exactly.
    """
    value = decode_json(payload, where="summary", max_bytes=MAX_SUMMARY_BYTES, limits=limits)
    top = Fields(value, where="", format_name="summary")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(SUMMARY_TYPE,))
    item, where = top.items("subject", maximum=1, minimum=1)[0]
    subject = Fields(item, where=where, format_name="summary")
    name = subject.text("name", maximum=_MAX_TEXT)
    digest = _sha256(subject.fields("digest"))
    predicate = top.fields("predicate")
    verifier = predicate.fields("verifier")
    found = VerificationSummary(
        name=name,
        subject=digest,
        verifier=verifier.text("id", maximum=_MAX_TEXT),
        version=verifier.optional("version", lambda field: _version(verifier.fields(field))) or "",
        verified=read_time(predicate, "timeVerified"),
        resource=predicate.text("resourceUri", maximum=_MAX_TEXT),
        policy=_resource(predicate.fields("policy")),
        inputs=predicate.optional("inputAttestations", lambda field: _inputs(predicate, field)) or (),
        result=Result(predicate.literal("verificationResult", allowed=tuple(r.value for r in Result))),
        levels=predicate.texts("verifiedLevels", maximum=_MAX_LEVELS, length=256),
        slsa=predicate.optional("slsaVersion", lambda field: predicate.text(field, maximum=64)) or "",
        judged=predicate.optional(EXTENSION, lambda field: _judged(predicate.fields(field))),
    )
    verifier.done_but_extensible(("id", "version"))
    subject.done_but_extensible(_SUBJECT_FIELDS)
    predicate.done_but_extensible(_PREDICATE_FIELDS)
    top.done_but_extensible(_TOP_FIELDS)
    return found


def _sha256(digests: Fields) -> Digest:
    found = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
    digests.done_but_extensible(("sha256",))
    return found


def _version(fields: Fields) -> str:
    """Our version, of the versions that the verifier tells of itself."""
    found = fields.optional("mlsign", lambda field: fields.text(field, maximum=128)) or ""
    fields.done_but_extensible(("mlsign",))
    return found


def _resource(fields: Fields) -> ResourceReference:
    uri = fields.optional("uri", lambda field: fields.text(field, maximum=_MAX_TEXT)) or ""
    digest: Digest | None = None
    if fields.has("digest"):
        digests = fields.fields("digest")
        # A reference by other digests only is one that we cannot hold against anything.
        digest = _sha256(digests) if digests.has("sha256") else None
        digests.done_but_extensible(("sha256",))
    fields.done_but_extensible(_RESOURCE_FIELDS)
    return ResourceReference(uri=uri, digest=digest)


def _inputs(predicate: Fields, name: str) -> tuple[ResourceReference, ...]:
    items = predicate.items(name, maximum=MAX_INPUTS)
    return tuple(_resource(Fields(item, where=where, format_name="summary")) for item, where in items)


def _judged(fields: Fields) -> Judged:
    # Beside the digest that we write there is nothing in these objects: they are ours.
    found = Judged(
        manifest=_own_digest(fields.fields("manifest")),
        trusted=_own_digest(fields.fields("trusted")),
        signed=fields.optional("signed", lambda field: read_time(fields, field)),
    )
    fields.done()
    return found


def _own_digest(digests: Fields) -> Digest:
    found = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
    digests.done()
    return found


def encode_summary(summary: VerificationSummary) -> bytes:
    """The canonical payload bytes."""
    version = {"version": {"mlsign": summary.version}} if summary.version else {}
    predicate: dict[str, Any] = {
        "verifier": {"id": summary.verifier, **version},
        "timeVerified": spell_time(summary.verified),
        "resourceUri": summary.resource,
        "policy": _encode_resource(summary.policy),
        "inputAttestations": [_encode_resource(item) for item in summary.inputs],
        "verificationResult": summary.result.value,
        "verifiedLevels": list(summary.levels),
    }
    if summary.slsa:
        predicate["slsaVersion"] = summary.slsa
    if summary.judged is not None:
        predicate[EXTENSION] = _encode_judged(summary.judged)
    return encode_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": summary.name, "digest": {"sha256": summary.subject.hex}}],
            "predicateType": SUMMARY_TYPE,
            "predicate": predicate,
        }
    )


def _encode_resource(resource: ResourceReference) -> dict[str, Any]:
    uri: dict[str, Any] = {"uri": resource.uri} if resource.uri else {}
    return uri | ({} if resource.digest is None else {"digest": {"sha256": resource.digest.hex}})


def _encode_judged(judged: Judged) -> dict[str, Any]:
    signed: dict[str, Any] = {} if judged.signed is None else {"signed": spell_time(judged.signed)}
    return {"manifest": {"sha256": judged.manifest.hex}, "trusted": {"sha256": judged.trusted.hex}, **signed}
