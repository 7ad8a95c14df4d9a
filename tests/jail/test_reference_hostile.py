"""Models that aim at what is particular to the reference evaluator: Python, files that it opens by itself, loops without end."""

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import ModelProto, TensorProto, helper
from test_jail_limits import code_of, spin

from mlsign.errors import JailError
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailSpec

REFERENCE = RuntimeName.REFERENCE
PASSWORDS = "/etc/passwd"


def refused(memory, proto, **options) -> JailError:
    with pytest.raises(JailError) as caught:
        Jail.start(memory.model(proto), spec=JailSpec(runtime=REFERENCE), **options).close()
    return caught.value


def outside(name: str, location: str = PASSWORDS) -> TensorProto:
    """A tensor that says its elements are in a file."""
    proto = TensorProto(name=name, data_type=TensorProto.UINT8, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "4")):
        proto.external_data.add(key=key, value=value)
    return proto


BYTES = [tensor("y", TensorProto.UINT8, [4])]


def in_a_constant(value) -> ModelProto:
    return graph_model([helper.make_node("Constant", [], ["y"], value=value)], [], BYTES)


def in_a_subgraph(value) -> ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["w"], ["out"])], "b", [], [tensor("out", TensorProto.UINT8, [4])], [value]
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    return graph_model([node], [tensor("c", TensorProto.BOOL, [])], BYTES)


def in_a_function(value) -> ModelProto:
    constant = helper.make_node("Constant", [], ["b"], value=value)
    function = helper.make_function("own", "Read", [], ["b"], [constant], [helper.make_opsetid("", 17)])
    model = graph_model([helper.make_node("Read", [], ["y"], domain="own")], [], BYTES)
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


def in_an_initializer(value) -> ModelProto:
    return graph_model([helper.make_node("Identity", ["w"], ["y"])], [], BYTES, initializers=[value])


def in_a_sparse_one(value) -> ModelProto:
    model = graph_model([helper.make_node("Identity", ["w"], ["y"])], [], BYTES)
    indices = helper.make_tensor("i", TensorProto.INT64, [4], [0, 1, 2, 3])
    sparse = model.graph.sparse_initializer.add(indices=indices, dims=[4])
    sparse.values.CopyFrom(value)
    return model


@pytest.mark.parametrize("make", [in_a_constant, in_a_subgraph, in_a_function, in_an_initializer, in_a_sparse_one])
@pytest.mark.parametrize("location", [PASSWORDS, "../../../../etc/passwd", "passwd", ""])
def test_no_file_is_read_for_a_tensor_whatever_its_place(memory, make, location):
    model = memory.model(make(outside("w", location)))
    unverified = type(model)(model=model.model, weights=(), external=(), inputs=model.inputs, outputs=model.outputs)
    for allowed in (False, True):
        with pytest.raises(JailError) as caught:
            Jail.start(unverified, spec=JailSpec(runtime=REFERENCE), allow_unsandboxed=allowed)
        assert caught.value.code == "sandbox.external"


@pytest.mark.parametrize("make", [in_a_constant, in_a_subgraph, in_a_function, in_a_sparse_one])
def test_none_is_read_without_walls_either(memory, make, monkeypatch):
    monkeypatch.setattr("mlsign.sandbox.jail.can_confine", lambda: False)
    assert refused(memory, make(outside("w")), allow_unsandboxed=True).code == "sandbox.external"


def test_verified_weights_are_not_lent_to_a_namesake_elsewhere(start):
    """Both walks see the same names, places and sizes: only their number differs."""
    value = outside("w", "w.bin")
    branch = in_a_subgraph(value).graph.node[0]
    model = graph_model(
        [branch, helper.make_node("Identity", ["w"], ["z"])],
        [tensor("c", TensorProto.BOOL, [])],
        [*BYTES, tensor("z", TensorProto.UINT8, [4])],
        initializers=[value],
    )
    with pytest.raises(JailError) as caught:
        start(model, weights={"w.bin": b"abcd"}, runtime=REFERENCE)
    assert caught.value.code == "sandbox.external"
    honest = in_an_initializer(value)
    assert start(honest, weights={"w.bin": b"abcd"}, runtime=REFERENCE).run({})["y"].tobytes() == b"abcd"


