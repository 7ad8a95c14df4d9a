"""The lines of an audit log: what was decided, by whom, when, and how one line hangs on the one before.

The values alone. Their bytes are ``audit_codec``'s, holding one line against the next is ``audit_chain``'s, and the file is
``ledger``'s. Texts are cut and escaped by whoever makes them; the caps here are what a line may carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from mlsign.digest import Digest, decode_digest
from mlsign.errors import InputError, shown
from mlsign.limits import KIB
from mlsign.strict import MAX_SAFE_INTEGER, decode_decimal

SCHEMA: Final = "mlsign/audit/v1"
HEAD_SCHEMA: Final = "mlsign/audit-head/v1"
MAX_LINE_BYTES: Final = 128 * KIB
"""One line without the newline at its end. What a package is made of must not decide how fast a log grows."""
MAX_TORN_BYTES: Final = 4 * MAX_LINE_BYTES
"""What writers that were stopped one after the other may leave between two lines."""
MAX_TEXT_CHARS: Final = 512
MAX_ENTRIES: Final = 32
"""Findings, signers, exceptions and loosened rules of one line, each."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest line of a log: its number and its digest. Written ``7:sha256:…``; noted elsewhere, it pins all lines up to it."""

    sequence: int
    digest: Digest

    def __str__(self) -> str:
        return f"{self.sequence}:{self.digest}"


def decode_head(text: str, *, where: str = "") -> Head:
    """A head from ``number:sha256:hex``. Raises ``InputError`` (``usage.head``)."""
    number, _, digest = text.partition(":")
    try:
        head = Head(decode_decimal(number, maximum=MAX_SAFE_INTEGER), decode_digest(digest))
    except InputError as err:
        raise _no_head(text, where) from err
    if head.sequence == 0 or not digest.startswith("sha256:"):
        raise _no_head(text, where)
    return head


def _no_head(text: str, where: str) -> InputError:
    return InputError(
        f"{shown(text)} is no head of an audit log, write it as NUMBER:sha256:… with 64 hex digits",
        code="usage.head",
        where=where,
        found=shown(text),
        hint="mlsign audit verify prints it",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """The user, machine and process that decided, and what it called itself."""

    user_id: int
    user: str
    host: str
    process: int
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPackage:
    """A package as far as it could be named."""

    path: str
    name: str | None = None
    version: str | None = None
    digest: Digest | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedPolicy:
    """A policy. ``signer`` and ``revision`` are None where nobody was asked to have signed it, and where it has none."""

    name: str
    digest: Digest
    signer: str | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedFinding:
    """A finding that did not pass."""

    code: str
    outcome: str
    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSigner:
    """A signature that was counted, and for which group."""

    group: str
    method: str
    identity: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedTrust:
    """The Sigstore trust root that signatures were held against."""

    source: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedException:
    """An exception that was used: failures with these ``codes`` did not deny this package, and do again from ``until`` on."""

    digest: Digest
    codes: tuple[str, ...]
    reason: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision. ``enforced`` is what the caller had to act on, and ``now`` the time it was judged by.

    ``findings`` are the first of those that did not pass, each code once before any comes twice.
    """

    package: LoggedPackage
    policy: LoggedPolicy
    verdict: str
    enforced: str
    mode: str
    now: datetime
    findings: tuple[LoggedFinding, ...]
    findings_omitted: int
    signers: tuple[LoggedSigner, ...]
    signers_omitted: int
    trust: LoggedTrust | None
    exceptions: tuple[LoggedException, ...]
    exceptions_omitted: int
    loosened: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A run that ended without a decision. ``policy`` is None where not even that could be read."""

    package: LoggedPackage
    policy: LoggedPolicy | None
    code: str
    where: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """What stands between this line and the one before it was left by writers that were stopped: so many bytes, this sha256.

    The newline at their end is not counted.
    """

    size: int
    digest: Digest


Event: TypeAlias = Decided | Failed | Torn


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One line. ``previous`` is the digest of the line before, None for the first of a chain.

    ``time`` is when it was written. ``chain`` is 32 random hex digits that all lines of a log share.
    """

    chain: str
    sequence: int
    previous: Digest | None
    time: datetime
    who: Who
    mlsign: str
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedLine:
    """A line and the digest that it carries, which is over all of it."""

    line: AuditLine
    digest: Digest

    @property
    def head(self) -> Head:
        return Head(self.line.sequence, self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedHead:
    """The newest line of a chain, as writers note it beside the log for each other."""

    chain: str
    head: Head
