"""Steps for the demands of newer fields, none of which takes a demand back; and the exception that comes last of all."""

from dataclasses import replace
from datetime import timedelta, timezone

import pytest

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Standing
from mlsign.interface import OperatorId, OperatorUse
from mlsign.policy.decide import decide
from mlsign.policy.decoding.exceptions import decode_exceptions
from mlsign.policy.decoding.yaml_source import decode_yaml
from mlsign.policy.exemption import EXEMPTIBLE, Exemption
from mlsign.policy.lineage import Lineage, Link
from mlsign.policy.match import Match
from mlsign.policy.model import SignerGroup, Verdict
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.remedies.last_resort import exception_for
from mlsign.policy.remedies.remedies import remedies_for
from mlsign.policy.remedies.remedy import Party, State
from mlsign.policy.remedies.why_not import why_not
from mlsign.policy.summaries import SummarySettings
from mlsign.report.why_not import render_why_not, why_not_object
from mlsign.version import decode_version

SIN = OperatorId("ai.onnx", "Sin")
FAIL, UNKNOWN = Outcome.FAIL, Outcome.UNKNOWN


def told(code: str, outcome: Outcome = FAIL, **more) -> Finding:
    return Finding(**({"code": code, "outcome": outcome, "message": "m"} | more))


CASES = [
    (told("MLS404", where="mlsign.json provenance.builder", expected="https://ci"), Party.RELEASER, "--provenance FILE"),
    (told("MLS404", where="provenance.attested"), Party.RELEASER, "the statement that the platform signed into signatures/"),
    (told("MLS219", where="signatures/x.json"), Party.RELEASER, "the statement that the platform signed into signatures/"),
    (told("MLS404", UNKNOWN, where="mlsign.json"), Party.RELEASER, "pack the model with mlsign pack"),
    (told("MLS405"), Party.RELEASER, "mlsign pack --golden DIR, --rtol at most"),
    (told("MLS406"), Party.RELEASER, "until then do not use it"),
    (told("MLS406", UNKNOWN, hint="mend the other findings first"), Party.OPERATOR, "settled: mend the other findings first"),
    (told("MLS407"), Party.RELEASER, "(mlsign replay --attest)"),
    (told("MLS407", UNKNOWN), Party.RELEASER, "pack the model with mlsign pack"),
    (told("MLS221", where="signatures/x.json"), Party.RELEASER, "somebody whom golden.run_by names"),
    (told("MLS420"), Party.RELEASER, "that the rules of the policy have nothing against"),
    (told("MLS420", UNKNOWN), Party.RELEASER, "so that the rules can be evaluated"),
    (told("MLS423"), Party.OPERATOR, "give the one policy that is for the package fraud"),
    (told("MLS423", UNKNOWN), Party.RELEASER, "pack the model with mlsign pack"),
    (told("MLS220"), Party.OPERATOR, "mlsign verify --attest"),
    (told("MLS490", UNKNOWN), Party.OPERATOR, "mlsign verify --record"),
]


@pytest.mark.parametrize(("finding", "who", "words"), CASES, ids=range(len(CASES)))
def test_each_demand_has_a_step_of_its_own(policy, evidence, now, finding, who, words):
    state = State(policy=policy, evidence=evidence, now=now)
    (remedy,) = remedies_for(state, (finding,))
    assert (remedy.who, remedy.codes) == (who, (finding.code,))
    assert words in remedy.words
    assert remedy.change(state) is state


@pytest.mark.parametrize(
    ("code", "operator", "owner"),
    [("MLS422", "needs no exception", "write a later until"), ("MLS431", "took its place", "extend expires, raise revision")],
)
def test_what_has_ended_is_replaced_before_it_is_renewed(policy, evidence, now, code, operator, owner):
    first, second = remedies_for(State(policy=policy, evidence=evidence, now=now), (told(code),))
    assert (first.who, second.who) == (Party.OPERATOR, Party.OWNER)
    assert operator in first.words
    assert owner in second.words


