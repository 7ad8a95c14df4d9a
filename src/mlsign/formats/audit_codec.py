"""One line of an audit log to bytes and back: canonical JSON (RFC 8785) with the digest of itself.

The digest is the sha256 of the canonical bytes of the line without its field ``digest``. A line has one spelling, so what
``previous`` of the next line names is every byte of this one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from mlsign.digest import Algorithm, Digest, decode_hex, sha256
from mlsign.errors import InputError
from mlsign.formats.audit import (
    HEAD_SCHEMA,
    MAX_ENTRIES,
    MAX_LINE_BYTES,
    MAX_TEXT_CHARS,
    MAX_TORN_BYTES,
    SCHEMA,
    AuditLine,
    Decided,
    Event,
    Failed,
    Head,
    LoggedException,
    LoggedFinding,
    LoggedPackage,
    LoggedPolicy,
    LoggedSigner,
    LoggedTrust,
    NotedHead,
    SealedLine,
    Torn,
    Who,
)
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

T = TypeVar("T")

MAX_NOTE_BYTES: Final = 512
"""A note is overwritten in place: one sector, which disks write whole or not at all."""
_CHAIN_END: Final = len('{"chain":"') + 32 + len('",')
_PREFIX: Final = "sha256:"
_CHAIN: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z", re.ASCII)


def encode_line(line: AuditLine) -> bytes:
    """The bytes of a line, without a newline. Raises ``InputError`` (``audit.size``) for one that is too large."""
    bare = encode_json(_line_value(line))
    data = _with_digest(bare, sha256(bare))
    if len(data) > MAX_LINE_BYTES:
        raise InputError(f"a line has {len(data)} bytes, allowed are {MAX_LINE_BYTES}", code="audit.size")
    return data


def decode_line(data: bytes) -> SealedLine:
    """A line from its bytes, without the newline.

    Raises ``InputError`` (``audit.…``, ``json.…``, ``digest.…``): a line whose digest is not the one over itself is none.
    """
    value = decode_json(data, max_bytes=MAX_LINE_BYTES)
    fields = Fields(value, where="", format_name="audit")
    fields.literal("schema", allowed=(SCHEMA,))
    stated = _digest(fields, "digest")
    line = AuditLine(
        chain=_chain(fields),
        sequence=fields.integer("sequence", minimum=1),
        previous=_nullable(fields, "previous", lambda name: _digest(fields, name)),
        time=_time(fields, "time"),
        who=_who(fields.fields("who")),
        mlsign=_text(fields, "mlsign"),
        event=_event(fields.fields("event")),
    )
    fields.done()
    if (line.previous is None) is not (line.sequence == 1):
        raise fields.wrong("does not fit the number: the first line has none before it, every other has one", code="previous")
    bare = encode_json(_line_value(line))
    if _with_digest(bare, stated) != data:
        raise InputError("is not in the one spelling of its line (RFC 8785)", code="audit.canonical", hint="it was changed")
    if (found := sha256(bare)) != stated:
        raise InputError(
            "was changed: its digest is not the one that it carries",
            code="audit.digest",
            expected=str(stated),
            found=str(found),
        )
    return SealedLine(line=line, digest=stated)


def _with_digest(bare: bytes, digest: Digest) -> bytes:
    """The canonical line: ``digest`` has its place behind ``chain``, which is first. Spelling it all again takes as long."""
    return b'%s"digest":"%s",%s' % (bare[:_CHAIN_END], str(digest).encode("ascii"), bare[_CHAIN_END:])


def encode_note(note: NotedHead) -> bytes:
    """The bytes of a noted head."""
    return encode_json(
        {"schema": HEAD_SCHEMA, "chain": note.chain, "sequence": note.head.sequence, "digest": str(note.head.digest)}
    )


def decode_note(data: bytes) -> NotedHead:
    """A noted head from its bytes. Raises ``InputError`` (``audit.…``, ``json.…``)."""
    fields = Fields(decode_json(data, max_bytes=MAX_NOTE_BYTES), where="", format_name="audit")
    fields.literal("schema", allowed=(HEAD_SCHEMA,))
    note = NotedHead(chain=_chain(fields), head=Head(fields.integer("sequence", minimum=1), _digest(fields, "digest")))
    fields.done()
    if encode_note(note) != data:
        raise InputError("is not in its one spelling (RFC 8785)", code="audit.canonical", hint="it was changed")
    return note


def _line_value(line: AuditLine) -> dict[str, JsonValue]:
    return {
        "schema": SCHEMA,
        "chain": line.chain,
        "sequence": line.sequence,
        "previous": None if line.previous is None else str(line.previous),
        "time": encode_time(line.time),
        "who": {
            "user_id": line.who.user_id,
            "user": line.who.user,
            "host": line.who.host,
            "process": line.who.process,
            "caller": line.who.caller,
        },
        "mlsign": line.mlsign,
        "event": _event_value(line.event),
    }


def encode_time(moment: datetime) -> str:
    """A time to the millisecond, in UTC."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _event_value(event: Event) -> JsonValue:
    if isinstance(event, Torn):
        return {"kind": "torn", "size": event.size, "digest": str(event.digest)}
    if isinstance(event, Decided):
        return _decided_value(event)
    return {
        "kind": "error",
        "package": _package_value(event.package),
        "policy": None if event.policy is None else _policy_value(event.policy),
        "code": event.code,
        "where": event.where,
        "message": event.message,
    }


