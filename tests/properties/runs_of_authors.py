"""Small models whose values were once larger, or other, than the bounds of a run said; and what to run them on.

Each is what an author writes who wants a number to be taken for another one: a size follows from such a number in one more
node.
"""

import numpy as np
from onnx import ModelProto, parser

__all__ = ["RUNS", "model_of"]

FLOAT3 = np.arange(3, dtype=np.float32)
EMPTY = np.zeros(0, np.float32)
LEAST, MOST = -(2**63), 2**63 - 1

RUNS: dict[str, tuple[str, dict[str, object]]] = {}


def run(name: str, text: str, **feeds: object) -> None:
    RUNS[name] = (text, feeds)


def model_of(text: str, *, opset: int = 21) -> ModelProto:
    """The model of a graph as text; two slashes stand between it and functions of its own."""
    graph, *functions = text.split("//")
    head = f'<ir_version: 10, opset_import: ["" : {opset}, "own" : 1, "ai.onnx.ml" : 3]>\n'
    made = parser.parse_model(head + f"g {graph}" + "".join(functions))
    if not functions:
        del made.opset_import[1]
    return made


def whole(name: str, *values: int) -> str:
    return f"{name} = Constant <value_ints = [{', '.join(map(str, values))}]> ()\n"


def real(name: str, *values: float) -> str:
    return f"{name} = Constant <value_floats = [{', '.join(map(str, values))}]> ()\n"


# floats: infinity, fractions, rounding
run(
    "a quotient by zero is infinite",
    "(float[n] x) => (int64[1] y) {"
    + real("a", 3.0)
    + real("b", 9.0)
    + "s = Shape(x) f = Cast <to = 1> (s) q = Div(a, f) m = Min(q, b) y = Cast <to = 7> (m) }",
    x=EMPTY,
)
run(
    "a quotient by a fraction grows",
    "(float[n] x) => (int64[1] y) {"
    + real("a", 1.0)
    + real("b", 1000.0)
    + "s = Shape(x) f = Cast <to = 1> (s) q = Div(a, f) m = Div(b, q) y = Cast <to = 7> (m) }",
    x=FLOAT3,
)
run(
    "a product of floats is rounded up",
    "(float[1] x) => (int64[1] y) {" + real("a", 0.7) + real("b", 10.0) + "q = Mul(a, b) y = Cast <to = 7> (q) }",
    x=FLOAT3[:1],
)
run(
    "half of an odd number is cut off",
    "(float[n] x) => (int64[1] y) {"
    + real("a", 0.5)
    + whole("b", 2)
    + "s = Shape(x) f = Cast <to = 1> (s) q = Mul(f, a) c = Cast <to = 7> (q) d = Mul(c, b) y = Sub(d, s) }",
    x=FLOAT3,
)
run(
    "a fraction is true",
    "(float[1] x) => (int64[1] y) {" + real("a", 0.5) + "q = Cast <to = 9> (a) y = Cast <to = 7> (q) }",
    x=FLOAT3[:1],
)
run(
    "what is less than the least float of a sum is lost",
    "(float[1] x) => (int64 y) {"
    + real("a", 16777216.0, 1.0, -16777216.0)
    + "s = ReduceSum <keepdims = 0> (a) y = Cast <to = 7> (s) }",
    x=FLOAT3[:1],
)
run(
    "the rest of a division has a sign",
    "(float[1] x) => (int64[1] y) {" + whole("a", -7) + whole("b", 3) + "y = Mod <fmod = 1> (a, b) }",
    x=FLOAT3[:1],
)
run(
    "a rest of floats by zero",
    "(float[1] x) => (float[1] y) {" + real("a", 7.0) + real("b", 0.0) + "y = Mod <fmod = 1> (a, b) }",
    x=FLOAT3[:1],
)

