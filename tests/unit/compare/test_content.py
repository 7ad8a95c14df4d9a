"""Content against statement and manifest: changed, missing, extra, left out."""

import json
from dataclasses import replace

import pytest

from mlsign.compare.content import (
    Observed,
    check_coverage,
    common_ignored,
    compare_with_manifest,
    compare_with_statement,
    is_ignored,
    merge,
)
from mlsign.compare.declared import compare_declared
from mlsign.digest import Algorithm, sha256
from mlsign.errors import TrustError
from mlsign.evidence.findings import MAX_LISTED, Finding, Outcome, finding_of, listed
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.formats.statement import Resource, build_statement
from mlsign.onnx.inspect import read_model
from mlsign.paths import PackagePath
from mlsign.source import MemorySource

A, B, C = (PackagePath(name) for name in ("a", "b/b", "c"))


def seen(data: bytes) -> Observed:
    return Observed(size=len(data), digests={Algorithm.SHA256: sha256(data)})


def statement(*files: PackagePath, ignore: tuple[str, ...] = ()):
    resources = tuple(Resource(path=p, digest=sha256(p.text.encode())) for p in files)
    return build_statement(name="n", algorithm=Algorithm.SHA256, resources=resources, ignore_paths=ignore)


CONTENT = {p: seen(p.text.encode()) for p in (A, B)}


def told(findings) -> list[tuple[str, str]]:
    return sorted((f.code, f.where) for f in findings)


def test_content_that_is_what_was_signed():
    assert compare_with_statement(statement(A, B), CONTENT) == ()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({A: seen(b"a")}, [("MLS102", "b/b")]),
        ({A: seen(b"x"), B: seen(b"b/b")}, [("MLS101", "a")]),
        ({A: Observed(size=1, digests={}), B: seen(b"b/b")}, [("MLS101", "a")]),
        (CONTENT | {C: seen(b"c")}, [("MLS103", "c")]),
        ({C: seen(b"c")}, [("MLS102", "a"), ("MLS102", "b/b"), ("MLS103", "c")]),
    ],
)
def test_every_difference_is_found(content, expected):
    assert told(compare_with_statement(statement(A, B), content)) == expected


def test_what_is_ignored_or_unsigned_is_not_extra():
    content = CONTENT | {C: seen(b"c"), PackagePath("d/e"): seen(b"")}
    assert told(compare_with_statement(statement(A, B, ignore=("d",)), content)) == [("MLS103", "c")]
    assert told(compare_with_statement(statement(A, B, ignore=("d/e",)), content, unsigned=frozenset({C}))) == []
    # An ignored path that was signed all the same is compared.
    assert told(compare_with_statement(statement(A, B, ignore=("a",)), {B: seen(b"b/b")})) == [("MLS102", "a")]


def test_ten_thousand_ignored_paths_and_as_many_files_are_looked_up_and_not_held_against_each_other():
    ignored = tuple(f"ignored/{number}" for number in range(10_000))
    content = {PackagePath(f"{folder}/{number}/x"): seen(b"") for folder in ("ignored", "extra") for number in range(10_000)}
    signed = statement(A, ignore=ignored)
    found = compare_with_statement(signed, content | {A: seen(b"a")})
    assert {f.code for f in found} == {"MLS103"}
    assert found[-1].message == "and 9900 more of this kind"
    assert common_ignored([signed, statement(ignore=("ignored",))], default=frozenset()) == set(ignored)
    assert [f.code for f in check_coverage(signed, needed=[*ignored, "a"], unsigned=frozenset())] == ["MLS208"] * (MAX_LISTED + 1)


def test_ignoring_is_by_whole_parts():
    assert is_ignored("a/b", ignored=("a",))
    assert is_ignored(A, ignored=("x", "a"))
    assert is_ignored("anything", ignored=(".",))
    assert not is_ignored("ab", ignored=("a",))
    assert not is_ignored("a", ignored=("a/b",))
    assert not is_ignored("a", ignored=())


