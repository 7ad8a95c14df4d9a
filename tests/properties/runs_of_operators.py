"""Uses of operators as authors of honest models write them, with attributes of every kind, and what to run them on.

Where an input has an open dimension it is run with several sizes. Numbers are ones where nothing else is said.
"""

from collections.abc import Mapping

import numpy as np
from onnx import ModelProto, TensorProto, helper
from runs_of_authors import model_of

__all__ = ["USES", "feeds_of", "use_of", "without_types"]

USES: dict[str, tuple[int, Mapping[str, object]]] = {}
"""By the text of the inputs and nodes: the version of the operators, and the values of inputs that are not ones."""


def uses(signature: str, *nodes: str, opset: int = 21, **given: object) -> None:
    for node in nodes:
        USES[f"({signature}) => (float[e] y) {{ {node} }}"] = (opset, given)


def use_of(text: str) -> ModelProto:
    return model_of(text, opset=USES[text][0])


def without_types(model: ModelProto) -> ModelProto:
    """The model for a runtime, which finds out by itself of what type its outputs are."""
    made = ModelProto()
    made.CopyFrom(model)
    for output in made.graph.output:
        output.ClearField("type")
    return made


def feeds_of(text: str, size: int) -> dict[str, object]:
    """Values of the inputs, their open dimensions as large as this."""
    made, given = use_of(text), USES[text][1]
    return {item.name: given[item.name] if item.name in given else _ones(item.type, size) for item in made.graph.input}


def _ones(kind: object, size: int) -> object:
    if kind.HasField("sequence_type"):
        return [_ones(kind.sequence_type.elem_type, size - index) for index in range(3)]
    tensor = kind.tensor_type
    shape = [dim.dim_value if dim.HasField("dim_value") else size for dim in tensor.shape.dim]
    if tensor.elem_type == TensorProto.STRING:
        return np.full(shape, "a bc d", dtype=object)
    return np.ones(shape, helper.tensor_dtype_to_np_dtype(tensor.elem_type))