# integers: overflow, and the way by double
run(
    "what wraps around is below what it was made of",
    "(float[1] x) => (int64[1] y) {"
    + whole("a", 2**62)
    + whole("b", 4)
    + whole("one", 1)
    + whole("zero", 0)
    + whole("most", MOST)
    + whole("five", -5)
    + "p = Mul(a, b) u = Add(p, one) m = Max(u, zero) z = Add(m, most) y = Sub(five, z) }",
    x=FLOAT3[:1],
)
run(
    "a power by way of double",
    "(float[1] x) => (int64[1] y) {" + whole("a", 3) + whole("b", 39) + "y = Pow(a, b) }",
    x=FLOAT3[:1],
)
run(
    "a reduction by way of double",
    "(float[1] x) => (int64 y) {" + whole("a", 0, LEAST, 1) + "y = ReduceSum <keepdims = 0> (a) }",
    x=FLOAT3[:1],
)
run(
    "the larger one of an open size and less than nothing",
    "(float[n] x) => (int64[1] y) {" + whole("a", -5) + "s = Shape(x) y = Max(a, s) }",
    x=FLOAT3,
)
run(
    "a range whose ends are as far apart as numbers are",
    "(float[1] x) => (int64[k] y) { a = Constant <value_int = 9223372036854775807> () b = Constant <value_int = -9223372036854775806> ()"
    " d = Constant <value_int = 1> () y = Range(a, b, d) }",
    x=FLOAT3[:1],
)
run(
    "a range that ends in a fraction",
    "(float[1] x) => (int64[1] y) { a = Constant <value_float = 0.0> () b = Constant <value_float = 2.5> ()"
    " d = Constant <value_float = 1.0> () r = Range(a, b, d) y = Shape(r) }",
    x=FLOAT3[:1],
)
run(
    "a least that is not known raises what it holds",
    "(float[1] x, int64[9] s) => (int64 y) { a = Constant <value_int = 3> () m = ReduceMax <keepdims = 0> (s)"
    " b = Constant <value_int = 1000> () y = Clip(a, m, b) }",
    x=FLOAT3[:1],
    s=np.arange(9),
)

# shapes that look alike, and tensors without elements
run(
    "a column and a row of as many",
    "(float[6] x, int64[a] s, int64[a] t) => (float y) {c = Reshape(x, s) r = Reshape(x, t) z = Add(c, r) y = ReduceSum <keepdims = 0> (z) }",
    x=np.zeros(6, np.float32),
    s=np.array([6, 1], np.int64),
    t=np.array([1, 6], np.int64),
)
run(
    "nothing is reduced to something",
    "(bool[1] b) => (float[1, 5] y) {"
    + whole("s", 0, 5)
    + whole("a", 0)
    + "e = ConstantOfShape(s) i = Compress(a, b) y = ReduceSum(e, i) }",
    b=np.array([True]),
)
run(
    "a product over nothing",
    "(int64[a] s, int64[a] t) => (float y) {"
    + whole("e", 0)
    + "z = ConstantOfShape(e) c = Reshape <allowzero = 1> (z, s) r = Reshape <allowzero = 1> (z, t) m = MatMul(c, r) y = ReduceSum <keepdims = 0> (m) }",
    s=np.array([4, 0], np.int64),
    t=np.array([0, 4], np.int64),
)
run(
    "a shape that an empty tensor takes",
    "(int64[2] s) => (int64[2] y) {"
    + whole("e", 0)
    + whole("p", 100, 1)
    + "m = Mul(s, p) z = ConstantOfShape(e) r = Reshape <allowzero = 1> (z, m) y = Shape(r) }",
    s=np.array([5, 0], np.int64),
)
run(
    "an open size of zero copies another",
    "(float[n] x) => (int64[3] y) {"
    + whole("e", 5, 0)
    + whole("r", 5, -1)
    + "z = ConstantOfShape(e) s = Shape(x) t = Concat <axis = 0> (s, r) m = Reshape(z, t) y = Shape(m) }",
    x=EMPTY,
)
run(
    "what is left over of nothing",
    "(int64[2] k) => (int64[2] y) {"
    + whole("e", 0, 3)
    + "z = ConstantOfShape(e) r = Reshape <allowzero = 1> (z, k) y = Shape(r) }",
    k=np.array([0, -1], np.int64),
)
run(
    "an empty one of another width is joined",
    "(float[n, m] x) => (int64[2] y) {" + whole("s", 2, 5) + "z = ConstantOfShape(s) c = Concat <axis = 0> (x, z) y = Shape(c) }",
    x=np.zeros((0, 3), np.float32),
)
run("where a scalar is not zero", "(float x) => (int64[2] y) { i = NonZero(x) y = Shape(i) }", x=np.array(1, np.float32))
run(
    "a place of no numbers is everything",
    "(float[4, 3] x, int64[n] p) => (float[k, 3] y) { y = GatherND(x, p) }",
    x=np.zeros((4, 3), np.float32),
    p=np.zeros(0, np.int64),
)
run(
    "numbers of a shape that is not known are cut to none",
    "(int64[1] s) => (int64[3] y) {"
    + whole("a", 2, 3, 4, 5, 6, 7)
    + whole("two", 2)
    + whole("z", 0)
    + whole("one", 1)
    + whole("flat", -1)
    + "t = Concat <axis = 0> (two, s) m = Reshape(a, t) c = Slice(m, z, one, z) y = Reshape(c, flat) }",
    s=np.array([3], np.int64),
)

