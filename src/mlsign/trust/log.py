"""Entries of transparency logs: that one is in the log, when it was taken in, and that it is about this signature."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mlsign.digest import Digest
from mlsign.errors import InputError, TrustError
from mlsign.formats.log_body import Logged, decode_log_body
from mlsign.formats.log_entry import LogEntry
from mlsign.formats.trusted_root import Log, TrustedRoot
from mlsign.strict import encode_json
from mlsign.times import TimeSource, TrustedTime
from mlsign.trust.log_keys import verify_by_log
from mlsign.trust.merkle import verify_inclusion

_PROOF_SINCE: Final = 2
"""From bundles of version 0.2 on an entry has a proof of inclusion; before, the log's promise was enough."""
_LAST_SECOND: Final = 253402300799
"""9999-12-31T23:59:59Z, the last that a datetime holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFacts:
    """What an entry must agree with: the signature, who made it (certificate or key in DER), and what it is over.

    ``message`` is what was signed, or its sha256 where no more is known; ``payload`` that of the envelope, None for a file.
    """

    signature: bytes
    verifier: bytes
    message: bytes | Digest
    payload: bytes | None

    def digest(self, algorithm: str) -> bytes:
        """The digest of the message. Raises ``InputError`` (``log.algorithm``) where it cannot be told."""
        if isinstance(self.message, bytes):
            return hashlib.new(algorithm, self.message).digest()
        if algorithm == self.message.algorithm.value:
            return self.message.value
        raise InputError(
            f"knows the signed bytes by {algorithm}, and only their {self.message.algorithm.value} is at hand",
            code="log.algorithm",
            where="log entry",
            found=algorithm,
        )


def log_of(entry: LogEntry, *, root: TrustedRoot) -> Log:
    """The log that the entry names. Raises ``TrustError`` (``log.unknown``)."""
    for log in root.logs:
        if log.log_id == entry.log_id:
            return log
    raise TrustError(
        "the entry is of a log that the trust root does not name",
        code="log.unknown",
        expected=", ".join(log.log_id.hex()[:16] for log in root.logs) or "no log at all",
        found=entry.log_id.hex()[:16],
    )


def verify_entry(entry: LogEntry, facts: SignedFacts, *, root: TrustedRoot, version: int) -> TrustedTime | None:
    """The time at which the log took the entry in, or None where it gives none that is signed.

    Afterwards the entry is in a trusted log and is about this signature by this signer over these bytes. ``version`` is
    that of the bundle. Raises ``TrustError`` (``log.…``), also for an entry that cannot be read.
    """
    try:
        return _verify_entry(entry, facts, root=root, version=version)
    except InputError as err:
        code = err.code if err.code.startswith("log.") else "log.format"
        raise TrustError(f"the log entry cannot be read: {err}", code=code, expected=err.expected, found=err.found) from err


def _verify_entry(entry: LogEntry, facts: SignedFacts, *, root: TrustedRoot, version: int) -> TrustedTime | None:
    # 1. The log must be known.
    log = log_of(entry, root=root)
    # 2. What it holds is in the log: proven by a path, or promised in the oldest bundles.
    if entry.proof is not None:
        if entry.proof.checkpoint or version >= _PROOF_SINCE or entry.promise is None:
            verify_inclusion(entry.body, entry.proof, log=log)
    elif version >= _PROOF_SINCE or entry.promise is None:
        raise TrustError("the log entry has no proof of inclusion", code="log.inclusion")
    # 3. The promise, where there is one, signs the time as well.
    time = _promised_time(entry, log=log)
    if time is not None and not log.period.covers(time.time):
        raise TrustError(
            f"the log took the entry in at {time.time:%Y-%m-%dT%H:%M:%SZ}, when its key was not to be trusted",
            code="log.period",
            found=f"{time.time:%Y-%m-%dT%H:%M:%SZ}",
        )
    # 4. The entry is about this signature: else it could be anybody's (CVE-2022-36056).
    _check_body(entry, facts)
    return time


def _promised_time(entry: LogEntry, *, log: Log) -> TrustedTime | None:
    if entry.promise is None:
        return None
    if not 0 < entry.integrated_time <= _LAST_SECOND:
        raise TrustError("the log promises an entry at no time", code="log.time", found=str(entry.integrated_time))
    promised = encode_json(
        {
            "body": _base64(entry.body),
            "integratedTime": entry.integrated_time,
            "logID": entry.log_id.hex(),
            "logIndex": entry.log_index,
        }
    )
    verify_by_log(log, message=promised, signature=entry.promise, what="the promise of the log")
    return TrustedTime(time=datetime.fromtimestamp(entry.integrated_time, tz=UTC), source=TimeSource.LOG)


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _check_body(entry: LogEntry, facts: SignedFacts) -> None:
    if facts.payload is not None and (entry.kind, entry.version) == ("hashedrekord", "0.0.1"):
        # Version 1 logs envelopes as such. An entry about bytes says that somebody signed a file, which may be anybody's and
        # happen to read like the encoding of a statement.
        raise TrustError("the log entry is about a file, the bundle signs an envelope", code="log.other")
    body = decode_log_body(entry.body, kind=entry.kind, version=entry.version)
    if body.logged is Logged.MESSAGE:
        digest = facts.digest(body.algorithm)
    elif facts.payload is None:
        raise TrustError("the log entry is about an envelope, the bundle signs a file", code="log.other")
    else:
        digest = hashlib.new(body.algorithm, facts.payload).digest()
    for name, logged, here in (
        ("message", body.digest, digest),
        ("signature", body.signature, facts.signature),
        ("signer", body.verifier, facts.verifier),
    ):
        if logged != here:
            raise TrustError(f"the log entry is about another {name}", code="log.other")
