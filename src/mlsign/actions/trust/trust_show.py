"""Trust show: which trust root a verification would rest on, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlsign.errors import InputError
from mlsign.formats.trusted_root import Authority, Log
from mlsign.roots.cache import read_instance
from mlsign.roots.embedded import PUBLIC_GOOD
from mlsign.roots.load import TrustData, decode_trust_data, load_trust_data
from mlsign.roots.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAuthority:
    """An authority and the names in its certificates, from the issuing one up; None for one that cannot be read."""

    authority: Authority
    subjects: tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrust:
    """A trust root, its content, its record when it is cached, and the time by which it is judged."""

    name: str
    data: TrustData
    record: Record | None
    now: datetime
    certificate_authorities: tuple[ShownAuthority, ...]
    timestamp_authorities: tuple[ShownAuthority, ...]
    logs: tuple[Log, ...]
    ct_logs: tuple[Log, ...]


def show_trust(*, now: datetime, name: str = PUBLIC_GOOD, file: Path | None = None, state: Path | None = None) -> ShownTrust:
    """What ``load_trust_data`` gives, decoded. Raises as that does, and ``InputError`` (``root.…``, ``json.…``)."""
    data = load_trust_data(instance=name, file=file, state=state)
    cached = read_instance(name, state=state).cached if file is None else None
    root = decode_trust_data(data)
    return ShownTrust(
        name=name,
        data=data,
        record=cached.record if cached else None,
        now=now,
        certificate_authorities=tuple(map(_shown, root.certificate_authorities)),
        timestamp_authorities=tuple(map(_shown, root.timestamp_authorities)),
        logs=root.logs,
        ct_logs=root.ct_logs,
    )


def _shown(authority: Authority) -> ShownAuthority:
    return ShownAuthority(authority=authority, subjects=tuple(map(_subject, authority.certificates)))


def _subject(der: bytes) -> str | None:
    from mlsign.trust.certificates import load_certificate

    try:
        return load_certificate(der).subject.rfc4514_string()
    except (InputError, ValueError):
        return None
