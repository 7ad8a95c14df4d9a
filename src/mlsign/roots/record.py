"""What a cached trust root says of itself, and what it is fixed to: two small documents of ours.

The record names every file of the cache by digest, says when the repository last confirmed it, and keeps the
versions that were seen, so that older ones are known as such. Where the files lie is for ``cache``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.errors import InputError, TrustError, shown
from mlsign.limits import DEFAULT, KIB, MIB, Limits
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

RECORD_SCHEMA: Final = "mlsign/trust-record/v1"
PIN_SCHEMA: Final = "mlsign/trust-pin/v1"
MAX_RECORD_BYTES: Final = MIB
MAX_PIN_BYTES: Final = 4 * KIB
MAX_METADATA: Final = 1024
"""Files of TUF metadata: at most 257 roots are followed in one go, and 32 delegations."""
MAX_STORED_BYTES: Final = 8 * MIB
MAX_URL_CHARS: Final = 4096

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_PATH: Final = re.compile(r"[A-Za-z0-9%._~-]{1,200}(?:/[A-Za-z0-9%._~-]{1,200}){0,7}", re.ASCII)
_TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"


class Origin(Enum):
    """How a trust root came into the cache."""

    REPOSITORY = "repository"
    FOLDER = "folder"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file of the cache: its path in the repository that it is from, and what it holds."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """The versions of the four top-level roles of a TUF repository."""

    root: int
    timestamp: int
    snapshot: int
    targets: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A cache, as it was written. ``versions`` are the highest seen, also when the root itself is from a file."""

    name: str
    origin: Origin
    stored: datetime
    fetched: datetime | None
    expires: datetime | None
    url: str | None
    trusted_root: Stored
    signing_config: Stored | None
    bootstrap: Digest | None
    versions: Versions | None
    metadata: tuple[Stored, ...]

    @property
    def files(self) -> tuple[Stored, ...]:
        """Every file that belongs to it."""
        return (self.trusted_root, *((self.signing_config,) if self.signing_config else ()), *self.metadata)


def check_name(name: str) -> str:
    """``name``, when it can name an instance. Raises ``InputError`` (``usage.name``)."""
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{shown(name)} is no name for an instance",
            code="usage.name",
            hint="use up to 64 lower-case letters, digits, '.', '_' and '-', a letter or digit first",
        )
    return name


def fits_path(path: str) -> bool:
    """Whether a record can name a file of a repository by this path."""
    return _PATH.fullmatch(path) is not None and not {".", ".."} & set(path.split("/"))


def check_versions(new: Versions, *, seen: Versions | None, name: str) -> None:
    """Nothing, when no version went down. Raises ``TrustError`` (``trust.rollback``)."""
    if seen is None:
        return
    for role in ("root", "timestamp", "snapshot", "targets"):
        before, after = getattr(seen, role), getattr(new, role)
        if after < before:
            raise TrustError(
                f"version {after} of {role} was offered, version {before} was seen before: somebody plays back an old state",
                code="trust.rollback",
                where=name,
                expected=f"{role} {before} or newer",
                found=f"{role} {after}",
                hint="ask another mirror; if the repository announced that it starts its versions over, "
                "remove the folder of this instance and update again",
            )


def encode_record(record: Record) -> bytes:
    """The one spelling of a record."""
    value: dict[str, JsonValue] = {
        "schema": RECORD_SCHEMA,
        "name": record.name,
        "origin": record.origin.value,
        "stored": encode_time(record.stored),
        "trusted_root": _encode_stored(record.trusted_root),
        "metadata": [_encode_stored(file) for file in record.metadata],
    }
    if record.fetched is not None:
        value["fetched"] = encode_time(record.fetched)
    if record.expires is not None:
        value["expires"] = encode_time(record.expires)
    if record.url is not None:
        value["url"] = record.url
    if record.signing_config is not None:
        value["signing_config"] = _encode_stored(record.signing_config)
    if record.bootstrap is not None:
        value["bootstrap"] = record.bootstrap.hex
    if record.versions is not None:
        seen = record.versions
        value["versions"] = {
            "root": seen.root,
            "timestamp": seen.timestamp,
            "snapshot": seen.snapshot,
            "targets": seen.targets,
        }
    return encode_json(value)


