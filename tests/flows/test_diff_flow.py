"""Two packages or models side by side, from files to what is said of them."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from math import isclose
from pathlib import Path

import numpy as np
import onnx
import pytest
from jsonschema import Draft202012Validator
from making import make_key, make_package, write_model, write_policy
from onnx import TensorProto, helper, numpy_helper

from mlsign.actions.comparison import behaviour
from mlsign.actions.comparison import weights as compared_weights
from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.actions.comparison.difference import Ran
from mlsign.actions.policies.load_policy import load_policy
from mlsign.errors import InputError, JailError, OutsideError
from mlsign.report.diff.as_html import render_difference as as_html
from mlsign.report.diff.as_json import render_difference as as_json
from mlsign.report.diff.as_text import render_difference as as_text

SCHEMA = Draft202012Validator(json.loads((Path(__file__).resolve().parents[2] / "schemas" / "diff.v1.schema.json").read_text()))
QUIET = DiffRequest(run=False)


def model_of(nodes, *weights, inputs=("x",), outputs=("y",), width: int = 3, opsets=()) -> onnx.ModelProto:
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width]) for name in names] for names in (inputs, outputs)
    ]
    tensors = [value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(value, name) for name, value in weights]
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3), *opsets]
    return helper.make_model(helper.make_graph(nodes, "g", *ends, tensors), opset_imports=imports, ir_version=8)


def product(weight: np.ndarray, *, name: str = "w", operator: str = "MatMul") -> onnx.ModelProto:
    return model_of([helper.make_node(operator, ["x", name], ["y"])], (name, weight))


@pytest.fixture
def save(tmp_path: Path):
    def put(model: onnx.ModelProto, name: str) -> Path:
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return put


def rendered(found) -> str:
    """The text; whatever it is, JSON and page can say it as well."""
    SCHEMA.validate(json.loads(as_json(found)))
    assert "default-src 'none'" in as_html(found)
    return as_text(found, width=200, color=False)


EYE = np.eye(3, dtype=np.float32)


def test_a_file_and_itself_are_the_same(save) -> None:
    path = save(product(EYE), "a.onnx")
    found = diff(path, path, DiffRequest())
    assert found.is_same
    assert found.same_model
    assert (found.graph.identical, found.weights.identical, found.behaviour.ran) == (1, 1, Ran.SAME_BYTES)
    assert "the same: the model files are the same bytes" in rendered(found)


def test_the_same_model_in_another_spelling_is_the_same(save) -> None:
    raw, typed = product(EYE), product(EYE)
    tensor = typed.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.float_data.extend(EYE.ravel())
    found = diff(save(raw, "a.onnx"), save(typed, "b.onnx"), QUIET)
    assert found.is_same
    assert not found.same_model
    assert "the same in everything that is compared" in rendered(found)


def test_weights_that_changed_are_told_by_how_much(save) -> None:
    changed = EYE.copy()
    changed[0, 0] = 1.5
    found = diff(save(product(EYE), "a.onnx"), save(product(changed), "b.onnx"), QUIET)
    assert not found.is_same
    (weight,) = found.weights.changed
    assert weight.difference is not None
    assert (weight.difference.different, weight.difference.largest) == (1, 0.5)
    assert isclose(weight.difference.relative_l2 or 0, 0.5 / 3**0.5)
    assert "weights changed" in rendered(found)
    assert "w float[3, 3]: changed, 1 of 9 values, largest difference 0.5, mean 0.0556, relative L2 0.289" in rendered(found)


def test_weights_that_were_pruned_retyped_or_reshaped(save) -> None:
    before = save(product(EYE + 1), "a.onnx")
    pruned = diff(before, save(product(np.where(EYE > 0, EYE + 1, 0).astype(np.float32)), "b.onnx"), QUIET)
    assert "weights were pruned" in rendered(pruned)
    assert "6 zeros now" in rendered(pruned)
    assert "w float[3, 3] → float16[3, 3]: retyped" in rendered(
        diff(before, save(product((EYE + 1).astype(np.float16)), "c.onnx"), QUIET)
    )
    assert "w float[3, 3] → float[3, 5]: reshaped" in rendered(
        diff(before, save(product(np.ones((3, 5), np.float32)), "d.onnx"), QUIET)
    )


def test_a_renamed_graph_is_said_to_be_exactly_that(save) -> None:
    before, after = product(EYE), product(EYE, name="other")
    after.graph.node[0].name = "named"
    found = diff(save(before, "a.onnx"), save(after, "b.onnx"), QUIET)
    assert found.is_renamed_only
    assert not found.is_same
    text = rendered(found)
    assert "renamed but identical: other names for 1 node, 1 weight, and nothing else of the models differs" in text
    assert "w → other" in text


def test_interfaces_are_breaking_or_compatible_in_these_words(save) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    before, after = model_of([node]), model_of([node], width=4)
    more = helper.make_tensor_value_info("z", TensorProto.FLOAT, [3])
    after.graph.output.append(more)
    after.graph.node.append(helper.make_node("Identity", ["w"], ["z"]))
    after.graph.initializer.append(numpy_helper.from_array(np.zeros(3, np.float32), "w"))
    found = diff(save(before, "a.onnx"), save(after, "b.onnx"), QUIET)
    assert found.is_breaking
    text = rendered(found)
    assert "the interface changed, breaking, the graph changed, weights changed" in text
    assert "~ breaking: input x: float[N, 3] → float[N, 4] (it does not take what it took)" in text
    assert "+ compatible: output z: float[3] (callers need not ask for it)" in text
    assert "~ breaking: order" not in text


def test_weights_that_are_inputs_are_defaults_only_since_they_are_meant_so(save) -> None:
    def model(ir_version: int, *, default: bool) -> onnx.ModelProto:
        made = model_of([helper.make_node("Add", ["x", "w"], ["y"])], *([("w", np.ones(3, np.float32))] if default else []))
        made.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [3]))
        made.ir_version = ir_version
        return made

    gained = diff(save(model(8, default=False), "a.onnx"), save(model(8, default=True), "b.onnx"), QUIET)
    assert "compatible: input w: no default → a default" in rendered(gained)
    old = diff(save(model(3, default=True), "c.onnx"), save(product(np.ones(3, np.float32), operator="Add"), "d.onnx"), QUIET)
    assert not old.interface


def test_opsets_operators_and_metadata(save) -> None:
    before, after = product(EYE), product(EYE, operator="Sub")
    after.opset_import[0].version = 18
    after.producer_name = "\x1b[31mevil\nmlsign: allow"
    text = rendered(diff(save(before, "a.onnx"), save(after, "b.onnx"), QUIET))
    assert "+ ai.onnx:Sub: 1 time" in text
    assert "~ opset of ai.onnx: 17 → 18" in text
    assert "opsets changed, the graph changed" in text
    assert "\x1b" not in text
    assert "\\u{1b}[31mevil\\u{a}mlsign: allow" in text


def test_problems_that_only_one_of_the_models_has(save) -> None:
    before, after = product(EYE), product(EYE)
    after.graph.initializer.append(numpy_helper.from_array(EYE, "w"))
    found = diff(save(before, "a.onnx"), save(after, "b.onnx"), QUIET)
    assert found.problems.added
    assert found.problems.added[0].startswith("MLS3")
    assert not found.is_same
    assert "Problems" in rendered(found)
    assert "problems appeared" in rendered(found)
    assert diff(save(after, "b.onnx"), save(before, "a.onnx"), QUIET).problems.removed == found.problems.added


def test_training_information_is_not_known_to_be_the_same(save) -> None:
    before, after = product(EYE), product(EYE)
    before.training_info.add()
    after.training_info.add()
    after.training_info[0].update_binding.add(key="w", value="v")
    found = diff(save(before, "a.onnx"), save(after, "b.onnx"), QUIET)
    assert "~ training_info: present → present, and not compared" in rendered(found)
    assert "graph and weights are the same, and what is said of them is not" in rendered(found)
    assert not found.is_same
    assert diff(save(before, "a.onnx"), save(before, "b.onnx"), QUIET).is_same


def test_several_sets_of_inputs_are_told_together_and_the_same_set_once(save, tmp_path: Path) -> None:
    files = []
    for index in range(3):
        files.append(tmp_path / f"{index}.npz")
        np.savez(files[-1], x=np.full((1 + index, 3), index, np.float32))
    found = diff(save(product(EYE), "a.onnx"), save(product(EYE * 2), "b.onnx"), DiffRequest(inputs=tuple(files)))
    (output,) = found.behaviour.outputs
    assert (output.compared, output.too_far, output.absolute) == (18, 15, 2.0)


def test_external_weights_are_read_beside_the_model_and_nowhere_else(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    write_model(first / "m.onnx", external="m.data")
    write_model(second / "m.onnx", external="m.data", scale=2.0)
    found = diff(first / "m.onnx", second / "m.onnx", QUIET)
    assert [change.difference.change.value for change in found.weights.changed] == ["changed"]
    assert found.before.model_bytes > (first / "m.onnx").stat().st_size
    assert diff(first / "m.onnx", first / "m.onnx", QUIET).is_same
    (second / "m.data").unlink()
    (second / "m.data").symlink_to(first / "m.data")
    linked = diff(first / "m.onnx", second / "m.onnx", QUIET)
    assert not linked.same_model
    assert all(change.difference is None for change in linked.weights.changed)
    assert "not compared" in rendered(linked)
    assert not linked.is_same


def test_two_models_without_their_weights_are_not_the_same(tmp_path: Path) -> None:
    write_model(tmp_path / "a" / "m.onnx", external="m.data")
    (tmp_path / "a" / "m.data").unlink()
    found = diff(tmp_path / "a" / "m.onnx", tmp_path / "a" / "m.onnx", QUIET)
    assert not found.is_same
    assert not found.same_model


def test_weights_laid_over_the_same_bytes_are_read_a_few_times_and_no_more(tmp_path: Path, monkeypatch) -> None:
    def model(folder: str, *, count: int) -> Path:
        place = tmp_path / folder
        place.mkdir()
        (place / "w.data").write_bytes(np.full(400, len(folder), np.float32).tobytes())
        tensors = []
        for index in range(count):
            tensor = onnx.TensorProto(name=f"w{index}", data_type=1, dims=[20, 20 - index % 2], data_location=1)
            for key, text in (
                ("location", "w.data"),
                ("offset", str(4 * index)),
                ("length", str(tensor.dims[0] * tensor.dims[1] * 4)),
            ):
                tensor.external_data.add(key=key, value=text)
            tensors.append((tensor.name, tensor))
        nodes = [helper.make_node("MatMul", ["x", name], [f"v{index}"]) for index, (name, _) in enumerate(tensors)]
        nodes.append(helper.make_node("Sum", [f"v{index}" for index in range(count)], ["y"]))
        onnx.save(model_of(nodes, *tensors), place / "m.onnx")
        return place / "m.onnx"

    found = diff(model("a", count=20), model("bb", count=20), QUIET)
    problems = [change.problem for change in found.weights.changed if change.difference is None]
    assert "takes bytes that other tensors take as well, and was not read again" in problems
    assert len(found.weights.changed) == 20


def test_tensors_that_take_the_very_same_bytes_are_read_once(tmp_path: Path) -> None:
    def model(folder: str, value: float) -> Path:
        place = tmp_path / folder
        place.mkdir()
        (place / "w.data").write_bytes(np.full(9, value, np.float32).tobytes())
        tensors = []
        for name in "uv":
            tensor = onnx.TensorProto(name=name, data_type=1, dims=[3, 3], data_location=1)
            tensor.external_data.add(key="location", value="w.data")
            tensors.append((name, tensor))
        nodes = [helper.make_node("MatMul", ["x", "u"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["y"])]
        onnx.save(model_of(nodes, *tensors), place / "m.onnx")
        return place / "m.onnx"

    found = diff(model("a", 1.0), model("b", 3.0), QUIET)
    assert [(change.before, change.difference.largest) for change in found.weights.changed] == [("u", 2.0), ("v", 2.0)]


def test_the_same_weight_taken_twice_is_compared_once_and_told_once(save) -> None:
    def model(*names: str) -> onnx.ModelProto:
        nodes = [helper.make_node("MatMul", ["x", names[0]], ["h"]), helper.make_node("MatMul", ["h", names[1]], ["y"])]
        return model_of(nodes, *((name, EYE * (1 + ord(name))) for name in dict.fromkeys(names)))

    assert len(diff(save(model("a", "a"), "a.onnx"), save(model("b", "b"), "b.onnx"), QUIET).weights.changed) == 1
    assert len(diff(save(model("a", "a"), "a.onnx"), save(model("b", "c"), "b.onnx"), QUIET).weights.changed) == 2


def test_sparse_weights_are_compared_by_values_and_indices(save) -> None:
    def model(values: list[float], indices: list[int], shape: tuple[int, int] = (3, 3)) -> onnx.ModelProto:
        made = product(EYE)
        del made.graph.initializer[:]
        tensor = numpy_helper.from_array(np.array(values, np.float32), "w")
        made.graph.sparse_initializer.append(
            helper.make_sparse_tensor(tensor, numpy_helper.from_array(np.array(indices), "i"), shape)
        )
        return made

    found = diff(save(model([1, 2], [0, 4]), "a.onnx"), save(model([1, 3], [0, 5]), "b.onnx"), QUIET)
    assert [change.before for change in found.weights.changed] == ["values of w", "indices of w"]
    wider = diff(save(model([1, 2], [0, 4]), "a.onnx"), save(model([1, 2], [0, 4], (3, 4)), "b.onnx"), QUIET)
    assert [change.problem for change in wider.weights.changed] == ["is sparse and of another shape"]
    dense = diff(save(model([1, 2], [0, 4]), "a.onnx"), save(product(EYE), "b.onnx"), QUIET)
    assert [change.problem for change in dense.weights.changed] == ["is sparse in one and not in the other"]
    rendered(dense)


def test_very_long_attributes_are_compared_byte_for_byte(save, monkeypatch) -> None:
    def model(numbers: list[int], **more) -> onnx.ModelProto:
        node = helper.make_node("Strange", ["x"], ["y"], domain="com.example", numbers=numbers, **more)
        return model_of([node], opsets=[helper.make_opsetid("com.example", 1)])

    monkeypatch.setattr(compared_weights, "_CHUNK", 1000)
    first = save(model([7] * 6000), "a.onnx")
    same = model([7] * 6000)
    same.graph.node[0].output[0], same.graph.output[0].name = "z", "z"
    assert diff(first, save(same, "b.onnx"), QUIET).weights.is_same
    for numbers in ([7] * 5999 + [8], [7] * 6001):
        found = diff(first, save(model(numbers), "c.onnx"), QUIET)
        assert [change.problem for change in found.weights.changed] == ["very many values, and not the same ones"]
        rendered(found)


def test_quantized_weights_are_held_against_what_they_stand_for(save) -> None:
    codes, scale = np.array([[100, -50, 1]] * 3, np.int8), np.array([0.01, 0.02, 0.04], np.float32)
    nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["w"], axis=1), helper.make_node("MatMul", ["x", "w"], ["y"])]
    quantized = save(model_of(nodes, ("q", codes), ("s", scale)), "q.onnx")
    plain = save(product(codes * scale + np.float32(0.003)), "p.onnx")
    for before, after in ((plain, quantized), (quantized, plain)):
        found = diff(before, after, QUIET)
        (weight,) = found.weights.changed
        assert weight.difference.change.value == "quantized"
        assert isclose(weight.difference.largest, 0.003, rel_tol=1e-3)
        assert "weights were quantized" in rendered(found)
    wrong = save(model_of(nodes, ("q", codes), ("s", np.ones(2, np.float32))), "w.onnx")
    (weight,) = diff(plain, wrong, QUIET).weights.changed
    assert weight.difference is None
    many = save(model_of(nodes, ("q", codes), ("s", np.ones(0, np.float32))), "e.onnx")
    assert diff(plain, many, QUIET).weights.changed[0].difference is None


def outside(name: str, element: int, shape: list[int]) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=element, dims=shape, data_location=1)
    tensor.external_data.add(key="location", value="w.data")
    return tensor


@pytest.mark.parametrize("names", [("w", "w"), ("v", "w")])
def test_the_same_codes_may_stand_for_several_things(tmp_path: Path, names: tuple[str, str]) -> None:
    values = np.linspace(-1, 1, 9, dtype=np.float32).reshape(3, 3)
    codes = np.round(values * 100).astype(np.int8)
    floats = [helper.make_node("MatMul", ["x", names[0]], ["h"]), helper.make_node("MatMul", ["h", names[1]], ["y"])]
    whole = [
        *(helper.make_node("DequantizeLinear", [name, f"s{index}"], [f"d{index}"]) for index, name in enumerate(names)),
        helper.make_node("MatMul", ["x", "d0"], ["h"]),
        helper.make_node("MatMul", ["h", "d1"], ["y"]),
    ]
    scales = [(f"s{index}", np.array(scale, np.float32)) for index, scale in enumerate((0.01, 0.9))]
    for place, data in (("a", values), ("b", codes)):
        (tmp_path / place).mkdir()
        (tmp_path / place / "w.data").write_bytes(data.tobytes())
    held = [[(name, outside(name, element, [3, 3])) for name in dict.fromkeys(names)] for element in (1, 3)]
    onnx.save(model_of(floats, *held[0]), tmp_path / "a" / "m.onnx")
    onnx.save(model_of(whole, *held[1], *scales), tmp_path / "b" / "m.onnx")
    found = diff(tmp_path / "a" / "m.onnx", tmp_path / "b" / "m.onnx", QUIET)
    assert [change.difference.change.value for change in found.weights.changed] == ["quantized", "changed"]


def test_no_more_scales_are_read_than_there_are_codes(save) -> None:
    floats, codes = EYE, EYE.astype(np.int8)
    nodes = [helper.make_node("DequantizeLinear", ["w", "s"], ["d"]), helper.make_node("MatMul", ["x", "d"], ["y"])]
    after = model_of(nodes, ("w", codes), ("s", np.ones(10, np.float32)))
    found = diff(save(product(floats), "a.onnx"), save(after, "b.onnx"), QUIET)
    assert [change.problem for change in found.weights.changed] == ["has more scales than its tensor needs"]


def test_matrices_that_were_transposed_to_be_quantized(save, monkeypatch) -> None:
    codes, scale = np.arange(-6, 6, dtype=np.int8).reshape(3, 4), np.array([0.5, 0.25, 1, 2], np.float32)
    node = helper.make_node("DynamicQuantizeMatMul", ["x", "q", "s"], ["y"], domain="com.microsoft")
    opsets = [helper.make_opsetid("com.microsoft", 1)]
    quantized = save(model_of([node], ("q", codes), ("s", scale), opsets=opsets), "q.onnx")
    gemm = model_of([helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], ("w", (codes * scale).T.copy() + np.float32(0.01)))
    plain = save(gemm, "p.onnx")
    for before, after in ((plain, quantized), (quantized, plain)):
        found = diff(before, after, QUIET)
        (weight,) = found.weights.changed
        assert weight.transposed
        assert weight.difference.change.value == "quantized"
        assert isclose(weight.difference.largest, 0.01, rel_tol=1e-3)
        assert "quantized, transposed, 12 of 12 values" in rendered(found)
    monkeypatch.setattr("mlsign.tensors.transposed._MAX_BYTES", 10)
    (large,) = diff(plain, quantized, QUIET).weights.changed
    assert large.problem == "is too large to be transposed"
    empty = model_of([helper.make_node("Gemm", ["x", "w"], ["y"], transB=1)], ("w", np.ones((0, 3), np.float32)))
    none = save(model_of([node], ("q", np.ones((3, 0), np.int8)), ("s", np.float32(1)), opsets=opsets), "n.onnx")
    assert diff(save(empty, "e.onnx"), none, QUIET).weights.changed[0].difference is not None


def rows(tmp_path: Path, **arrays) -> Path:
    np.savez(tmp_path / "rows.npz", **(arrays or {"x": np.array([[1, 2, 3]], np.float32)}))
    return tmp_path / "rows.npz"


def test_answers_are_compared_on_inputs_that_are_given(save, tmp_path: Path) -> None:
    before, after = save(product(EYE), "a.onnx"), save(product(EYE * np.float32(1 + 2**-23)), "b.onnx")
    found = diff(before, after, DiffRequest(inputs=(rows(tmp_path),)))
    (output,) = found.behaviour.outputs
    assert (output.compared, output.too_far, output.ulps) == (3, 3, 2)
    assert "output y: 3 of 3 values differ" in rendered(found)
    again = diff(before, save(product(EYE, name="v"), "c.onnx"), DiffRequest(inputs=(rows(tmp_path),)))
    assert again.behaviour.is_same
    assert "output y: the same in 3 values" in rendered(again)


def test_labels_that_differ_are_counted(save, tmp_path: Path) -> None:
    def model(weight: np.ndarray) -> onnx.ModelProto:
        made = model_of(
            [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("ArgMax", ["h"], ["y"], axis=1)], ("w", weight)
        )
        made.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.INT64, ["N", 1]))
        return made

    inputs = rows(tmp_path, x=np.array([[1, 2, 3], [3, 2, 1]], np.float32))
    found = diff(
        save(model(EYE), "a.onnx"), save(model(np.diag([1, 1, 9]).astype(np.float32)), "b.onnx"), DiffRequest(inputs=(inputs,))
    )
    assert found.behaviour.outputs[0].unequal == 1
    assert "1 of 2 are other labels or whole numbers" in rendered(found)


def test_answers_that_are_no_numbers_are_called_so(save, tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", x=np.array([[0, 1, 4]], np.float32))
    first, second = (model_of([helper.make_node(operator, ["x"], ["y"])]) for operator in ("Log", "Sqrt"))
    found = diff(save(first, "a.onnx"), save(second, "b.onnx"), DiffRequest(inputs=(tmp_path / "rows.npz",)))
    assert "1 of 3 differ where one is not finite" in " ".join(rendered(found).split())
    np.savez(tmp_path / "rows.npz", x=np.array([[0, 0, 0]], np.float32))
    alone = diff(tmp_path / "a.onnx", tmp_path / "b.onnx", DiffRequest(inputs=(tmp_path / "rows.npz",)))
    assert "3 of 3 differ where one is not finite" in " ".join(rendered(alone).split())


def test_a_file_of_inputs_that_cannot_be_read_is_named(save, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("")
    with pytest.raises(InputError) as caught:
        diff(save(product(EYE), "a.onnx"), save(product(2 * EYE), "b.onnx"), DiffRequest(inputs=(tmp_path / "rows.json",)))
    assert str(tmp_path / "rows.json") in str(caught.value)


def test_a_file_of_inputs_that_cannot_be_read_is_named_for_the_same_model_as_well(save, tmp_path: Path) -> None:
    model = save(product(EYE), "a.onnx")
    assert diff(model, model, DiffRequest(inputs=(rows(tmp_path),))).is_same
    with pytest.raises(InputError):
        diff(model, model, DiffRequest(inputs=(tmp_path / "none.npz",)))


def test_without_inputs_nothing_is_run(save) -> None:
    before, after = save(product(EYE), "a.onnx"), save(product(EYE, name="v"), "b.onnx")
    assert diff(before, after, DiffRequest()).behaviour.ran is Ran.NO_DATA
    assert diff(before, after, QUIET).behaviour.ran is Ran.NOT_ASKED


def test_inputs_that_only_the_first_takes_are_a_problem_and_not_the_same(save, tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    other = model_of([helper.make_node("Relu", ["z"], ["y"])], inputs=("z",))
    found = diff(save(model_of([node]), "a.onnx"), save(other, "b.onnx"), DiffRequest(inputs=(rows(tmp_path),)))
    assert not found.behaviour.is_same
    assert "second model: " in found.behaviour.problems[0]
    rendered(found)
    with pytest.raises(InputError):
        diff(save(model_of([node]), "a.onnx"), save(other, "b.onnx"), DiffRequest(inputs=(tmp_path / "none.npz",)))


def test_when_time_or_room_is_over_answers_are_missing_and_not_the_same(save, tmp_path: Path, monkeypatch) -> None:
    before, after = save(product(EYE), "a.onnx"), save(product(EYE, name="v"), "b.onnx")
    files = (rows(tmp_path), rows(tmp_path))
    monkeypatch.setattr(behaviour, "_MAX_KEPT", 12)
    short = diff(before, after, DiffRequest(inputs=files)).behaviour
    assert len(short.problems) == 1
    assert "there was no room for its answers left" in short.problems[0]
    assert not short.is_same
    monkeypatch.setattr(behaviour, "_SECONDS", 0.0)
    late = diff(before, after, DiffRequest(inputs=files)).behaviour
    assert len(late.problems) == 2
    assert "there was no time for running the model left" in late.problems[0]
    assert not late.is_same


def test_answers_of_every_kind_have_a_size() -> None:
    texts = np.array(["a", "bc"], dtype=object)
    assert behaviour._bytes_of([np.zeros(2, np.float32), {"k": texts, "l": 5}]) == 8 + 64 * 3 + 3


def test_outputs_of_other_names_and_types(save, tmp_path: Path) -> None:
    request = DiffRequest(inputs=(rows(tmp_path),))
    before = save(model_of([helper.make_node("Relu", ["x"], ["y"])]), "a.onnx")
    named = diff(before, save(model_of([helper.make_node("Relu", ["x"], ["z"])], outputs=("z",)), "b.onnx"), request)
    assert named.behaviour.problems == ("the models have no output of one name",)
    cast = model_of([helper.make_node("Cast", ["x"], ["y"], to=11)])
    cast.graph.output[0].type.tensor_type.elem_type = 11
    typed = diff(before, save(cast, "c.onnx"), request)
    assert typed.behaviour.outputs[0].difference.message == "it is of another type"
    assert "output y: it is of another type, float[N, 3] → double[N, 3]" in rendered(typed)


def test_a_model_that_cannot_be_run_counts_as_different(save, tmp_path: Path) -> None:
    broken = model_of(
        [helper.make_node("Nonsense", ["x"], ["y"], domain="com.example")], opsets=[helper.make_opsetid("com.example", 1)]
    )
    found = diff(save(broken, "a.onnx"), save(product(EYE), "b.onnx"), DiffRequest(inputs=(rows(tmp_path),)))
    assert found.behaviour.ran is Ran.FAILED
    assert not found.behaviour.is_same
    assert "not run, so it counts as different" in rendered(found)


def test_where_nothing_can_be_confined_nothing_is_run_and_nothing_is_the_same(save, tmp_path: Path, monkeypatch) -> None:
    from mlsign.sandbox.jail import Jail

    def refuse(*_: object, **__: object) -> None:
        raise JailError("cannot confine a process, nothing is scored", code="sandbox.unavailable")

    monkeypatch.setattr(Jail, "start", refuse)
    found = diff(save(product(EYE), "a.onnx"), save(product(EYE, name="v"), "b.onnx"), DiffRequest(inputs=(rows(tmp_path),)))
    assert found.behaviour.ran is Ran.FAILED
    assert not found.is_same


def test_packages_are_run_on_the_golden_inputs_of_both(tmp_path: Path) -> None:
    first = make_package(tmp_path, name="fraud-1.2.0")
    second = make_package(tmp_path, name="fraud-1.3.0", scale=1.001, version="1.3.0", description="finds more fraud")
    found = diff(first, second, DiffRequest())
    assert found.behaviour.ran is Ran.YES
    assert found.behaviour.inputs == ("golden/test_data_set_0 of the first",)
    assert found.behaviour.outputs[0].too_far > 0
    assert not found.graph.renames.count
    assert {change.field for change in found.manifest} >= {"version", "description"}
    assert found.files is not None
    assert "fraud.onnx.data" in found.files.changed
    assert "mlsign.json" in found.files.changed
    text = rendered(found)
    assert "fraud 1.2.0 → fraud 1.3.0" in text
    assert "~ description: finds fraud → finds more fraud" in text


def test_a_package_and_its_bare_model(tmp_path: Path) -> None:
    package = make_package(tmp_path)
    found = diff(package, tmp_path / "fraud-1.2.0.source" / "fraud.onnx", DiffRequest())
    assert found.same_model
    assert found.files is None
    assert "the same model, in a package and by itself" in rendered(found)
    assert not found.is_same


def test_golden_data_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    first, second = make_package(tmp_path), make_package(tmp_path, name="other-1.0.0", scale=2.0)
    (second / "golden" / "test_data_set_0" / "input_0.pb").write_bytes(b"nonsense")
    found = diff(first, second, DiffRequest())
    assert found.behaviour.ran is Ran.YES
    assert any("golden/test_data_set_0 of the second" in problem for problem in found.behaviour.problems)
    assert not found.behaviour.is_same


def test_signers_are_claims_without_a_policy_and_proven_with_one(tmp_path: Path) -> None:
    old, new = make_key(), make_key()
    first, second = make_package(tmp_path, signers=[old]), make_package(tmp_path, name="fraud-1.2.1", signers=[new])
    claimed = diff(first, second, QUIET)
    assert (len(claimed.signers.added), len(claimed.signers.removed)) == (1, 1)
    assert "claims, which nobody has checked" in rendered(claimed)
    policy = load_policy(write_policy(tmp_path, {"release": (1, [old.public])}))
    found = diff(first, second, replace(QUIET, policy=policy))
    assert (len(found.signers.added), len(found.signers.removed)) == (0, 1)
    assert found.policy is not None
    assert found.policy.alters_decision
    assert found.policy.appeared
    text = rendered(found)
    assert "allow → deny: the change alters the decision" in text
    assert "genuine signatures of signers whom the policy names" in text
    back = diff(second, first, replace(QUIET, policy=policy))
    assert back.policy is not None
    assert back.policy.disappeared
    same = diff(first, first, replace(QUIET, policy=policy))
    assert same.is_same
    assert "allow, as before: the change does not alter the decision" in rendered(same)


def test_a_weight_that_is_there_twice_is_more_than_a_name(save) -> None:
    nodes = [helper.make_node("MatMul", ["x", "a"], ["h"]), helper.make_node("MatMul", ["h", "a"], ["y"])]
    twice = [nodes[0], helper.make_node("MatMul", ["h", "b"], ["y"])]
    found = diff(save(model_of(nodes, ("a", EYE)), "a.onnx"), save(model_of(twice, ("a", EYE), ("b", EYE)), "b.onnx"), QUIET)
    assert not found.is_same
    assert not found.is_renamed_only


def test_weights_were_quantized_only_if_all_were_compared(save) -> None:
    def model(weight: np.ndarray, other: onnx.TensorProto) -> onnx.ModelProto:
        nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Add", ["h", "v"], ["y"])]
        return model_of(nodes, ("w", weight), ("v", other))

    broken = onnx.TensorProto(name="v", data_type=1, dims=[3], raw_data=b"1234")
    before = save(model(EYE / 3, numpy_helper.from_array(EYE[0], "v")), "a.onnx")
    assert "weights were quantized" in rendered(
        diff(before, save(model((EYE / 3).astype(np.float16), numpy_helper.from_array(EYE[0], "v")), "b.onnx"), QUIET)
    )
    assert "weights changed" in rendered(diff(before, save(model((EYE / 3).astype(np.float16), broken), "c.onnx"), QUIET))


def test_a_damaged_signature_and_a_link_are_differences(tmp_path: Path) -> None:
    first = make_package(tmp_path, signers=[make_key()])
    second = tmp_path / "again" / first.name
    shutil.copytree(first, second)
    assert diff(first, second, QUIET).is_same
    (bundle,) = (second / "signatures").iterdir()
    whole = bundle.read_bytes()
    bundle.write_bytes(whole.replace(b'"sig":"ME', b'"sig":"MF'))
    found = diff(first, second, QUIET)
    assert found.files is not None
    assert found.files.changed == (f"signatures/{bundle.name}",)
    assert not found.is_same
    bundle.write_bytes(whole)
    for folder in (second, first):  # nobody knows what is behind the links
        (folder / "more").symlink_to("/etc/hostname")
        found = diff(first, second, QUIET)
        assert "more" in rendered(found).split("Files")[1]
        assert not found.is_same


def test_what_a_policy_remembers_is_left_alone(tmp_path: Path, monkeypatch) -> None:
    state = tmp_path / "state"
    monkeypatch.setenv("MLSIGN_STATE", str(state))
    key = make_key()
    first = make_package(tmp_path, signers=[key])
    policy = load_policy(write_policy(tmp_path, {"release": (1, [key.public])}, rest="versions: {rollback: deny}\n"))
    assert diff(first, first, replace(QUIET, policy=policy)).policy.before.decision.verdict.value == "allow"
    assert not list(state.rglob("*")) if state.exists() else True


def test_files_that_are_added_and_removed(tmp_path: Path) -> None:
    first, second = make_package(tmp_path), make_package(tmp_path, name="other-1.2.0", include=())
    found = diff(first, second, QUIET)
    assert found.files is not None
    assert found.files.removed == ("MODEL_CARD.md",)
    assert "- MODEL_CARD.md" in rendered(found)
    card = first / "MODEL_CARD.md"
    assert diff(second, first, QUIET).files.added == ("MODEL_CARD.md",)
    third = make_package(tmp_path, name="third-1.2.0")
    (third / "MODEL_CARD.md").write_text(card.read_text().swapcase())
    assert diff(first, third, QUIET).files.changed == ("MODEL_CARD.md", "mlsign.json")


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.mkdir(), lambda path: path.write_bytes(b"junk"), lambda _: None])
def test_what_is_no_model(tmp_path: Path, save, make) -> None:
    make(tmp_path / "odd")
    with pytest.raises((InputError, OutsideError)):
        diff(save(product(EYE), "a.onnx"), tmp_path / "odd", QUIET)


def test_a_file_that_changes_meanwhile_is_no_difference_but_an_error(save, monkeypatch) -> None:
    first, second = save(product(EYE), "a.onnx"), save(product(EYE * 2), "b.onnx")
    real = compared_weights.compare_weights

    def meanwhile(*args: object, **kwargs: object) -> object:
        out = real(*args, **kwargs)
        save(product(EYE * 3), "b.onnx")
        return out

    monkeypatch.setattr("mlsign.actions.comparison.diff.compare_weights", meanwhile)
    with pytest.raises(InputError) as caught:
        diff(first, second, QUIET)
    assert caught.value.code == "file.changed"


def test_scripts_in_names_stay_text(save) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(1)>'
    after = product(EYE * 2, name=evil)
    after.graph.node[0].name = evil
    after.metadata_props.add(key=evil, value=evil)
    page = as_html(diff(save(product(EYE), "a.onnx"), save(after, "b.onnx"), QUIET))
    assert "<script" not in page.replace('<script type="application/json"', "")
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_long_lists_are_cut_short_with_a_count(save) -> None:
    def model(count: int) -> onnx.ModelProto:
        nodes = [helper.make_node("Relu", ["x" if index == 0 else f"v{index}"], [f"v{index + 1}"]) for index in range(count)]
        return model_of([*nodes, helper.make_node("Identity", [f"v{count}"], ["y"])])

    found = diff(save(model(1), "a.onnx"), save(model(2101), "b.onnx"), QUIET)
    assert "and 2,088 more: --verbose lists them all" in rendered(found)
    assert "more:" not in as_text(found, width=200, color=True, every=True)
    page = as_html(found)
    assert "And 1,100 more, which --format json has." in page
    assert len(json.loads(as_json(found))["graph"]["added"]) == 2100


def test_a_node_of_which_very_much_changed_is_told_in_one_line(save) -> None:
    def model(order: int) -> onnx.ModelProto:
        nodes = [helper.make_node("Relu" if index % 2 else "Neg", ["x"], [f"v{index}"]) for index in range(40)]
        return model_of([*nodes, helper.make_node("Sum", [f"v{index}" for index in range(40)][::order], ["y"])])

    found = diff(save(model(1), "a.onnx"), save(model(-1), "b.onnx"), QUIET)
    (change,) = found.graph.changed
    assert len(change.inputs) == 40
    assert "input 7 comes from" in rendered(found)
    assert "; and 32 more" in " ".join(rendered(found).split())
    assert "there are none" in rendered(found)


def test_very_many_weights(save) -> None:
    tensor = np.zeros(1, np.float32)

    def model(name: str) -> onnx.ModelProto:
        return model_of([helper.make_node("Relu", ["x"], ["y"])], *((f"{name}{index}", tensor) for index in range(50_000)))

    found = diff(save(model("w"), "a.onnx"), save(model("v"), "b.onnx"), QUIET)
    assert found.is_renamed_only
    assert (found.weights.identical, found.graph.renames.weights) == (50_000, 50_000)


def test_sets_with_too_many_problems_are_counted(save, tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    other = model_of([helper.make_node("Relu", ["z"], ["y"])], inputs=("z",))
    files = []
    for index in range(25):
        path = tmp_path / f"{index}.npz"
        np.savez(path, x=np.zeros((1, 3), np.float32))
        files.append(path)
    found = diff(save(model_of([node]), "a.onnx"), save(other, "b.onnx"), DiffRequest(inputs=tuple(files)))
    assert found.behaviour.problems[-1] == "and 5 more"
    assert len(found.behaviour.problems) == behaviour._MAX_PROBLEMS + 1


def test_words_that_nothing_is_computed_with_are_told_apart(save) -> None:
    before, after = product(EYE), product(EYE)
    before.graph.node[0].doc_string, after.graph.node[0].doc_string = "as reviewed", "as reviewed\x1b[31m, and \u202eapproved"
    after.graph.initializer[0].metadata_props.add(key="origin", value="elsewhere")
    found = diff(save(before, "a.onnx"), save(after, "b.onnx"), QUIET)
    assert not found.is_same
    assert not found.is_renamed_only
    assert (found.graph.is_same, found.weights.is_same, found.metadata) == (True, True, ())
    text = rendered(found)
    assert "graph and weights are the same, and what is said of them is not" in text
    assert "doc strings, properties and annotations: they change nothing of what a model computes" in text
    assert "~ MatMul at graph.node[0] doc_string: as reviewed → as reviewed\\u{1b}[31m, and \\u{202e}approved" in text
    assert "+ weight w metadata origin: elsewhere" in text
    assert "\x1b" not in text + as_html(found)
    assert diff(save(after, "b.onnx"), save(product(EYE), "c.onnx"), QUIET).notes


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("kind", ["operators", "operators by channel", "qdq by channel", "int4", "float8", "dynamic"])
def test_every_weight_and_bias_of_a_quantized_network_is_told_as_quantized(tmp_path: Path, kind: str) -> None:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_dynamic,
        quantize_static,
    )

    draw = np.random.default_rng(1)

    class Rows(CalibrationDataReader):
        def __init__(self) -> None:
            self.rows = iter([{"x": draw.standard_normal((2, 3, 8, 8)).astype(np.float32)}])

        def get_next(self):
            return next(self.rows, None)

    nodes = [
        helper.make_node("Conv", ["x", "W1", "b1"], ["c"], name="conv", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "W2", "b2"], ["y"], name="gemm", transB=1),
    ]
    shapes = {"W1": (8, 3, 3, 3), "b1": (8,), "W2": (5, 8), "b2": (5,)}
    weights = [numpy_helper.from_array(draw.standard_normal(shape).astype(np.float32), name) for name, shape in shapes.items()]
    ends = [helper.make_tensor_value_info("x", 1, ["N", 3, 8, 8])], [helper.make_tensor_value_info("y", 1, ["N", 5])]
    graph = helper.make_graph(nodes, "g", *ends, weights)
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), before)
    float8 = {"weight_type": QuantType.QFLOAT8E4M3FN, "activation_type": QuantType.QFLOAT8E4M3FN}
    asked = {
        "operators": {"quant_format": QuantFormat.QOperator},
        "operators by channel": {"quant_format": QuantFormat.QOperator, "per_channel": True},
        "qdq by channel": {"quant_format": QuantFormat.QDQ, "per_channel": True},
        "int4": {"quant_format": QuantFormat.QDQ, "weight_type": QuantType.QInt4},
        "float8": {"quant_format": QuantFormat.QDQ, "calibrate_method": CalibrationMethod.Distribution, **float8},
    }
    if kind == "dynamic":
        quantize_dynamic(before, after, per_channel=True)
    else:
        quantize_static(before, after, Rows(), **asked[kind])
    for first, second in ((before, after), (after, before)):
        found = diff(first, second, QUIET)
        told = {min(change.before, change.after, key=len): change.difference for change in found.weights.changed}
        left = {"b1", "b2"} if kind in ("dynamic", "float8") else set()  # biases stay in floats
        assert set(told) == shapes.keys() - left
        assert all(each is not None and each.change.value == "quantized" for each in told.values()), told
        largest = {"int4": 0.3, "float8": 0.2}.get(kind, 0.02)
        assert all(0 < each.largest < largest for each in told.values() if each is not None)
        names = {line.partition(":")[0] for line in (*found.weights.added, *found.weights.removed)}
        assert not {name for name in names if name.startswith(("W", "b1", "b2"))}
        assert "weights were quantized" in rendered(found)