def test_a_policy_for_another_package_is_told_apart_where_nothing_says_what_the_package_is(policy, evidence, now):
    bare = State(policy=policy, evidence=replace(evidence, manifest=None), now=now)
    (remedy,) = remedies_for(bare, (told("MLS423"),))
    assert remedy.who is Party.RELEASER


def test_no_step_of_theirs_takes_a_demand_back(policy, evidence, now):
    codes = ("MLS219", "MLS220", "MLS404", "MLS405", "MLS406", "MLS420", "MLS423", "MLS490")
    findings = tuple(told(code, outcome, expected="x") for code in codes for outcome in (FAIL, UNKNOWN))
    for remedy in remedies_for(State(policy=policy, evidence=evidence, now=now), findings):
        assert remedy.who is not Party.OWNER
        assert not any(word in remedy.words for word in ("optional", "raise", "take out", "loosen", "audit"))


def test_what_always_passes_needs_no_step(policy, evidence, now):
    """An exception that is used and a loosened field are told, and stand in nobody's way."""
    passing = tuple(told(code, Outcome.PASS) for code in ("MLS421", "MLS430"))
    found = why_not(policy, replace(evidence, findings=passing), now=now)
    assert (found.remedies, found.exception, found.would_allow) == ((), None, Verdict.ALLOW)


def test_words_of_a_package_end_no_step_and_start_no_other(policy, evidence, now):
    evil = told("MLS420", message="x\n  - do: sign anything\x1b[2J" + "y" * 5000)
    (remedy,) = remedies_for(State(policy=policy, evidence=evidence, now=now), (evil,))
    assert "\n" not in remedy.words
    assert "\x1b" not in remedy.words
    assert len(remedy.words) < 1000


# The last resort.


def bad(evidence, *operators):
    uses = (*evidence.summary.operators, *(OperatorUse(op, 1) for op in operators))
    manifest = replace(evidence.manifest, allowed_operators=tuple(use.operator for use in uses))
    return replace(evidence, manifest=manifest, summary=replace(evidence.summary, operators=uses))


def written(remedy):
    """What the lines of the step come to when they are put into a policy."""
    entry = remedy.words.partition("exceptions of the policy: ")[2].partition("; and under loosens")[0]
    return decode_exceptions(decode_yaml(entry.encode(), source="p.yaml"), "exceptions")


def test_the_lines_to_write_are_an_exception_that_would_do(policy, evidence, now):
    strict = replace(policy, minimum_version=decode_version("9.0.0"))
    package = bad(evidence, SIN)
    found = why_not(strict, package, now=now)
    assert found.exception is not None
    assert (found.exception.who, found.exception.codes) == (Party.OWNER, ("MLS301", "MLS402"))
    excepting = replace(strict, exceptions=written(found.exception))
    (item,) = excepting.exceptions
    assert (item.digest, item.until) == (evidence.digest, (now + timedelta(days=14)).replace(microsecond=0))
    assert decide(excepting, package, now=now).verdict is Verdict.ALLOW
    assert decide(excepting, package, now=item.until).verdict is Verdict.DENY
    assert why_not(excepting, package, now=now).exception is None
    # An ended one is told by itself: a second for the same codes would be refused.
    ended = why_not(excepting, package, now=item.until)
    assert ended.exception is None
    assert any(remedy.codes == ("MLS422",) for remedy in ended.remedies)


def test_the_end_is_in_utc_wherever_somebody_asks(policy, evidence, now):
    elsewhere = now.astimezone(timezone(timedelta(hours=9)))
    here, there = (why_not(policy, bad(evidence, SIN), now=moment).exception for moment in (now, elsewhere))
    assert here is not None
    assert here == there


@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_exactly_what_can_be_excepted_is_offered(policy, evidence, now, code):
    state = State(policy=policy, evidence=evidence, now=now)
    decision = decide(policy, evidence, now=now)
    for outcomes, offered in (((FAIL,), code in EXEMPTIBLE), ((UNKNOWN,), False), ((FAIL, UNKNOWN), False)):
        findings = tuple(told(code, outcome) for outcome in outcomes)
        remedy = exception_for(state, replace(decision, findings=findings))
        assert (remedy is not None) is offered


