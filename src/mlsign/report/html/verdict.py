"""The top of a portrait: what was decided and by whom it is signed, or that nobody looked.

Owns one rule: without a policy no signature was checked, and nothing on the page may look as if one had been.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import PurePath
from typing import Final

from mlsign.actions.inspection.claimed_signers import ClaimedSigner
from mlsign.actions.inspection.portray import Portrait
from mlsign.actions.verification.verify import Report
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.policy.model import Mode, Verdict
from mlsign.report.claims import who_claims
from mlsign.report.concessions import concessions
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.findings import MAX_FINDINGS, place_of_code
from mlsign.report.html.parts import Tone, badge, code, digest, facts, headline, note, section, table
from mlsign.report.signers import when_signed, who_signed, why_idle
from mlsign.words import counted

_MAX_SIGNERS: Final = 100
_MAX_REASONS: Final = 5
_ABOVE: Final = "Report on"


def subject_of(portrait: Portrait) -> str:
    """Name and version as the manifest has them, else the last part of the path."""
    manifest = portrait.manifest
    return shown(f"{manifest.name} {manifest.version}" if manifest else PurePath(portrait.path).name or portrait.path, limit=200)


def decided(portrait: Portrait) -> str:
    """The decision in a word or two."""
    if portrait.report is None:
        return "Not verified"
    if portrait.verdict is Verdict.ALLOW:
        return "Allowed"
    return "Denied" if portrait.report.decision.mode is Mode.ENFORCE else "Would be denied"


def top(portrait: Portrait) -> Element:
    """The headline: the decision in words that need no context, and before the name that it is one, for it may read like a decision."""
    subject = subject_of(portrait)
    word = decided(portrait)
    if portrait.report is None:
        told = f"{word}: no signature was checked"
        return headline(
            _model_tone(portrait),
            told,
            subject=subject,
            above=_ABOVE,
            explained=_unverified(portrait),
            reasons=_reasons(portrait),
        )
    policy = shown(portrait.policy.name)
    if portrait.verdict is Verdict.ALLOW:
        explained: list[Child] = [f"Its signatures were authenticated and its content held against them at {_time(portrait)}."]
        if concessions(portrait.report):
            explained.append(badge(Tone.WARNING, "The decision rests on concessions, listed below"))
        return headline(Tone.GOOD, f"{word} by the policy {policy}", subject=subject, above=_ABOVE, explained=explained)
    wrong = counted(sum(f.outcome is not Outcome.PASS for f in portrait.findings), "finding")
    enforced = portrait.report.decision.mode is Mode.ENFORCE
    told = f"{wrong} against it at {_time(portrait)}.{'' if enforced else ' The policy is in audit mode: it reports, and stops nothing.'}"
    return headline(
        Tone.BAD, f"{word} by the policy {policy}", subject=subject, above=_ABOVE, explained=told, reasons=_reasons(portrait)
    )


def _reasons(portrait: Portrait) -> list[Child | list[Child]]:
    """What is against it, in the order of the findings: what failed before what is not known. The first few, each with a way to the row."""
    against = [finding for finding in portrait.findings if finding.outcome is not Outcome.PASS][:MAX_FINDINGS]
    listed: dict[str, list[Finding]] = {}
    for finding in against:
        listed.setdefault(finding.code, []).append(finding)
    reasons: list[Child | list[Child]] = []
    for code_, same in islice(listed.items(), _MAX_REASONS):
        more = f" (and {len(same) - 1} more)" if len(same) > 1 else ""
        link = element("a", code_, href=f"#{place_of_code(code_)}")
        reasons.append([link, f" {shown(same[0].message, limit=300)}{more}"])
    if len(listed) > _MAX_REASONS:
        reasons.append([element("a", f"and {len(listed) - _MAX_REASONS} more", href="#findings")])
    return reasons


def _model_tone(portrait: Portrait) -> Tone:
    return Tone.WARNING if portrait.verdict is Verdict.ALLOW else Tone.BAD


def _unverified(portrait: Portrait) -> list[Child]:
    policy = shown(portrait.policy.name)
    wrong = sum(f.outcome is not Outcome.PASS for f in portrait.findings)
    judged = (
        f"The policy {policy} finds nothing wrong with the model itself."
        if portrait.verdict is Verdict.ALLOW
        else f"The policy {policy} has {counted(wrong, 'finding')} against the model itself."
    )
    who = "Whoever claims to have signed it may not have." if portrait.signers else "Nobody claims to have signed it."
    return [f"{judged} {who} A report with --policy says who signed it and what a policy decides."]


def signers(portrait: Portrait) -> Element:
    """Who signed it: authenticated, or as claimed, and then in those words."""
    if portrait.report is None:
        return section("signers", "Signers, as claimed", *_claimed(portrait.signers))
    return section("signers", "Signers", *_authentic(portrait.report))


def _claimed(claims: tuple[ClaimedSigner, ...]) -> Iterator[Element]:
    if not claims:
        yield note(
            "There is no signature: nothing says who made this, or that it is what they made. mlsign sign adds one to a package."
        )
        return
    yield element("p", badge(Tone.WARNING, "not checked"), " This is what the bundles say of themselves; anybody can write that.")
    yield table(
        "Signers as claimed",
        ("Bundle", "Claims to be", "Over"),
        (
            (code(claim.bundle), shown(claim.problem, limit=300) or _claim(claim), code(claim.subject) if claim.subject else "–")  # noqa: RUF001
            for claim in claims[:_MAX_SIGNERS]
        ),
    )
    if len(claims) > _MAX_SIGNERS:
        yield note(f"{counted(len(claims) - _MAX_SIGNERS, 'further bundle')} not listed.")


def _claim(claim: ClaimedSigner) -> str:
    return f"a signature by {who_claims(claim)}"


def _authentic(report: Report) -> Iterator[Element]:
    for kind in concessions(report):
        yield element("p", badge(Tone.WARNING, shown(kind.title, limit=300)))
        yield element("ul", (element("li", line) for line in kind.lines[:_MAX_SIGNERS]))
    met = [(group.name, record) for group in report.decision.met for record in group.signatures]
    if met:
        yield table(
            "Signers that count", ("Group", "Who", "When", "Log"), (_signer(name, record) for name, record in met[:_MAX_SIGNERS])
        )
    elif report.decision.summary is None:
        yield element("p", badge(Tone.BAD, "nobody this policy trusts"), " has signed it as the policy asks.")
    idle = [s for s in report.evidence.signatures if s.standing in (Standing.REJECTED, Standing.STRANGER)]
    if idle:
        rows = ((code(record.bundle), shown(why_idle(record), limit=600)) for record in idle[:_MAX_SIGNERS])
        yield element("h3", "Signatures that were not counted")
        yield table("Signatures that were not counted", ("Bundle", "Why not"), rows)


def _signer(group: str, record: SignatureRecord) -> tuple[Child, ...]:
    return (
        shown(group),
        code(who_signed(record)),
        when_signed(record) or "no trusted time",
        "logged" if record.logged else "not logged",
    )


def identity(portrait: Portrait) -> Element:
    """By what was judged, and what: digests, policy, time. No word of whoever packed it stands among these."""
    rows: list[tuple[str, Child | tuple[Child, ...]]] = []
    whole = portrait.report.evidence.digest if portrait.report is not None else None
    if whole is not None:
        rows.append(("Package digest", digest(whole)))
    rows.append(("Policy", (shown(portrait.policy.name), digest(portrait.policy.digest))))
    if portrait.report is None:
        rows.append(("Judged", "the model alone, and not who signed it"))
    rows.append(("Time", _time(portrait)))
    return facts(rows)


def _time(portrait: Portrait) -> str:
    return f"{portrait.now:%Y-%m-%d %H:%M:%S} UTC"