def test_only_what_every_statement_ignores_stays_unread():
    default = frozenset({"signatures"})
    assert common_ignored((), default=default) == default
    one, two = statement(A, ignore=("x", "y", "z/w")), statement(A, ignore=("y", "z"))
    assert common_ignored((one, two), default=default) == {"y", "z/w"}
    assert common_ignored((one, statement(A)), default=default) == frozenset()
    assert common_ignored((statement(A, ignore=(".",)),), default=default) == frozenset()
    assert common_ignored((statement(A, ignore=(".",)), one), default=default) == {"x", "y", "z/w"}


def test_a_signature_must_cover_what_is_loaded():
    assert check_coverage(statement(A, B), needed=(A, B), unsigned=frozenset()) == ()
    assert told(check_coverage(statement(A, B, ignore=("b",)), needed=(A, B), unsigned=frozenset())) == [("MLS208", "b/b")]
    (finding,) = check_coverage(statement(A, B), needed=(A, B), unsigned=frozenset({A}))
    assert (finding.code, finding.where, finding.found) == ("MLS208", "a", "unsigned_files of the policy")


def test_findings_are_merged_by_code_place_and_outcome():
    one = Finding(code="MLS101", outcome=Outcome.FAIL, message="first", where="a")
    assert merge((one,), (replace(one, message="second"),)) == (one,)
    assert len(merge((one,), (replace(one, where="b"), replace(one, outcome=Outcome.UNKNOWN)))) == 3
    assert merge() == ()


def test_an_error_becomes_a_finding():
    error = TrustError("is wrong", code="a.b", where="x", expected="1", found="2", hint="h")
    assert finding_of(error, code="MLS203", where="bundle") == Finding(
        code="MLS203", outcome=Outcome.FAIL, message="x: is wrong", where="bundle", expected="1", found="2", cause="a.b", hint="h"
    )
    assert finding_of(error, code="MLS203").where == "x"
    assert finding_of(error, code="MLS203", where="x", outcome=Outcome.UNKNOWN).message == "is wrong"


# --- the manifest


@pytest.fixture(scope="module")
def manifest(good_package):
    return decode_manifest((good_package / "mlsign.json").read_bytes())


@pytest.fixture(scope="module")
def content(good_package, manifest):
    out = {entry.path: seen((good_package / entry.path.text).read_bytes()) for entry in manifest.files}
    return out | {PackagePath("mlsign.json"): seen((good_package / "mlsign.json").read_bytes())}


def test_content_that_is_what_the_manifest_lists(manifest, content):
    assert compare_with_manifest(manifest, content) == ()


def test_content_that_is_not(manifest, content):
    card = PackagePath("MODEL_CARD.md")
    assert told(compare_with_manifest(manifest, content | {A: seen(b"")})) == [("MLS103", "a")]
    assert told(compare_with_manifest(manifest, content | {A: seen(b"")}, unverified=frozenset({A}))) == []
    assert told(compare_with_manifest(manifest, {k: v for k, v in content.items() if k != card})) == [("MLS102", "MODEL_CARD.md")]
    for other in (seen(b"x"), content[card]._replace(size=1), Observed(size=content[card].size, digests={})):
        assert told(compare_with_manifest(manifest, content | {card: other})) == [("MLS101", "MODEL_CARD.md")]


def test_what_the_manifest_declares(manifest, good_package):
    summary = read_model(MemorySource((good_package / "model.onnx").read_bytes()))
    (passed,) = compare_declared(manifest, summary)
    assert (passed.code, passed.outcome) == ("MLS110", Outcome.PASS)
    wrong = replace(manifest.model, ir_version=3, operators=(), inputs=(), parameter_count=1)
    findings = compare_declared(replace(manifest, model=wrong), summary)
    assert [f.where for f in findings] == [
        f"mlsign.json:model.{n}" for n in ("ir_version", "inputs", "operators", "parameter_count")
    ]
    assert {f.outcome for f in findings} == {Outcome.FAIL}
    assert "ai.onnx:Gemm" in next(f.expected for f in findings if f.where.endswith("operators"))
    assert "float[" in next(f.expected for f in findings if f.where.endswith("inputs"))
    listed = replace(manifest.model, functions=summary.functions + tuple(u.operator for u in summary.operators))
    (finding,) = compare_declared(replace(manifest, model=listed), summary)
    assert finding.found == "ai.onnx:Gemm"


