"""Who is meant: patterns, requirements, and people who are one however they sign."""

import time
from dataclasses import replace
from types import MappingProxyType
from typing import cast

import pytest

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.identity import CertificateIdentity, Identity, KeyIdentity, KeylessIdentity, Method, distinct
from mlsign.policy.patterns import PatternKind, TextPattern, check_pattern
from mlsign.policy.requirements import (
    CLAIMS,
    CertificateRequirement,
    KeylessRequirement,
    KeyRequirement,
    is_one_person,
    whoever_meets,
)


def exact(text: str) -> TextPattern:
    return TextPattern(kind=PatternKind.EXACT, text=text)


def glob(text: str) -> TextPattern:
    return TextPattern(kind=PatternKind.GLOB, text=text)


def regex(text: str) -> TextPattern:
    return TextPattern(kind=PatternKind.REGEX, text=text)


BASE = "https://github.com/acme/fraud/.github/workflows/"


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        (exact("a.c"), "a.c", True),
        (exact("a.c"), "abc", False),
        (exact("A"), "a", False),
        (glob(BASE + "release.yml@refs/tags/v*"), BASE + "release.yml@refs/tags/v1.2", True),
        (glob(BASE + "release.yml@refs/tags/v*"), BASE + "release.yml@refs/tags/v1/x", False),
        (glob(BASE + "release.yml@refs/tags/**"), BASE + "release.yml@refs/tags/v1/x", True),
        # a branch that is named like the end of a release
        (
            glob("https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*"),
            "https://github.com/acme/x/.github/workflows/evil.yml@refs/heads/.github/workflows/release.yml@refs/tags/v1",
            False,
        ),
        (glob("*@acme.example"), "a@acme.example", True),
        (glob("*@acme.example"), "a@b@acme.example", False),
        (glob("*@acme.example"), "a@acme.example.invalid", False),
        (glob("*@acme.example"), "a@acmeXexample", False),
        (glob("a.+[b]*"), "a.+[b]c", True),
        (glob("a.+[b]*"), "aaab", False),
        (regex("a|b"), "ab", False),
        (regex("a|b"), "b", True),
        (regex("a.*"), "xa", False),
        (regex("a.*"), "a\nb", False),
        (regex("(?s)a.*"), "a\nb", False),
        (regex("a"), "a\n", False),
        (glob("a*"), "a\x00", False),
        (regex("(?i)alice@acme[.]example"), "Alice@ACME.example", True),
        (regex(""), "", True),
    ],
)
def test_whole_names_are_compared(pattern, name, matches) -> None:
    assert pattern.matches(name) == matches


@pytest.mark.parametrize("text", ["(", "(?=a)", r"(a)\1", "a{2000}", "((a{100}){100}){100}", "[", "*"])
def test_expressions_that_cannot_be_used_are_refused(text) -> None:
    with pytest.raises(InputError) as caught:
        check_pattern(regex(text))
    assert caught.value.code == "pattern.syntax"


def test_an_exact_name_is_no_expression() -> None:
    check_pattern(exact("("))


@pytest.mark.parametrize("pattern", [regex("(a*)*b"), regex("(a|aa)+b"), glob("a*" * 200 + "b")])
def test_no_pattern_takes_for_ever(pattern) -> None:
    """Expressions that hang readers with backtracking. The time is processor time, generous, and not a measurement."""
    start = time.process_time()
    assert not pattern.matches("a" * 4000)
    assert time.process_time() - start < 5


def key(letter: str) -> KeyIdentity:
    return KeyIdentity(spki=sha256(letter.encode()), kind="EC P-256")


def keyless(subject: str, *, issuer: str = "https://id.example", spki: str = "once", **claims: str) -> KeylessIdentity:
    return KeylessIdentity(subject=subject, issuer=issuer, spki=sha256(spki.encode()), claims=MappingProxyType(claims))


def holder(subject: str, *names: str, spki: str = "c", anchor: str = "root", issuer: str = "CN=ca") -> CertificateIdentity:
    return CertificateIdentity(
        subject=subject,
        issuer=issuer,
        names=names,
        fingerprint=sha256(subject.encode()),
        spki=sha256(spki.encode()),
        anchor=sha256(anchor.encode()),
    )


def test_a_requirement_is_met_by_whom_it_means() -> None:
    asked = KeylessRequirement(
        issuer=exact("https://id.example"), subject=glob("*@acme.example"), claims=(("trigger", exact("push")),)
    )
    assert asked.is_met_by(keyless("a@acme.example", trigger="push"))
    for other in (
        keyless("a@acme.example"),
        keyless("a@acme.example", trigger="pull_request"),
        keyless("a@acme.invalid", trigger="push"),
        keyless("a@acme.example", issuer="https://id.invalid", trigger="push"),
        key("a"),
        holder("CN=a", "email:a@acme.example"),
    ):
        assert not asked.is_met_by(other)
    assert "trigger push" in str(asked)