# cutting
for title, start, end, step in (
    ("a slice backwards from before the front", -100, -200, -1),
    ("a slice backwards to the largest number", 4, 2**31 - 1, -1),
):
    run(
        title,
        "(float[5] x) => (int64[1] y) {"
        + whole("s", start)
        + whole("e", end)
        + whole("a", 0)
        + whole("t", step)
        + "c = Slice(x, s, e, a, t) y = Shape(c) }",
        x=np.zeros(5, np.float32),
    )
run(
    "a size below zero is cut or padded to",
    "(float[7] x) => (float[k] y) {" + whole("s", LEAST) + "y = CenterCropPad <axes = [0]> (x, s) }",
    x=np.zeros(7, np.float32),
)
run(
    "a scale that is rounded up",
    "(float[1, 10] x) => (int64[2] y) {" + real("s", 1.0, 0.7) + 'r = Resize <mode = "nearest"> (x, , s) y = Shape(r) }',
    x=np.zeros((1, 10), np.float32),
)
run(
    "columns of blocks have fewer channels as an image",
    "(float[1, 5, 5] x) => (int64[4] y) {" + whole("i", 5, 5) + whole("b", 1, 5) + "z = Col2Im(x, i, b) y = Shape(z) }",
    x=np.zeros((1, 5, 5), np.float32),
)
run(
    "an equation stretches one to many",
    '(float[n] x, float[5] z) => (float[k] y) { y = Einsum <equation = "i,i->i"> (x, z) }',
    x=FLOAT3[:1],
    z=np.zeros(5, np.float32),
)
run(
    "a slope is longer than the data",
    "(float[1] x, float[9] s) => (float[k] y) { y = PRelu(x, s) }",
    x=FLOAT3[:1],
    s=np.zeros(9, np.float32),
)
run(
    "steps and rows without a number in them",
    "(int64[r] s, float[1, 4, k] w, float[1, 4, 4] h) => (float[k] y) {"
    + whole("e", 0)
    + "z = ConstantOfShape(e) c = Reshape <allowzero = 1> (z, s) y = RNN <hidden_size = 4> (c, w, h) }",
    s=np.array([50, 30, 0], np.int64),
    w=np.zeros((1, 4, 0), np.float32),
    h=np.zeros((1, 4, 4), np.float32),
)
run(
    "the axis of a transformation that is left out",
    "(float[1, 2, 3, 1] x) => (int64[4] y) { l = Constant <value_int = 8> () z = DFT(x, l) y = Shape(z) }",
    x=np.zeros((1, 2, 3, 1), np.float32),
)

# element types and texts
run(
    "noise of a wider type",
    "(float16[n] x) => (double[n] y) { y = RandomNormalLike <dtype = 11> (x) }",
    x=np.zeros(1024, np.float16),
)
TEXT = "t" * 500
run(
    "a long text many times",
    f'(float[1] x) => (string[9] y) {{ a = Constant <value_strings = ["{TEXT}"]> ()' + whole("s", 9) + " y = Expand(a, s) }",
    x=FLOAT3[:1],
)
run(
    "a long text in place of short ones",
    f'(string[3] x) => (string[3] y) {{ a = Constant <value_strings = ["{TEXT}", "{TEXT}", "{TEXT}"]> ()'
    + whole("i", 0, 1, 2)
    + " y = ScatterElements(x, i, a) }",
    x=np.array(["a", "b", "c"], dtype=object),
)
run(
    "long texts for labels",
    f'(int64[3] x) => (string[3] y) {{ y = ai.onnx.ml.LabelEncoder <keys_int64s = [1], values_strings = ["a"], default_string = "{TEXT}"> (x) }}',
    x=np.zeros(3, np.int64),
)