def _decided_value(event: Decided) -> JsonValue:
    return {
        "kind": "decision",
        "package": _package_value(event.package),
        "policy": _policy_value(event.policy),
        "verdict": event.verdict,
        "enforced": event.enforced,
        "mode": event.mode,
        "now": encode_time(event.now),
        "findings": [{"code": f.code, "outcome": f.outcome, "where": f.where, "message": f.message} for f in event.findings],
        "findings_omitted": event.findings_omitted,
        "signers": [{"group": s.group, "method": s.method, "identity": s.identity} for s in event.signers],
        "signers_omitted": event.signers_omitted,
        "trust": None if event.trust is None else {"source": event.trust.source, "digest": str(event.trust.digest)},
        "exceptions": [
            {"digest": str(e.digest), "findings": list(e.codes), "reason": e.reason, "until": encode_time(e.until)}
            for e in event.exceptions
        ],
        "exceptions_omitted": event.exceptions_omitted,
        "loosened": list(event.loosened),
    }


def _package_value(package: LoggedPackage) -> JsonValue:
    digest = None if package.digest is None else str(package.digest)
    return {"path": package.path, "name": package.name, "version": package.version, "digest": digest}


def _policy_value(policy: LoggedPolicy) -> JsonValue:
    return {"name": policy.name, "digest": str(policy.digest), "signer": policy.signer, "revision": policy.revision}


def _event(fields: Fields) -> Event:
    kind = fields.literal("kind", allowed=("decision", "error", "torn"))
    event: Event
    match kind:
        case "decision":
            event = _decided(fields)
        case "error":
            event = Failed(
                package=_package(fields.fields("package")),
                policy=_nullable(fields, "policy", lambda name: _policy(fields.fields(name))),
                code=_text(fields, "code"),
                where=_text(fields, "where"),
                message=_text(fields, "message"),
            )
        case _:
            event = Torn(size=fields.integer("size", maximum=MAX_TORN_BYTES), digest=_digest(fields, "digest"))
    fields.done()
    return event


