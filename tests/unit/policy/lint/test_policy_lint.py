"""Every remark on a policy that there is: what brings it about, where it stands, and that a sound policy has none."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.policy.decoding.policy import decode_policy_node
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.decoding.yaml_source import Scalar, decode_yaml
from mlsign.policy.lint.checks import lint
from mlsign.policy.lint.errors import MAX_ERRORS, find_errors, remark_of
from mlsign.policy.lint.remark import Draft, Severity, spelled_path

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SETS = {
    "inference-v1": frozenset({OperatorId("ai.onnx", "Gemm"), OperatorId("ai.onnx", "Relu")}),
    "control-flow-v1": frozenset({OperatorId("ai.onnx", "Loop")}),
}
KEYS = {
    "a.pub": KeyIdentity(spki=sha256(b"a"), kind="EC P-256"),
    "a-again.pub": KeyIdentity(spki=sha256(b"a"), kind="EC P-256"),
    "b.pub": KeyIdentity(spki=sha256(b"b"), kind="EC P-256"),
    "pq.pub": KeyIdentity(spki=sha256(b"pq"), kind="ML-DSA-65"),
}
ROOTS = {"ca.pem": frozenset({sha256(b"ca")})}
ONE = "[{name: release, require: 1, any: [{key: a.pub}]}]"


def text_of(signers: str = ONE, operators: str = "{allow: [inference-v1]}", rest: str = "versions: {rollback: deny}") -> str:
    return f"apiVersion: mlsign/v1\nkind: Policy\nname: tests\nsigners: {signers}\noperators: {operators}\n{rest}\n"


def decoded(node):
    return decode_policy_node(node, digest=sha256(b""), operator_sets=SETS, hazards={})


def remarks_on(text: str):
    node = decode_yaml(text.encode(), source="p.yaml")
    policy = decoded(node).bind(Bindings(keys=KEYS, anchors=ROOTS))
    return lint(Draft(node=node, policy=policy, operator_sets=SETS, now=NOW))


def codes(text: str) -> list[str]:
    return [remark.code for remark in remarks_on(text)]


def keyless(subject: str, *, issuer: str = "https://token.actions.githubusercontent.com", claims: str = "") -> str:
    more = f", claims: {claims}" if claims else ""
    return f"{{keyless: {{issuer: {issuer}, subject: {subject}{more}}}}}"


def group(*members: str, require: int = 1) -> str:
    return f"[{{name: release, require: {require}, any: [{', '.join(members)}]}}]"


EXACT = "'https://github.com/acme/fraud/.github/workflows/release.yml@refs/heads/main'"
OTHER_REF = "'https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/v1'"
REPO = "'https://github.com/acme/fraud'"

SOUND = [
    text_of(),
    text_of(group(keyless(EXACT))),
    text_of(group(keyless("{pattern: 'https://github.com/acme/fraud/.github/workflows/release.yml@refs/tags/v*'}"))),
    text_of(
        group(keyless(r"{regex: 'https://github\.com/acme/fraud/\.github/workflows/(release|nightly)\.yml@refs/tags/v[0-9.]+'}"))
    ),
    text_of(
        group(keyless("{pattern: 'https://github.com/acme/*/release.yml@refs/tags/v*'}", claims=f"{{source_repository: {REPO}}}"))
    ),
    text_of(group(keyless("{pattern: 'https://github.com/acme/fraud/**'}", claims="{source_ref: refs/heads/main}"))),
    text_of(group(keyless("'ci@acme.example'"))),
    text_of(group(keyless("{pattern: '*@acme.example'}"))),
    text_of(group(keyless(r"{regex: '(ann|bob)@acme\.example'}"))),
    text_of(group(r"{certificate: {roots: [ca.pem], name: 'email:release@acme.example'}}")),
    text_of(rest="versions: {rollback: deny}\nmodel: {run: {unknown_turns: allow}}\nsandbox: {isolation: full}"),
    text_of(rest="age: {max: 30d}\nmodel: {max_nodes: 10, limits: {nodes: 20}, opset: {ai.onnx: '>=13'}}"),
    text_of(rest="versions: {minimum: 1.0.0, rollback: deny}\nrevoked: [{name: fraud, version: 1.1.0, reason: bad}]"),
    text_of(rest="versions: {rollback: deny}\nmanifest: required\nmodel: {presence: required}"),
    text_of(operators="{allow: [inference-v1, 'com.acme:*'], custom_domains: allow, deny: ['com.acme:Bad']}"),
    text_of(operators="{allow: [inference-v1, control-flow-v1], deny: ['ai.onnx:Gemm']}"),
    text_of(group(keyless(EXACT)), rest="age: {max: 30d, proof: bounded}\ntrust: {stale: deny}"),
    text_of(group("{key: a.pub}", "{key: b.pub}", require=2)),
]


@pytest.mark.parametrize("text", SOUND, ids=range(len(SOUND)))
def test_a_sound_policy_has_no_remarks(text: str) -> None:
    assert remarks_on(text) == ()


REGEX = r"{regex: '%s'}"
CASES = {
    "open at the end": ("pattern.open", text_of(group(keyless(REGEX % r"https://github\.com/acme/fraud/.*")))),
    "open at the start": ("pattern.open", text_of(group(keyless(REGEX % r".*/acme/fraud/release\.yml")))),
    "open with plus": ("pattern.open", text_of(group(keyless(REGEX % r"^https://github\.com/acme/fraud/.+$")))),
    "empty branch": ("pattern.empty-branch", text_of(group(keyless(REGEX % r"(ann||bob)@acme\.example")))),
    "empty first branch": ("pattern.empty-branch", text_of(group(keyless(REGEX % r"ann(|-test)@acme\.example")))),
    "empty last branch": ("pattern.empty-branch", text_of(group(keyless(REGEX % r"ann(-test|)@acme\.example")))),
    "empty unnamed branch": ("pattern.empty-branch", text_of(group(keyless(REGEX % r"ann(?:|-test)@acme\.example")))),
    "dot in a mail domain": ("pattern.dot", text_of(group(keyless(REGEX % r"ann@acme.example")))),
    "dot in a host": ("pattern.dot", text_of(group(keyless(REGEX % r"https://github.com/acme/fraud/release\.yml@v1")))),
    "dot in the issuer": ("pattern.dot", text_of(group(keyless(EXACT, issuer=REGEX % r"https://issuer.acme\.example/a")))),
    "dot in a claim": (
        "pattern.dot",
        text_of(group(keyless(EXACT, claims="{source_repository: %s}" % (REGEX % r"https://github.com/acme/fraud")))),
    ),
    "host by class": ("pattern.host", text_of(group(keyless(REGEX % r"https://[a-z]+\.acme\.example/acme/fraud/x")))),
    "host by a star of a certificate": (
        "pattern.host",
        text_of(group("{certificate: {roots: [ca.pem], name: {pattern: 'dns:*.acme.example'}}}")),
    ),
    "certificate expression": (
        "pattern.open",
        text_of(group(r"{certificate: {roots: [ca.pem], subject: {regex: 'CN=acme.*'}, issuer: 'CN=ca'}}")),
    ),
    "any owner": ("subject.any-owner", text_of(group(keyless(REGEX % r"https://github\.com/[a-z]*acme/fraud/x")))),
    "any repository": (
        "subject.any-repository",
        text_of(group(keyless("{pattern: 'https://github.com/acme/*/x.yml@refs/tags/*'}"))),
    ),
    "any repository by expression": (
        "subject.any-repository",
        text_of(group(keyless(REGEX % r"https://github\.com/acme/[a-z]+/release\.yml@refs/tags/v1"))),
    ),
    "any ref": ("subject.any-ref", text_of(group(keyless("{pattern: 'https://github.com/acme/fraud/release.yml@**'}")))),
    "one key twice": ("signers.twice", text_of(group("{key: a.pub}", "{key: a-again.pub}"))),
    "one workflow twice": ("signers.twice", text_of(group(keyless(EXACT), keyless(OTHER_REF)))),
    "too few people": ("signers.never", text_of(group(keyless(EXACT), keyless(OTHER_REF), require=2))),
    "bounded age of keys": ("signers.never", text_of(rest="age: {max: 1d, proof: bounded}")),
    "log entries of keys": ("signers.log", text_of(rest="transparency: {log: required}")),
    "key and name": ("signers.one-person", text_of(group("{key: a.pub}", keyless("'ann@acme.example'"), require=2))),
    "pattern of people": ("signers.one-person", text_of(group(keyless("{pattern: '*@acme.example'}"), require=2))),
    "experimental key": ("key.experimental", text_of(group("{key: pq.pub}"))),
    "two groups": (
        "signers.two-groups",
        text_of("[{name: a, require: 1, any: [{key: a.pub}]}, {name: b, require: 1, any: [{key: a-again.pub}]}]"),
    ),
    "idle deny": ("operators.deny-idle", text_of(operators="{allow: [inference-v1], deny: ['ai.onnx:Loop']}")),
    "idle set": ("operators.deny-idle", text_of(operators="{allow: [inference-v1], deny: [control-flow-v1]}")),
    "idle domain": ("operators.deny-idle", text_of(operators="{allow: [inference-v1], deny: ['com.acme:*']}")),
    "idle allow": (
        "operators.allow-idle",
        text_of(operators="{allow: [inference-v1, 'ai.onnx:Loop'], deny: ['ai.onnx:Loop']}"),
    ),
    "idle allowed domain": (
        "operators.allow-idle",
        text_of(operators="{allow: [inference-v1, 'com.acme:*'], custom_domains: allow, deny: ['com.acme:*']}"),
    ),
    "idle opset": ("opset.idle", text_of(rest="versions: {rollback: deny}\nmodel: {opset: {ai.onnx.ml: '>=1'}}")),
    "idle nodes": ("model.nodes-idle", text_of(rest="age: {max: 9d}\nmodel: {max_nodes: 10, limits: {nodes: 5}}")),
    "parameters beyond": ("model.beyond-sandbox", text_of(rest="age: {max: 9d}\nmodel: {max_parameter_bytes: 3GiB}")),
    "run beyond": ("model.beyond-sandbox", text_of(rest="age: {max: 9d}\nmodel: {run: {max_bytes: 3GiB}}")),
    "idle presence": ("model.presence-idle", text_of(rest="age: {max: 9d}\nmodel: {presence: optional}")),
    "unbounded sizes": ("run.unbounded", text_of(rest="age: {max: 9d}\nmodel: {run: {unknown_sizes: allow}}")),
    "unbounded, long": (
        "run.unbounded",
        text_of(rest="age: {max: 9d}\nmodel: {run: {unknown_turns: allow}}\nsandbox: {isolation: full, wall: 2m}"),
    ),
    "idle processor time": ("sandbox.cpu-idle", text_of(rest="age: {max: 9d}\nsandbox: {cpu: 61s, wall: 30s, threads: 2}")),
    "revoked twice": (
        "revoked.twice",
        text_of(rest="age: {max: 9d}\nrevoked: [{name: a, reason: x}, {name: a, reason: x}]"),
    ),
    "revoked below": (
        "revoked.idle",
        text_of(rest="age: {max: 9d}\nversions: {minimum: 2.0.0}\nrevoked: [{name: a, version: 1.0.0, reason: x}]"),
    ),
    "idle manifest": ("manifest.idle", text_of(rest="manifest: optional\nversions: {minimum: 2.0.0, rollback: deny}")),
    "replay": ("release.replay", text_of(rest="")),
    "idle trust": ("trust.idle", text_of(rest="versions: {rollback: deny}\ntrust: {stale: deny}")),
    "audit": ("mode.audit", text_of(rest="versions: {rollback: deny}\nmode: audit")),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_likely_not_meant_is_remarked_on(name: str) -> None:
    code, text = CASES[name]
    assert code in codes(text)


def test_a_remark_stands_where_the_text_does() -> None:
    text = text_of(rest="versions: {rollback: deny}\nmodel:\n  run:\n    unknown_sizes: allow")
    (remark,) = remarks_on(text)
    assert (remark.place.line, remark.place.column, remark.path) == (9, 20, "model.run.unknown_sizes")
    assert remark.severity is Severity.WARNING
    (audit,) = remarks_on(text_of(rest="versions: {rollback: deny}\nmode: audit"))
    assert (audit.place.line, audit.path) == (7, "mode")
    assert spelled_path(("signers", 0, "any", 1)) == "signers[0].any[1]"


def test_what_is_nowhere_written_stands_at_the_nearest_place_above() -> None:
    node = decode_yaml(text_of().encode(), source="p.yaml")
    draft = Draft(node=node, policy=decoded(node).bind(Bindings(keys=KEYS)), operator_sets=SETS, now=NOW)
    assert draft.at("signers", 7).place.line == 4
    assert draft.at("signers", 0, "name", "more") == draft.at("signers", 0, "name")
    assert draft.at("name", 0) == draft.at("name")
    assert not draft.has("signers", 0, "nothing")
    assert draft.items("name") == ()


def errors_of(text: str):
    return find_errors(decode_yaml(text.encode(), source="p.yaml"), source="p.yaml", decode=decoded)


def test_a_sound_policy_has_no_errors() -> None:
    assert errors_of(text_of()) == ()


def test_independent_errors_are_told_at_once_with_their_lines() -> None:
    text = text_of(
        signers="[{name: a, require: 2, any: [{key: a.pub}]}]",
        operators="{allow: [inferense-v1]}",
        rest="versions: {minimum: one}\nmodell: {}\nmode: audits",
    ).replace("name: tests", "name: 7")
    found = errors_of(text)
    assert {remark.path.partition("[")[0].partition(".")[0] for remark in found} == {
        "name",
        "signers",
        "operators",
        "versions",
        "modell",
        "mode",
    }
    assert {remark.place.line for remark in found} == {3, 4, 5, 6, 7, 8}
    assert all(remark.severity is Severity.ERROR for remark in found)
    by_path = {remark.path: remark for remark in found}
    assert "did you mean inference-v1" in by_path["operators.allow[0]"].message
    assert "did you mean model" in by_path["modell"].message
    assert "line" not in by_path["mode"].message


def test_what_is_missing_does_not_hide_the_rest() -> None:
    assert {remark.path for remark in errors_of("mode: audits\n")} == {
        "apiVersion",
        "kind",
        "name",
        "signers",
        "operators",
        "mode",
    }


def test_what_follows_from_an_error_is_no_error_of_its_own() -> None:
    blake2b = "blake2b:" + "0" * 128
    text = text_of(rest=f"digests: [blake2b, md5]\nrevoked: [{{file: '{blake2b}', reason: x}}]")
    assert [remark.path for remark in errors_of(text)] == ["digests[1]"]


def test_a_policy_that_is_no_map_has_one_error() -> None:
    (remark,) = errors_of("- a\n")
    assert remark.code == "policy.type"


def test_errors_without_a_place_stand_at_the_start_and_end_the_search() -> None:
    def refuse(_):
        raise InputError("is bad", code="policy.bad", where="elsewhere")

    node = decode_yaml(text_of().encode(), source="p.yaml")
    (remark,) = find_errors(node, source="p.yaml", decode=refuse)
    assert (remark.place.line, remark.place.column, remark.path) == (1, 1, "")


def test_a_decoder_that_refuses_one_field_for_ever_is_asked_no_more_than_it_can_answer() -> None:
    calls = []

    def refuse(node):
        calls.append(node)
        raise InputError("is bad", code="policy.bad", where=f"p.yaml:1:1 field{len(calls)}")

    node = decode_yaml(b"a: 1\n", source="p.yaml")
    assert len(find_errors(node, source="p.yaml", decode=refuse)) == 1  # nothing could be set aside
    grown = replace(
        node,
        entries=tuple(
            (Scalar(text=f"field{i}", plain=True, place=node.place), value) for i in range(1, 90) for _, value in node.entries
        ),
    )
    calls.clear()
    assert len(find_errors(grown, source="p.yaml", decode=refuse)) == MAX_ERRORS


def test_the_names_of_fields_are_told_where_none_is_near() -> None:
    error = InputError("is no field", code="policy.unknown", where="p.yaml:2:1 x", expected="a, b")
    assert remark_of(error, source="p.yaml").hint == "the fields are a, b"


def test_an_error_of_a_parent_stands_in_the_file_of_the_parent() -> None:
    remark = remark_of(InputError("is bad", code="policy.bad", where="../lib/base.yaml:7:3 model.max_nodes"), source="p.yaml")
    assert (str(remark.place), remark.path) == ("../lib/base.yaml:7:3", "model.max_nodes")


def test_what_is_said_of_a_stand_in_is_a_consequence_and_the_search_ends() -> None:
    calls = []

    def refuse(node):
        calls.append(node)
        field = ("operators", "signers")[len(calls) % 2]
        raise InputError("is looser", code="policy.extends.looser", where=f"{'p.yaml' if len(calls) == 1 else ''}:1:1 {field}")

    node = decode_yaml(text_of().encode(), source="p.yaml")
    (remark,) = find_errors(node, source="p.yaml", decode=refuse)
    assert remark.path == "signers"
    assert len(calls) <= MAX_ERRORS


def test_a_word_on_loosening_is_no_error_of_its_own_once_a_field_was_set_aside() -> None:
    def refuse(node, *, first):
        if first in {key.text for key, _ in node.entries}:
            raise InputError("is bad", code="policy.bad", where=f"p.yaml:1:1 {first}")
        raise InputError("is no looser", code="policy.loosens", where="p.yaml:2:1 loosens[0].field")

    node = decode_yaml(b"mode: x\n", source="p.yaml")
    assert [r.code for r in find_errors(node, source="p.yaml", decode=partial(refuse, first="mode"))] == ["policy.bad"]
    assert [r.code for r in find_errors(node, source="p.yaml", decode=partial(refuse, first="else"))] == ["policy.loosens"]
