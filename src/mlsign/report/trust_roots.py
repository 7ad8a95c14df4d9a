"""Trust roots as text and as JSON: where one is from, how long it is good, and whom it names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from mlsign.actions.trust.trust_show import ShownAuthority, ShownTrust
from mlsign.errors import shown
from mlsign.formats.trusted_root import Log, Period
from mlsign.report.findings_as_json import dump
from mlsign.report.workflow import inert
from mlsign.roots.record import Origin
from mlsign.words import counted

SCHEMA = "mlsign/trust/v1"


def render_trust_text(trust: ShownTrust) -> str:
    """For people, a line for each authority and log."""
    data = trust.data
    lines = [f"trust root   {data.source}", f"digest       {data.digest}{'  (pinned)' if data.pinned else ''}"]
    lines.append(f"confirmed    {_confirmed(trust)}")
    lines.append(f"expires      {expiry_words(data.expires, now=trust.now)}")
    if trust.record is not None and (seen := trust.record.versions) is not None:
        numbers = f"root {seen.root}, timestamp {seen.timestamp}, snapshot {seen.snapshot}, targets {seen.targets}"
        lines.append(f"versions     {numbers}")
    lines += _authorities("certificate authorities", trust.certificate_authorities, now=trust.now)
    lines += _logs("transparency logs", trust.logs, now=trust.now)
    lines += _logs("certificate logs", trust.ct_logs, now=trust.now)
    lines += _authorities("timestamp authorities", trust.timestamp_authorities, now=trust.now)
    return inert("\n".join(lines) + "\n")


def render_trust_json(trust: ShownTrust) -> str:
    """For programs."""
    data, record = trust.data, trust.record
    seen = record.versions if record is not None else None
    return dump(
        {
            "schema": SCHEMA,
            "name": trust.name,
            "source": data.source,
            "digest": str(data.digest),
            "pinned": data.pinned,
            "origin": record.origin.value if record is not None else None,
            "stored": _time(record.stored) if record is not None else None,
            "fetched": _time(data.fetched),
            "expires": _time(data.expires),
            "stale": data.expires is not None and data.expires <= trust.now,
            "versions": None
            if seen is None
            else {"root": seen.root, "timestamp": seen.timestamp, "snapshot": seen.snapshot, "targets": seen.targets},
            "certificate_authorities": [_authority_object(one) for one in trust.certificate_authorities],
            "transparency_logs": [_log_object(log) for log in trust.logs],
            "certificate_logs": [_log_object(log) for log in trust.ct_logs],
            "timestamp_authorities": [_authority_object(one) for one in trust.timestamp_authorities],
        }
    )


def expiry_words(expires: datetime | None, *, now: datetime) -> str:
    """When the metadata ends, and how far that is from now."""
    if expires is None:
        return "never by itself: no repository vouches for it"
    days = abs(expires - now).days
    distance = counted(days, "day") if days else "less than a day"
    moment = f"{expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"{moment}, in {distance}" if now < expires else f"{moment}, STALE for {distance}: run mlsign trust update"


def _confirmed(trust: ShownTrust) -> str:
    if trust.data.fetched is not None:
        return f"{trust.data.fetched.astimezone(UTC):%Y-%m-%d %H:%M} UTC by the repository"
    if trust.record is None:
        return "by nobody since it was made"
    carried = "a folder that was carried here" if trust.record.origin is Origin.FOLDER else "a file whose digest was confirmed"
    return f"imported {trust.record.stored:%Y-%m-%d %H:%M} UTC from {carried}"


def _authorities(title: str, authorities: tuple[ShownAuthority, ...], *, now: datetime) -> Iterator[str]:
    yield f"\n{title}: {len(authorities) or 'none'}"
    for one in authorities:
        first, *others = (subject or "(unreadable certificate)" for subject in one.subjects)
        yield f"  {shown(first)}{f'  under {shown(others[-1])}' if others else ''}"
        yield f"    {_period(one.authority.period, now=now)}{f'  {shown(one.authority.url)}' if one.authority.url else ''}"


def _logs(title: str, logs: tuple[Log, ...], *, now: datetime) -> Iterator[str]:
    yield f"\n{title}: {len(logs) or 'none'}"
    for log in logs:
        yield f"  {shown(log.url) or '(no address)'}"
        yield f"    {_period(log.period, now=now)}  key id {log.log_id.hex()}"


def _period(period: Period, *, now: datetime) -> str:
    start = f"{period.start:%Y-%m-%d}"
    words = f"since {start}" if period.end is None else f"{start} to {period.end:%Y-%m-%d}"
    return words if period.covers(now) else f"{words}, {'not yet' if now < period.start else 'no longer'}"


def _authority_object(one: ShownAuthority) -> dict[str, Any]:
    return {
        "url": one.authority.url,
        "subjects": list(one.subjects),
        "start": _time(one.authority.period.start),
        "end": _time(one.authority.period.end),
    }


def _log_object(log: Log) -> dict[str, Any]:
    return {
        "url": log.url,
        "key_id": log.log_id.hex(),
        "key_details": log.key_details,
        "start": _time(log.period.start),
        "end": _time(log.period.end),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
