"""The statement of a signed policy: what it says comes back, and nothing else is one."""

import json

import pytest

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.formats.countersignature import Countersignature, encode_countersignature
from mlsign.formats.policy_statement import MAX_FILES, PolicyStatement, decode_policy_statement, encode_policy_statement

STATEMENT = PolicyStatement(
    name="policy.yaml", digest=sha256(b"p"), files={"keys/a.pub": sha256(b"a"), "../base.yaml": sha256(b"b")}
)


def changed(change) -> bytes:
    value = json.loads(encode_policy_statement(STATEMENT))
    change(value)
    return json.dumps(value).encode()


def test_what_is_encoded_is_decoded():
    data = encode_policy_statement(STATEMENT)
    found = decode_policy_statement(data)
    assert (found.name, found.digest, dict(found.files)) == (STATEMENT.name, STATEMENT.digest, dict(STATEMENT.files))
    assert encode_policy_statement(found) == data


def test_the_content_is_that_of_all_files_and_not_of_the_name():
    same = PolicyStatement(name="other.yaml", digest=STATEMENT.digest, files=dict(reversed(STATEMENT.files.items())))
    assert same.content == STATEMENT.content
    for other in (
        PolicyStatement(name="policy.yaml", digest=sha256(b"q"), files=STATEMENT.files),
        PolicyStatement(name="policy.yaml", digest=STATEMENT.digest, files={}),
        PolicyStatement(name="policy.yaml", digest=STATEMENT.digest, files=dict(STATEMENT.files) | {"keys/a.pub": sha256(b"x")}),
    ):
        assert other.content != STATEMENT.content


FILE = {"name": "x", "digest": {"sha256": "ab" * 32}}
BAD = {
    "another predicate": (lambda v: v.update(predicateType="https://model_signing/signature/v1.0"), "policy_statement.value"),
    "another statement": (lambda v: v.update(_type="https://in-toto.io/Statement/v0.1"), "policy_statement.value"),
    "no subject": (lambda v: v.update(subject=[]), "policy_statement.length"),
    "two subjects": (lambda v: v.update(subject=[FILE, FILE]), "policy_statement.length"),
    "a file twice": (lambda v: v["predicate"].update(files=[FILE, FILE]), "policy_statement.duplicate"),
    "too many files": (
        lambda v: v["predicate"].update(files=[FILE | {"name": str(n)} for n in range(MAX_FILES + 1)]),
        "policy_statement.length",
    ),
    "another digest as well": (lambda v: v["subject"][0]["digest"].update(sha512="00"), "policy_statement.unknown"),
    "no digest": (lambda v: v["subject"][0].update(digest={}), "policy_statement.missing"),
    "a short digest": (lambda v: v["subject"][0].update(digest={"sha256": "ab"}), "digest.hex"),
    "an empty name": (lambda v: v["subject"][0].update(name=""), "policy_statement.length"),
    "a file with more": (lambda v: v["predicate"].update(files=[FILE | {"size": 1}]), "policy_statement.unknown"),
    "a predicate with more": (lambda v: v["predicate"].update(revision=1), "policy_statement.unknown"),
    "more at the top": (lambda v: v.update(extra=1), "policy_statement.unknown"),
    "files of no list": (lambda v: v["predicate"].update(files={}), "policy_statement.type"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused(name):
    change, code = BAD[name]
    with pytest.raises(InputError) as caught:
        decode_policy_statement(changed(change))
    assert caught.value.code == code


def test_it_is_not_json_or_another_statement():
    for data in (b"", b"[]", b"x" * 2_000_000, encode_countersignature(Countersignature(name="x", digest=sha256(b"x")))):
        with pytest.raises(InputError):
            decode_policy_statement(data)