@pytest.mark.parametrize(("location", "content"), [("w.bin", b"abc"), ("other.bin", b"abcd")], ids=["too short", "not there"])
def test_weights_that_are_not_what_was_verified_are_refused(start, location, content):
    with pytest.raises(JailError) as caught:
        start(in_an_initializer(outside("w", "w.bin")), weights={location: content}, runtime=REFERENCE)
    assert caught.value.code == "sandbox.external"


@pytest.mark.parametrize("domain", ["evil", "ai.onnx.ml", "os", "builtins", "com.microsoft"])
def test_operators_that_nobody_knows_are_refused(memory, domain):
    model = graph_model(
        [helper.make_node("system", ["x"], ["y"], domain=domain, command="id")], [tensor("x")], [tensor("y")], ml=True
    )
    if domain != "ai.onnx.ml":
        model.opset_import.append(helper.make_opsetid(domain, 1))
    assert refused(memory, model).code == "sandbox.model.load"


def branch_of(name: str):
    return helper.make_graph([helper.make_node("Identity", ["x"], [name])], "g", [], [tensor(name)])


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "_run",
        "_run_impl",
        "impl",
        "__class__",
        "__dict__",
        "onnx_node",
        "run_params",
        "has_subgraph",
        "impl_",
        "op_schema_",
        "_",
    ],
)
@pytest.mark.parametrize("kind", ["text", "graph"])
def test_an_attribute_does_not_take_the_place_of_what_makes_up_the_evaluator(memory, name, kind):
    """The evaluator makes every attribute of a node one of a Python object."""
    node = helper.make_node("Add", ["x", "x"], ["y"])
    node.attribute.append(helper.make_attribute(name, "id" if kind == "text" else branch_of("z")))
    assert refused(memory, graph_model([node], [tensor("x")], [tensor("y")])).code == "sandbox.model.load"


def test_a_loop_without_end_meets_the_deadline_and_the_cpu_budget(start, spinner):
    jail = start(spinner, runtime=REFERENCE, wall_seconds=3.0)
    assert spin(jail, 3)["y"].shape == (64,)
    assert code_of(lambda: spin(jail)) == "sandbox.deadline"
    jail = start(spinner, runtime=REFERENCE, cpu_seconds=0.3, wall_seconds=120)
    assert code_of(lambda: spin(jail)) == "sandbox.cpu"


def test_a_pattern_that_is_tried_for_ever_meets_the_deadline(start):
    """Patterns are matched by Python, which goes back and forth; onnxruntime does not."""
    node = helper.make_node("RegexFullMatch", ["s"], ["y"], pattern="(a|aa)+b")
    model = graph_model([node], [tensor("s", TensorProto.STRING, ["n"])], [tensor("y", TensorProto.BOOL, ["n"])], opset=20)
    jail = start(model, runtime=REFERENCE, wall_seconds=3.0)
    assert jail.run({"s": np.array(["aab"], dtype=object)})["y"].tolist() == [True]
    assert code_of(lambda: jail.run({"s": np.array(["a" * 200], dtype=object)})) == "sandbox.deadline"


def test_more_memory_than_allowed_is_an_error_and_the_worker_serves_on(start, filler):
    jail = start(filler, runtime=REFERENCE, memory_bytes=256 << 20)
    assert jail.run({"shape": np.array([1 << 20])})["y"] == 0
    assert code_of(lambda: jail.run({"shape": np.array([1 << 28])})) == "sandbox.memory"
    assert code_of(lambda: jail.run({"shape": np.array([1 << 44])})) in ("sandbox.memory", "sandbox.model.run")
    assert jail.run({"shape": np.array([1 << 20])})["y"] == 0