uses(
    "float[4, 6] x, float[n, 6] w, float[n] v",
    "t = Transpose(w) y = MatMul(x, t)",
    "y = MatMul(v, w)",
    "t = Transpose(w) y = MatMul(t, v)",
    "y = MatMul(v, v)",
    "y = Gemm <transA = 1> (w, w)",
    "y = Gemm <transB = 1> (w, x)",
    'y = Einsum <equation = "ij,kj->ik"> (x, w)',
    'y = Einsum <equation = "ij,kj"> (x, w)',
    'y = Einsum <equation = "ij,kj,kj->ik"> (x, w, w)',
    'y = Einsum <equation = "...j->..."> (w)',
    'y = Einsum <equation = "ij->"> (w)',
)
uses("float[n, k, k] x", "y = Det(x)", 'y = Einsum <equation = "aii->ai"> (x)')
uses(
    "uint8[n, 6] b, uint8[6, 5] c, float f, uint8 z",
    "y = MatMulInteger(b, c)",
    "y = QLinearMatMul(b, f, z, c, f, z, f, z)",
    "y = DequantizeLinear(b, f, z)",
)
uses(
    "float[8, n, 6] s, float[2, 4, 6] w, float[2, 4, 4] r, int64[3] q",
    'y = RNN <hidden_size = 4, direction = "bidirectional"> (s, w, r)',
    'o, y = RNN <hidden_size = 4, direction = "bidirectional"> (s, w, r)',
    'd = Reshape(s, q) y = RNN <hidden_size = 4, direction = "bidirectional"> (d, w, r)',
    q=np.array([-1, 1, 6], np.int64),
)
uses(
    "float[8, n, 6] s, float[2, 12, 6] w, float[2, 12, 4] r",
    'y, o = GRU <hidden_size = 4, direction = "bidirectional"> (s, w, r)',
)
uses(
    "float[8, n, 6] s, float[2, 16, 6] w, float[2, 16, 4] r",
    'o, m, y = LSTM <hidden_size = 4, direction = "bidirectional"> (s, w, r)',
)
uses(
    "float[2, n, 24] q, float[2, 7, 12] k, float[2, 7, 18] v, float[2, 2, 9, 6] a, float[2, 2, 9, 9] b",
    "y = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v)",
    "o, y, r, s = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, , a, b)",
    "o, p, y, s = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, , a, b)",
    "o, p, r, y = Attention <q_num_heads = 4, kv_num_heads = 2> (q, k, v, , a, b)",
    opset=23,
)
uses(
    "float[2, 3, 20, n] i, float[5, 3, 7, 7] k, float[3, 5, 7, 7] d, float[3, 5, 1, 1] u",
    "y = Conv(i, k)",
    "y = Conv <pads = [3, 3, 3, 3]> (i, k)",
    "y = Conv <strides = [3, 3], dilations = [2, 1]> (i, k)",
    'y = Conv <auto_pad = "SAME_LOWER", strides = [3, 3]> (i, k)',
    'y = Conv <auto_pad = "VALID", strides = [2, 3]> (i, k)',
    "y = ConvTranspose(i, d)",
    "y = ConvTranspose <strides = [2, 2], dilations = [2, 2]> (i, d)",
    'y = ConvTranspose <auto_pad = "SAME_UPPER", strides = [2, 2]> (i, d)',
    'y = ConvTranspose <auto_pad = "SAME_LOWER", strides = [3, 3]> (i, u)',
    'y = ConvTranspose <auto_pad = "SAME_LOWER", strides = [3, 3], output_padding = [2, 2]> (i, u)',
    "y = ConvTranspose <pads = [1, 1, 1, 1], output_padding = [1, 1], strides = [2, 2]> (i, d)",
)
uses("float[2, 3, 20, 10] i, float[3, 5, 7, 7] d", "y = ConvTranspose <output_shape = [60, 40], strides = [3, 4]> (i, d)")
uses(
    "uint8[1, 2, 9, n] b, uint8[3, 2, 5, 5] c, float f, uint8 z",
    "y = ConvInteger <pads = [1, 1, 1, 1]> (b, c)",
    "y = QLinearConv(b, f, z, c, f, z, f, z)",
)
POOLED = (
    "strides = [2]",
    "strides = [2], ceil_mode = 1, pads = [1, 1]",
    "strides = [4], ceil_mode = 1, dilations = [2]",
    'strides = [2], auto_pad = "SAME_UPPER"',
    'strides = [5], auto_pad = "VALID"',
)
for length in ("n", "8", "9", "10", "11", "13"):
    uses(
        f"float[1, 1, {length}] x",
        *(f"y = {name} <kernel_shape = [3], {told}> (x)" for name in ("MaxPool", "AveragePool", "LpPool") for told in POOLED),
        *(f"o, y = MaxPool <kernel_shape = [3], {told}> (x)" for told in POOLED),
        opset=22,
    )
uses(
    "float[2, 3, 20, n] i",
    "y = GlobalMaxPool(i)",
)
uses(
    "float[2, 3, 20, 10] i",
    "o, m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (i) y = MaxUnpool <kernel_shape = [2, 2], strides = [2, 2]> (o, m)",
    "o, m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (i)"
    " y = MaxUnpool <kernel_shape = [2, 2], strides = [2, 2], pads = [-4, -4, 0, 0]> (o, m)",
)
for length in ("n", "4", "9", "100"):
    uses(
        f"float[{length}, 6] x",
        *(
            f'p = Constant <value_floats = [{scale}, 1.0]> () y = Resize <mode = "nearest"> (x, , p)'
            for scale in ("2.5", "0.25", "0.3333333432674408", "0.7", "0.99999", "1.00001")
        ),
        "p = Constant <value_ints = [7]> () y = Resize <axes = [-1]> (x, , , p)",
        'p = Constant <value_ints = [7, 8]> () y = Resize <keep_aspect_ratio_policy = "not_larger"> (x, , , p)',
        'p = Constant <value_ints = [7, 8]> () y = Resize <keep_aspect_ratio_policy = "not_smaller"> (x, , , p)',
    )
