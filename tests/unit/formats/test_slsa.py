"""SLSA provenance: what GitHub writes is read; wrong types, second spellings and what is too much are refused."""

import json
from pathlib import Path

import pytest

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError
from mlsign.formats import slsa
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.slsa import decode_slsa_predicate, decode_slsa_statement, encode_slsa_statement

CORPUS = Path(__file__).resolve().parents[3] / "fuzz" / "corpora" / "provenance"
DIGEST = Digest(algorithm=Algorithm.SHA256, value=b"\xab" * 32)


def github():
    return json.loads((CORPUS / "github.json").read_bytes())


def encoded(value):
    return json.dumps(value).encode()


def changed(path, value):
    document = github()
    place = document
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def test_what_github_writes_is_read():
    statement = decode_slsa_statement(encoded(github()))
    found = statement.provenance
    assert statement.subjects == {DIGEST}
    assert {".".join(p.path): p.value for p in found.parameters}["workflow.repository"] == "https://github.com/acme/fraud"
    assert found.dependencies[0].uri == "git+https://github.com/acme/fraud@refs/tags/v1"


@pytest.mark.parametrize("name", ["full.json", "escaped.json", "minimal.json"])
def test_other_good_spellings_are_read(name):
    data = (CORPUS / name).read_bytes()
    assert claimed_predicate(data) is PredicateType.PROVENANCE
    assert DIGEST in decode_slsa_statement(data).subjects


@pytest.mark.parametrize("name", ["upper_case_digest.json", "other_spelling.json", "old_version.json"])
def test_bad_ones_are_refused(name):
    with pytest.raises(InputError):
        decode_slsa_statement((CORPUS / name).read_bytes())


BUILD, RUN = ("predicate", "buildDefinition"), ("predicate", "runDetails")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("_type",), "https://in-toto.io/Statement/v0.1"),
        (("subject",), []),
        (("subject",), {}),
        (("subject", 0, "digest"), {}),
        (("subject", 0, "digest"), None),
        (("subject", 0, "digest", "sha256"), 1),
        (("subject", 0, "digest", "sha256"), "ab"),
        (("subject", 0, "name"), 1),
        (("predicate",), []),
        ((*BUILD, "buildType"), 1),
        ((*BUILD, "buildType"), None),
        ((*BUILD, "externalParameters"), None),
        ((*BUILD, "externalParameters"), []),
        ((*BUILD, "internalParameters"), "x"),
        ((*BUILD, "resolvedDependencies"), {}),
        ((*BUILD, "resolvedDependencies"), ["x"]),
        ((*BUILD, "resolvedDependencies"), [{"uri": 1}]),
        ((*BUILD, "resolvedDependencies"), [{"URI": "x"}]),
        ((*BUILD, "resolvedDependencies"), [{"uri": "x", "digest": {"sha256": []}}]),
        ((*RUN, "builder"), None),
        ((*RUN, "builder", "id"), ""),
        ((*RUN, "builder", "version"), "1"),
        ((*RUN, "builder", "builderDependencies"), 1),
        ((*RUN, "metadata"), "x"),
        ((*RUN, "metadata", "startedOn"), 1),
        ((*RUN, "byproducts"), {}),
        (RUN, None),
    ],
)
def test_wrong_types_and_missing_fields_are_refused(path, value):
    with pytest.raises(InputError):
        decode_slsa_statement(encoded(changed(path, value)))


def test_what_is_too_much_is_refused(monkeypatch):
    with pytest.raises(InputError) as caught:
        decode_slsa_statement(b" " * (slsa.MAX_PROVENANCE_BYTES + 1))
    assert caught.value.code == "json.size"
    assert claimed_predicate(encoded(github()) + b" " * slsa.MAX_PROVENANCE_BYTES) is None
    monkeypatch.setattr(slsa, "MAX_PARAMETERS", 2)
    with pytest.raises(InputError, match="more than 2 values"):
        decode_slsa_statement(encoded(github()))


def test_only_what_calls_itself_so_is_one():
    assert claimed_predicate(encoded(github())) is PredicateType.PROVENANCE
    assert claimed_predicate(b"{") is None
    assert claimed_predicate(b'["https://slsa.dev/provenance/v1"') is None
    assert claimed_predicate(b'["https://slsa.dev/provenance/v1"]') is None
    assert claimed_predicate(encoded({"x": "https://slsa.dev/provenance/v1"})) is None


def test_a_predicate_is_signed_as_it_stands_and_a_statement_is_not():
    predicate = github()["predicate"] | {"ours": [1]}
    assert decode_slsa_predicate(encoded(predicate)) == decode_slsa_statement(encoded(github())).provenance
    payload = encode_slsa_statement(encoded(predicate), name="fraud-1.2.0", digest=DIGEST)
    assert json.loads(payload) == github() | {"predicate": predicate}
    with pytest.raises(InputError) as caught:
        decode_slsa_predicate(encoded(github()))
    assert caught.value.code == "slsa.predicate"
    with pytest.raises(InputError):
        decode_slsa_predicate(b"[]")


def test_metadata_may_be_missing():
    assert decode_slsa_statement(encoded(changed((*RUN, "metadata"), None))) == decode_slsa_statement(encoded(github()))
