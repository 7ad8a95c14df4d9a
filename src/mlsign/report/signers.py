"""How a package and those who signed it are spelled in reports for people."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from mlsign.errors import shown
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.identity import Method

if TYPE_CHECKING:
    from mlsign.actions.verification.verify import Report

_PLAIN: Final = re.compile(r"[A-Za-z0-9._%+@:/!#?&=~*-]+", re.ASCII)


def package_name(report: Report) -> str:
    """Name and version as the manifest has them, else the last part of the path."""
    manifest = report.evidence.manifest
    return shown(f"{manifest.name} {manifest.version}" if manifest else PurePath(report.path).name or report.path)


def who_signed(record: SignatureRecord) -> str:
    """The identity in one line."""
    identity = record.identity.describe() if record.identity is not None else {}
    if record.method is Method.KEY:
        return shown(f"{identity.get('kind', '')} key {identity.get('key', '')}")
    return f"{quoted(identity.get('subject') or identity.get('names', ''))} by {quoted(identity.get('issuer', ''))}"


def when_signed(record: SignatureRecord) -> str:
    """The first trusted time and who vouches for it; empty where there is none."""
    return f"{record.times[0].time:%Y-%m-%d %H:%M:%S}Z by {record.times[0].source.value}" if record.times else ""


def why_idle(record: SignatureRecord) -> str:
    """Why a signature was not counted."""
    if record.standing is Standing.STRANGER and record.identity is not None:
        return f"genuine, by somebody whom the policy does not name: {record.identity.unique}"
    return "; ".join(reason.message for reason in record.reasons)


def quoted(name: str) -> str:
    """A name as it is when it is one plain word, else in quotes: none may read as the words that stand around it."""
    safe = shown(name)
    return safe if _PLAIN.fullmatch(safe) else '"' + safe.replace('"', r"\u{22}") + '"'