def test_a_certificate_requirement_asks_for_all_that_it_names() -> None:
    roots = frozenset({sha256(b"root")})
    good = holder("CN=a,O=Acme", "email:a@acme.example", "dns:b.acme.example")
    asked = CertificateRequirement(
        reference="ca.pem",
        anchors=roots,
        subject=glob("CN=*,O=Acme"),
        name=exact("dns:b.acme.example"),
        issuer=exact("CN=ca"),
        fingerprint=good.fingerprint,
    )
    assert asked.is_met_by(good)
    for other in (
        holder("CN=a,O=Acme", "email:a@acme.example", "dns:b.acme.example", anchor="other"),
        holder("CN=a,O=Acme", "email:a@acme.example"),
        holder("CN=a,O=Acme", "dns:b.acme.example", issuer="CN=other"),
        holder("CN=b,O=Acme", "dns:b.acme.example"),
        holder("CN=a,O=Evil", "dns:b.acme.example"),
        keyless("CN=a,O=Acme"),
        key("a"),
    ):
        assert not asked.is_met_by(other)
    assert str(asked).startswith("certificate under ca.pem with subject CN=*,O=Acme")
    # No roots at all: nobody.
    assert not CertificateRequirement(reference="", anchors=frozenset(), subject=exact("CN=a,O=Acme")).is_met_by(good)


def test_a_key_requirement_is_one_key() -> None:
    asked = KeyRequirement(reference="a.pub", identity=key("a"))
    assert asked.is_met_by(key("a"))
    assert not asked.is_met_by(key("b"))
    assert not asked.is_met_by(holder("CN=a", spki="a"))


def test_requirements_for_one_person_and_for_many() -> None:
    issuer = exact("https://id.example")
    roots = frozenset({sha256(b"root")})
    assert is_one_person(KeyRequirement(reference="a", identity=key("a")))
    assert is_one_person(KeylessRequirement(issuer=issuer, subject=exact("a@b.example")))
    assert not is_one_person(KeylessRequirement(issuer=issuer, subject=glob("*@b.example")))
    assert is_one_person(CertificateRequirement(reference="r", anchors=roots, subject=exact("CN=a")))
    assert is_one_person(CertificateRequirement(reference="r", anchors=roots, fingerprint=sha256(b"x")))
    assert not is_one_person(CertificateRequirement(reference="r", anchors=roots, name=glob("email:*@b.example")))


@pytest.mark.parametrize(
    ("identities", "people"),
    [
        ([key("a"), key("a")], 1),
        ([key("a"), key("b")], 2),
        ([keyless("a@x"), keyless("a@x", spki="twice")], 1),
        ([keyless("a@x"), keyless("A@X", spki="twice", issuer="https://other.example")], 1),
        ([keyless("a@x"), keyless("b@x", spki="twice")], 2),
        ([keyless("a@x", spki="k"), keyless("b@x", spki="k")], 1),
        ([holder("CN=a"), holder("CN=a", spki="renewed", anchor="other")], 1),
        ([holder("CN=a"), holder("CN=b")], 1),
        ([holder("CN=a"), holder("CN=b", spki="d")], 2),
        ([key("c"), holder("CN=a")], 1),
        ([keyless("a@x"), holder("", "email:a@x", spki="d")], 1),
        # one shares its key with the first and its name with the second: without its signature these are two, so they are with it
        ([key("c"), holder("CN=b", spki="d"), holder("CN=b")], 2),
        ([key("c"), holder("CN=b")], 1),
        ([holder("CN=b", spki="d"), holder("CN=b")], 1),
        ([holder("", spki="1"), holder("", spki="2")], 2),
        # one workflow at two tags, two workflows of one repository, and two repositories
        ([keyless(BASE + "release.yml@refs/tags/v1"), keyless(BASE + "release.yml@refs/tags/v2", spki="2")], 1),
        (
            [
                keyless(BASE + "a.yml@refs/tags/v1", source_repository="https://github.com/acme/fraud"),
                keyless(BASE + "b.yml@refs/tags/v1", spki="2", source_repository="https://github.com/acme/fraud"),
            ],
            1,
        ),
        (
            [
                keyless(BASE + "a.yml@refs/tags/v1", source_repository="https://github.com/acme/fraud"),
                keyless(
                    BASE.replace("fraud", "x") + "a.yml@refs/tags/v1", spki="2", source_repository="https://github.com/acme/x"
                ),
            ],
            2,
        ),
        # names that people read as one
        ([keyless("jos\u00e9@acme.example"), keyless("jose\u0301@acme.example", spki="2")], 1),
        ([keyless("a@acme.example"), keyless("a@acme.example.", spki="2")], 1),
        ([holder("CN=A  B"), holder("CN=a b", spki="d")], 1),
        ([keyless("a@x"), replace(holder("CN=b", spki="d"), addresses=("a@x",))], 1),
    ],
)
def test_people_are_told_apart_by_everything_they_are_known_by(identities, people) -> None:
    assert len(distinct(identities)) == people
    assert len(distinct(list(reversed(identities)))) == people


