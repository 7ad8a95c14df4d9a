"""Answers to demands beside signatures and models: origin, golden data, rules of an author, which package a policy is for, its end.

None of them takes a demand back: whoever wants it gone has to change the policy without a word from here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.paths import MANIFEST_NAME
from mlsign.policy import recorded
from mlsign.policy.exemption import EXPIRED
from mlsign.policy.remedies.remedy import Answer, Findings, Party, Remedy, State, codes_of
from mlsign.policy.rules import conditions, golden, golden_runs, hashing, match, provenance, summary, validity

_LONG: Final = 400
_CLAIMED: Final = f"{MANIFEST_NAME} provenance"
_PACK: Final = "pack the model with mlsign pack, so that there is a manifest that can be read, and sign the package"


def _step(who: Party, findings: Iterable[Finding], words: str) -> Remedy:
    return Remedy(who=who, codes=codes_of(tuple(findings)), words=words)


def _told(findings: Iterable[Finding]) -> str:
    """What was found, each once; with what was expected, where that says more."""
    each = (f"{f.message}{f', expected {f.expected}' if f.expected else ''}" for f in findings)
    return shown("; ".join(dict.fromkeys(each)), limit=_LONG)


def _parted(findings: Findings) -> tuple[Findings, Findings]:
    """Those that failed, and those that are unknown."""
    failed = tuple(finding for finding in findings if finding.outcome is Outcome.FAIL)
    return failed, tuple(finding for finding in findings if finding.outcome is not Outcome.FAIL)


def _provenance(_: State, findings: Findings) -> list[Remedy]:
    failed, unknown = _parted(findings)
    claimed = tuple(finding for finding in failed if finding.where.startswith(_CLAIMED))
    attested = tuple(finding for finding in failed if finding not in claimed)
    out = []
    if claimed:
        words = "pack the release with mlsign pack --provenance FILE, with its true origin, and sign it"
        out.append(_step(Party.RELEASER, claimed, f"{words} ({_told(claimed)})"))
    if attested:
        words = "have the release built where the policy wants it built, and put the statement that the platform signed into signatures/"
        out.append(_step(Party.RELEASER, attested, f"{words} ({_told(attested)})"))
    if unknown:
        out.append(_step(Party.RELEASER, unknown, f"{_PACK} ({_told(unknown)})"))
    return out


def _golden_data(state: State, findings: Findings) -> list[Remedy]:
    asked = state.policy.golden
    bounds = f"--rtol at most {asked.max_rtol:g} and --atol at most {asked.max_atol:g}"
    words = f"pack the release with golden test data that a wrong answer would not meet (mlsign pack --golden DIR, {bounds}), and sign it"
    return [_step(Party.RELEASER, findings, words)]


def _replay(_: State, findings: Findings) -> list[Remedy]:
    failed, unknown = _parted(findings)
    out = []
    if failed:
        words = "find out why the model answers otherwise than its golden test data says, and release it anew; until then do not use it"
        out.append(_step(Party.RELEASER, failed, f"{words} ({_told(failed)})"))
    if unknown:
        words = "verify again once this is settled"
        hints = shown("; ".join(dict.fromkeys(f.hint or f.message for f in unknown)), limit=_LONG)
        out.append(_step(Party.OPERATOR, unknown, f"{words}: {hints}"))
    return out


def _signed_runs(_: State, findings: Findings) -> list[Remedy]:
    failed, unknown = _parted(findings)
    out = []
    if failed:
        words = (
            "have somebody whom golden.run_by names run the package on each platform (mlsign replay --attest), and put the "
            "statements into signatures/"
        )
        out.append(_step(Party.RELEASER, failed, f"{words} ({_told(failed)})"))
    if unknown:
        out.append(_step(Party.RELEASER, unknown, f"{_PACK} ({_told(unknown)})"))
    return out


def _rules(_: State, findings: Findings) -> list[Remedy]:
    failed, unknown = _parted(findings)
    out = []
    if failed:
        words = "release a model that the rules of the policy have nothing against"
        out.append(_step(Party.RELEASER, failed, f"{words} ({_told(failed)})"))
    if unknown:
        words = "release it so that the rules can be evaluated, with a manifest and a model that can be read and bounded"
        out.append(_step(Party.RELEASER, unknown, f"{words} ({_told(unknown)})"))
    return out


def _expired_exception(_: State, findings: Findings) -> list[Remedy]:
    again = "as a last resort, decide anew whether this package is still to be borne, and write a later until into its exception"
    return [
        _step(Party.OPERATOR, findings, f"deploy a release that needs no exception ({_told(findings)})"),
        _step(Party.OWNER, findings, again),
    ]


def _match(state: State, findings: Findings) -> list[Remedy]:
    failed, unknown = _parted(findings)
    manifest = state.evidence.manifest
    out = []
    if failed and manifest is not None:
        words = (
            f"give the one policy that is for the package {shown(manifest.name, limit=80)}, and no other that is for it as well"
        )
        out.append(_step(Party.OPERATOR, failed, f"{words} ({_told(failed)})"))
    if unknown or manifest is None:
        out.append(_step(Party.RELEASER, findings, f"{_PACK} ({_told(findings)})"))
    return out


def _expired_policy(_: State, findings: Findings) -> list[Remedy]:
    return [
        _step(
            Party.OPERATOR,
            findings,
            "get the policy that took its place and load it; see whether the clock of the machine is right",
        ),
        _step(Party.OWNER, findings, "look through the policy, extend expires, raise revision, and sign it again"),
    ]


def _summary(_: State, findings: Findings) -> list[Remedy]:
    words = (
        "have a verifier whom the policy names under vsa verify this package under this policy again (mlsign verify --attest), or "
        "put the missing signatures into signatures/"
    )
    return [_step(Party.OPERATOR, findings, f"{words} ({_told(findings)})")]


def _gap(_: State, findings: Findings) -> list[Remedy]:
    words = "record the evidence again under this policy, with mlsign verify --record"
    return [_step(Party.OPERATOR, findings, f"{words} ({_told(findings)})")]


def _hashing(_: State, findings: Findings) -> list[Remedy]:
    words = "verify the package again without --store, so that every byte of it is hashed"

    def read(changed: State) -> State:
        return replace(changed, evidence=replace(changed.evidence, unread=()))

    return [Remedy(who=Party.OPERATOR, codes=codes_of(findings), words=words, change=read)]


ANSWERS: Final[MappingProxyType[frozenset[str], Answer]] = MappingProxyType(
    {
        frozenset({provenance.CODE, provenance.IDLE}): _provenance,
        frozenset({golden.DATA}): _golden_data,
        frozenset({golden.REPLAY}): _replay,
        frozenset({golden_runs.CODE, golden_runs.IDLE}): _signed_runs,
        frozenset({conditions.CODE}): _rules,
        frozenset({EXPIRED}): _expired_exception,
        frozenset({match.CODE}): _match,
        frozenset({validity.CODE}): _expired_policy,
        frozenset({summary.CODE}): _summary,
        frozenset({recorded.GAP}): _gap,
        frozenset({hashing.CODE}): _hashing,
    }
)