# sequences and loops
run(
    "elements of a sequence have sizes of their own",
    "(seq(float[n, 2]) x) => (int64[1] y) {" + "a = Constant <value_int = 0> () b = Constant <value_int = 1> ()"
    " p = SequenceAt(x, a) q = SequenceAt(x, b) s = Shape(p) t = Shape(q) d = Sub(s, t)" + whole("z", 0) + "y = Gather(d, z) }",
    x=[np.zeros((1, 2), np.float32), np.zeros((3, 2), np.float32)],
)
run(
    "pieces without the axis that was cut",
    "(float[2, 5] x) => (int64[1] y) { q = SplitToSequence <axis = 0, keepdims = 0> (x) i = Constant <value_int = 0> ()"
    " e = SequenceAt(q, i) y = Shape(e) }",
    x=np.zeros((2, 5), np.float32),
)
run(
    "no parts are as many as there are places",
    "(float[3] x, float[k] z) => (int64 y) { p = Shape <start = 0, end = 0> (z) q = SplitToSequence <axis = 0> (x, p) y = SequenceLength(q) }",
    x=FLOAT3,
    z=EMPTY,
)
run(
    "five times no parts are as many as there are places",
    "(float[3] x, int64[5, 0] p) => (int64 y) { q = SplitToSequence <axis = 0> (x, p) y = SequenceLength(q) }",
    x=FLOAT3,
    p=np.zeros((5, 0), np.int64),
)
run(
    "more parts than places, some of no length",
    "(float[1] x, int64[n] p) => (int64 y) { q = SplitToSequence <axis = 0> (x, p) y = SequenceLength(q) }",
    x=FLOAT3[:1],
    p=np.array([0, 0, 1], np.int64),
)
run(
    "a loop of no turns puts out no shape",
    "(float[2, 3] x, bool go) => (int64[r] y) { m = Constant <value_int = 0> () o = Loop <body = b (int64 i, bool c) => (bool d, float e)"
    " { d = Identity(c) e = Identity(x) }> (m, go) y = Shape(o) }",
    x=np.zeros((2, 3), np.float32),
    go=np.array(True),
)
run(
    "fewer turns than none",
    "(float[n, 3] x, bool go) => (float y) { m = Constant <value_int = -4> () o = Loop <body = b (int64 i, bool c) => (bool d, float[n, 3] e)"
    " { d = Identity(c) e = Identity(x) }> (m, go) y = ReduceSum <keepdims = 0> (o) }",
    x=np.zeros((2, 3), np.float32),
    go=np.array(True),
)
run(
    "what all turns put out is the largest of all",
    "(float[100] x, bool go) => (float[k, 100] y) { m = Constant <value_int = 50> () y = Loop <body = b (int64 i, bool c) => (bool d, float[100] e)"
    " { d = Identity(c) e = Identity(x) }> (m, go) }",
    x=np.zeros(100, np.float32),
    go=np.array(True),
)

# what has no elements
run(
    "rows of nothing become rows as wide as the others",
    "(float[n, m] x, float[k, 7] z) => (float[] y) { y = Concat <axis = 0> (x, z) }",
    x=np.zeros((50, 0), np.float32),
    z=np.zeros((1, 7), np.float32),
)
run(
    "rows of nothing in a sequence become rows as wide as the others",
    "(float[n, m] x, float[k, 7] z) => (float[] y) { s = SequenceConstruct(x, z) y = ConcatFromSequence <axis = 0> (s) }",
    x=np.zeros((50, 0), np.float32),
    z=np.zeros((1, 7), np.float32),
)
run(
    "nothing is taken from a place that is not there",
    "(float[1] x) => (float[] y) {" + whole("a", 0, 2, 0) + whole("i", 2) + "z = ConstantOfShape(a) y = GatherND(z, i) }",
    x=FLOAT3[:1],
)

# loops
run(
    "a turn gets the condition in the shape that the turn before gave it",
    """(float[1] x) => (bool[] y) { n = Constant <value_int = 4> () t = Constant <value = bool[1] {1}> ()
    y = Loop <body = b (int64 i, bool[1] c, bool[] a) => (bool[] d, bool[] e) {
        o = Constant <value_ints = [-1]> () d = Unsqueeze(c, o) e = Identity(c) }> (n, t, t) }""",
    x=FLOAT3[:1],
)

# sizes by what a caller gives
run(
    "a scale is as large as the caller likes",
    "(float[n] x) => (float[] y) {"
    + whole("a", 3)
    + "z = ConstantOfShape(a) s = Shape(x) f = Cast <to = 1> (s) y = Resize(z, , f) }",
    x=np.zeros(5, np.float32),
)
run(
    "zero is the dimension of what has no known rank",
    """(float[n] x, bool c) => (float[] y) { t = Constant <value_int = 3> () s = Shape(x) a = Constant <value_floats = [1.0, 2.0]> ()
    z = Loop <body = b (int64 i, bool d, float[] v) => (bool e, float[] w) {
        e = Identity(d) q = Constant <value_int = 0> () p = Unsqueeze(v, q) w = Squeeze(p, q) }> (t, c, a)
    k = Concat <axis = 0> (z, a) l = Constant <value_ints = [-1]> () h = Concat <axis = 0> (s, l) y = Reshape(k, h) }""",
    x=EMPTY,
    c=np.array(False),
)
run(
    "numbers of what has no known rank may be a column",
    "(float[1] x, int64[2] k) => (int64[] y) {"
    + whole("a", 5, 6)
    + whole("b", 1, 1)
    + whole("c", 7, 8)
    + whole("one", 1)
    + "s = Sign(k) t = Unique(s) u = Reshape(b, k) v = Cast <to = 9> (u) y = Where(v, a, c) }",
    x=FLOAT3[:1],
    k=np.array([-1, 1], np.int64),
)