def test_counting_people_takes_a_bounded_number_of_steps_and_never_comes_to_more() -> None:
    ring = [holder(f"CN={number}", spki=str((number + 1) % 90)) for number in range(90)]
    ring += [holder(f"CN={number}", spki=str((number * 7) % 90)) for number in range(90)]
    counted = distinct(ring)
    marks = [mark for identity in counted for mark in identity.marks]
    assert len(marks) == len(set(marks))
    assert 30 <= len(counted) <= 90
    assert distinct([]) == ()
    assert distinct([key("a"), key("b"), key("a")]) == (key("a"), key("b"))
    one = [keyless(f"{BASE}release.yml@refs/tags/v{number}", spki=str(number)) for number in range(256)]
    assert distinct(one) == (one[0],)
    # who shares marks with whom does not bear upon the others
    pairs = [holder(f"CN={number // 2}", spki=str(number)) for number in range(4000)]
    assert distinct(pairs) == tuple(pairs[::2])
    alone = [key(f"k{number}") for number in range(9)]
    assert distinct([*alone[:4], *pairs[:2], *alone[4:]]) == (*alone[:4], pairs[0], *alone[4:])


def test_identities_describe_themselves() -> None:
    assert keyless("a@x", trigger="push").describe() == {"subject": "a@x", "issuer": "https://id.example", "trigger": "push"}
    assert holder("CN=a", "email:a@x").describe()["names"] == "email:a@x"
    assert "names" not in holder("CN=a").describe()
    assert [i.method for i in (key("a"), keyless("a@x"), holder("CN=a"))] == [Method.KEY, Method.KEYLESS, Method.CERTIFICATE]
    assert holder("", "email:a@x").unique == "certificate:email:a@x by CN=ca"
    assert len({keyless("a@x"), keyless("a@x")}) == 1


def test_whoever_meets_one_of_many_is_whoever_meets_one_by_one() -> None:
    people = [key("a"), key("b"), keyless("a@x"), keyless("b@x", issuer="https://other.example"), keyless("c@y", trigger="push")]
    people += [
        holder("CN=a"),
        holder("CN=a", "email:a@x", anchor="other"),
        holder("CN=b", "email:b@x", "dns:b"),
        holder("", "dns:c"),
    ]
    asked = [KeyRequirement(reference="", identity=key(letter)) for letter in "ac"]
    issuers = (exact("https://id.example"), regex(".*"))
    subjects = (exact("a@x"), exact("c@y"), glob("*@x"))
    asked += [KeylessRequirement(issuer=issuer, subject=subject) for issuer in issuers for subject in subjects]
    asked += [KeylessRequirement(issuer=regex(".*"), subject=exact("c@y"), claims=(("trigger", exact("pull")),))]
    for anchors in (frozenset({sha256(b"root")}), frozenset({sha256(b"other")})):
        some = CertificateRequirement(reference="", anchors=anchors)
        asked += [some, replace(some, subject=exact("CN=a")), replace(some, subject=glob("CN=*"), name=exact("email:b@x"))]
        asked += [replace(some, name=exact("dns:c")), replace(some, fingerprint=sha256(b"CN=b"), subject=exact("CN=a"))]
        asked += [replace(some, fingerprint=sha256(b"CN=b")), replace(some, name=glob("email:*"))]
    for count in (1, 2, len(asked)):
        for start in range(len(asked)):
            wanted = asked[start : start + count]
            for person in people:
                assert whoever_meets(wanted)(person) == any(one.is_met_by(person) for one in wanted)
    assert not whoever_meets(())(people[0])
    assert not whoever_meets(asked)(cast("Identity", object()))  # of a kind that nobody can ask for


def test_the_claims_of_policies_are_those_of_certificates() -> None:
    from mlsign.trust.fulcio import _CLAIMS

    assert set(CLAIMS) == set(_CLAIMS.values())


def test_people_who_take_too_long_to_count_come_to_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = [holder("CN=b", spki="c"), key("c"), holder("CN=b", spki="d")]
    assert len(distinct(hub)) == 2
    monkeypatch.setattr("mlsign.identity._MAX_CHOICES", 2)
    assert len(distinct(hub)) == 1
