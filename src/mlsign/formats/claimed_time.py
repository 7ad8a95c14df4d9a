"""Times that the author of a statement claims: in UTC, to the second, in one spelling."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from mlsign.strict import Fields

_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def read_time(fields: Fields, name: str) -> datetime:
    """The time in that field. Raises ``InputError`` (``….time``)."""
    text = fields.text(name, maximum=64)
    if not _TIME.fullmatch(text):
        raise fields.wrong("is not a time as 2026-01-31T12:00:00Z", code="time", name=name, found=text)
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as err:
        raise fields.wrong("is no time of any calendar", code="time", name=name, found=text) from err


def spell_time(moment: datetime) -> str:
    """The time as ``read_time`` takes it, cut to the second."""
    # Not strftime: it writes years before 1000 without their zeros.
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"