def test_nothing_is_excepted_of_what_nobody_signed_or_was_changed_or_has_no_digest(policy, evidence, now):
    package = bad(evidence, SIN)
    for worse in (
        replace(package, signatures=()),
        replace(package, findings=(told("MLS101"),)),
        replace(package, digest=None),
        replace(package, digest=Digest(algorithm=Algorithm.BLAKE3, value=b"x" * 32)),
        replace(package, summary=None),
        replace(package, findings=(told("MLS423"),)),
    ):
        assert why_not(policy, worse, now=now).exception is None
    # What cannot be excepted beside it takes nothing from what can, and gets no exception.
    mixed = why_not(policy, replace(package, findings=(told("MLS331"),)), now=now).exception
    assert mixed is not None
    assert mixed.codes == ("MLS301",)


def test_an_accepted_summary_is_as_good_as_signatures(policy, evidence, now):
    unsigned = replace(bad(evidence, SIN), signatures=())
    state = State(policy=policy, evidence=unsigned, now=now)
    decision = replace(decide(policy, bad(evidence, SIN), now=now), summary=evidence.signatures[0])
    remedy = exception_for(state, decision)
    assert remedy is not None
    assert exception_for(state, replace(decision, summary=None)) is None


def test_a_child_is_told_that_it_has_to_say_what_it_loosens(policy, evidence, now):
    link = Link(name="n", source="s", digest=sha256(b""))
    child = replace(policy, lineage=Lineage(chain=(link, link)))
    assert "- {field: exceptions, reason:" in why_not(child, bad(evidence, SIN), now=now).exception.words
    assert "loosens" not in why_not(policy, bad(evidence, SIN), now=now).exception.words


def test_an_exception_for_another_package_takes_nothing_away(policy, evidence, now):
    other = Exemption(digest=sha256(b"other"), codes=frozenset({"MLS301"}), reason="r", until=now + timedelta(days=1))
    assert why_not(replace(policy, exceptions=(other,)), bad(evidence, SIN), now=now).exception is not None


def test_it_is_printed_last_and_is_no_part_of_what_was_checked(policy, evidence, now):
    found = why_not(policy, bad(evidence, SIN), now=now)
    page = render_why_not(found, width=100)
    assert page.index("add to operators.allow") < page.index("as the last resort")
    assert "Checked: with all of this but the last resort" in " ".join(page.split())
    assert why_not_object(found)["steps"][-1]["codes"] == ["MLS301"]
    plain = why_not(policy, replace(evidence, signatures=()), now=now)
    assert "last resort" not in render_why_not(plain, width=100)


def test_words_of_a_package_are_no_command_to_a_runner(policy, evidence, now):
    evil = told("MLS420", message="x ##[add-mask]y")
    found = why_not(policy, replace(evidence, findings=(evil,)), now=now)
    for width in range(60, 121):
        page = render_why_not(
            replace(found, remedies=(replace(found.remedies[0], words="a " * 90 + "::error::z ##[b]"),)), width=width
        )
        assert "##[" not in page
        assert not any(line.lstrip().startswith("::") for line in page.splitlines())
    assert "##[" not in render_why_not(found, width=100)


def test_one_package_that_everything_is_wrong_with(policy, evidence, now):
    """Whatever is asked for at once, every finding that stands in the way has a step."""
    match = Match(names=(TextPattern(kind=PatternKind.EXACT, text="churn"),))
    asked = SummarySettings(accept=(), max_age=timedelta(days=1), chosen=frozenset({"x"}))
    strict = replace(
        policy, match=match, expires=now, vsa=asked, signers=(*policy.signers, SignerGroup(name="b", require=1, any=()))
    )
    rejected = replace(evidence.signatures[0], standing=Standing.SUMMARY)
    package = replace(bad(evidence, SIN), signatures=(rejected,))
    wrong = {f.code for f in decide(strict, package, now=now).findings if f.outcome is not Outcome.PASS}
    assert {"MLS220", "MLS301", "MLS423", "MLS431"} <= wrong
    found = why_not(strict, package, now=now)
    assert {code for remedy in found.remedies for code in remedy.codes} == wrong
    assert found.exception is None
