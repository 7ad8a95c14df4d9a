"""Random parents, children and evidence: whatever a child allows that loosens nothing, its parent allows as well."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_policy_decisions import evidences, key

from mlsign.digest import Digest
from mlsign.errors import InputError
from mlsign.identity import KeyIdentity
from mlsign.interface import OperatorId
from mlsign.policy.decide import decide, judge_model
from mlsign.policy.decoding.extend_source import decode_source
from mlsign.policy.decoding.policy import PolicyDocument, decode_policy_node
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.extend import combine
from mlsign.policy.model import Hazard, Policy, Verdict

NOW = datetime(2026, 1, 2, tzinfo=UTC)
SETS: Mapping[str, frozenset[OperatorId]] = {"gemm": frozenset({OperatorId("ai.onnx", "Gemm")})}
HAZARDS: Mapping[OperatorId, frozenset[Hazard]] = {OperatorId("com.acme", "Op"): frozenset({Hazard.READS_FILES})}
KEYS = MappingProxyType({f"{letter}.pub": key(letter) for letter in "abc"})

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "manifest": ("required", "optional"),
    "mode": ("enforce", "audit"),
    "digests": ("[sha256]", "[sha256, blake3]"),
    "operators": (
        "{allow: [gemm]}",
        '{allow: [gemm, "ai.onnx:Loop", "com.acme:Op"]}',
        '{allow: [gemm, "com.acme:*"], custom_domains: allow}',
        '{allow: [gemm, "ai.onnx:Loop", "com.acme:Op", "com.acme:*"], custom_domains: allow}',
        '{allow: [gemm, "ai.onnx:Loop"], deny: ["ai.onnx:Loop"]}',
        '{deny: ["com.acme:Op"]}',
    ),
    "model": (
        "{max_nodes: 2}",
        "{max_nodes: 100}",
        "{max_nodes: 1000, max_parameter_bytes: 1B}",
        '{opset: {ai.onnx: ">=13"}}',
        '{opset: {ai.onnx: ">=9"}}',
        "{external_data: deny}",
        "{run: {max_steps: 1, unknown_sizes: allow}}",
        "{run: {max_bytes: 1, unknown_turns: allow}}",
        "{run: {open_dimension: 1}}",
        "{presence: optional}",
    ),
    "versions": ("{minimum: 1.1.0}", "{minimum: 0.1.0}", "{rollback: deny}", "{rollback: allow, minimum: 1.2.0}"),
    "revoked": ("[{name: churn, reason: r}]", "[]", "[{name: fraud, version: 1.0.0, reason: r}]"),
    "age": ("{max: 1d}", "{max: 9d, proof: bounded}"),
    "transparency": ("{log: required}", "{timestamp: either}", "{timestamp: required, log: optional}"),
    "expires": ("2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z"),
    "unsigned_files": ("[]", "[a]", "[a, b]"),
}
SIGNERS = (
    "[{name: one, require: 1, any: [{key: a.pub}, {key: b.pub}]}]",
    "[{name: two, require: 1, any: [{key: a.pub}]}]",
    "[{name: three, require: 2, any: [{key: a.pub}, {key: b.pub}, {key: c.pub}]}]",
)


@st.composite
def texts(draw: st.DrawFn, name: str, *, parent: bool) -> str:
    few = st.integers(0, 3).map(lambda number: number == 0)
    lines = ["apiVersion: mlsign/v1", "kind: Policy", f"name: {name}"]
    lines += [f"{field}: {draw(st.sampled_from(values))}" for field, values in OPTIONS.items() if draw(few)]
    if parent:
        lines += [f"signers: {draw(st.sampled_from(SIGNERS))}"]
        lines = [line for line in lines if not line.startswith("operators")]
        lines += [f"operators: {draw(st.sampled_from(OPTIONS['operators'][:-1]))}"]
    else:
        lines += ["extends: parent.yaml", *([f"signers: {draw(st.sampled_from(SIGNERS))}"] if draw(few) else [])]
    return "\n".join(lines) + "\n"


def decode(node: Node, digest: Digest) -> PolicyDocument:
    return decode_policy_node(node, digest=digest, operator_sets=SETS, hazards=HAZARDS)


def policy(*parts: str) -> Policy:
    sources = tuple(decode_source(text.encode(), name=f"{number}.yaml") for number, text in enumerate(parts))
    keys: Mapping[str, KeyIdentity] = KEYS
    return combine(sources, decode).bind(Bindings(keys=keys))


@settings(max_examples=600)
@given(texts("parent", parent=True), texts("child", parent=False), texts("last", parent=False), evidences())
def test_what_a_child_allows_its_parents_allow(parent: str, child: str, last: str, evidence) -> None:
    chain = [policy(parent)]
    for parts in ((child, parent), (last, child, parent)):
        try:
            chain.append(policy(*parts))
        except InputError:
            break
    assume(len(chain) > 1)
    for tight, wide in zip(chain[1:], chain, strict=False):
        assert not tight.lineage.loosened
        ours, theirs = decide(tight, evidence, now=NOW), decide(wide, evidence, now=NOW)
        assert ours.verdict is not Verdict.ALLOW or theirs.verdict is Verdict.ALLOW
        assert ours.enforced_verdict is not Verdict.ALLOW or theirs.enforced_verdict is Verdict.ALLOW
        model = judge_model(tight, evidence, now=NOW).verdict
        assert model is not Verdict.ALLOW or judge_model(wide, evidence, now=NOW).verdict is Verdict.ALLOW


def test_such_children_exist_and_allow_something() -> None:
    """A property over nothing would hold as well."""
    parent = "apiVersion: mlsign/v1\nkind: Policy\nname: p\nsigners: " + SIGNERS[0] + "\noperators: {allow: [gemm]}\n"
    child = "apiVersion: mlsign/v1\nkind: Policy\nname: c\nextends: p.yaml\nmodel: {max_nodes: 100}\n"
    found = []

    @settings(max_examples=300, database=None)
    @given(evidences())
    def look(evidence) -> None:
        found.append(decide(policy(child, parent), evidence, now=NOW).verdict)

    look()
    assert Verdict.ALLOW in found
    assert Verdict.DENY in found
