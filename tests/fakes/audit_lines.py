"""Audit logs made in memory: every kind of line, properly chained."""

from dataclasses import replace
from datetime import UTC, datetime

from mlsign.digest import sha256
from mlsign.formats.audit import (
    AuditLine,
    Decided,
    Failed,
    Head,
    LoggedException,
    LoggedFinding,
    LoggedPackage,
    LoggedPolicy,
    LoggedSigner,
    LoggedTrust,
    Torn,
    Who,
)
from mlsign.formats.audit_codec import decode_line, encode_line

CHAIN = "0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
WHO = Who(user_id=1000, user="ada", host="gate-1", process=42, caller="mlsign verify")
POLICY = LoggedPolicy(name="production", digest=sha256(b"policy"), signer="key:sha256:11", revision=7)
PACKAGE = LoggedPackage(path="/srv/fraud-1.2.0", name="fraud", version="1.2.0", digest=sha256(b"package"))
DENIED = Decided(
    package=PACKAGE,
    policy=POLICY,
    verdict="deny",
    enforced="allow",
    mode="audit",
    now=NOW,
    findings=(LoggedFinding(code="MLS205", outcome="fail", where="signers.release", message="0 of 1 signed"),),
    findings_omitted=3,
    signers=(LoggedSigner(group="review", method="key", identity="key:sha256:00"),),
    signers_omitted=1,
    trust=LoggedTrust(source="embedded", digest=sha256(b"root")),
    exceptions=(LoggedException(digest=sha256(b"package"), codes=("MLS301",), reason="INC-4711", until=NOW),),
    exceptions_omitted=2,
    loosened=("audit mode",),
)
ALLOWED = replace(
    DENIED,
    policy=LoggedPolicy(name="production", digest=sha256(b"policy")),
    verdict="allow",
    mode="enforce",
    findings=(),
    findings_omitted=0,
    trust=None,
    exceptions=(),
    exceptions_omitted=0,
    loosened=(),
)
FAILED = Failed(package=LoggedPackage(path="/srv/x"), policy=None, code="package.missing", where="x", message="is not there")
KNOWN = replace(FAILED, policy=POLICY)


def line_after(head, event, *, chain=CHAIN):
    """The bytes of a line that follows, and its head."""
    line = AuditLine(
        chain=chain,
        sequence=1 if head is None else head.sequence + 1,
        previous=None if head is None else head.digest,
        time=NOW,
        who=WHO,
        mlsign="0.1.0",
        event=event,
    )
    data = encode_line(line)
    return data, decode_line(data).head


def log_of(*events, head: Head | None = None, chain=CHAIN):
    """The lines of a log of these events, and its head."""
    lines = []
    for event in events:
        data, head = line_after(head, event, chain=chain)
        lines.append(data)
    return lines, head


def torn_of(region: bytes) -> Torn:
    return Torn(size=len(region), digest=sha256(region))
