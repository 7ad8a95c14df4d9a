"""Quantized models: QDQ, operators on integers, dynamic quantization, four bits; and numbers of half the size."""

import warnings

import numpy as np
import onnx
from honest_attention import WIDE, attention, block
from honest_graph import FLOAT, NEWEST, Graph, honest
from honest_vision import FREE, IMAGE, conv, resnet
from onnx import TensorProto, helper, numpy_helper

ROWS = ({"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 7})


def fake(g: Graph, x: str, scale: float = 0.05) -> str:
    """What an activation looks like in QDQ: to bytes and back."""
    number, zero = g.keep(np.float32(scale), name="scale"), g.keep(np.uint8(128), name="zero_point")
    return g("DequantizeLinear", g("QuantizeLinear", x, number, zero), number, zero)


def stored(g: Graph, *shape: int, kind: type = np.int8, axis: int = 0) -> str:
    """A weight in integers with a scale for each channel."""
    channels = shape[axis]
    scale, zero = g.keep(np.full(channels, 0.001, np.float32), name="scale"), g.keep(np.zeros(channels, kind), name="zero_point")
    return g("DequantizeLinear", g.weight(*shape, kind=kind), scale, zero, axis=axis)


def whole(g: Graph, size: int) -> str:
    """A bias of 32 bits."""
    return g("DequantizeLinear", g.keep(np.arange(size, dtype=np.int32)), g.keep(np.full(size, 1e-4, np.float32)), axis=0)


@honest("qdq-conv", opsets=(13, 17, 21, NEWEST), sizes=IMAGE)
def qdq_conv(opset):
    g = Graph("qdq", opset=opset)
    x = fake(g, g.input("x", FLOAT, FREE))
    for wide, out in ((3, 8), (8, 8)):
        how = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
        x = fake(g, g("Relu", g("Conv", x, stored(g, out, wide, 3, 3), whole(g, out), **how)))
    x = g("Flatten", fake(g, g("GlobalAveragePool", x)))
    g.output(fake(g, g("Gemm", x, stored(g, 5, 8), whole(g, 5), transB=1)), FLOAT, ["batch", 5])
    return g.model()


@honest("qdq-transformer-mlp", opsets=(13, 17, 21), sizes=ROWS)
def qdq_transformer_mlp(opset):
    g = Graph("qdq", opset=opset)
    x = fake(g, g.input("x", FLOAT, ["batch", "sequence", WIDE]))
    hidden = g("Add", fake(g, g("MatMul", x, stored(g, WIDE, 4 * WIDE, axis=1))), g.weight(4 * WIDE))
    grown = g("Mul", hidden, g("Sigmoid", g("Mul", hidden, np.float32(1.702))))
    y = g("Add", g("MatMul", fake(g, grown), stored(g, 4 * WIDE, WIDE, axis=1)), g.weight(WIDE))
    g.output(fake(g, g("Add", x, y)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("qlinear-conv", opsets=(10, 13, 21), sizes=IMAGE)
def qlinear_conv(opset):
    g = Graph("qlinear", opset=opset)
    scale, zero = g.keep(np.float32(0.05)), g.keep(np.uint8(128))
    x = g("QuantizeLinear", g.input("x", FLOAT, FREE), scale, zero)
    fine, none = g.keep(np.full(8, 0.001, np.float32)), g.keep(np.zeros(8, np.int8))
    bias = g.keep(np.arange(8, dtype=np.int32))
    x = g("QLinearConv", x, scale, zero, g.weight(8, 3, 3, 3, kind=np.int8), fine, none, scale, zero, bias, pads=[1, 1, 1, 1])
    rows = g("Transpose", x, perm=[0, 2, 3, 1])
    y = g("QLinearMatMul", rows, scale, zero, g.weight(8, 5, kind=np.uint8), scale, zero, scale, zero)
    g.output(g("DequantizeLinear", y, scale, zero), FLOAT, ["batch", "height", "width", 5])
    return g.model()


@honest("integer-conv", opsets=(11, 13, 21), sizes=IMAGE)
def integer_conv(opset):
    """DynamicQuantizeLinear in front of ConvInteger and MatMulInteger, scales multiplied in afterwards."""
    g = Graph("dynamic", opset=opset)
    x, scale, zero = g("DynamicQuantizeLinear", g.input("x", FLOAT, FREE), outputs=3)
    y = g("ConvInteger", x, g.weight(8, 3, 3, 3, kind=np.uint8), zero, g.keep(np.uint8(128)), pads=[1, 1, 1, 1])
    y = g("Mul", g("Cast", y, to=FLOAT), g("Mul", scale, g.keep(np.float32(0.001))))
    rows, scale, zero = g("DynamicQuantizeLinear", g("Transpose", y, perm=[0, 2, 3, 1]), outputs=3)
    y = g("MatMulInteger", rows, g.weight(8, 5, kind=np.int8), zero, g.keep(np.int8(0)))
    y = g("Mul", g("Cast", y, to=FLOAT), g("Mul", scale, g.keep(np.float32(0.001))))
    g.output(y, FLOAT, ["batch", "height", "width", 5])
    return g.model()


@honest("four-bits", opsets=(21, 23, NEWEST), sizes=ROWS)
def four_bits(opset):
    """Weights of four bits in blocks of sixteen, as language models have them; an odd number of them in one tensor."""
    g = Graph("int4", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    for kind, least in ((TensorProto.INT4, -8), (TensorProto.UINT4, 0)):
        numbers = np.arange(WIDE * WIDE) % 16 + least
        weight = g.keep(helper.make_tensor("w", kind, [WIDE, WIDE], numbers.tolist()))
        scale = g.keep(np.full((WIDE // 16, WIDE), 0.01, np.float32))
        x = g("MatMul", x, g("DequantizeLinear", weight, scale, axis=0, block_size=16))
    odd = g.keep(helper.make_tensor("w", TensorProto.INT4, [3], [-8, 7, 1]))
    tail = g("DequantizeLinear", odd, g.keep(np.float32(0.5)))
    g.output(g("Add", x, g("ReduceSum", tail, keepdims=0)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("eight-bit-floats", opsets=(19, 21), sizes=ROWS)
def eight_bit_floats(opset):
    g = Graph("float8", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    scale = g.keep(np.float32(0.1))
    for kind in (TensorProto.FLOAT8E4M3FN, TensorProto.FLOAT8E5M2):
        numbers = (np.arange(WIDE * WIDE) % 7 - 3).astype(np.float32).tolist()
        weight = g.keep(helper.make_tensor("w", kind, [WIDE, WIDE], numbers))
        zero = g.keep(helper.make_tensor("z", kind, [], [0.0]))
        x = g("DequantizeLinear", g("QuantizeLinear", x, scale, zero), scale, zero)
        x = g("MatMul", x, g("DequantizeLinear", weight, scale, zero))
    g.output(x, FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("half-and-brain-floats", opsets=(13, 17, 21, NEWEST), sizes=ROWS)
def half_and_brain_floats(opset):
    """Weights of both kinds of 16 bits, in raw bytes and in the typed field, cast where they are used."""
    g = Graph("half", opset=opset)
    x = g.input("x", TensorProto.FLOAT16, ["batch", "sequence", WIDE])
    x = g("MatMul", x, g.weight(WIDE, WIDE, kind=np.float16))
    x = g("Add", x, g.keep(helper.make_tensor("b", TensorProto.FLOAT16, [WIDE], [0.5] * WIDE)))
    y = g("Cast", g("Cast", g("Cast", x, to=FLOAT), to=TensorProto.BFLOAT16), to=FLOAT)
    brain = g.keep(helper.make_tensor("w", TensorProto.BFLOAT16, [WIDE, WIDE], [0.25] * WIDE * WIDE))
    raw = g.keep(helper.make_tensor("w", TensorProto.BFLOAT16, [WIDE], b"\x80\x3e" * WIDE, raw=True))
    y = g("Add", g("MatMul", y, g("Cast", brain, to=FLOAT)), g("Cast", raw, to=FLOAT))
    g.output(y, FLOAT, ["batch", "sequence", WIDE])
    g.output(g("Cast", y, to=TensorProto.DOUBLE), TensorProto.DOUBLE, ["batch", "sequence", WIDE])
    return g.model()


@honest("half-transformer", by=("onnxruntime",), sizes=ROWS)
def half_transformer(opset):
    """A transformer's block, converted to half precision by onnxruntime's own converter."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    g = Graph("half", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    g.output(block(g, x), FLOAT, ["batch", "sequence", WIDE])
    model = OnnxModel(convert_float_to_float16(onnx.shape_inference.infer_shapes(g.model()), keep_io_types=True))
    model.topological_sort()  # the converter puts casts at the end, and leaves sorting to its callers
    return model.model


def quantizing(work):
    """Runs a quantizer of onnxruntime, which takes and gives models in files, without its warnings."""
    import logging
    import tempfile
    from pathlib import Path

    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work(Path(name))
            return onnx.load(Path(name) / "out.onnx")
    finally:
        logging.disable(logging.NOTSET)


@honest("quantized-dynamically", by=("onnxruntime",), opsets=(13, 17), sizes=ROWS)
def quantized_dynamically(opset):
    from onnxruntime.quantization import quantize_dynamic

    def work(folder):
        onnx.save(attention(opset), folder / "in.onnx")
        quantize_dynamic(folder / "in.onnx", folder / "out.onnx", per_channel=True)

    return quantizing(work)


@honest("quantized-statically", by=("onnxruntime",), opsets=(13, 17), sizes=IMAGE)
def quantized_statically(opset):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.left = [{"x": np.random.default_rng(n).standard_normal((1, 3, 32, 32), dtype=np.float32)} for n in range(2)]

        def get_next(self):
            return self.left.pop() if self.left else None

    def work(folder):
        onnx.save(resnet(opset), folder / "in.onnx")
        quantize_static(folder / "in.onnx", folder / "out.onnx", Reader(), quant_format=QuantFormat.QDQ, per_channel=True)

    return quantizing(work)


@honest("annotated", sizes=IMAGE)
def annotated(opset):
    """What tools add for other tools: quantization annotations, texts, value types, metadata."""
    g = Graph("annotated", opset=opset)
    x = conv(g, g.input("x", FLOAT, FREE), 3, 8)
    scale = g.keep(np.float32(0.1), name="scale")
    g.output(g("Relu", x), FLOAT, ["batch", 8, "height", "width"])
    g.output(g("Mul", x, scale), FLOAT, ["batch", 8, "height", "width"])
    model = onnx.shape_inference.infer_shapes(g.model(doc_string="detects cats\nin pictures"))
    note = model.graph.quantization_annotation.add(tensor_name=x)
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value=scale)
    helper.set_model_props(model, {"author": "a team", "classes": "['cat', 'dog']", "stride": "32"})
    model.graph.node[0].doc_string = "model.py(12): forward\n/site-packages/torch/nn/modules/module.py(1518): _call_impl"
    return model


@honest("typed-fields", sizes=({"batch": 1}, {"batch": 3}))
def typed_fields(opset):
    """Weights in every field that a tensor has for them, not in raw bytes, and attributes of every plain kind."""
    g = Graph("typed", opset=opset)
    x = g.input("x", FLOAT, ["batch", 4])
    kinds = ("FLOAT", "DOUBLE", "INT64", "INT32", "INT16", "INT8", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL", "FLOAT16")
    for kind in kinds:
        weight = g.keep(helper.make_tensor("w", getattr(TensorProto, kind), [4], [0, 1, 1, 1]))
        x = g("Add", x, g("Cast", weight, to=FLOAT))
    for more in ({"value_float": 1.5}, {"value_floats": [1.0, 2.0, 3.0, 4.0]}):
        x = g("Mul", x, g("Constant", **more))
    for more in ({"value_int": 2}, {"value_ints": [1, 2, 3, 4]}):
        x = g("Sub", x, g("Cast", g("Constant", **more), to=FLOAT))
    empty = g.keep(numpy_helper.from_array(np.zeros((0, 4), np.float32)))
    g.output(g("Concat", x, empty, axis=0), FLOAT, ["batch", 4])
    g.output(g("Identity", g.keep(np.array(["a", "ü", ""], object))), TensorProto.STRING, [3])
    return g.model()
