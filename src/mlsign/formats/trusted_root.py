"""A Sigstore trust root (sigstore/protobuf-specs, ``sigstore_trustroot.proto``) in its JSON form.

Names the authorities whose certificates, log entries and timestamps are believed, and from when until when. Says
nothing of why it should be trusted itself: that is for ``roots``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.limits import DEFAULT, KIB, MIB, Limits
from mlsign.strict import Fields, decode_json

MAX_TRUSTED_ROOT_BYTES: Final = 4 * MIB
MAX_AUTHORITIES: Final = 256
MAX_CHAIN: Final = 10
_MEDIA_TYPES: Final = (
    "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    "application/vnd.dev.sigstore.trustedroot+json;version=0.2",
    "application/vnd.dev.sigstore.trustedroot.v0.2+json",
)
CLIENT_MEDIA_TYPE: Final = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A closed interval of time; without ``end`` it has not ended."""

    start: datetime
    end: datetime | None

    def covers(self, time: datetime) -> bool:
        """Whether ``time`` lies in it; start and end do."""
        return self.start <= time and (self.end is None or time <= self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A transparency log: its key as SubjectPublicKeyInfo, the id by which entries name it, and when it was believed."""

    url: str
    log_id: bytes
    key: bytes
    key_details: str
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An authority that issues certificates or timestamps: certificates in DER, from the issuing one up to the root."""

    url: str
    certificates: tuple[bytes, ...]
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRoot:
    """The authorities of one instance of Sigstore."""

    logs: tuple[Log, ...]
    ct_logs: tuple[Log, ...]
    certificate_authorities: tuple[Authority, ...]
    timestamp_authorities: tuple[Authority, ...]


def decode_trusted_root(data: bytes, *, limits: Limits = DEFAULT) -> TrustedRoot:
    """The trust root in ``data``, or in the client configuration that ``data`` is.

    Raises ``InputError`` (``json.…``, ``root.…``, ``base64``).
    """
    top = Fields(decode_json(data, max_bytes=MAX_TRUSTED_ROOT_BYTES, limits=limits), where="", format_name="root")
    if top.has("trustedRoot"):
        top.literal("mediaType", allowed=(CLIENT_MEDIA_TYPE,))
        inner = top.fields("trustedRoot")
        top.take("signingConfig")
        top.done()
        top = inner
    top.literal("mediaType", allowed=_MEDIA_TYPES)
    root = TrustedRoot(
        logs=_each_log(top, "tlogs"),
        ct_logs=_each_log(top, "ctlogs"),
        certificate_authorities=_each_authority(top, "certificateAuthorities"),
        timestamp_authorities=_each_authority(top, "timestampAuthorities"),
    )
    top.done()
    return root


def _each_log(top: Fields, name: str) -> tuple[Log, ...]:
    found = top.each(name, _decode_log, maximum=MAX_AUTHORITIES) if top.has(name) else ()
    known = [log.log_id for log in found]
    if len(set(known)) != len(known):
        raise top.wrong("names one log twice", code="log", name=name)
    return found


def _decode_log(fields: Fields) -> Log:
    url = fields.text("baseUrl", maximum=2048, empty=True) if fields.has("baseUrl") else ""
    fields.literal("hashAlgorithm", allowed=("SHA2_256",))
    ident = fields.fields("logId")
    log_id = ident.base64("keyId", maximum=64)
    ident.done()
    # What a checkpoint is signed with is found by the key; an id of its own is kept for logs that have one.
    for name in ("checkpointKeyId", "operator"):
        if fields.has(name):
            fields.take(name)
    key = fields.fields("publicKey")
    log = Log(
        url=url,
        log_id=log_id,
        key=key.base64("rawBytes", maximum=16 * KIB),
        key_details=key.text("keyDetails", maximum=64),
        period=_decode_period(key.fields("validFor")),
    )
    key.done()
    return log


def _each_authority(top: Fields, name: str) -> tuple[Authority, ...]:
    return top.each(name, _decode_authority, maximum=MAX_AUTHORITIES) if top.has(name) else ()


def _decode_authority(fields: Fields) -> Authority:
    for name in ("subject", "operator"):
        if fields.has(name):
            fields.take(name)
    url = fields.text("uri", maximum=2048, empty=True) if fields.has("uri") else ""
    chain = fields.fields("certChain")
    certificates = chain.each("certificates", lambda f: f.base64("rawBytes", maximum=64 * KIB), maximum=MAX_CHAIN, minimum=1)
    chain.done()
    return Authority(url=url, certificates=certificates, period=_decode_period(fields.fields("validFor")))


def _decode_period(fields: Fields) -> Period:
    """A time range; one without a start is refused: nobody meant a key to be good since the beginning of time."""
    start = _time(fields, "start")
    end: datetime | None = None
    if fields.is_null("end"):
        fields.take("end")
    elif fields.has("end"):
        end = _time(fields, "end")
    fields.done()
    if end is not None and end < start:
        raise fields.wrong("ends before it starts", code="period")
    return Period(start=start, end=end)


def _time(fields: Fields, name: str) -> datetime:
    text = fields.text(name, maximum=40)
    try:
        return decode_time(text)
    except ValueError as err:
        raise InputError(
            f"{shown(text)} is not a time of RFC 3339 in UTC", code="root.time", where=f"{fields.where}.{name}", found=shown(text)
        ) from err


def decode_time(text: str) -> datetime:
    """A time of RFC 3339 in UTC, to the microsecond. Raises ``ValueError``."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(text)
    micro = (match[2] or "").ljust(6, "0")[:6]
    return datetime.fromisoformat(match[1]).replace(microsecond=int(micro), tzinfo=UTC)