def decode_record(data: bytes, *, limits: Limits = DEFAULT) -> Record:
    """A record from exactly the bytes that ``encode_record`` writes. Raises ``InputError``."""
    value = decode_json(data, max_bytes=MAX_RECORD_BYTES, limits=limits)
    fields = Fields(value, where="", format_name="trust_record")
    fields.literal("schema", allowed=(RECORD_SCHEMA,))
    record = Record(
        name=check_name(fields.text("name")),
        origin=Origin(fields.literal("origin", allowed=tuple(origin.value for origin in Origin))),
        stored=_decode_time(fields, "stored"),
        fetched=_decode_time(fields, "fetched") if fields.has("fetched") else None,
        expires=_decode_time(fields, "expires") if fields.has("expires") else None,
        url=fields.text("url", maximum=MAX_URL_CHARS) if fields.has("url") else None,
        trusted_root=_decode_stored(fields.fields("trusted_root")),
        signing_config=_decode_stored(fields.fields("signing_config")) if fields.has("signing_config") else None,
        bootstrap=decode_hex(Algorithm.SHA256, fields.text("bootstrap")) if fields.has("bootstrap") else None,
        versions=_decode_versions(fields.fields("versions")) if fields.has("versions") else None,
        metadata=fields.each("metadata", _read_stored, maximum=MAX_METADATA),
    )
    fields.done()
    if encode_record(record) != data:
        raise InputError("is not spelled as mlsign spells it", code="trust_record.canonical")
    return record


def encode_pin(digest: Digest) -> bytes:
    """The one spelling of a pin."""
    return encode_json({"schema": PIN_SCHEMA, "sha256": digest.hex})


def decode_pin(data: bytes) -> Digest:
    """The digest of a pin. Raises ``InputError``."""
    fields = Fields(decode_json(data, max_bytes=MAX_PIN_BYTES), where="", format_name="trust_pin")
    fields.literal("schema", allowed=(PIN_SCHEMA,))
    digest = decode_hex(Algorithm.SHA256, fields.text("sha256"), where="sha256")
    fields.done()
    if encode_pin(digest) != data:
        raise InputError("is not spelled as mlsign spells it", code="trust_pin.canonical")
    return digest


def encode_time(time: datetime) -> str:
    """A time in UTC, to the second, as RFC 3339 spells it."""
    # strftime leaves out the zeros of years below 1000.
    return time.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _decode_time(fields: Fields, name: str) -> datetime:
    text = fields.text(name, maximum=20)
    try:
        return datetime.strptime(text, _TIME_FORMAT).replace(tzinfo=UTC)
    except ValueError as err:
        raise fields.wrong("is no time in UTC, such as 2026-01-31T12:00:00Z", code="time", name=name, found=text) from err


def _encode_stored(file: Stored) -> JsonValue:
    return {"path": file.path, "sha256": file.digest.hex, "bytes": file.size}


def _decode_stored(fields: Fields) -> Stored:
    stored = _read_stored(fields)
    fields.done()
    return stored


def _read_stored(fields: Fields) -> Stored:
    path = fields.text("path")
    if not fits_path(path):
        raise fields.wrong("is no path of a repository", code="path", name="path", found=path)
    return Stored(
        path=path,
        digest=decode_hex(Algorithm.SHA256, fields.text("sha256"), where=f"{fields.where}.sha256"),
        size=fields.integer("bytes", maximum=MAX_STORED_BYTES),
    )


def _decode_versions(fields: Fields) -> Versions:
    versions = Versions(
        root=fields.integer("root", minimum=1),
        timestamp=fields.integer("timestamp", minimum=1),
        snapshot=fields.integer("snapshot", minimum=1),
        targets=fields.integer("targets", minimum=1),
    )
    fields.done()
    return versions
