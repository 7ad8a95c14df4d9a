"""Doc strings, properties and annotations in a record: a digest of all of it, and beginnings while there is room."""

from __future__ import annotations

import onnx
import pytest
from onnx import helper

from mlsign.errors import InputError
from mlsign.limits import MIB
from mlsign.onnx import structure_notes
from mlsign.onnx.records import Notes
from mlsign.onnx.structure import read_structure
from mlsign.source import MemorySource


def model() -> onnx.ModelProto:
    ends = ([helper.make_tensor_value_info(name, 1, [1])] for name in "xy")
    weight = helper.make_tensor("w", 1, [1], [1.0])
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.5)
    made = helper.make_model(helper.make_graph([node], "g", *ends, [weight]))
    made.functions.append(helper.make_function("local", "f", ["p"], ["q"], [], [helper.make_opsetid("", 21)]))
    made.functions[0].value_info.append(helper.make_tensor_value_info("p", 1, [1]))
    return made


def read(made: onnx.ModelProto):
    return read_structure(MemorySource(made.SerializeToString()))


def of_node(made: onnx.ModelProto) -> Notes | None:
    return read(made).graph.nodes[0].notes


PLACES = {
    "node": (lambda m: m.graph.node[0], lambda r: r.graph.nodes[0].notes),
    "attribute": (lambda m: m.graph.node[0].attribute[0], lambda r: r.graph.nodes[0].attributes[0].notes),
    "graph": (lambda m: m.graph, lambda r: r.graph.notes),
    "tensor": (lambda m: m.graph.initializer[0], lambda r: r.graph.initializers[0].notes),
    "input": (lambda m: m.graph.input[0], lambda r: dict(r.graph.value_notes).get("x")),
    "output": (lambda m: m.graph.output[0], lambda r: dict(r.graph.value_notes).get("y")),
    "function": (lambda m: m.functions[0], lambda r: r.functions[0].notes),
    "value of a function": (lambda m: m.functions[0].value_info[0], lambda r: dict(r.functions[0].value_notes).get("p")),
}


@pytest.mark.parametrize("place", PLACES)
def test_every_message_with_words_has_notes(place: str) -> None:
    write, look = PLACES[place]
    made = model()
    assert look(read(made)) is None
    assert read(made).noted == 0
    write(made).doc_string = "why"
    found = look(read(made))
    assert found.texts == (("doc_string", "why"),)
    assert read(made).noted == 1
    if place != "attribute":
        write(made).metadata_props.add(key="k", value="v")
        more = look(read(made))
        assert more.texts == (("doc_string", "why"), ("metadata k", "v"))
        assert more.digest != found.digest


def test_annotations_count_by_their_bytes() -> None:
    made = model()
    made.configuration.add(name="pair", num_devices=2)
    made.graph.quantization_annotation.add(tensor_name="w")
    made.graph.node[0].device_configurations.add(configuration_id="pair")
    made.graph.initializer[0].segment.begin = 1
    found = read(made)
    assert found.notes is not None
    assert found.notes.texts == (("configuration", "8 bytes"),)
    assert found.graph.notes.texts == (("quantization_annotation", "3 bytes"),)
    assert found.graph.nodes[0].notes.texts == (("device_configurations", "6 bytes"),)
    assert found.graph.initializers[0].notes.texts == (("segment", "2 bytes"),)
    assert found.noted == 4


def test_all_of_a_long_text_is_in_the_digest_and_its_beginning_is_kept() -> None:
    made, other = model(), model()
    made.graph.node[0].doc_string, other.graph.node[0].doc_string = "a" * 500 + "b", "a" * 500 + "c"
    first, second = of_node(made), of_node(other)
    assert first.texts == second.texts == (("doc_string", "a" * 160 + "… (501 bytes)"),)
    assert first.digest != second.digest


def test_a_text_that_nobody_has_read_is_read_for_its_digest_alone() -> None:
    found = []
    for last in "bc":
        made = model()
        made.graph.doc_string = "a" * (2 * MIB) + last
        made.graph.metadata_props.add(key="k" * 200, value="v")
        found.append(read(made).graph.notes)
    assert found[0].texts == (
        ("doc_string", f"… ({2 * MIB + 1} bytes)"),
        ("metadata " + "k" * 160 + "… (200 bytes)", "v"),
    )
    assert found[0].digest != found[1].digest


def test_a_model_that_says_too_much_is_told_by_digests_alone(monkeypatch) -> None:
    made = model()
    for index in range(3):
        made.graph.node[0].metadata_props.add(key=str(index), value="v" * 100)
    whole = of_node(made)
    assert whole.texts is not None
    for name, most in (("_MAX_KEPT", 500), ("_MAX_KEPT", 0), ("_MAX_TEXTS", 2)):
        with monkeypatch.context() as patched:
            patched.setattr(structure_notes, name, most)
            assert of_node(made) == Notes(digest=whole.digest, texts=None)


def test_properties_without_a_key_or_a_value_and_broken_ones() -> None:
    made = model()
    made.graph.node[0].metadata_props.add()
    assert of_node(made).texts == (("metadata ", ""),)
    data = made.SerializeToString()
    at = data.index(b"\x4a\x00")
    broken = data[:at] + b"\x30\x01" + data[at + 2 :]  # a doc string that is a number
    with pytest.raises(InputError) as caught:
        read_structure(MemorySource(broken))
    assert caught.value.code == "onnx.wire.field_type"