uses("float[n, 3] x", "y = Upsample <scales = [2.0, 2.5]> (x)", opset=7)
uses("float[2, 2, 3] s", "p = Constant <value_ints = [2, 3, 4, 5]> () y = AffineGrid(s, p)")
uses("float[2, 3, 4] s", "p = Constant <value_ints = [2, 3, 4, 5, 6]> () y = AffineGrid(s, p)")
uses("float[1, 2, n, 3] x, float[1, 4, n, 2] g", "y = GridSample(x, g)")
uses(
    "float[3, 24, 12] s",
    "p = Constant <value_ints = [8, 9]> () b = Constant <value_ints = [2, 3]> () y = Col2Im <strides = [2, 3]> (s, p, b)",
)
REDUCTIONS = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceProd", "ReduceSum")
uses(
    "float[n, 6] w, int64[1] a",
    *(f"y = {name} <keepdims = {keep}> (w, a)" for name in REDUCTIONS for keep in (0, 1)),
    "y = ReduceSum <noop_with_empty_axes = 1> (w)",
    "y = ReduceSum(w)",
    "y = ArgMax <axis = 1> (w)",
    "y = ArgMin <axis = 1, keepdims = 0> (w)",
    "y, o, m = DynamicQuantizeLinear(w)",
    "f = Constant <value_float = 2.0> () y = QuantizeLinear <output_dtype = 5> (w, f)",
)
uses("float[8, n, 6] s, float[6] v", "o, y, m = LayerNormalization(s, v)")
uses("float[2, 3, n] i, float[3] v", "y, m, d = BatchNormalization <training_mode = 1> (i, v, v, v, v)")
uses(
    "float[n, 4, 3] x, int64[n, 3] t",
    'y = NegativeLogLikelihoodLoss <reduction = "none"> (x, t)',
    'o, y = SoftmaxCrossEntropyLoss <reduction = "none"> (x, t)',
)
uses(
    "float[2, n, 5, 2] s",
    "y = DFT(s)",
    "y = DFT <inverse = 1, onesided = 1> (s)",
    "l = Constant <value_int = 77> () y = DFT(s, l)",
    "l = Constant <value_int = 9> () a = Constant <value_int = -4> () y = DFT(s, l, a)",
)
uses("float[2, n, 5, 1] s", "y = DFT <onesided = 1> (s)", "y = DFT <axis = 2> (s)", opset=17)
uses(
    "float[2, n, 1] s, float[5] w",
    "a = Constant <value_int = 3> () y = STFT(s, a, w)",
    "a = Constant <value_int = 3> () l = Constant <value_int = 1> () y = STFT(s, a, , l)",
    "a = Constant <value_int = 2> () l = Constant <value_int = 6> () y = STFT <onesided = 0> (s, a, , l)",
)
uses(
    "int64 a, float f, float g",
    "y = HannWindow(a)",
    "y = MelWeightMatrix(a, a, a, f, g)",
    a=np.array(9),
    g=np.array(4, np.float32),
)
uses("string[n] t", "y, z = StringSplit(t)", "o, y = StringSplit(t)", 'y, z = StringSplit <delimiter = " ", maxsplit = 1> (t)')
NGRAMS = 'max_gram_length = 1, max_skip_count = 0, min_gram_length = 1, mode = "TF", ngram_counts = [0], pool_int64s = [1, 2, 3]'
uses("int64[n, 6] w", f"y = TfIdfVectorizer <{NGRAMS}, ngram_indexes = [0, 6, 3]> (w)")
uses("int64[n] w", f"y = TfIdfVectorizer <{NGRAMS}, ngram_indexes = [0, 6, 3]> (w)")
PARTS = "p = Constant <value_ints = [1, 2, 1]> () "
uses(
    "float[4, 6] x",
    f"{PARTS} y = SplitToSequence(x, p)",
    f"{PARTS} y = SplitToSequence <keepdims = 0> (x, p)",
    "p = Constant <value_int = 3> () y = SplitToSequence(x, p)",
    "p = Constant <value_int = 1> () y = SplitToSequence <keepdims = 0> (x, p)",  # the axis that was cut is dropped
    "y = SplitToSequence <axis = -1, keepdims = 0> (x)",
)
PUT = "o = SequenceConstruct(x, w) "
uses(
    "float[4, 6] x, float[n, 6] w",
    f"{PUT} y = ConcatFromSequence <axis = 0> (o)",
    f"{PUT} y = SequenceLength(o)",
    f"{PUT} i = Constant <value_int = -1> () y = SequenceAt(o, i)",
    f"{PUT} y = SequenceInsert(o, w)",
    f"{PUT} y = SequenceErase(o)",
    f"{PUT} y = SequenceMap <body = b (float[k, 6] a) => (float[m, 6] c) {{ c = Concat <axis = 0> (a, a) }}> (o)",
    *(f"o = SequenceConstruct(w, w) y = ConcatFromSequence <axis = {axis}, new_axis = 1> (o)" for axis in (-3, -2, -1, 0, 1, 2)),
)
uses(
    "seq(float[n, 6]) o, float[3, 6] x",
    "y = SequenceMap <body = b (float[k, 6] a, float[3, 6] z) => (float[m, 6] c) { c = Concat <axis = 0> (a, z) }> (o, x)",
    "y = SequenceMap <body = b (float[k, 6] a, float[j, 6] z) => (float[m, 6] c) { c = Concat <axis = 0> (a, z) }> (o, o)",
    "y = ConcatFromSequence <axis = 0> (o)",
)
SCANNED = "body = b (float[5] a, float[5] p) => (float[5] q, float[5] r) { q = Add(a, p) r = Relu(q) }"
uses(
    "float[5, n] x, float[5] z",
    *(
        f"s, y = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [{axis}], {SCANNED}> (z, x)"
        for axis in (0, 1, -1, -2)
    ),
)
TURNS = "m = Constant <value_int = 4> () y = Loop <body = b (int64 i, bool c, {state} a) => (bool d, {state} q) {{ d = Identity(c) {body} }}> (m, go, {start})"
uses(
    "float[n] x, bool go",
    TURNS.format(state="float[k]", body="q = Concat <axis = 0> (a, x)", start="x"),
    "s0 = Shape(x) " + TURNS.format(state="int64[1]", body="q = Add(a, a)", start="s0"),
    "m = Constant <value_int = 4> () y = Loop <body = b (int64 i, bool c) => (bool d, float[n] q) { d = Identity(c) q = Relu(x) }> (m, go)",
)
WEIGHTS = f"coefficients = [{', '.join(['1.0'] * 18)}]"
uses(
    "float[n, 6] w",
    f"o, y = ai.onnx.ml.LinearClassifier <{WEIGHTS}, intercepts = [1.0, 2.0, 3.0], classlabels_ints = [1, 2, 3]> (w)",
    f"y, o = ai.onnx.ml.LinearClassifier <{WEIGHTS}, intercepts = [1.0, 2.0, 3.0], classlabels_ints = [1, 2, 3]> (w)",
    f"y = ai.onnx.ml.LinearRegressor <{WEIGHTS}, targets = 3> (w)",
    "y = ai.onnx.ml.FeatureVectorizer <inputdimensions = [6, 6]> (w, w)",
    "y = ai.onnx.ml.OneHotEncoder <cats_int64s = [1, 2, 3]> (w)",
    "y = ai.onnx.ml.ZipMap <classlabels_int64s = [1, 2, 3, 4, 5, 6]> (w)",
)
uses(
    "float[n, 3] s, int64[2, 3] i, int64[1] j",
    "y = ai.onnx.ml.ArrayFeatureExtractor(s, i)",
    "y = ai.onnx.ml.ArrayFeatureExtractor(s, j)",
)
