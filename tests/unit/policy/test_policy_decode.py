"""Policies, good and bad: what the decoder says, and that the schema never disagrees about what it can see."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, Limits
from mlsign.policy.decoding import policy as decode
from mlsign.policy.decoding import run as decode_run
from mlsign.policy.decoding.policy import PolicyDocument, decode_policy
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.model import (
    CustomDomains,
    ExternalData,
    Isolation,
    ManifestMode,
    Mode,
    RevokedFile,
    RevokedPackage,
    RevokedRelease,
    RunSettings,
    SandboxSettings,
    Unbounded,
)
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.requirements import KeylessRequirement, KeyRequirement
from mlsign.version import decode_version

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json.loads((ROOT / "schemas" / "policy.v1.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
Sets = Mapping[str, frozenset[OperatorId]]
HEX = "ab" * 32

MINIMAL = """\
apiVersion: mlsign/v1
kind: Policy
name: minimal
signers: [{name: release, require: 1, any: [{key: release.pub}]}]
operators: {allow: [inference-v1]}
"""


class WithoutTimes(SafeConstructor):  # type: ignore[misc]
    """Moments are text in YAML 1.2, whose core schema has no times."""


WithoutTimes.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)


def exact(text: str) -> TextPattern:
    return TextPattern(kind=PatternKind.EXACT, text=text)


def glob(text: str) -> TextPattern:
    return TextPattern(kind=PatternKind.GLOB, text=text)


def decoded(text: str, sets: Sets) -> PolicyDocument:
    return decode_policy(text.encode(), name="policy.yaml", operator_sets=sets, hazards={})


def schema_accepts(text: str) -> bool:
    loader = YAML(typ="safe", pure=True)
    loader.Constructor = WithoutTimes
    loaded: Any = loader.load(text)
    return VALIDATOR.is_valid(loaded)


def test_the_whole_policy_is_decoded(text: str, sets: Sets, key: Callable[[str], KeyIdentity]) -> None:
    document = decoded(text, sets)
    assert document.key_references == ("keys/a.pub", "keys/b.pub")
    policy = document.bind(Bindings(keys={"keys/a.pub": key("a"), "keys/b.pub": key("b"), "other": key("c")}))
    assert (policy.name, policy.description, policy.digest) == ("production", "for tests", sha256(text.encode()))
    assert (policy.manifest, policy.mode) == (ManifestMode.REQUIRED, Mode.ENFORCE)
    (group,) = policy.signers
    assert (group.name, group.require) == ("release", 1)
    assert group.any == (
        KeyRequirement(reference="keys/a.pub", identity=key("a")),
        KeyRequirement(reference="keys/b.pub", identity=key("b")),
    )
    assert policy.digests == {Algorithm.SHA256, Algorithm.BLAKE3}
    assert policy.operators.allow == {OperatorId("ai.onnx", n) for n in ("Gemm", "Relu", "Add")}
    assert policy.operators.deny == {OperatorId("ai.onnx", "Loop")}
    assert policy.operators.custom_domains is CustomDomains.DENY
    opset = policy.model.opset["ai.onnx"]
    assert (opset.minimum, opset.maximum, opset.text) == (13, 24, ">=13,<=24")
    assert (policy.model.max_nodes, policy.model.max_parameter_bytes) == (100, 1024)
    assert policy.model.external_data is ExternalData.PACKAGED
    assert policy.model.run == RunSettings(
        max_bytes=2**20,
        max_steps=100,
        max_operations=1000,
        open_dimension=8,
        unknown_sizes=Unbounded.DENY,
        unknown_turns=Unbounded.ALLOW,
    )
    assert dict(policy.model.limits) == {"max_nodes": 1000, "max_name_bytes": 1024}
    assert policy.minimum_version == decode_version("1.2.0")
    assert policy.revoked == (RevokedPackage(digest=Digest(algorithm=Algorithm.SHA256, value=b"\xee" * 32), reason="bad labels"),)
    assert policy.sandbox == SandboxSettings()
    assert [str(path) for path in policy.unsigned_files] == ["model.sig"]


def test_what_is_left_out_gets_the_strict_reading(sets: Sets) -> None:
    document = decoded(MINIMAL, sets)
    assert (document.unbound.manifest, document.unbound.mode) == (ManifestMode.REQUIRED, Mode.ENFORCE)
    assert document.unbound.digests == {Algorithm.SHA256, Algorithm.BLAKE3}
    assert document.unbound.operators.custom_domains is CustomDomains.DENY
    assert (document.unbound.model.max_nodes, document.unbound.model.max_parameter_bytes, dict(document.unbound.model.opset)) == (
        None,
        None,
        {},
    )
    assert document.unbound.model.run == RunSettings()
    assert (document.unbound.model.run.unknown_sizes, document.unbound.model.run.unknown_turns) == (
        Unbounded.DENY,
        Unbounded.DENY,
    )
    assert dict(document.unbound.model.limits) == {}
    assert (document.unbound.minimum_version, document.unbound.revoked, document.unbound.unsigned_files) == (None, (), ())
    assert document.unbound.description == ""


# What to add to or put in place of a line of the minimal policy.
GOOD = {
    "minimal": "",
    "a countersignature": "signers: [{name: w, require: 1, any: [{key: j}], countersigns: r}, {name: r, require: 1, any: [{key: k}]}]",
    "optional manifest": "manifest: optional",
    "audit": "mode: audit",
    "an end": "expires: 2027-01-01T00:00:00Z",
    "an end in quotes": "expires: '2027-01-01T00:00:00Z'",
    "revision": "revision: 7",
    "one digest": "digests: [blake2b]",
    "digest twice": "digests: [sha256, sha256]",
    "deny set and domain": 'operators: {allow: [inference-v1], deny: [control-flow-v1, "com.acme:*"]}',
    "custom operator": "operators: {allow: ['com.acme:Op']}",
    "custom domain": "operators: {allow: ['com.acme:*'], custom_domains: allow}",
    "nothing denied": "operators: {allow: [inference-v1], deny: []}",
    "empty model": "model: {}",
    "ranges": 'model: {opset: {ai.onnx: ">=13", ai.onnx.ml: "==3", com.acme: "> 1, < 4"}}',
    "no parameters": "model: {max_parameter_bytes: 0, external_data: deny}",
    "bytes": "model: {max_parameter_bytes: 17B}",
    "empty run": "model: {run: {}}",
    "run": "model: {run: {max_bytes: 0, max_steps: 1, max_operations: 1000000000000000000, open_dimension: 1000000}}",
    "unbounded": "model: {run: {max_bytes: 2TiB, unknown_sizes: allow, unknown_turns: allow}}",
    **{f"limit of {name}": f"model: {{limits: {{{name}: 1}}}}" for name in decode_run.LIMITS},
    "limits in bytes": "model: {limits: {name_bytes: 4KiB, skeleton_bytes: 1MiB, model_bytes: 2TiB}}",
    "limit above that of the program": "model: {limits: {nodes: 9007199254740991}}",
    "empty sandbox": "sandbox: {}",
    "sandbox": "sandbox: {memory: 67108864, cpu: 500ms, wall: 2m, threads: 1, isolation: full}",
    "hours": "sandbox: {wall: 24h}",
    "nothing revoked": "revoked: []",
    "no rules": "rules: []",
    "a rule": "rules: [{id: a.b-c, when: 'model.nodes > 5', message: x}]",
    "no exceptions": "exceptions: []",
    "an exception": f"exceptions: [{{digest: 'sha256:{HEX}', findings: [MLS301, MLS402], reason: x, until: '2027-01-31T00:00:00Z'}}]",
    "match": "match: {names: ['fraud-*', churn]}",
    "revoked": f"revoked: [{{name: fraud, reason: x}}, {{name: fraud, version: 1.0.0, reason: x}}, {{file: 'blake3:{HEX}', reason: x}}, "
    f"{{file: ['sha256:{HEX}', 'blake3:{HEX}'], reason: x}}]",
    "pre-release": "versions: {minimum: 1.0.0-rc.1}",
    "no unsigned files": "unsigned_files: []",
    "unsigned files": "unsigned_files: [b/model.sig, a.txt, a.txt]",
    "summaries": "vsa: {accept: [{key: gate.pub}], max_age: 30d}",
    "summaries by identity": "vsa: {accept: [{keyless: {issuer: https://id.example, subject: a@b.example}}, {key: k}], max_age: 30m}",
    "described": "description: |\n  two\n  lines\n",
    "keyless": "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://id.example, subject: a@b.example}}]}]",
    "pattern": "signers: [{name: r, require: 3, any: [{keyless: {issuer: https://id.example/x, subject: {pattern: '*@b.example'}}}]}]",
    "url pattern": "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://id.example, subject: {pattern: 'https://git.example/acme/*'}}}]}]",
    "quoted words": "name: 'yes'",
    "plain words": "name: yes",
}

# The change, the code, a part of the message, and whether the schema can see it too.
BAD: dict[str, tuple[str, str, str, bool]] = {
    "not a map": ("!", "policy.type", "is a list, expected a map", True),
    "no api version": ("-apiVersion", "policy.missing", "apiVersion is missing from the policy", True),
    "other api version": ("apiVersion: mlsign/v2", "policy.version", "is not mlsign/v1", True),
    "other kind": ("kind: policy", "policy.version", "is not Policy", True),
    "no name": ("-name", "policy.missing", "name is missing", True),
    "empty name": ("name: ''", "policy.length", "has 0 characters", True),
    "long name": (f"name: {'x' * 129}", "policy.length", "has 129 characters", True),
    "name is a number": ("name: 12", "policy.type", "is an integer, expected a string", True),
    "name is nothing": ("name:", "policy.type", "is null, expected a string", True),
    "name is a list": ("name: [x]", "policy.type", "is a list, expected a string", True),
    "typo": (
        "operatorz: {allow: [x]}",
        "policy.unknown",
        "operatorz is not a field of a policy, line 6 column 1: did you mean operators",
        True,
    ),
    "unknown": ("qqqqqq: 1", "policy.unknown", "qqqqqq is not a field of a policy", True),
    "unsigned": ("unsigned: allow", "policy.unknown", "unsigned is not a field", True),
    "manifest": ("manifest: yes", "policy.value", "is yes, expected required or optional", True),
    "mode": ("mode: audits", "policy.value", "did you mean audit", True),
    "no signers": ("-signers", "policy.missing", "signers is missing", True),
    "summaries by nobody": ("vsa: {accept: [], max_age: 24h}", "policy.length", "has 0 elements", True),
    "summaries by anybody": ("vsa: {max_age: 24h}", "policy.missing", "accept is missing from vsa", True),
    "summaries by a bare word": ("vsa: {accept: [gate.pub], max_age: 24h}", "policy.type", "expected a map", True),
    "summaries by a stranger": (
        "vsa: {accept: [{keyless: {issuer: https://id.example, subject: {pattern: '*'}}}], max_age: 24h}",
        "policy.signers.subject",
        "matches too much",
        True,
    ),
    "summaries by two methods": (
        "vsa: {accept: [{key: k, keyless: {}}], max_age: 24h}",
        "policy.signers.method",
        "exactly one",
        True,
    ),
    "summaries for ever": ("vsa: {accept: [{key: k}]}", "policy.missing", "max_age is missing from vsa", True),
    "summaries without a unit": ("vsa: {accept: [{key: k}], max_age: 24}", "policy.unit", "is not a span", True),
    "summaries of no age": ("vsa: {accept: [{key: k}], max_age: 0h}", "policy.unit", "is not a span", True),
    "summaries too old": ("vsa: {accept: [{key: k}], max_age: 31d}", "policy.range", "is 31 days, allowed are 30", False),
    "summaries a minute too old": ("vsa: {accept: [{key: k}], max_age: 43201m}", "policy.range", "allowed are 30", False),
    "stores": (
        "vsa: {accept: [{key: k}], max_age: 24h, stores: [fs-verity]}",
        "policy.value",
        "fs-verity",
        True,
    ),
    "summaries said twice": (
        "vsa: {accept: [{key: k}], max_age: 24h, require: 1}",
        "policy.unknown",
        "is not a field of vsa",
        True,
    ),
    "nobody": ("signers: []", "policy.length", "has 0 elements", True),
    "empty any": ("signers: [{name: r, require: 1, any: []}]", "policy.length", "has 0 elements", True),
    "require none": ("signers: [{name: r, require: 0, any: [{key: k}]}]", "policy.range", "is 0, expected 1 to 256", True),
    "require less": ("signers: [{name: r, require: -1, any: [{key: k}]}]", "policy.range", "is -1", True),
    "require too many": (
        "signers: [{name: r, require: 2, any: [{key: k}]}]",
        "policy.signers.require",
        "can never be met",
        False,
    ),
    "require twice the same": (
        "signers: [{name: r, require: 2, any: [{key: k}, {key: k}]}]",
        "policy.signers.require",
        "names 1 distinct",
        False,
    ),
    "require is a boolean": ("signers: [{name: r, require: true, any: [{key: k}]}]", "policy.type", "expected an integer", True),
    "require is left out": (
        "signers: [{name: r, any: [{key: k}]}]",
        "policy.missing",
        "require is missing from signers[0]",
        True,
    ),
    "group twice": (
        "signers: [{name: r, require: 1, any: [{key: k}]}, {name: r, require: 1, any: [{key: j}]}]",
        "policy.signers.name",
        "stands twice",
        False,
    ),
    "countersigns nobody": (
        "signers: [{name: r, require: 1, any: [{key: k}]}, {name: w, require: 1, any: [{key: j}], countersigns: q}]",
        "policy.signers.countersigns",
        "countersigns q, which is no other group",
        False,
    ),
    "countersigns itself": (
        "signers: [{name: r, require: 1, any: [{key: k}]}, {name: w, require: 1, any: [{key: j}], countersigns: w}]",
        "policy.signers.countersigns",
        "countersigns w, which is no other group",
        False,
    ),
    "countersigns a countersignature": (
        "signers: [{name: r, require: 1, any: [{key: k}]}, {name: w, require: 1, any: [{key: j}], countersigns: r}, {name: v, require: 1, any: [{key: i}], countersigns: w}]",
        "policy.signers.countersigns",
        "countersigns w, which is no other group",
        False,
    ),
    "signer typo": ("signers: [{name: r, require: 1, any: [{kex: k}]}]", "policy.unknown", "did you mean key", True),
    "signer of no kind": (
        "signers: [{name: r, require: 1, any: [{}]}]",
        "policy.signers.method",
        "exactly one of key, keyless, certificate",
        True,
    ),
    "signer of both kinds": (
        "signers: [{name: r, require: 1, any: [{key: k, keyless: {issuer: https://i.example, subject: s}}]}]",
        "policy.signers.method",
        "exactly one",
        True,
    ),
    "issuer": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: http://i.example, subject: s}}]}]",
        "policy.signers.issuer",
        "https",
        True,
    ),
    "issuer pattern": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: 'https://*', subject: s}}]}]",
        "policy.signers.issuer",
        "compared as it stands",
        True,
    ),
    "subject with a star": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: 'a*'}}]}]",
        "policy.signers.subject",
        "compared as it stands",
        True,
    ),
    "anybody": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {pattern: '*'}}}]}]",
        "policy.signers.subject",
        "matches too much",
        True,
    ),
    "anybody with an account": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {pattern: 'https://github.com/*'}}}]}]",
        "policy.signers.subject",
        "matches too much",
        True,
    ),
    "any owner of that name": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {pattern: 'https://github.com/acme*'}}}]}]",
        "policy.signers.subject",
        "matches too much",
        True,
    ),
    "any mail": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {pattern: '*@*'}}}]}]",
        "policy.signers.subject",
        "matches too much",
        True,
    ),
    "issuer with an open host": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: {pattern: 'https://*.example/x'}, subject: a@b.example}}]}]",
        "policy.signers.issuer",
        "host is spelled out",
        True,
    ),
    "expression that strangers match": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {regex: '.*'}}}]}]",
        "policy.signers.subject",
        "matches too much",
        False,
    ),
    "expression for anybody with an account": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {regex: 'https://github[.]com/.*'}}}]}]",
        "policy.signers.subject",
        "matches too much",
        False,
    ),
    "expression with look-ahead": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {regex: '(?=a)b'}}}]}]",
        "policy.signers.subject",
        "RE2",
        False,
    ),
    "two kinds of patterns": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {regex: a, pattern: 'a@b.example'}}}]}]",
        "policy.signers.subject",
        "either pattern or regex",
        True,
    ),
    "no kind of pattern": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: {}}}]}]",
        "policy.signers.subject",
        "either pattern or regex",
        True,
    ),
    "claims that ask for nothing": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: a@b.example, claims: {}}}]}]",
        "policy.signers.claims",
        "asks for nothing",
        True,
    ),
    "claim typo": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: a@b.example, claims: {source_repo: x}}}]}]",
        "policy.unknown",
        "did you mean source",
        True,
    ),
    "claim of anybody": (
        "signers: [{name: r, require: 1, any: [{keyless: {issuer: https://i.example, subject: a@b.example, claims: {trigger: {pattern: '**'}}}}]}]",
        "policy.signers.claims",
        "matches too much",
        False,
    ),
    "certificate without a holder": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem]}}]}]",
        "policy.signers.certificate",
        "anybody with a certificate",
        True,
    ),
    "certificate without roots": (
        "signers: [{name: r, require: 1, any: [{certificate: {subject: CN=a}}]}]",
        "policy.missing",
        "roots is missing",
        True,
    ),
    "certificate with an issuer alone": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem], issuer: CN=a}}]}]",
        "policy.signers.certificate",
        "anybody with a certificate",
        True,
    ),
    "a root twice": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem, r.pem], subject: CN=a}}]}]",
        "policy.signers.certificate",
        "twice",
        True,
    ),
    "name of no kind": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem], name: a@b.example}}]}]",
        "policy.signers.certificate",
        "email:, uri: or dns:",
        True,
    ),
    "name in any domain": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem], name: {pattern: 'email:*@*'}}}]}]",
        "policy.signers.certificate",
        "too much",
        True,
    ),
    "host that goes on": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem], name: {pattern: 'dns:release.acme*'}}}]}]",
        "policy.signers.certificate",
        "domain is spelled out",
        True,
    ),
    "age proof typo": ("age: {max: 90d, proof: bound}", "policy.value", "bounded", True),
    "fingerprint of another kind": (
        "signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem], fingerprint: 'blake3:abab'}}]}]",
        "policy.signers.certificate",
        "digest",
        True,
    ),
    "fingerprint by another algorithm": (
        f"signers: [{{name: r, require: 1, any: [{{certificate: {{roots: [r.pem], fingerprint: 'blake3:{'ab' * 32}'}}}}]}}]",
        "policy.signers.certificate",
        "is not a sha256 digest of a certificate",
        True,
    ),
    "transparency of nothing": (
        "transparency: {}",
        "policy.transparency",
        "asks for nothing",
        True,
    ),
    "transparency typo": (
        "transparency: {log: requird}",
        "policy.value",
        "did you mean required",
        True,
    ),
    "age without a unit": (
        "age: {max: 90}",
        "policy.unit",
        "90d",
        True,
    ),
    "age of nothing": (
        "age: {max: 0d}",
        "policy.unit",
        "90d",
        True,
    ),
    "age without max": (
        "age: {}",
        "policy.missing",
        "max is missing",
        True,
    ),
    "two trust roots": (
        "trust: {root: r.json, instance: acme}",
        "policy.trust",
        "two trust roots",
        True,
    ),
    "trust instance": (
        "trust: {instance: '../x'}",
        "policy.trust",
        "lower-case letters",
        True,
    ),
    "trust typo": (
        "trust: {stale: never}",
        "policy.value",
        "deny",
        True,
    ),
    "digests as text": ("digests: sha256", "policy.type", "is a string, expected a list", True),
    "no digests": ("digests: []", "policy.length", "has 0 elements", True),
    "weak digest": ("digests: [sha1]", "policy.value", "is sha1, expected sha256 or blake3 or blake2b", True),
    "digest in capitals": ("digests: [SHA256]", "policy.value", "expected sha256", True),
    "no operators": ("-operators", "policy.missing", "operators is missing", True),
    "nothing allowed": ("operators: {allow: []}", "policy.length", "has 0 elements", True),
    "allow left out": ("operators: {deny: []}", "policy.missing", "allow is missing from operators", True),
    "all taken away": (
        "operators: {allow: [inference-v1], deny: [inference-v1]}",
        "policy.operators.empty",
        "takes away all",
        False,
    ),
    "all taken away by domain": (
        "operators: {allow: [inference-v1], deny: ['ai.onnx:*']}",
        "policy.operators.empty",
        "takes away all",
        False,
    ),
    "custom taken away": (
        "operators: {allow: ['com.acme:*'], deny: ['com.acme:*'], custom_domains: allow}",
        "policy.operators.empty",
        "takes away all",
        False,
    ),
    "set typo": ("operators: {allow: [inferance-v1]}", "policy.operators.set", "did you mean inference-v1", False),
    "no such set": ("operators: {allow: ['*']}", "policy.operators.set", "is not an operator set", False),
    "operator spelling": (
        "operators: {allow: ['ai.onnx:Ge mm']}",
        "policy.operators.spelling",
        "does not name an operator",
        False,
    ),
    "empty domain": ("operators: {allow: [':Gemm']}", "policy.operators.spelling", "does not name an operator", False),
    "odd domain": ("operators: {allow: ['ai onnx:Gemm']}", "policy.operators.spelling", "is not a domain", False),
    "odd whole domain": ("operators: {allow: ['*:*']}", "policy.operators.spelling", "does not name an operator", False),
    "all of onnx": ("operators: {allow: ['ai.onnx:*']}", "policy.operators.domain", "every operator of a standard domain", False),
    "all of onnx by a switch": (
        "operators: {allow: ['ai.onnx.ml:*'], custom_domains: allow}",
        "policy.operators.domain",
        "every operator of a standard domain",
        False,
    ),
    "custom domain unasked": (
        "operators: {allow: ['com.acme:*']}",
        "policy.operators.domain",
        "while custom_domains is deny",
        False,
    ),
    "custom without names": (
        "operators: {allow: [inference-v1], custom_domains: allow}",
        "policy.operators.custom_domains",
        "names no whole domain",
        False,
    ),
    "opset spelling": ("model: {opset: {ai.onnx: '13-24'}}", "policy.model.opset", "write it as >=13,<=24", True),
    "opset number": ("model: {opset: {ai.onnx: 13}}", "policy.type", "is an integer", True),
    "opset leaves none": ("model: {opset: {ai.onnx: '>=24,<13'}}", "policy.model.opset", "leaves no version", False),
    "opset of the empty domain": ("model: {opset: {'': '>=13'}}", "policy.model.opset", "the standard one is ai.onnx", True),
    "opset of nothing": ("model: {opset: {}}", "policy.length", "has 0 entries", True),
    "opset is a list": ("model: {opset: []}", "policy.type", "is a list, expected a map", True),
    "no nodes": ("model: {max_nodes: 0}", "policy.range", "is 0", True),
    "nodes with underscore": ("model: {max_nodes: 1_0}", "policy.type", "is 1_0, expected an integer in plain decimal", False),
    "nodes in octal": ("model: {max_nodes: 017}", "policy.type", "is 017", False),
    "nodes in hex": ("model: {max_nodes: 0x1f}", "policy.type", "is 0x1f", False),
    "nodes in quotes": ("model: {max_nodes: '10'}", "policy.type", "expected an integer", True),
    "nodes with plus": ("model: {max_nodes: +10}", "policy.type", "is +10", False),
    "too many digits": (f"model: {{max_nodes: {'9' * 3000}}}", "policy.range", "expected 1 to", False),
    "nodes as a fraction": ("model: {max_nodes: 1.0}", "policy.type", "is 1.0", False),
    "decimal unit": ("model: {max_parameter_bytes: 20GB}", "policy.unit", "is 20GB, expected bytes as 512MiB or 20GiB", True),
    "too large": ("model: {max_parameter_bytes: 999999TiB}", "policy.range", "bytes, expected 0 to", False),
    "negative bytes": ("model: {max_parameter_bytes: -1}", "policy.range", "is -1", True),
    "bytes of a list": ("model: {max_parameter_bytes: []}", "policy.type", "is a list, expected an integer", True),
    "nodes of a list": ("model: {max_nodes: [1]}", "policy.type", "is a list, expected an integer", True),
    "external": ("model: {external_data: allow}", "policy.value", "expected packaged or deny", True),
    "run is a list": ("model: {run: []}", "policy.type", "is a list, expected a map", True),
    "run typo": ("model: {run: {max_byte: 1}}", "policy.unknown", "did you mean max_bytes", True),
    "run for less than nothing": ("model: {run: {max_bytes: -1}}", "policy.range", "is -1", True),
    "run with a decimal unit": ("model: {run: {max_bytes: 1GB}}", "policy.unit", "is 1GB", True),
    "no steps": ("model: {run: {max_steps: 0}}", "policy.range", "is 0, expected 1 to", True),
    "no operations": ("model: {run: {max_operations: 0}}", "policy.range", "is 0, expected 1 to", True),
    "steps beyond counting": ("model: {run: {max_steps: 1000000000000000001}}", "policy.range", "expected 1 to", True),
    "steps of many digits": (f"model: {{run: {{max_steps: {'9' * 3000}}}}}", "policy.range", "expected 1 to", True),
    "operations of many digits": (f"model: {{run: {{max_operations: {'9' * 21}}}}}", "policy.range", "expected 1 to", True),
    "steps with a unit": ("model: {run: {max_steps: 1MiB}}", "policy.type", "expected an integer", True),
    "no open dimension": ("model: {run: {open_dimension: 0}}", "policy.range", "is 0, expected 1 to 1000000", True),
    "huge open dimension": ("model: {run: {open_dimension: 1000001}}", "policy.range", "expected 1 to 1000000", True),
    "unknown sizes": ("model: {run: {unknown_sizes: ignore}}", "policy.value", "is ignore, expected deny or allow", True),
    "unknown turns": ("model: {run: {unknown_turns: true}}", "policy.type", "is a boolean, expected a string", True),
    "endless loops are no choice": ("model: {run: {endless: allow}}", "policy.unknown", "endless is not a field", True),
    "misuse is no choice": ("model: {run: {misuse: allow}}", "policy.unknown", "misuse is not a field", True),
    "no limits": ("model: {limits: {}}", "policy.model.limits", "sets no limit", True),
    "limits is a number": ("model: {limits: 1}", "policy.type", "expected a map", True),
    "limit by its name in the program": ("model: {limits: {max_nodes: 1}}", "policy.unknown", "did you mean nodes", True),
    "limit of what is no model": ("model: {limits: {policy_bytes: 1}}", "policy.unknown", "policy_bytes is not a field", True),
    "open dimension among limits": ("model: {limits: {open_dimension: 1}}", "policy.unknown", "is not a field", True),
    **{
        f"limit of no {name}": (
            f"model: {{limits: {{{name}: 0}}}}",
            "policy.range",
            "is 0, expected 1 to",
            True,
        )
        for name in decode_run.LIMITS
    },
    "limit as text": ("model: {limits: {nodes: many}}", "policy.type", "is many, expected an integer", True),
    "limit with a unit": ("model: {limits: {nodes: 1KiB}}", "policy.type", "is 1KiB, expected an integer", True),
    "limit in decimal units": ("model: {limits: {model_bytes: 1GB}}", "policy.unit", "is 1GB", True),
    "version number": ("versions: {minimum: 1.2}", "policy.type", "is a number, expected a string", True),
    "version spelling": ("versions: {minimum: v1.2.0}", "policy.versions", "is not a version", False),
    "no version": ("versions: {}", "policy.versions", "asks for nothing", True),
    "rollback": ("versions: {minimum: 1.0.0, rollback: never}", "policy.value", "expected deny or allow", True),
    "hashing": ("hashing: never", "policy.value", "expected always or once", True),
    "rule without id": ("rules: [{when: 'true', message: x}]", "policy.missing", "id is missing", True),
    "rule with a name in capitals": ("rules: [{id: A, when: 'true', message: x}]", "policy.rules", "lower-case", True),
    "rule of another type": ("rules: [{id: a, when: '1', message: x}]", "policy.rules", "only BOOL", False),
    "exception for ever": (
        f"exceptions: [{{digest: 'sha256:{HEX}', findings: [MLS301], reason: x}}]",
        "policy.missing",
        "until is missing",
        True,
    ),
    "exception from signatures": (
        f"exceptions: [{{digest: 'sha256:{HEX}', findings: [MLS201], reason: x, until: 2027-01-31T00:00:00Z}}]",
        "policy.exceptions",
        "MLS201 cannot be excepted",
        True,
    ),
    "exception until a word": (
        f"exceptions: [{{digest: 'sha256:{HEX}', findings: [MLS301], reason: x, until: tomorrow}}]",
        "policy.exceptions",
        "is no time in UTC",
        True,
    ),
    "match nothing": ("match: {names: []}", "policy.length", "has 0 elements", True),
    "match something else": ("match: {licenses: [MIT]}", "policy.unknown", "licenses is not a field", True),
    "revoked without reason": (f"revoked: [{{digest: 'sha256:{HEX}'}}]", "policy.missing", "reason is missing", True),
    "revoked nothing": ("revoked: [{reason: x}]", "policy.revoked", "exactly one of digest, file and name", True),
    "revoked both": (f"revoked: [{{digest: 'sha256:{HEX}', name: x, reason: x}}]", "policy.revoked", "exactly one", True),
    "revoked version alone": (
        f"revoked: [{{digest: 'sha256:{HEX}', version: 1.0.0, reason: x}}]",
        "policy.revoked",
        "a version without a name",
        True,
    ),
    "revoked short digest": ("revoked: [{digest: 'sha256:abcd', reason: x}]", "policy.revoked", "is not a sha256 digest", True),
    "revoked package by blake3": (
        f"revoked: [{{digest: 'blake3:{HEX}', reason: x}}]",
        "policy.revoked",
        "is not a sha256 digest",
        True,
    ),
    "revoked file by sha1": (
        f"revoked: [{{file: 'sha1:{HEX}', reason: x}}]",
        "policy.revoked",
        "is not a digest algorithm",
        True,
    ),
    "revoked two files": (
        f"revoked: [{{file: ['sha256:{HEX}', 'sha256:{'cd' * 32}'], reason: x}}]",
        "policy.revoked",
        "two digests by one algorithm",
        False,
    ),
    "revoked file that is never found": (
        f"digests: [sha256]\nrevoked: [{{file: 'blake3:{HEX}', reason: x}}]",
        "policy.revoked",
        "would never be found: files are hashed by sha256",
        False,
    ),
    "no threads": ("sandbox: {threads: 0}", "policy.range", "is 0, expected 1 to 256", True),
    "no memory": ("sandbox: {memory: 1MiB}", "policy.range", "is 1048576 bytes", False),
    "no time": ("sandbox: {cpu: 0s}", "policy.unit", "expected a duration", True),
    "time without unit": ("sandbox: {cpu: 10}", "policy.unit", "is 10, expected a duration as 500ms, 10s or 2m", True),
    "time of a list": ("sandbox: {cpu: []}", "policy.unit", "is a list", True),
    "time without end": ("sandbox: {wall: 25h}", "policy.range", "allowed are 86400", False),
    "no moment": ("expires: 2027-01-01", "policy.expires", "is no moment in UTC", True),
    "moment in a zone": ("expires: 2027-01-01T00:00:00+01:00", "policy.expires", "is no moment in UTC", True),
    "moment that never comes": ("expires: 2027-02-30T00:00:00Z", "policy.expires", "is no moment in UTC", False),
    "moment of a list": ("expires: []", "policy.expires", "is no moment in UTC", True),
    "no revision": ("revision: 0", "policy.range", "is 0, expected 1 to", True),
    "revision in words": ("revision: seven", "policy.type", "expected an integer", True),
    "parent that was not read": ("extends: ../base.yaml", "policy.extends", "which was not read", False),
    "loosens without a parent": ("loosens: [{field: mode, reason: x}]", "policy.extends", "which was not read", True),
    "isolation": ("sandbox: {isolation: none}", "policy.value", "expected full or available", True),
    "unsigned file outside": ("unsigned_files: [../x]", "policy.unsigned_files", "leaves the package", False),
    "unsigned manifest": ("unsigned_files: [mlsign.json]", "policy.unsigned_files", "cannot be left unsigned", False),
    "unsigned manifest in capitals": ("unsigned_files: [MLSIGN.json]", "policy.unsigned_files", "cannot be left unsigned", False),
    "unsigned signature in capitals": (
        "unsigned_files: [Signatures/x.json]",
        "policy.unsigned_files",
        "cannot be left unsigned",
        False,
    ),
    "unsigned signature": ("unsigned_files: [signatures/x.json]", "policy.unsigned_files", "cannot be left unsigned", False),
}


def changed(change: str) -> str:
    """The minimal policy with one line put in place of the one that has the same field, added, or taken out."""
    if change == "!":
        return "[]"
    field = change.lstrip("-").partition(":")[0]
    lines = [line for line in MINIMAL.splitlines() if line.partition(":")[0] != field]
    return "\n".join(lines if change.startswith("-") else [*lines, change]) + "\n"


@pytest.mark.parametrize("name", GOOD)
def test_good_policies_are_taken_by_decoder_and_schema(name: str, sets: Sets) -> None:
    text = changed(GOOD[name])
    assert isinstance(decoded(text, sets), PolicyDocument)
    assert schema_accepts(text)


@pytest.mark.parametrize("name", BAD)
def test_bad_policies_are_refused_and_the_schema_refuses_what_it_can_see(name: str, sets: Sets) -> None:
    change, code, part, seen_by_schema = BAD[name]
    text = changed(change)
    with pytest.raises(InputError) as caught:
        decoded(text, sets)
    error = caught.value
    assert error.code == code
    assert part in error.message
    assert "line " in error.message
    assert error.where.startswith("policy.yaml:")
    assert schema_accepts(text) is not seen_by_schema


def test_a_typo_is_told_with_line_field_and_nearest_name(text: str, sets: Sets) -> None:
    with pytest.raises(InputError) as caught:
        decoded(text.replace("operators:", "operatorz:"), sets)
    error = caught.value
    assert error.message == "operatorz is not a field of a policy, line 13 column 1: did you mean operators"
    assert error.where == "policy.yaml:13:1 operatorz"
    assert not error.hint
    with pytest.raises(InputError) as caught:
        decoded(text.replace("  max_nodes", "  max_node"), sets)
    assert caught.value.where == "policy.yaml:19:3 model.max_node"


def test_hostile_names_do_not_fill_the_terminal(sets: Sets) -> None:
    with pytest.raises(InputError) as caught:
        decoded(changed(f"{'x' * 1000}: 1"), sets)
    assert caught.value.code == "policy.unknown"
    assert len(str(caught.value)) < 400


def test_requirements_and_revocations_keep_what_was_written(sets: Sets) -> None:
    (group,) = decoded(changed(GOOD["pattern"]), sets).bind(Bindings(keys={})).signers
    assert group.any == (KeylessRequirement(issuer=exact("https://id.example/x"), subject=glob("*@b.example")),)
    (group,) = decoded(changed(GOOD["keyless"]), sets).bind(Bindings(keys={})).signers
    assert group.any == (KeylessRequirement(issuer=exact("https://id.example"), subject=exact("a@b.example")),)
    digest = bytes.fromhex(HEX)
    assert decoded(changed(GOOD["revoked"]), sets).unbound.revoked == (
        RevokedRelease(name="fraud", version=None, reason="x"),
        RevokedRelease(name="fraud", version=decode_version("1.0.0"), reason="x"),
        RevokedFile(digests=(Digest(algorithm=Algorithm.BLAKE3, value=digest),), reason="x"),
        RevokedFile(
            digests=(Digest(algorithm=Algorithm.SHA256, value=digest), Digest(algorithm=Algorithm.BLAKE3, value=digest)),
            reason="x",
        ),
    )


@pytest.mark.parametrize(
    ("text", "minimum", "maximum"),
    [(">=13,<=24", 13, 24), (">13,<24", 14, 23), ("==17", 17, 17), (">=1,>=5", 5, 2**31 - 1), ("<=9, <=7", 0, 7)],
)
def test_ranges(text: str, minimum: int, maximum: int, sets: Sets) -> None:
    found = decoded(changed(f'model: {{opset: {{ai.onnx: "{text}"}}}}'), sets).unbound.model.opset["ai.onnx"]
    assert (found.minimum, found.maximum) == (minimum, maximum)


def test_units(sets: Sets) -> None:
    sandbox = decoded(changed(GOOD["sandbox"]), sets).unbound.sandbox
    assert sandbox == SandboxSettings(
        memory_bytes=67108864, cpu_seconds=0.5, wall_seconds=120.0, threads=1, isolation=Isolation.FULL
    )
    assert decoded(changed("model: {max_parameter_bytes: 20GiB}"), sets).unbound.model.max_parameter_bytes == 20 * 2**30
    assert decoded(changed("model: {max_parameter_bytes: 2TiB}"), sets).unbound.model.max_parameter_bytes == 2 * 2**40
    assert decoded(changed("model: {max_parameter_bytes: 0}"), sets).unbound.model.max_parameter_bytes == 0


def test_binding_needs_every_key(text: str, sets: Sets, key: Callable[[str], KeyIdentity]) -> None:
    with pytest.raises(InputError) as caught:
        decoded(text, sets).bind(Bindings(keys={"keys/a.pub": key("a")}))
    assert (caught.value.code, caught.value.found) == ("policy.signers.key", "keys/b.pub")
    assert caught.value.where == "policy.yaml:11:14 signers[0]"


def test_binding_needs_every_root(sets: Sets) -> None:
    document = decoded(changed("signers: [{name: r, require: 1, any: [{certificate: {roots: [r.pem], subject: CN=a}}]}]"), sets)
    for anchors in ({}, {"r.pem": frozenset()}):
        with pytest.raises(InputError) as caught:
            document.bind(Bindings(keys={}, anchors=anchors))
        assert (caught.value.code, caught.value.found) == ("policy.signers.key", "r.pem")


def test_one_key_under_two_names_is_one_signer(text: str, sets: Sets, key: Callable[[str], KeyIdentity]) -> None:
    document = decoded(text.replace("require: 1", "require: 2"), sets)
    assert document.bind(Bindings(keys={"keys/a.pub": key("a"), "keys/b.pub": key("b")})).signers[0].require == 2
    with pytest.raises(InputError) as caught:
        document.bind(Bindings(keys={"keys/a.pub": key("a"), "keys/b.pub": key("a")}))
    assert caught.value.code == "policy.signers.require"


def test_the_digest_is_of_the_bytes(sets: Sets) -> None:
    assert decoded(MINIMAL + "# another word\n", sets).unbound.digest != decoded(MINIMAL, sets).unbound.digest


def test_the_schema_names_every_limit_that_a_policy_can_tighten_and_the_defaults_of_a_run() -> None:
    model = SCHEMA["properties"]["model"]["properties"]
    assert list(model["limits"]["properties"]) == list(decode_run.LIMITS)
    assert set(decode_run.LIMITS.values()) <= {field.name for field in fields(Limits)}
    described = {name: value["default"] for name, value in model["run"]["properties"].items()}
    defaults = {field.name: getattr(RunSettings(), field.name) for field in fields(RunSettings)}
    assert described == {
        name: value.value if isinstance(value, Unbounded) else "2GiB" if name == "max_bytes" else value
        for name, value in defaults.items()
    }
    assert defaults["max_bytes"] == 2**31
    assert defaults["open_dimension"] == DEFAULT.open_dimension


def test_limits_make_a_reader_more_careful_and_never_less(sets: Sets) -> None:
    model = decoded(changed("model: {limits: {nodes: 7, model_bytes: 2TiB}, run: {open_dimension: 3}}"), sets).unbound.model
    tightened = model.tightened(DEFAULT)
    assert (tightened.max_nodes, tightened.max_model_bytes, tightened.open_dimension) == (7, DEFAULT.max_model_bytes, 3)
    assert replace(tightened, max_nodes=DEFAULT.max_nodes, open_dimension=DEFAULT.open_dimension) == DEFAULT
    assert model.tightened(Limits(max_nodes=5)).max_nodes == 5
    assert decoded(MINIMAL, sets).unbound.model.tightened(DEFAULT) == DEFAULT


def test_a_limit_has_its_name_in_the_program_without_max() -> None:
    assert all(target == f"max_{name}" for name, target in decode_run.LIMITS.items())


def test_keys_of_those_who_summarize_are_read_and_bound_but_sign_nothing(sets: Sets) -> None:
    document = decoded(changed("vsa: {accept: [{key: gate.pub}, {key: k}], max_age: 12h}"), sets)
    assert document.key_references == ("release.pub", "gate.pub", "k")
    assert document.unbound.vsa is None
    keys = {path: KeyIdentity(spki=sha256(path.encode()), kind="EC P-256") for path in document.key_references}
    policy = document.bind(Bindings(keys=keys))
    assert policy.vsa is not None
    assert (policy.vsa.max_age, policy.vsa.chosen, policy.vsa.trusted) == (timedelta(hours=12), frozenset(), None)
    assert [str(requirement) for requirement in policy.vsa.accept] == ["gate.pub", "k"]
    assert not policy.names(keys["gate.pub"])
    assert not policy.names_summarizer(keys["gate.pub"])
    assert not policy.needs_trust_root
    with pytest.raises(InputError) as caught:
        document.bind(Bindings(keys={"k": keys["k"]}))
    assert caught.value.code == "policy.signers.key"


def test_a_summary_by_identity_needs_a_trust_root(sets: Sets) -> None:
    text = changed("vsa: {accept: [{keyless: {issuer: https://id.example, subject: a@b.example}}], max_age: 30m}")
    document = decoded(text, sets)
    keys = {path: KeyIdentity(spki=sha256(path.encode()), kind="EC P-256") for path in document.key_references}
    assert document.bind(Bindings(keys=keys)).needs_trust_root
    assert not decoded(MINIMAL, sets).bind(Bindings(keys=keys)).needs_trust_root


def test_the_schema_names_the_fields_of_the_decoder_and_describes_every_one() -> None:
    assert set(SCHEMA["properties"]) == set(decode.FIELDS)
    undescribed = []

    def walk(node: Any, path: str) -> None:
        for name, value in node.get("properties", {}).items():
            if "description" not in value:
                undescribed.append(f"{path}.{name}")
            walk(value, f"{path}.{name}")
        for value in (node.get("items"), *node.get("oneOf", ())):
            if isinstance(value, dict):
                walk(value, path)

    walk(SCHEMA, "")
    assert undescribed == []


def test_the_schema_takes_policies_that_extend_others_and_no_others_without_signers() -> None:
    head = "apiVersion: mlsign/v1\nkind: Policy\nname: child\n"
    for rest in ("extends: ../base.yaml", "extends: {shipped: baseline}", "extends: a\nloosens: [{field: mode, reason: x}]"):
        assert schema_accepts(f"{head}{rest}\n")
    for rest in (
        "",
        "operators: {allow: [inference-v1]}",
        "extends: {shipped: ../x}",
        "extends: [a, b]",
        "extends: {}",
        "extends: a\nloosens: []",
        "extends: a\nloosens: [{field: mode}]",
    ):
        assert not schema_accepts(f"{head}{rest}\n")


def test_the_end_and_the_number_are_decoded(sets: Sets) -> None:
    found = decoded(changed("expires: 2027-01-01T00:00:00Z") + "revision: 7\n", sets).unbound
    assert (found.expires, found.revision) == (datetime(2027, 1, 1, tzinfo=UTC), 7)
