"""Times that somebody trustworthy vouched for, as values: never the clock of this machine, never the signer's own word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum


class TimeSource(Enum):
    """Who vouched for a time; the spelling is the one of the report."""

    TIMESTAMP = "timestamp"
    LOG = "log"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedTime:
    """A time (aware, UTC) at which a signature existed, and who said so."""

    time: datetime
    source: TimeSource
