"""Append to the audit log: what was decided, or why nothing was, is on the disk before anybody acts on it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.errors import InputError, MlsignError, shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.audit import (
    MAX_ENTRIES,
    MAX_TEXT_CHARS,
    Decided,
    Event,
    Failed,
    LoggedException,
    LoggedFinding,
    LoggedPackage,
    LoggedPolicy,
    LoggedSigner,
    LoggedTrust,
)
from mlsign.ledger.append import DEFAULT_MAX_BYTES, LogSettings, append_event, describe_self
from mlsign.ledger.opening import LOCK_SECONDS
from mlsign.policy.exemption import Excepted
from mlsign.policy.model import Policy, Verdict
from mlsign.policy.rules import hashing

if TYPE_CHECKING:
    from mlsign.actions.verification.verify import Report

_WHERE_CHARS: Final = 160
_MESSAGE_CHARS: Final = 300
_INTERRUPTED_SECONDS: Final = 1.0
_NOTE_CHARS: Final = 200
_GROUP_CHARS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLog:
    """The log that decisions go to; ``caller`` is what decides here calls itself. A file is rotated at ``max_bytes``.

    ``loosened`` is what the caller let go of, in words, beyond what the policy says.
    """

    path: Path
    caller: str = ""
    max_bytes: int = DEFAULT_MAX_BYTES
    lock_seconds: float = LOCK_SECONDS
    loosened: tuple[str, ...] = ()


Record = Callable[["Report"], None]


@contextmanager
def recorded(package: Path, log: AuditLog | None, *, policy: Policy | None = None) -> Iterator[Record]:
    """Whatever is decided inside has its line; call what this gives with each report before acting on it.

    An error that ends it without a decision, or after an allowance, has a line as well, and goes on. Raises ``OutsideError``
    (``audit.…``) in place of any of that where the log cannot be written, ``InputError`` (``usage.audit_log``) for a log in the
    package: it would be one file too many the next time.
    """
    _check_apart(package, log)
    open_end = True

    def record(report: Report) -> None:
        nonlocal open_end
        if log is not None:
            _append(log, event_of(report, loosened=log.loosened))
        open_end = report.decision.enforced_verdict is Verdict.ALLOW

    try:
        yield record
    except BaseException as err:
        # Also of an interruption or a defect: a run that was started and allowed nothing is something to know of.
        if log is not None and open_end and not _is_of_the_log(err):
            _append_failure(log, err, package=package, policy=policy)
        raise


def _check_apart(package: Path, log: AuditLog | None) -> None:
    # Not resolve(): a package that is a loop of links is an error of the package, told by whoever opens it.
    if log is not None and Path(_real(package)) in Path(_real(log.path)).parents:
        raise InputError(
            "lies in the package that is judged",
            code="usage.audit_log",
            where=shown(log.path),
            hint="keep the log elsewhere",
        )


def _real(path: Path) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # a working folder that is gone, a name that is none
        return str(path)


def _absolute(path: str | Path) -> str:
    try:
        return str(Path(path).absolute())
    except OSError:
        return str(path)


def event_of(report: Report, *, loosened: tuple[str, ...] = ()) -> Decided:
    """What the log says of a report: capped, so that no package decides how much."""
    evidence, decision = report.evidence, report.decision
    manifest, trust = evidence.manifest, evidence.trust
    findings = [finding for finding in decision.findings if finding.outcome is not Outcome.PASS]
    signers = [(group.name, signature) for group in decision.met for signature in group.signatures]
    return Decided(
        package=LoggedPackage(
            path=_cut(_absolute(report.path)),
            name=None if manifest is None else _cut(manifest.name),
            version=None if manifest is None else _cut(manifest.version.text),
            digest=evidence.digest,
        ),
        policy=_policy(report.policy),
        verdict=decision.verdict.value,
        enforced=decision.enforced_verdict.value,
        mode=decision.mode.value,
        now=report.now,
        findings=tuple(_finding(finding) for finding in _spread(findings)[:MAX_ENTRIES]),
        findings_omitted=max(len(findings) - MAX_ENTRIES, 0),
        signers=tuple(
            LoggedSigner(
                group=_cut(group, _GROUP_CHARS),
                method="" if signature.method is None else signature.method.value,
                identity="" if signature.identity is None else _cut(signature.identity.unique, _MESSAGE_CHARS),
            )
            for group, signature in signers[:MAX_ENTRIES]
        ),
        signers_omitted=max(len(signers) - MAX_ENTRIES, 0),
        trust=None if trust is None else LoggedTrust(source=_cut(trust.source), digest=trust.digest),
        exceptions=tuple(map(_exception, decision.excepted[:MAX_ENTRIES])),
        exceptions_omitted=max(len(decision.excepted) - MAX_ENTRIES, 0),
        loosened=_few((*loosened, *_let_go(report))),
    )


def _let_go(report: Report) -> Iterator[str]:
    """The rules that were not enforced, in words. First what there is once, so that no long list of one kind hides another."""
    policy, decision = report.policy, report.decision
    if decision.verdict is not decision.enforced_verdict:
        yield "the policy is in audit mode: its denial stops nothing"
    if (record := decision.summary) is not None:
        by = "" if record.identity is None else f" by {record.identity.unique}"
        yield f"a verification summary{by} stood in for signatures: {record.bundle}"
    for finding in decision.findings:
        if finding.code == hashing.CODE and finding.outcome is Outcome.PASS:
            yield finding.message
    for path in policy.unsigned_files:
        if str(path) in report.evidence.unverified:
            yield f"unsigned file allowed: {path}"
    for each in policy.lineage.loosened:
        yield f"{each.field} is looser than in {each.parent}: {each.reason}"


def _append_failure(log: AuditLog, err: BaseException, *, package: Path, policy: Policy | None) -> None:
    failure = _failure_of(err, package=package, policy=policy)
    if isinstance(err, Exception):
        _append(log, failure)
        return
    # Whoever interrupts a run that waits for the log must not wait for it once more, and is told of the interruption.
    with suppress(MlsignError):
        _append(replace(log, lock_seconds=min(log.lock_seconds, _INTERRUPTED_SECONDS)), failure)


def _failure_of(err: BaseException, *, package: Path, policy: Policy | None) -> Failed:
    if isinstance(err, MlsignError):
        code, where, message = err.code, err.where, err.message
    else:
        code = "interrupted" if isinstance(err, KeyboardInterrupt) else "defect"
        where, message = "", f"{type(err).__name__}: {err}"
    return Failed(
        package=LoggedPackage(path=_cut(_absolute(package))),
        policy=None if policy is None else _policy(policy),
        code=_cut(code),
        where=_cut(where),
        message=_cut(message),
    )


def _is_of_the_log(err: BaseException) -> bool:
    return isinstance(err, MlsignError) and err.code.startswith(("audit.", "usage.audit"))


def _append(log: AuditLog, event: Event) -> None:
    settings = LogSettings(path=log.path, max_bytes=log.max_bytes, lock_seconds=log.lock_seconds)
    append_event(settings, event, who=describe_self(log.caller), version=_version())


def _version() -> str:
    try:
        return version("mlsign")
    except PackageNotFoundError:
        return ""  # run from its sources


def _spread(findings: Iterable[Finding]) -> list[Finding]:
    """Each code once before any comes twice: many findings of one code must not hide those of another."""
    by_code: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_code[finding.code].append(finding)
    return [finding for finding in chain.from_iterable(zip_longest(*by_code.values())) if finding is not None]


def _finding(finding: Finding) -> LoggedFinding:
    return LoggedFinding(
        code=_cut(finding.code),
        outcome=finding.outcome.value,
        where=_cut(finding.where, _WHERE_CHARS),
        message=_cut(finding.message, _MESSAGE_CHARS),
    )


def _exception(item: Excepted) -> LoggedException:
    return LoggedException(
        digest=item.exemption.digest,
        codes=tuple(sorted({_cut(finding.code) for finding in item.findings}))[:MAX_ENTRIES],
        reason=_cut(item.exemption.reason, _NOTE_CHARS),
        until=item.exemption.until,
    )


def _few(texts: tuple[str, ...]) -> tuple[str, ...]:
    kept = tuple(_cut(text, _NOTE_CHARS) for text in texts[: MAX_ENTRIES - 1])
    rest = len(texts) - len(kept)
    return (*kept, f"and {rest} more") if rest else kept


def _policy(policy: Policy) -> LoggedPolicy:
    signer = policy.lineage.signer
    return LoggedPolicy(
        name=_cut(policy.name),
        digest=policy.digest,
        signer=None if signer is None else _cut(signer.unique),
        revision=policy.revision,
    )


def _cut(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """Escaped, and no more bytes than that when it is: an escape may be ten times what it stands for, and a letter four bytes."""
    escaped = shown(text, limit=limit)
    data = escaped.encode()
    return escaped if len(data) <= limit else f"{data[: limit - 3].decode(errors='ignore')}…"
