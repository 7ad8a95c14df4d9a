"""Whether a verification summary may stand in for signatures: by whom, of exactly this package, under exactly this policy, fresh.

It stands in for who signed, and for nothing else. Content, manifest, model, revocations and versions are judged as ever, and one
that does not hold is as if it were not there: then the signatures decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mlsign.digest import Algorithm, Digest
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.policy.freshness import Freshness
from mlsign.policy.rules.countable import spelled, unproven
from mlsign.policy.rules.trust_data import CLOCK_TOLERANCE
from mlsign.policy.summaries import Store, SummarySettings

if TYPE_CHECKING:
    from mlsign.formats.verification_summary import Judged, VerificationSummary

CODE: Final = "MLS220"


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRuleSettings:
    """What a summary is held against; ``summaries`` is None where the policy accepts none."""

    summaries: SummarySettings | None
    policy: Digest
    digests: frozenset[Algorithm]
    freshness: Freshness


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reason:
    message: str
    expected: str = ""
    found: str = ""


def accepted(evidence: Evidence, settings: SummaryRuleSettings, *, now: datetime) -> SignatureRecord | None:
    """The first summary by name of bundle that may stand in, or None."""
    if settings.summaries is None:
        return None
    held = (
        record
        for record, summary in _asked(evidence, settings.summaries)
        if not _reasons(record, summary, evidence, settings, settings.summaries, now=now)
    )
    return next(held, None)


def check(evidence: Evidence, settings: SummaryRuleSettings, *, now: datetime, is_signed: bool) -> tuple[Finding, ...]:
    """What became of the summaries that the caller asked for; nothing where nobody asked.

    ``is_signed`` tells that every group of signers is met: then a summary that does not hold costs nothing.
    """
    if settings.summaries is None or not settings.summaries.chosen:
        return ()
    found = accepted(evidence, settings, now=now)
    if found is not None:
        return (_accepted(found, evidence, settings.summaries, is_signed=is_signed),)
    outcome = Outcome.PASS if is_signed else Outcome.FAIL
    tail = "; the signatures suffice" if is_signed else ""
    findings = [
        Finding(
            code=CODE,
            outcome=outcome,
            message=f"the verification summary was not accepted: {reason.message}{tail}",
            where=shown(record.bundle),
            expected=reason.expected,
            found=reason.found,
            hint=""
            if is_signed
            else "verify under this policy again with mlsign verify --attest, or add the signatures that are missing",
        )
        for record, summary in _asked(evidence, settings.summaries)
        for reason in _reasons(record, summary, evidence, settings, settings.summaries, now=now)
    ]
    return listed(findings) if findings else (_absent(settings.summaries, outcome, tail=tail),)


def _asked(evidence: Evidence, summaries: SummarySettings) -> list[tuple[SignatureRecord, VerificationSummary]]:
    """The summaries by somebody whom both the policy and the caller name."""
    found = [
        (record, record.summary)
        for record in evidence.summaries
        if record.identity is not None and record.summary is not None and summaries.names(record.identity)
    ]
    return sorted(found, key=lambda pair: pair[0].bundle)


def _accepted(record: SignatureRecord, evidence: Evidence, settings: SummarySettings, *, is_signed: bool) -> Finding:
    since = evidence.sealed_since
    everything = "every byte that was not known was hashed" if evidence.unread else "every byte was hashed again"
    hashed = everything if since is None else f"the bytes are sealed since {_moment(since)}, when they were hashed"
    what = "would do as well as the signatures" if is_signed else f"stands in for the signatures; {hashed}"
    return Finding(
        code=CODE,
        outcome=Outcome.PASS,
        message=f"the verification summary {what}",
        where=shown(record.bundle),
        expected=f"a summary of this package under this policy, at most {spelled(settings.max_age)} old",
        found=shown(record.identity.unique if record.identity is not None else ""),
    )


def _absent(settings: SummarySettings, outcome: Outcome, *, tail: str) -> Finding:
    return Finding(
        code=CODE,
        outcome=outcome,
        message=f"there is no verification summary that could be accepted{tail}",
        expected=shown(f"one by {' or '.join(sorted(settings.chosen))}, whom the policy has to name under vsa", limit=400),
        found="none",
        hint=""
        if outcome is Outcome.PASS
        else "give the file with --signature if it lies elsewhere; else add the missing signatures",
    )


def _reasons(
    record: SignatureRecord,
    summary: VerificationSummary,
    evidence: Evidence,
    settings: SummaryRuleSettings,
    summaries: SummarySettings,
    *,
    now: datetime,
) -> tuple[_Reason, ...]:
    """Everything for which a summary by the right person does not hold."""
    return (
        *_about_package(summary, evidence, settings),
        *_about_bytes(evidence, summaries),
        *_about_policy(summary, settings, summaries),
        *_about_time(summary, record, summaries, now=now),
        *_about_signatures(summary.judged, settings.freshness, now=now),
        *(_Reason(message=f.message, expected=f.expected, found=f.found) for f in unproven(record, settings.freshness)),
    )


def _about_package(summary: VerificationSummary, evidence: Evidence, settings: SummaryRuleSettings) -> list[_Reason]:
    from mlsign.formats.verification_summary import Result, package_uri

    found = []
    if summary.result is not Result.PASSED:
        found.append(_Reason(message="its verdict is a refusal", expected=Result.PASSED.value, found=summary.result.value))
    if evidence.digest is None or summary.subject != evidence.digest:
        found.append(
            _Reason(message="it is about another package", expected=_spelled(evidence.digest), found=str(summary.subject))
        )
    if evidence.manifest is None or evidence.manifest_digest is None:
        return [*found, _Reason(message="the package has no manifest that could be read")]
    if summary.judged is None:
        found.append(_Reason(message="it does not say which manifest was judged, so names of files could be others"))
    elif summary.judged.manifest != evidence.manifest_digest:
        found.append(
            _Reason(
                message="it is about another manifest", expected=str(evidence.manifest_digest), found=str(summary.judged.manifest)
            )
        )
    if evidence.manifest.algorithm not in settings.digests:
        known = evidence.manifest.algorithm.value
        found.append(_Reason(message=f"the manifest knows files by {known}, which the policy does not accept", found=known))
    uri = package_uri(evidence.manifest.name, evidence.manifest.version.text)
    if summary.resource != uri:
        found.append(_Reason(message="it calls the package otherwise", expected=shown(uri), found=shown(summary.resource)))
    return found


def _about_bytes(evidence: Evidence, summaries: SummarySettings) -> list[_Reason]:
    if evidence.sealed_since is None or Store.SEALED_MEMORY in summaries.stores:
        return []
    return [
        _Reason(
            message="the bytes were not hashed for this decision, and the policy trusts no store",
            expected=f"vsa.stores: [{Store.SEALED_MEMORY.value}], or bytes that were hashed",
            found=f"hashed {_moment(evidence.sealed_since)}",
        )
    ]


def _about_policy(summary: VerificationSummary, settings: SummaryRuleSettings, summaries: SummarySettings) -> list[_Reason]:
    found = []
    if summary.policy.digest != settings.policy:
        found.append(
            _Reason(
                message="it was made under another policy", expected=str(settings.policy), found=_spelled(summary.policy.digest)
            )
        )
    if summary.judged is not None and (summaries.trusted is None or summary.judged.trusted != summaries.trusted):
        found.append(
            _Reason(
                message="the keys, certificates or revocations that the policy names were others",
                expected=_spelled(summaries.trusted),
                found=str(summary.judged.trusted),
            )
        )
    return found


def _about_time(
    summary: VerificationSummary, record: SignatureRecord, summaries: SummarySettings, *, now: datetime
) -> list[_Reason]:
    """Age counts from the signer's own word, or from a trusted time where that is earlier."""
    proven = [time.time for time in record.times]
    if summary.verified - now > CLOCK_TOLERANCE:
        return [_Reason(message="its time has not come yet", expected=f"before {_moment(now)}", found=_moment(summary.verified))]
    if proven and summary.verified - min(proven) > CLOCK_TOLERANCE:
        return [
            _Reason(
                message="it claims to be from after it was signed",
                expected=f"before {_moment(min(proven))}",
                found=_moment(summary.verified),
            )
        ]
    return _too_old("it is", now - min([summary.verified, *proven]), summaries.max_age)


def _about_signatures(judged: Judged | None, asked: Freshness, *, now: datetime) -> list[_Reason]:
    """Signatures that were young enough at the time of the summary may not be any more."""
    if asked.max_age is None or judged is None:
        return []
    if judged.signed is None:
        return [_Reason(message="it does not say how old the signatures are", expected=f"at most {spelled(asked.max_age)}")]
    return _too_old("the signatures behind it are", now - judged.signed, asked.max_age)


def _too_old(what: str, age: timedelta, allowed: timedelta) -> list[_Reason]:
    if age <= allowed:
        return []
    message = f"{what} {spelled(age)} old, the policy allows {spelled(allowed)}"
    return [_Reason(message=message, expected=f"at most {spelled(allowed)}", found=spelled(age))]


def _spelled(digest: Digest | None) -> str:
    return "none" if digest is None else str(digest)


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
