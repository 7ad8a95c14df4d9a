"""The ``provenance`` section: what it takes, what it refuses, and what the schema says of it."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from mlsign.errors import InputError
from mlsign.policy.decoding.policy import decode_policy
from mlsign.policy.decoding.signers import Bindings

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "schemas" / "policy.v1.schema.json").read_text())
PART = Draft202012Validator(SCHEMA["properties"]["provenance"])
BY = "signed_by: [{key: keys/builder.pub}]"
HEX = "ab" * 20


def decoded(text, value, sets, hazards):
    return decode_policy(f"{text}provenance: {value}\n".encode(), name="policy.yaml", operator_sets=sets, hazards=hazards)


def schema_takes(value):
    return PART.is_valid(YAML(typ="safe").load(value))


GOOD = (
    "{required: true}",
    "{claimed: {builders: [b], sources: [{pattern: 'https://github.com/acme/*'}]}}",
    "{required: true, claimed: {commit: required, time: required, training_data: digests}}",
    f"{{attested: {{{BY}, builders: [b]}}}}",
    f"{{attested: {{{BY}, builders: [b], build_types: [{{regex: 'https://t[.]example/.*'}}]}}}}",
    f"{{attested: {{{BY}, builders: [b], sources: [{{uri: 'https://a.example/b', ref: {{pattern: refs/tags/*}}, commit: required}}]}}}}",
    f"{{attested: {{{BY}, builders: [b], sources: [{{uri: 'https://a.example/b', commit: {HEX}}}]}}}}",
    f"{{attested: {{{BY}, builders: [b], parameters: {{workflow.ref: x, debug: false, n: 3, t: 'true'}}, other_parameters: allow}}}}",
    f"{{attested: {{{BY}, builders: [b], dependencies: [{{uri: {{pattern: 'pkg:pypi/**'}}, digest: required}}]}}}}",
)


@pytest.mark.parametrize("value", GOOD)
def test_demands_are_taken_by_decoder_and_schema(value, text, sets, hazards):
    assert decoded(text, value, sets, hazards).unbound.provenance.required
    assert schema_takes(value)


@pytest.mark.parametrize(
    ("value", "code", "seen_by_schema"),
    [
        ("{}", "provenance", True),
        ("{required: false}", "provenance", True),
        ("{required: 'true'}", "type", True),
        ("{builders: [b]}", "unknown", True),
        ("{claimed: {}}", "provenance", True),
        ("{claimed: {commit: yes please}}", "value", True),
        ("{claimed: {training_data: required}}", "value", True),
        ("{claimed: {builders: []}}", "length", True),
        ("{claimed: {builders: ['https://github.com/*']}}", "provenance", True),
        ("{claimed: {sources: [{pattern: '**'}]}}", "provenance", False),
        ("{claimed: {sources: [{pattern: 'https://github.com/*/*'}]}}", "provenance", False),
        ("{claimed: {sources: [{regex: '.*'}]}}", "provenance", False),
        ("{claimed: {sources: [{regex: '('}]}}", "provenance", False),
        ("{attested: {builders: [b]}}", "missing", True),
        (f"{{attested: {{{BY}}}}}", "provenance", True),
        ("{attested: {signed_by: [], builders: [b]}}", "length", True),
        (
            "{attested: {signed_by: [{keyless: {issuer: 'https://i.example', subject: {pattern: '**'}}}], builders: [b]}}",
            "signers.subject",
            True,
        ),
        (f"{{attested: {{{BY}, builders: [b], sources: [{{ref: refs/tags/v1}}]}}}}", "missing", True),
        (f"{{attested: {{{BY}, builders: [b], sources: [{{uri: 'git+https://a.example/b'}}]}}}}", "provenance", False),
        (f"{{attested: {{{BY}, builders: [b], sources: [{{uri: 'https://a.example/b', commit: abc}}]}}}}", "provenance", True),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{}}}}}}", "length", True),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{'a..b': x}}}}}}", "provenance", True),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{a: 1.5}}}}}}", "type", True),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{a: {{regex: '.*'}}}}}}}}", "provenance", False),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{a: [x]}}}}}}", "type", True),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{a: -1}}}}}}", "range", True),
        (f"{{attested: {{{BY}, builders: [b], other_parameters: allow}}}}", "provenance", False),
        (f"{{attested: {{{BY}, builders: [b], parameters: {{a: x}}, other_parameters: maybe}}}}", "value", True),
        (f"{{attested: {{{BY}, builders: [b], dependencies: [{{uri: {{pattern: 'pkg:**'}}}}]}}}}", "provenance", False),
        (f"{{attested: {{{BY}, builders: [b], dependencies: [{{uri: x, digest: sha256}}]}}}}", "value", True),
    ],
)
def test_what_asks_for_nothing_or_anybody_is_refused(value, code, seen_by_schema, text, sets, hazards):
    with pytest.raises(InputError) as caught:
        decoded(text, value, sets, hazards)
    assert caught.value.code == f"policy.{code}"
    assert schema_takes(value) is not seen_by_schema


def test_the_keys_of_attesters_are_asked_for_and_bound_apart_from_signers(text, sets, hazards, key):
    document = decoded(text, GOOD[3], sets, hazards)
    assert document.key_references == ("keys/a.pub", "keys/b.pub", "keys/builder.pub")
    assert document.unbound.provenance.attested.signed_by == ()
    keys = {"keys/a.pub": key("a"), "keys/b.pub": key("b")}
    with pytest.raises(InputError, match="names a key that was not given"):
        document.bind(Bindings(keys=keys))
    policy = document.bind(Bindings(keys={**keys, "keys/builder.pub": key("c")}))
    assert [r.identity for r in policy.provenance.attested.signed_by] == [key("c")]
    assert not policy.names(key("c"))
    assert not policy.needs_trust_root


def test_a_keyless_attester_needs_a_trust_root(text, sets, hazards, key):
    by = "signed_by: [{keyless: {issuer: 'https://i.example', subject: 'a@b.example'}}]"
    document = decoded(text, f"{{attested: {{{by}, builders: [b]}}}}", sets, hazards)
    assert document.bind(Bindings(keys={"keys/a.pub": key("a"), "keys/b.pub": key("b")})).needs_trust_root