def _decided(fields: Fields) -> Decided:
    return Decided(
        package=_package(fields.fields("package")),
        policy=_policy(fields.fields("policy")),
        verdict=fields.literal("verdict", allowed=("allow", "deny")),
        enforced=fields.literal("enforced", allowed=("allow", "deny")),
        mode=fields.literal("mode", allowed=("enforce", "audit")),
        now=_time(fields, "now"),
        findings=fields.each("findings", _finding, maximum=MAX_ENTRIES),
        findings_omitted=fields.integer("findings_omitted"),
        signers=fields.each("signers", _signer, maximum=MAX_ENTRIES),
        signers_omitted=fields.integer("signers_omitted"),
        trust=_nullable(fields, "trust", lambda name: _trust(fields.fields(name))),
        exceptions=fields.each("exceptions", _exception, maximum=MAX_ENTRIES),
        exceptions_omitted=fields.integer("exceptions_omitted"),
        loosened=fields.texts("loosened", maximum=MAX_ENTRIES, length=MAX_TEXT_CHARS),
    )


def _finding(fields: Fields) -> LoggedFinding:
    return LoggedFinding(
        code=_text(fields, "code"),
        outcome=fields.literal("outcome", allowed=("fail", "unknown")),
        where=_text(fields, "where"),
        message=_text(fields, "message"),
    )


def _exception(fields: Fields) -> LoggedException:
    return LoggedException(
        digest=_digest(fields, "digest"),
        codes=fields.texts("findings", maximum=MAX_ENTRIES, length=MAX_TEXT_CHARS),
        reason=_text(fields, "reason"),
        until=_time(fields, "until"),
    )


def _signer(fields: Fields) -> LoggedSigner:
    return LoggedSigner(group=_text(fields, "group"), method=_text(fields, "method"), identity=_text(fields, "identity"))


def _package(fields: Fields) -> LoggedPackage:
    package = LoggedPackage(
        path=_text(fields, "path"),
        name=_nullable(fields, "name", lambda name: _text(fields, name)),
        version=_nullable(fields, "version", lambda name: _text(fields, name)),
        digest=_nullable(fields, "digest", lambda name: _digest(fields, name)),
    )
    fields.done()
    return package


def _policy(fields: Fields) -> LoggedPolicy:
    policy = LoggedPolicy(
        name=_text(fields, "name"),
        digest=_digest(fields, "digest"),
        signer=_nullable(fields, "signer", lambda name: _text(fields, name)),
        revision=_nullable(fields, "revision", lambda name: fields.integer(name, minimum=1)),
    )
    fields.done()
    return policy


def _trust(fields: Fields) -> LoggedTrust:
    trust = LoggedTrust(source=_text(fields, "source"), digest=_digest(fields, "digest"))
    fields.done()
    return trust


def _who(fields: Fields) -> Who:
    who = Who(
        user_id=fields.integer("user_id"),
        user=_text(fields, "user"),
        host=_text(fields, "host"),
        process=fields.integer("process"),
        caller=_text(fields, "caller"),
    )
    fields.done()
    return who


def _nullable(fields: Fields, name: str, read: Callable[[str], T]) -> T | None:
    """``null`` is written out in this format: a field that may be left out is one that may be taken out."""
    if fields.is_null(name):
        fields.take(name)
        return None
    return read(name)


def _text(fields: Fields, name: str) -> str:
    return fields.text(name, maximum=MAX_TEXT_CHARS, empty=True)


def _digest(fields: Fields, name: str) -> Digest:
    text = fields.text(name)
    if not text.startswith(_PREFIX):
        raise fields.wrong("is no sha256 digest", code="digest", name=name, found=text)
    return decode_hex(Algorithm.SHA256, text.removeprefix(_PREFIX), where=name)


def _chain(fields: Fields) -> str:
    text = fields.text("chain")
    if not _CHAIN.fullmatch(text):
        raise fields.wrong("is not 32 hex digits", code="chain", name="chain", found=text)
    return text


def _time(fields: Fields, name: str) -> datetime:
    text = fields.text(name)
    if _TIME.fullmatch(text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise fields.wrong("is no time in UTC to the millisecond", code="time", name=name, found=text)
