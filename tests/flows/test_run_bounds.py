"""What a run takes, from the bytes of a model to the decision on it: the reader under a policy, and what nothing lets in."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
import pytest
from making import linear_model, make_package, resign, write_policy
from onnx import TensorProto, helper

import mlsign
from mlsign.actions.inspection.findings import FindRequest, find, load_model_policy
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.verify import VerifyRequest, verify
from mlsign.errors import InputError
from mlsign.evidence.findings import Finding, Outcome
from mlsign.limits import Limits
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import ModelSummary, Unbounded
from mlsign.policy.model import Verdict
from mlsign.source import MemorySource

FLOATS, WHOLES, TRUTH = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
ALLOW_ALL = "model: {run: {unknown_sizes: allow, unknown_turns: allow}}\n"
SETS = "[inference-v1, ml-v1, control-flow-v1, sequence-v1]"


def value(name: str, kind: int, shape: Sequence[int | str | None] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, kind: int, shape: Sequence[int], numbers: Sequence[float]) -> onnx.TensorProto:
    return helper.make_tensor(name, kind, shape, numbers)


def model_of(
    nodes: Sequence[onnx.NodeProto], outputs: Sequence[onnx.ValueInfoProto], constants: Sequence[onnx.TensorProto] = ()
) -> bytes:
    graph = helper.make_graph(nodes, "g", [value("x", FLOATS, ["n", 4])], outputs, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = model.SerializeToString()
    return data


DECIDED_BY_DATA = (helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0), helper.make_node("Cast", ["largest"], ["shape0"], to=WHOLES),
                   helper.make_node("Unsqueeze", ["shape0", "zero"], ["shape"]))  # fmt: skip
ZERO = constant("zero", WHOLES, [1], [0])


def loop(condition: str, *extra: onnx.NodeProto, gives: onnx.ValueInfoProto | None = None) -> onnx.GraphProto:
    """A body with one state: it hands on the condition of that name, and the constant ``three``."""
    nodes = [helper.make_node("Identity", [condition], ["goes"]), helper.make_node("Identity", ["three"], ["state_out"]), *extra]
    return helper.make_graph(
        nodes,
        "body",
        [value("turn", WHOLES, []), value("go", TRUTH, []), value("state", FLOATS, None)],
        [value("goes", TRUTH, []), value("state_out", FLOATS, None), *([gives] if gives else [])],
    )


def unknown_size() -> bytes:
    return model_of(
        [*DECIDED_BY_DATA, helper.make_node("ConstantOfShape", ["shape"], ["y"])], [value("y", FLOATS, [None])], [ZERO]
    )


def unknown_turns() -> bytes:
    node = helper.make_node("Loop", ["shape0", "", "three"], ["y"], body=loop("go"))
    return model_of([*DECIDED_BY_DATA, node], [value("y", FLOATS, None)], [ZERO, constant("three", FLOATS, [3], [0, 0, 0])])


def endless(*, sizes: int = 0) -> bytes:
    many = [
        helper.make_node("ConstantOfShape", ["shape"], [f"z{i}"], value=constant("v", FLOATS, [1], [float(i)]))
        for i in range(sizes)
    ]
    node = helper.make_node("Loop", ["", "", "three"], ["y"], body=loop("go"))
    outputs = [value("y", FLOATS, None), *(value(f"z{i}", FLOATS, [None]) for i in range(sizes))]
    return model_of([*DECIDED_BY_DATA, *many, node], outputs, [ZERO, constant("three", FLOATS, [3], [0, 0, 0])])


def misuse() -> bytes:
    node = helper.make_node("Gather", ["x", "index"], ["y"], axis=1)
    return model_of([node], [value("y", FLOATS, None)], [constant("index", WHOLES, [1], [9])])


def size_behind_a_loop() -> bytes:
    """The state is of another size after the first turn, so what a first try found in the body is taken back and found again."""
    inside = (helper.make_node("ConstantOfShape", ["shape"], ["big"]), helper.make_node("Size", ["big"], ["count"]))
    body = loop("go", *inside, gives=value("count", WHOLES, []))
    node = helper.make_node("Loop", ["five", "", "start"], ["y", "counts"], body=body)
    constants = [
        ZERO,
        constant("five", WHOLES, [], [5]),
        constant("start", FLOATS, [1], [0]),
        constant("three", FLOATS, [3], [0, 0, 0]),
    ]
    return model_of([*DECIDED_BY_DATA, node], [value("y", FLOATS, None), value("counts", WHOLES, [None])], constants)


def read(data: bytes, **limits: int) -> ModelSummary:
    summary = read_model(MemorySource(data), limits=Limits(**limits))
    assert summary.problems == ()
    assert summary.bounds is not None
    return summary


def kinds(data: bytes) -> set[Unbounded]:
    bounds = read(data).bounds
    assert bounds is not None
    return {item.kind for item in bounds.unknown}


Judge = Callable[..., tuple[Verdict, list[Finding]]]


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """What a policy says of a model by itself."""

    def judged(data: bytes, *, rest: str = "", allow: str = SETS) -> tuple[Verdict, list[Finding]]:
        (tmp_path / "m.onnx").write_bytes(data)
        policy = write_policy(tmp_path / "p", {"release": (1, [b"not a key"])}, allow=allow, rest=rest)
        found = find(tmp_path / "m.onnx", FindRequest(policy=load_model_policy(policy)))
        (model,) = found.models
        return model.verdict, [f for f in model.findings if f.code[:5] in {"MLS37", "MLS38"}]

    return judged


@pytest.mark.parametrize(
    ("data", "code", "lenient"),
    [
        (unknown_size(), "MLS381", Verdict.ALLOW),
        (size_behind_a_loop(), "MLS381", Verdict.ALLOW),
        (unknown_turns(), "MLS383", Verdict.ALLOW),
        (endless(), "MLS384", Verdict.DENY),
        (endless(sizes=40), "MLS384", Verdict.DENY),
        (misuse(), "MLS378", Verdict.DENY),
    ],
)
def test_what_has_no_bound_is_denied_and_some_of_it_can_be_allowed(
    data: bytes, code: str, lenient: Verdict, judge: Judge
) -> None:
    verdict, findings = judge(data)
    assert verdict is Verdict.DENY
    assert code in {f.code for f in findings if f.outcome is not Outcome.PASS}
    verdict, findings = judge(data, rest=ALLOW_ALL)
    assert verdict is lenient
    (told, *_) = [f for f in findings if f.code == code]
    if lenient is Verdict.ALLOW:
        assert told.outcome is Outcome.PASS
        assert "the limits of the sandbox are what stops it" in told.message
    else:
        assert told.outcome is Outcome.FAIL


def test_places_of_one_kind_hide_none_of_another() -> None:
    assert kinds(endless(sizes=40)) == {Unbounded.SIZE, Unbounded.ENDLESS}
    assert kinds(endless()) == {Unbounded.ENDLESS}
    assert kinds(size_behind_a_loop()) == {Unbounded.SIZE}


def test_sizes_that_are_allowed_say_nothing_of_turns(judge: Judge) -> None:
    assert judge(unknown_size(), rest="model: {run: {unknown_sizes: allow}}\n")[0] is Verdict.ALLOW
    assert judge(unknown_turns(), rest="model: {run: {unknown_sizes: allow}}\n")[0] is Verdict.DENY
    assert judge(unknown_turns(), rest="model: {run: {unknown_turns: allow}}\n")[0] is Verdict.ALLOW
    assert judge(unknown_size(), rest="model: {run: {unknown_turns: allow}}\n")[0] is Verdict.DENY


def test_what_is_given_up_as_too_entangled_needs_both(judge: Judge) -> None:
    data = linear_model().SerializeToString()
    for run, verdict in (("", Verdict.DENY), ("unknown_sizes: allow", Verdict.DENY), ("unknown_turns: allow", Verdict.DENY)):
        assert judge(chain(40), rest=f"model: {{limits: {{evaluations: 1}}, run: {{{run}}}}}\n")[0] is verdict
    both = "model: {limits: {evaluations: 1}, run: {unknown_sizes: allow, unknown_turns: allow}}\n"
    verdict, findings = judge(chain(40), rest=both)
    assert verdict is Verdict.ALLOW
    assert "too entangled" in next(f for f in findings if f.code == "MLS381").message
    assert judge(data, rest="model: {limits: {evaluations: 10}}\n")[0] is Verdict.ALLOW


def chain(length: int) -> bytes:
    """Concat after Concat, each of another size."""
    names = ["x", *(f"v{i}" for i in range(length))]
    nodes = [helper.make_node("Concat", [names[i], "x"], [names[i + 1]], axis=0) for i in range(length)]
    return model_of(nodes, [value(names[-1], FLOATS, [None, 4])])


def test_the_open_dimension_of_the_policy_is_what_the_reader_uses(tmp_path: Path, keys) -> None:
    package = make_package(tmp_path, signers=keys.both)
    seen = {}
    for size in (1, 8, 1000):
        rest = f"model: {{run: {{open_dimension: {size}}}}}\n"
        policy = write_policy(tmp_path / str(size), {"release": (1, [keys.release.public])}, rest=rest)
        gate = mlsign.Gate.load(policy)
        report = gate.verify(package)
        assert report.decision.verdict is Verdict.ALLOW
        assert report.evidence.summary is not None
        assert report.evidence.summary.bounds is not None
        assert report.evidence.summary.bounds.open_dimension == size
        seen[size] = report.evidence.summary.bounds.peak_bytes
        told = next(f for f in report.decision.findings if f.code == "MLS380")
        assert told.message.endswith(f"with open dimensions of {size}")
    assert seen == {size: size * 3 * 4 for size in (1, 8, 1000)}


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("run: {max_bytes: 95}", "MLS380"),
        ("run: {max_bytes: 96, open_dimension: 9}", "MLS380"),
        ("run: {max_operations: 95}", "MLS382"),
        ("limits: {name_bytes: 2}", "MLS326"),
        ("limits: {tensors: 1}", "MLS326"),
        ("limits: {skeleton_bytes: 64}", "MLS326"),
        ("limits: {model_bytes: 64}", "MLS326"),
    ],
)
def test_a_package_beyond_what_its_policy_allows_is_denied(model: str, code: str, tmp_path: Path, keys) -> None:
    package = make_package(tmp_path, signers=keys.both)

    def gate(rest: str) -> mlsign.Gate:
        return mlsign.Gate.load(write_policy(tmp_path / "p", {"release": (1, [keys.release.public])}, rest=rest))

    assert gate("").verify(package).decision.verdict is Verdict.ALLOW
    denied = gate(f"model: {{{model}}}\n")
    report = denied.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert code in {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}
    with pytest.raises(mlsign.Denied):
        denied.admit(package)


def test_more_nodes_than_the_policy_lets_a_reader_see_are_denied(tmp_path: Path, keys) -> None:
    package = make_package(tmp_path, signers=keys.both)
    (package / "model.onnx").write_bytes(chain(40))
    manifest = json.loads((package / "mlsign.json").read_text())
    assert manifest["model"]
    resign(package, keys.both)
    for limit, beyond in ((39, True), (40, False)):
        policy = write_policy(
            tmp_path / str(limit), {"release": (1, [keys.release.public])}, rest=f"model: {{limits: {{nodes: {limit}}}}}\n"
        )
        found = {f.code for f in mlsign.Gate.load(policy).verify(package).decision.findings if f.outcome is not Outcome.PASS}
        assert ("MLS326" in found) is beyond
        assert ("MLS110" in found) is not beyond  # the manifest tells of another model, which only a reader can say


def test_a_policy_gives_a_reader_no_more_than_the_caller_does(tmp_path: Path, keys) -> None:
    package = make_package(tmp_path, signers=keys.both)
    rest = "model: {limits: {tensors: 9007199254740991, nodes: 9007199254740991}}\n"
    policy = load_policy(write_policy(tmp_path / "p", {"release": (1, [keys.release.public])}, rest=rest))
    assert verify(package, VerifyRequest(policy=policy)).decision.verdict is Verdict.ALLOW
    assert verify(package, VerifyRequest(policy=policy, limits=Limits(max_tensors=1))).decision.verdict is Verdict.DENY


def test_a_scan_reads_with_the_limits_of_its_policy(judge: Judge) -> None:
    assert judge(chain(40))[0] is Verdict.ALLOW
    assert judge(chain(40), rest="model: {limits: {nodes: 39}}\n")[0] is Verdict.DENY
    with pytest.raises(InputError) as caught:
        read_model(MemorySource(chain(40)), limits=Limits(max_nodes=39))
    assert caught.value.code == "onnx.limit.nodes"


def custom(domain: str, name: str) -> bytes:
    graph = helper.make_graph(
        [helper.make_node(name, ["x"], ["y"], domain=domain)], "g", [value("x", FLOATS, [1])], [value("y", FLOATS, [1])]
    )
    imports = [helper.make_opsetid("", 17), helper.make_opsetid(domain, 1)]
    data: bytes = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    return data


@pytest.mark.parametrize(
    ("domain", "name", "codes"),
    [
        ("com.microsoft", "EPContext", {"MLS385", "MLS386"}),
        ("ai.onnx.contrib", "PyOp", {"MLS386"}),
        ("ai.onnx.contrib", "OfALaterVersion", {"MLS386"}),
        ("com.microsoft.extensions", "AzureTextToText", {"MLS387"}),
        ("com.microsoft", "Gelu", set()),
    ],
)
def test_a_domain_that_is_allowed_does_not_bring_along_what_does_more_than_compute(
    domain: str, name: str, codes: set[str], judge: Judge
) -> None:
    data = custom(domain, name)
    whole = f"[inference-v1, '{domain}:*']\n  custom_domains: allow"
    verdict, findings = judge(data, allow=whole, rest=ALLOW_ALL)
    assert {f.code for f in findings if f.outcome is Outcome.FAIL} == codes
    assert verdict is (Verdict.DENY if codes else Verdict.ALLOW)
    verdict, findings = judge(data, allow=f"[inference-v1, '{domain}:{name}']", rest=ALLOW_ALL)
    assert verdict is Verdict.ALLOW
    assert {f.code for f in findings if f.code >= "MLS385"} == codes
