"""Models whose weights lie in files beside them, as onnx, onnx_ir and onnxruntime write them, and models onnxruntime saved."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import onnxruntime
from honest_attention import WIDE, bert_encoder
from honest_graph import FLOAT, MODELS, Graph, Honest
from honest_quantized import four_bits
from honest_recurrent import branches, greedy_decoder
from honest_text import tied_weights
from honest_vision import resnet
from onnx import ModelProto, TensorProto, numpy_helper
from onnx.external_data_helper import set_external_data

ROWS = ({"batch": 1}, {"batch": 5})
Save = Callable[[Path], Path]


def saved(name: str, like: Honest | None = None, **how: object) -> Callable[[Save], Save]:
    """Registers what writes a model and its weights into a folder; ``like`` has what to run it on."""

    def register(save: Save) -> Save:
        assert name not in MODELS
        entry = like or Honest(build=lambda: None, sizes=ROWS)
        MODELS[name] = replace(entry, save=save, **how)
        return save

    return register


def external(model: ModelProto, folder: Path, **how: object) -> Path:
    path = folder / "model.onnx"
    how = {"size_threshold": 0, "convert_attribute": False, "location": "model.onnx.data"} | how
    onnx.save_model(model, path, save_as_external_data=True, **how)
    return path


BERT, RESNET = MODELS["bert-encoder-17"], MODELS["resnet-17"]


@saved("external-one-file", BERT)
def one_file(folder):
    return external(bert_encoder(17), folder)


@saved("external-file-each", BERT)
def file_each(folder):
    model = bert_encoder(17)
    old = model.graph.initializer[0].name
    for tensor in model.graph.initializer[:1]:
        tensor.name = "größe (kopie)"
    for node in model.graph.node:
        node.input[:] = ["größe (kopie)" if name == old else name for name in node.input]
    return external(model, folder, all_tensors_to_one_file=False, location=None)


@saved("external-large-only", RESNET)
def large_only(folder):
    """Only what has a kibibyte or more goes into the file: the default."""
    return external(resnet(17), folder, size_threshold=1024)


@saved("external-odd-offsets")
def odd_offsets(folder):
    """Three bytes of int8 in front of floats, of doubles, of float16, packed without a gap."""
    g = Graph("odd", opset=17)
    x = g.input("x", FLOAT, ["batch", 3])
    for kind in (np.int8, np.float32, np.int8, np.float64, np.int8, np.float16, np.uint8, np.int64, np.bool_, np.float32):
        weight = g.keep(np.array([1, 0, 1], kind)) if kind == np.bool_ else g.weight(3, kind=kind)
        x = g("Add", g("Mul", x, np.float32(0.5)), g("Cast", weight, to=FLOAT))
    g.output(x, FLOAT, ["batch", 3])
    path = external(g.model(), folder)
    offsets = [int(e.value) for t in onnx.load(path, load_external_data=False).graph.initializer for e in t.external_data[1:2]]
    assert any(offset % 2 for offset in offsets)
    return path


@saved("external-four-bits", MODELS["four-bits-21"])
def packed_four_bits(folder):
    return external(four_bits(21), folder)


@saved("external-in-branches", MODELS["branches-17"])
def in_branches(folder):
    """Weights of a branch's own."""
    return external(branches(17), folder)


@saved("external-in-a-loop", MODELS["greedy-decoder-17"])
def in_a_loop(folder):
    return external(greedy_decoder(17), folder)


@saved("external-three-thousand", sizes=({"batch": 2},))
def three_thousand(folder):
    g = Graph("many", opset=17)
    x = g.input("x", FLOAT, ["batch", 5])
    for number in range(3000):
        x = g("Add" if number % 2 else "Sub", x, g.weight(5))
    g.output(x, FLOAT, ["batch", 5])
    return external(g.model(), folder)


@saved("external-empty-and-strings")
def empty_and_strings(folder):
    """A tensor of no elements takes no bytes; words stay in the model."""
    g = Graph("empty", opset=17)
    x = g.input("x", FLOAT, ["batch", 3])
    g.output(g("Concat", x, g.keep(np.zeros((0, 3), np.float32)), g.weight(1, 3), axis=0), FLOAT, [None, 3])
    g.output(g("Identity", g.keep(np.array(["a", "b"], object))), TensorProto.STRING, [2])
    return external(g.model(), folder)


@saved("external-in-a-folder", RESNET)
def in_a_folder(folder):
    """The place is a path beneath the folder of the model."""
    (folder / "weights").mkdir()
    return external(resnet(17), folder, location="weights/resnet.bin")


@saved("external-same-bytes", MODELS["tied-weights"])
def same_bytes(folder):
    """Two tensors of one content take the very same bytes, as tools that remove doubles write them."""
    path = external(tied_weights(17), folder)
    model = onnx.load(path, load_external_data=False)
    data, places = b"", {}
    for tensor, whole in zip(model.graph.initializer, onnx.load(path).graph.initializer, strict=True):
        content = numpy_helper.to_array(whole).tobytes()
        if content not in places:
            places[content] = len(data)
            data += content
        tensor.raw_data = content
        set_external_data(tensor, "weights.bin", offset=places[content], length=len(content))
        tensor.ClearField("raw_data")
    assert len(places) < len(model.graph.initializer)
    (folder / "model.onnx.data").unlink()
    (folder / "weights.bin").write_bytes(data)
    onnx.save(model, path)
    return path


@saved("external-by-onnx-ir", BERT, by=("onnx_ir",))
def by_onnx_ir(folder):
    """What PyTorch's exporter calls: regions on boundaries, large ones on those of pages."""
    path = folder / "model.onnx"
    onnx_ir.save(onnx_ir.from_proto(bert_encoder(17)), path, external_data="model.onnx.data", size_threshold_bytes=0)
    return path


@saved("external-pages", by=("onnx_ir",), sizes=({"batch": 2},))
def pages(folder):
    """A large tensor between small ones, by onnx_ir: it begins on a boundary, with zeros in front of it."""
    g = Graph("pages", opset=17)
    x = g.input("x", FLOAT, ["batch", WIDE])
    x = g("Add", g("MatMul", g("MatMul", x, g.weight(WIDE, 9000)), g.weight(9000, WIDE)), g.weight(WIDE))
    g.output(x, FLOAT, ["batch", WIDE])
    path = folder / "model.onnx"
    onnx_ir.save(onnx_ir.from_proto(g.model()), path, external_data="model.onnx.data")
    return path


def optimised(model: ModelProto, folder: Path, *, beside: str | None = None) -> Path:
    """The model as onnxruntime saves it after its basic optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / "model.onnx")
    options.log_severity_level = 3
    if beside is not None:
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", beside)
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "0")
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return folder / "model.onnx"


@saved("saved-by-onnxruntime", BERT, by=("onnxruntime",))
def saved_by_onnxruntime(folder):
    return optimised(bert_encoder(17), folder)


@saved("saved-by-onnxruntime-branches", MODELS["branches-17"], by=("onnxruntime",))
def saved_by_onnxruntime_branches(folder):
    return optimised(branches(17), folder)


@saved("external-by-onnxruntime", RESNET, by=("onnxruntime",))
def by_onnxruntime(folder):
    return optimised(resnet(17), folder, beside="model.data")