def test_the_order_of_sets_says_nothing(manifest, good_package):
    summary = read_model(MemorySource((good_package / "model.onnx").read_bytes()))
    turned = replace(manifest.model, operators=manifest.model.operators[::-1], opsets=manifest.model.opsets[::-1])
    assert [f.outcome for f in compare_declared(replace(manifest, model=turned), summary)] == [Outcome.PASS]
    assert json.loads((good_package / "mlsign.json").read_bytes())


def many(count: int) -> tuple[PackagePath, ...]:
    return tuple(PackagePath(f"d/{n:06}") for n in range(count))


def test_a_flood_of_differences_is_counted_and_stays_a_failure(manifest, content):
    flood = many(MAX_LISTED + 1)
    every = {p: seen(b"x") for p in flood}
    for findings, code in (
        (compare_with_statement(statement(*flood), {}), "MLS102"),
        (compare_with_statement(statement(*flood), every), "MLS101"),
        (compare_with_statement(statement(), every), "MLS103"),
        (compare_with_manifest(manifest, content | every), "MLS103"),
    ):
        assert {f.code for f in findings} == {code}
        assert {f.outcome for f in findings} == {Outcome.FAIL}
        assert [f.where for f in findings] == [*map(str, flood[:MAX_LISTED]), ""]
        assert findings[-1].message == "and 1 more of this kind"
    exactly = compare_with_statement(statement(*flood[:-1]), {})
    assert len(exactly) == MAX_LISTED
    assert all(f.where for f in exactly)


def test_what_is_left_out_is_counted():
    findings = check_coverage(statement(A, ignore=("d",)), needed=many(5000), unsigned=frozenset())
    assert len(findings) == MAX_LISTED + 1
    assert findings[-1].message == f"and {5000 - MAX_LISTED} more of this kind"
    assert findings[-1].outcome is Outcome.FAIL


def test_findings_of_each_code_are_listed_to_a_number():
    one, two = (
        [Finding(code=code, outcome=Outcome.UNKNOWN, message="m", where=f"{n:04}") for n in range(count)]
        for code, count in (("MLS104", 3), ("MLS105", 250))
    )
    found = listed((*reversed(two), *one))
    assert found[:103] == (*one, *two[:MAX_LISTED])
    assert [(f.code, f.outcome, f.message) for f in found[103:]] == [("MLS105", Outcome.UNKNOWN, "and 150 more of this kind")]
    assert listed(reversed(found)) == listed(found)
    assert listed(()) == ()


@pytest.mark.parametrize("worst", list(Outcome))
def test_what_was_wrong_stays_wrong_when_counted(worst):
    # An exception covers failures and nothing that is unknown, so a count must not turn one into the other.
    rank = [Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN]
    lesser = rank[: rank.index(worst) + 1]
    findings = [Finding(code="MLS107", outcome=Outcome.PASS, message="m", where=f"{n:04}") for n in range(MAX_LISTED)]
    findings += [Finding(code="MLS107", outcome=outcome, message="m", where=f"z{n}") for n, outcome in enumerate(lesser)]
    assert listed(findings)[-1].outcome is worst


def test_differences_by_the_hundred_thousand_are_cut():
    files = many(190_000)
    resources = tuple(Resource(path=p, digest=sha256(b"")) for p in files)
    signed = build_statement(name="n", algorithm=Algorithm.SHA256, resources=resources, ignore_paths=())
    assert len(compare_with_statement(signed, {})) == MAX_LISTED + 1
