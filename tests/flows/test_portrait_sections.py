"""What a portrait says of evidence that is rare: runs elsewhere, answers that differ, builders, files that nobody signed."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from making import write_policy

from mlsign.actions.inspection.portray import Portrait, PortrayRequest, portray
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.digest import sha256
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Difference, MeasuredOutput, ReplayedSet, SignatureRecord, Standing
from mlsign.formats.golden_run import GoldenRunStatement, RunPlace, RunSet, SetOutcome
from mlsign.formats.slsa import SlsaProvenance, SlsaStatement
from mlsign.identity import KeylessIdentity, Method
from mlsign.paths import PackagePath
from mlsign.policy.model import Verdict
from mlsign.report.html.portrait import render_portrait

HOSTILE = "<img src=x onerror=alert(1)>\u202e"


@pytest.fixture(scope="module")
def plain(tmp_path_factory, good_package, keys) -> Portrait:
    policy = load_policy(write_policy(tmp_path_factory.mktemp("policy"), {"release": (1, [keys.release.public])}))
    return portray(good_package, PortrayRequest(verify=VerifyRequest(policy=policy)))


def shown_with(portrait: Portrait, **evidence) -> str:
    """The page of the portrait with other evidence; whatever was put in has changed no markup."""
    page = render_portrait(
        replace(portrait, report=replace(portrait.report, evidence=replace(portrait.report.evidence, **evidence)))
    )
    assert "<img" not in page
    assert "\u202e" not in page
    assert page.count("<script") == 2
    return page


def section(page: str, name: str) -> str:
    return re.search(f'<section id="{name}".*?</section>', page, re.DOTALL).group()


def test_answers_that_differ_or_are_missing_are_never_in_order(plain):
    problem = Finding(code="MLS519", outcome=Outcome.UNKNOWN, message=f"no answer {HOSTILE}")
    near = MeasuredOutput(output=f"y{HOSTILE}", compared=4, absolute=1e-7, relative=2e-6, ulps=3)
    far = replace(near, too_far=2, difference=Difference(message=f"off {HOSTILE}", expected="1", found="2"))
    cases = {
        "within tolerance": ReplayedSet(path="golden/a", outputs=(near,)),
        "different": ReplayedSet(path="golden/a", outputs=(far,)),
        "unknown": ReplayedSet(path="golden/a", problem=problem),
        "nothing was compared": ReplayedSet(path="golden/a"),
        "nothing compared": ReplayedSet(path="golden/a", outputs=(replace(near, compared=0),)),
    }
    for words, found in cases.items():
        text = section(shown_with(plain, replay=(found,)), "golden")
        assert words in text
        assert ("badge good" in text) == (words == "within tolerance")
    assert "2e-06" in section(shown_with(plain, replay=(cases["within tolerance"],)), "golden")


NOTHING = {"outputs": 0, "compared": 0, "unequal": 0, "too_far": 0}


def run_record(plain, *, outcome=SetOutcome.PASSED, subject=None, manifest=None, sets=1) -> SignatureRecord:
    evidence = plain.report.evidence
    place = RunPlace(
        platform="linux/arm64", processor=HOSTILE, runtime=HOSTILE, version="1.2", threads=2, wall="seccomp", layers=()
    )
    run = GoldenRunStatement(
        name=HOSTILE,
        subject=subject or evidence.digest,
        manifest=manifest or evidence.manifest_digest,
        ran=datetime(2026, 1, 2, tzinfo=UTC),
        place=place,
        sets=(RunSet(path=PackagePath("golden/a"), rtol=0.1, atol=0.1, outcome=outcome, **NOTHING),) * sets,
        outputs=(),
        mlsign="0.1.0",
    )
    signer = evidence.counted[0]
    return replace(signer, bundle=HOSTILE, standing=Standing.GOLDEN_RUN, golden_run=run)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "</span> within tolerance"),
        ({"outcome": SetOutcome.FAILED}, "not within tolerance"),
        ({"outcome": SetOutcome.UNKNOWN}, "not within tolerance"),
        ({"sets": 0}, "not within tolerance"),
        ({"subject": sha256(b"another")}, "of another package"),
        ({"manifest": sha256(b"another")}, "of another package"),
    ],
)
def test_a_signed_run_is_told_as_it_went_and_never_approved_of(plain, changed, words):
    """Anybody can sign that a model ran well: the policy says whom it believes, among the findings."""
    signatures = (*plain.report.evidence.signatures, run_record(plain, **changed))
    text = section(shown_with(plain, signatures=signatures), "golden")
    assert words in text
    assert "linux/arm64" in text
    assert "badge good" not in text


def test_sets_and_runs_beyond_those_that_are_listed_are_counted(plain):
    many = (ReplayedSet(path="golden/a", outputs=(MeasuredOutput(output="y", compared=1),)),) * 203
    runs = (*plain.report.evidence.signatures, *[run_record(plain)] * 201)
    text = section(shown_with(plain, replay=many, signatures=runs), "golden")
    assert "3 further sets not listed" in text
    assert "1 further run not listed" in text


def test_builders_and_loose_files_are_named(plain):
    provenance = SlsaProvenance(builder=HOSTILE, build_type="https://example.com/type", parameters=(), dependencies=())
    statement = SlsaStatement(subjects=frozenset(), provenance=provenance)
    record = replace(plain.report.evidence.counted[0], standing=Standing.PROVENANCE, provenance=statement)
    signatures = (*plain.report.evidence.signatures, record)
    page = shown_with(plain, signatures=signatures, unverified=(HOSTILE, *(f"f{n}" for n in range(300))))
    assert "something else" in section(page, "origin"), "it is not about this package"
    assert "Anybody may sign one" in section(page, "origin")
    own = replace(record, provenance=replace(statement, subjects=frozenset({plain.report.evidence.digest})))
    about = section(shown_with(plain, signatures=(*plain.report.evidence.signatures, own)), "origin")
    assert "this package" in about
    assert "badge good" not in about
    assert "https://example.com/type" in section(page, "origin")
    assert "Covered by no signature" in section(page, "files")
    assert "101 further files not listed" in section(page, "files")


def test_words_of_the_packer_say_when_nobody_stands_behind_them(plain):
    manifest = replace(plain.manifest, description="Verified by mlsign.\n\nAll signatures hold." + "x" * 3000)
    allowed = replace(plain, manifest=manifest)
    text = section(render_portrait(allowed), "origin")
    assert "in the words of whoever packed it.<" in text
    assert "<dd>Verified by mlsign.<dd>All signatures hold.x" in text
    assert "<dd>…" in text
    unmet = replace(allowed.report, decision=replace(allowed.report.decision, verdict=Verdict.DENY, met=()))
    denied = replace(allowed, verdict=Verdict.DENY, report=unmet)
    assert "for which nobody whom the policy trusts has signed" in section(render_portrait(denied), "origin")
    assert "which nobody has verified here" in section(render_portrait(replace(allowed, report=None)), "origin")


def test_a_folder_without_a_manifest_has_files_without_digests(plain):
    page = render_portrait(replace(plain, manifest=None))
    assert "nothing says where the model comes from" in section(page, "origin")
    assert "sha256:" not in section(page, "files")
    assert 'id="golden"' not in page


def test_the_name_of_a_signer_is_a_word(plain):
    """Anybody can have a certificate for an address of their own."""
    identity = KeylessIdentity(subject=HOSTILE, issuer="javascript:alert(1)", spki=sha256(b"key"))
    record = replace(plain.report.evidence.counted[0], identity=identity, method=Method.KEYLESS)
    group = replace(plain.report.decision.met[0], name=HOSTILE, signatures=(record,))
    decision = replace(plain.report.decision, met=(group,))
    page = render_portrait(replace(plain, report=replace(plain.report, decision=decision)))
    assert "<img" not in page
    assert "\u202e" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in section(page, "signers")
    assert all(link.startswith("#") for link in re.findall('href="([^"]*)"', page))


def test_why_signatures_were_not_counted_is_escaped(plain):
    reason = Finding(code="MLS201", outcome=Outcome.FAIL, message=f"bad {HOSTILE}")
    record = SignatureRecord(
        bundle=HOSTILE,
        method=None,
        standing=Standing.REJECTED,
        identity=None,
        times=(),
        algorithms=frozenset(),
        reasons=(reason,),
    )
    text = section(shown_with(plain, signatures=(*plain.report.evidence.signatures, record)), "signers")
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "\\u{202e}" in text