def test_a_model_that_is_too_large_to_be_parsed_is_out_of_memory(memory):
    """In protobuf's own words, which know no such error."""
    weights = helper.make_tensor("w", TensorProto.UINT8, [40 << 20], bytes(40 << 20), raw=True)
    node = helper.make_node("Shape", ["w"], ["y"])
    model = memory.model(graph_model([node], [], [tensor("y", TensorProto.INT64, [1])], initializers=[weights]))
    for mib in (8, 48, 64):
        with pytest.raises(JailError) as caught:
            Jail.start(model, spec=JailSpec(runtime=REFERENCE, memory_bytes=mib << 20))
        assert caught.value.code == "sandbox.memory"


def test_a_tensor_that_grows_without_end_is_bounded_by_memory(start):
    """It doubles in every turn of a loop."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Concat", ["v", "v"], ["v2"], axis=0)],
        "body",
        [tensor("i", TensorProto.INT64, []), tensor("c", TensorProto.BOOL, []), tensor("v", shape=["n"])],
        [tensor("c2", TensorProto.BOOL, []), tensor("v2", shape=["m"])],
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [1])
    node = helper.make_node("Loop", ["turns", "true", "x"], ["y"], body=body)
    model = graph_model(
        [node],
        [tensor("turns", TensorProto.INT64, []), tensor("x", shape=["n"])],
        [tensor("y", shape=["m"])],
        initializers=[true],
    )
    jail = start(model, runtime=REFERENCE, memory_bytes=128 << 20)
    feeds = {"x": np.ones(2, np.float32)}
    assert jail.run(feeds | {"turns": np.array(3)})["y"].shape == (16,)
    assert code_of(lambda: jail.run(feeds | {"turns": np.array(60)})) in ("sandbox.memory", "sandbox.output.size")


def nested(depth: int) -> ModelProto:
    branch = branch_of("z")
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch_of("z"))
        branch = helper.make_graph([node], "g", [], [tensor("z")])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch_of("z"))
    return graph_model([node], [tensor("x"), tensor("c", TensorProto.BOOL, [])], [tensor("y")])


def test_graphs_in_graphs_end_in_an_error(start, memory):
    assert np.array_equal(start(nested(5), runtime=REFERENCE).run({"x": X, "c": np.array(True)})["y"], X)
    deep = nested(20)  # deeper than messages may lie in one another
    data = deep.SerializeToString()
    try:
        found = Jail.start(memory.model(data), spec=JailSpec(runtime=REFERENCE))
    except JailError as err:
        assert err.code == "sandbox.model.load"
    else:
        found.close()


@pytest.mark.parametrize("data", [b"\xff" * 64, b"\x80", b"cos\nsystem\n(S'id'\ntR.", b"PK\x03\x04" + bytes(60)], ids=repr)
def test_what_is_no_model_is_refused(memory, doubler, data):
    """Bytes that no model has, a pickle, an archive."""
    known = memory.model(doubler)
    model = type(known)(model=memory.seal(data), weights=(), external=(), inputs=known.inputs, outputs=known.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(model, spec=JailSpec(runtime=REFERENCE))
    assert caught.value.code in ("sandbox.model.load", "sandbox.external", "sandbox.interface")


@pytest.mark.parametrize("side", ["input", "output"])
def test_names_that_are_no_text_are_refused_in_words(memory, doubler, side):
    """Protobuf takes any bytes for a name."""
    known = memory.model(doubler)
    getattr(doubler.graph, side)[0].name = "????"
    data = doubler.SerializeToString().replace(b"????", b"\xff\xfe\xfd\xfc")
    model = type(known)(model=memory.seal(data), weights=(), external=(), inputs=known.inputs, outputs=known.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(model, spec=JailSpec(runtime=REFERENCE))
    assert (caught.value.code, "not UTF-8" in caught.value.message) == ("sandbox.model.load", True)


@pytest.mark.parametrize("change", ["type", "name"])
def test_an_interface_that_says_nothing_is_another_one(memory, doubler, change):
    known = memory.model(doubler)
    if change == "type":
        doubler.graph.output[0].type.Clear()
    else:
        doubler.graph.output[0].name = doubler.graph.node[0].output[0] = ""
    data = doubler.SerializeToString()
    model = type(known)(model=memory.seal(data), weights=(), external=(), inputs=known.inputs, outputs=known.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(model, spec=JailSpec(runtime=REFERENCE))
    assert caught.value.code == "sandbox.interface"


def test_an_empty_model_is_refused(memory, doubler):
    known = memory.model(doubler)
    model = type(known)(model=memory.seal(b""), weights=(), external=(), inputs=known.inputs, outputs=known.outputs)
    with pytest.raises(JailError) as caught:
        Jail.start(model, spec=JailSpec(runtime=REFERENCE))
    assert caught.value.code in ("sandbox.model.load", "sandbox.interface")


@pytest.mark.parametrize("locale", ["../../../../etc/passwd", "/etc/passwd", "en_US.UTF-8", "\0", "C"])
def test_a_locale_opens_no_file(start, locale):
    """The operator hands its name to the C library, which looks for files; a worker finds none, and takes none for an answer."""
    node = helper.make_node("StringNormalizer", ["s"], ["t"], case_change_action="UPPER", locale=locale)
    model = graph_model([node], [tensor("s", TensorProto.STRING, ["n"])], [tensor("t", TensorProto.STRING, ["m"])])
    try:
        jail = start(model, runtime=REFERENCE)
        assert jail.run({"s": np.array(["a"], dtype=object)})["t"].tolist() == ["A"]
    except JailError as err:
        assert err.code == ("sandbox.model.load" if locale == "\0" else "sandbox.model.run")


def test_pictures_are_not_decoded(start):
    """The library that does it is no part of a worker, installed or not."""
    node = helper.make_node("ImageDecoder", ["b"], ["y"])
    model = graph_model(
        [node], [tensor("b", TensorProto.UINT8, ["n"])], [tensor("y", TensorProto.UINT8, ["h", "w", 3])], opset=20
    )
    jail = start(model, runtime=REFERENCE)
    assert code_of(lambda: jail.run({"b": np.frombuffer(b"BM" + bytes(60), np.uint8)})) == "sandbox.model.run"


def test_words_of_the_evaluator_are_escaped_and_cut(start):
    name = "\x1b[31m" + "n" * 5000 + "\u202e"
    nodes = [helper.make_node("Reshape", ["x", "s"], [name]), helper.make_node("Identity", [name], ["y"])]
    jail = start(
        graph_model(nodes, [tensor("x"), tensor("s", TensorProto.INT64, [1])], [tensor("y", shape=["m"])]), runtime=REFERENCE
    )
    with pytest.raises(JailError) as caught:
        jail.run({"x": X, "s": np.array([5])})
    assert (caught.value.message.isprintable(), len(caught.value.message) < 1500) == (True, True)


def test_loading_for_ever_is_bounded_too(memory):
    """Functions that call functions, twice each: the evaluator makes all of them, over and over."""
    model = graph_model([helper.make_node("F39", ["x"], ["y"], domain="own")], [tensor("x")], [tensor("y")])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for at in range(40):
        inner = ("Neg", "") if at == 0 else (f"F{at - 1}", "own")
        nodes = [helper.make_node(inner[0], [a], [b], domain=inner[1]) for a, b in (("a", "m"), ("m", "b"))]
        model.functions.append(helper.make_function("own", f"F{at}", ["a"], ["b"], nodes, imports))
    model.opset_import.append(helper.make_opsetid("own", 1))
    try:
        with Jail.start(memory.model(model), spec=JailSpec(runtime=REFERENCE, start_seconds=2.0, wall_seconds=1.0)) as jail:
            jail.run({"x": X})
    except JailError as err:
        assert err.code in ("sandbox.deadline", "sandbox.cpu")
    else:
        pytest.fail("2**40 negations took no time")
