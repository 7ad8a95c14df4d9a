"""Models in which the values of inputs, or what the network makes of them, decide how large things become."""

import numpy as np
from honest_graph import BOOL, FLOAT, INT64, Graph, honest
from onnx import TensorProto

WIDE = 16
INT32 = TensorProto.INT32
ROWS = ({"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 7})
TURNS = ("unknown_turns",)


def given(*numbers: int) -> object:
    return lambda _rng, _sizes: np.array(numbers)


@honest("masks-as-large-as-asked", opsets=(13, 17), sizes=({"batch": 1},), given={"orig_im_size": given(45, 30)})
def masks_as_large_as_asked(opset):
    """A segmenter that scales its masks to the size of the picture, which is an input; padding is cut off in between."""
    g = Graph("sam", opset=opset)
    masks = g.input("masks", FLOAT, ["batch", 1, 16, 16])
    asked = g.input("orig_im_size", INT64, [2])
    half = {"coordinate_transformation_mode": "half_pixel", "mode": "linear"}
    wide = g("Resize", masks, None, np.array([1, 1, 4, 4], np.float32), **half)
    sides = g("Cast", asked, to=FLOAT)
    scale = g("Div", np.float32(64), g("ReduceMax", sides, keepdims=0))
    kept = g("Cast", g("Floor", g("Add", g("Mul", sides, scale), np.float32(0.5))), to=INT64)
    down, across = (g("Gather", kept, np.array([n])) for n in (0, 1))
    cut = g("Slice", g("Slice", wide, [0], down, [2]), [0], across, [3])
    sizes = g("Concat", g("Slice", g("Shape", cut), [0], [2], [0]), asked, axis=0)
    g.output(g("Resize", cut, None, None, sizes, **half), FLOAT, ["batch", 1, None, None])
    return g.model()


@honest("speech-durations", opsets=(13, 17, 21), sizes=ROWS, below={"text": 10}, needs=("unknown_sizes",))
def speech_durations(opset):
    """A speech synthesizer predicts how long each sound lasts; their sum is how long the speech is."""
    g = Graph("vits", opset=opset)
    text = g.input("text", INT64, ["batch", "sequence"])
    states = g("Gather", g.weight(10, WIDE), text)
    logs = g("Squeeze", g("MatMul", states, g.weight(WIDE, 1)), [2])
    durations = g("Ceil", g("Mul", g("Exp", logs), np.float32(2)))
    total = g("Cast", g("ReduceSum", g("Max", durations, np.float32(1)), [1], keepdims=0), to=INT64)
    longest = g("ReduceMax", total, keepdims=0)
    frames = g.arange(longest)
    ends = g("CumSum", durations, np.int64(1))
    before = g("Less", g("Cast", g("Unsqueeze", frames, [0, 1]), to=FLOAT), g.unsqueeze(ends, 2))
    path = g("Cast", before, to=FLOAT)
    shifted = g("Pad", path, [0, 1, 0, 0, 0, 0], np.float32(0))
    path = g("Sub", path, g("Slice", shifted, [0], [-1], [1]))
    spread = g("MatMul", g("Transpose", path, perm=[0, 2, 1]), states)
    mask = g("Cast", g("Less", g.unsqueeze(frames, 0), g.unsqueeze(total, 1)), to=FLOAT)
    sound = g("Transpose", g("Mul", spread, g.unsqueeze(mask, 2)), perm=[0, 2, 1])
    for _ in range(2):
        how = {"kernel_shape": [8], "strides": [4], "pads": [2, 2]}
        sound = g("LeakyRelu", g("ConvTranspose", sound, g.weight(WIDE, WIDE, 8), g.weight(WIDE), **how))
    g.output(g("Tanh", g("Conv", sound, g.weight(1, WIDE, 1))), FLOAT, ["batch", 1, "samples"])
    return g.model()


@honest("best-of-many", opsets=(11, 17), sizes=({"batch": 2},), given={"k": given(3)})
def best_of_many(opset):
    """How many results are wanted is an input."""
    g = Graph("recommender", opset=opset)
    x, k = g.input("x", FLOAT, ["batch", WIDE]), g.input("k", INT64, [1])
    values, indices = g("TopK", g.linear(x, WIDE, 50), k, outputs=2, axis=1)
    g.output(values, FLOAT, ["batch", None]), g.output(indices, INT64, ["batch", None])
    return g.model()


@honest("rows-that-differ", opsets=(11, 17), sizes=({"rows": 1}, {"rows": 6}), below={"codes": 3})
def rows_that_differ(opset):
    """Unique, counted; what is not zero, and a tensor of ones as long as that."""
    g = Graph("unique", opset=opset)
    codes = g.input("codes", INT64, ["rows"])
    _, _, inverse, counts = g("Unique", codes, outputs=4, sorted=1)
    g.output(g("Div", np.float32(1), g("Cast", g("Gather", counts, inverse), to=FLOAT)), FLOAT, ["rows"])
    found = g.squeeze(g("NonZero", codes), 0)
    ones = g.filled(g.shape(g.size(found, 0)), np.float32(1))
    base = g.filled(g("Shape", codes), np.float32(0))
    g.output(g("ScatterElements", base, found, ones, axis=0), FLOAT, ["rows"])
    return g.model()


@honest("steps-as-many-as-asked", opsets=(11, 17), needs=TURNS, sizes=({"batch": 2},), given={"max_length": given(5)})
def steps_as_many_as_asked(opset):
    """A generator whose callers say how long it may go on."""
    g = Graph("generate", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    limit = g.squeeze(g.input("max_length", INT64, [1]), 0)
    body = g.sub("body")
    body.input("step", INT64, [])
    on, held = body.input("on", BOOL, []), body.input("held", FLOAT, [None, WIDE])
    new = body("Tanh", body("MatMul", held, body.weight(WIDE, WIDE)))
    body.output(body("Identity", on), BOOL, []), body.output(new, FLOAT, [None, WIDE])
    body.output(body("ArgMax", new, axis=1, keepdims=0), INT64, [None])
    _, words = g("Loop", limit, np.array(True), x, outputs=2, body=body.proto())
    g.output(words, INT64, ["steps", "batch"])
    return g.model()


@honest("while-a-counter-is-small", opsets=(13, 17), needs=TURNS, sizes=({"batch": 2},))
def while_a_counter_is_small(opset):
    """A scripted while: PyTorch exports the largest number as the limit, other exporters none; a carried counter ends it."""
    g = Graph("while", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    for limit in (np.int64(np.iinfo(np.int64).max), None):
        body = g.sub("body")
        body.input("step", INT64, []), body.input("on", BOOL, [])
        count, held = body.input("count", INT64, []), body.input("held", FLOAT, [None, WIDE])
        count = body("Add", count, np.int64(1))
        body.output(body("Less", count, np.int64(6)), BOOL, [])
        body.output(count, INT64, []), body.output(body("Tanh", held), FLOAT, [None, WIDE])
        _, x = g("Loop", limit, np.array(True), np.int64(0), x, outputs=2, body=body.proto())
    g.output(x, FLOAT, ["batch", WIDE])
    return g.model()


@honest("keras-convolutions", opsets=(11, 13, 17), sizes=({"unk__1": 1}, {"unk__1": 3}))
def keras_convolutions(opset):
    """As tf2onnx writes it: channels last on the outside, shapes cast to 32 bits and back, names with colons."""
    g = Graph("StatefulPartitionedCall/sequential", opset=opset)
    x = g.input("input_1:0", FLOAT, ["unk__1", 16, 16, 3])
    x = g("Transpose", x, perm=[0, 3, 1, 2], outputs=["StatefulPartitionedCall/sequential/conv2d/Conv2D__6:0"])
    how = {"auto_pad": "SAME_UPPER", "strides": [2, 2], "kernel_shape": [3, 3], "dilations": [1, 1], "group": 1}
    x = g("Relu", g("Conv", x, g.weight(8, 3, 3, 3), g.weight(8), **how))
    x = g("Transpose", g("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], auto_pad="VALID"), perm=[0, 2, 3, 1])
    count = g("Cast", g("Slice", g("Cast", g("Shape", x), to=INT32), [0], [1], [0]), to=INT64)
    count = g("Cast", count, to=INT32)
    shape = g("Cast", g("Concat", count, np.array([-1], np.int32), axis=0), to=INT64)
    flat = g("Reshape", x, shape)
    y = g("Softmax", g("Add", g("MatMul", flat, g.weight(128, 5)), g.weight(5)), axis=1)
    g.output(g("Identity", y, outputs=["Identity:0"]), FLOAT, ["unk__1", 5])
    return g.model()


@honest("keras-recurrent", opsets=(11, 13), sizes=({"unk__1": 1, "unk__2": 4}, {"unk__1": 3, "unk__2": 9}))
def keras_recurrent(opset):
    """A while of TensorFlow with tensor arrays: a loop as long as the input, a counter beside it, the rows scanned out."""
    g = Graph("sequential/simple_rnn", opset=opset)
    x = g("Transpose", g.input("input_1", FLOAT, ["unk__1", "unk__2", WIDE]), perm=[1, 0, 2])
    steps = g("Cast", g.size(x, 0), to=INT32)
    first = g("Expand", np.zeros((1, WIDE), np.float32), g.shape(g.size(x, 1), WIDE))
    body = g.sub("while_body")
    step = body.input("step", INT64, [])
    body.input("cond", BOOL, [])
    time, state = body.input("time", INT32, []), body.input("state", FLOAT, [None, WIDE])
    new = body("Tanh", body("Add", body("MatMul", body("Gather", x, step), body.weight(WIDE, WIDE)), state))
    time = body("Add", time, np.int32(1))
    body.output(body("Less", time, steps), BOOL, [])
    body.output(time, INT32, []), body.output(new, FLOAT, [None, WIDE]), body.output(body("Identity", new), FLOAT, [None, WIDE])
    start = g("Less", np.int32(0), steps)
    _, last, rows = g("Loop", g("Cast", steps, to=INT64), start, np.int32(0), first, outputs=3, body=body.proto())
    g.output(last, FLOAT, ["unk__1", WIDE]), g.output(rows, FLOAT, ["unk__2", "unk__1", WIDE])
    return g.model()


@honest("windows", opsets=(11, 17, 21), sizes=({"batch": 1, "height": 16, "width": 16}, {"batch": 2, "height": 24, "width": 8}))
def windows(opset):
    """Attention in windows: cut into squares by view and permute, rolled by slices, put together by division of sizes."""
    g = Graph("swin", opset=opset)
    x = g.input("x", FLOAT, ["batch", "height", "width", WIDE])
    for axis in (1, 2):
        end = g.const([np.iinfo(np.int64).max])
        x = g("Concat", g("Slice", x, [-2], end, [axis]), g("Slice", x, [0], [-2], [axis]), axis=axis)
    batch, down, across = (g.size(x, axis) for axis in range(3))
    rows, columns = g("Div", down, np.int64(4)), g("Div", across, np.int64(4))
    cells = g("Transpose", g.view(x, batch, rows, 4, columns, 4, WIDE), perm=[0, 1, 3, 2, 4, 5])
    parts = g.view(cells, -1, 16, WIDE)
    scores = g("Softmax", g("MatMul", parts, g("Transpose", parts, perm=[0, 2, 1])), axis=-1)
    parts = g("MatMul", scores, parts)
    per = g("Div", g("Div", g("Mul", down, across), np.int64(4)), np.int64(4))
    count = g("Cast", g("Div", g.size(parts, 0), per), to=INT64)
    back = g("Transpose", g.view(parts, count, rows, columns, 4, 4, WIDE), perm=[0, 1, 3, 2, 4, 5])
    g.output(g.view(back, count, down, across, -1), FLOAT, ["batch", "height", "width", WIDE])
    return g.model()


@honest("repeated-by-the-batch", opsets=(11, 17), sizes=ROWS)
def repeated_by_the_batch(opset):
    """Queries that are learned, repeated for every row; a table tiled until it is as long as the input, then cut."""
    g = Graph("detr", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    queries = g("Tile", g.weight(1, 10, WIDE), g.shape(g.size(x, 0), 1, 1))
    scores = g("Softmax", g("MatMul", queries, g("Transpose", x, perm=[0, 2, 1])), axis=-1)
    length = g.size(x, 1)
    times = g("Add", g("Div", length, np.int64(4)), np.int64(1))
    table = g("Slice", g("Tile", g.weight(4, WIDE), g.shape(times, 1)), [0], g.unsqueeze(length, 0), [0])
    g.output(g("MatMul", scores, g("Add", x, table)), FLOAT, ["batch", 10, WIDE])
    return g.model()


@honest("all-pairs", opsets=(11, 17, 21), sizes=ROWS)
def all_pairs(opset):
    """Every row against every other: expanded both ways and joined, as relation networks and distances do."""
    g = Graph("pairs", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    batch, length = g.size(x, 0), g.size(x, 1)
    left = g.expand(g.unsqueeze(x, 1), batch, length, length, WIDE)
    right = g.expand(g.unsqueeze(x, 2), batch, length, length, WIDE)
    both = g("Concat", left, right, g("Sub", left, right), axis=-1)
    scores = g("Relu", g("MatMul", both, g.weight(3 * WIDE, 4)))
    g.output(g("ReduceMax", scores, axes=[2], keepdims=0) if opset < 18 else g("ReduceMax", scores, [2], keepdims=0), FLOAT, None)
    return g.model()


@honest("branches-without-types", opsets=(11, 15, 17), sizes=ROWS)
def branches_without_types(opset):
    """A script whose branches PyTorch knows no types of: it writes a type that says nothing, as voice detectors have it."""
    g = Graph("script", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence"])
    long = g("Greater", g.size(x, 1), np.int64(4))
    outer, rest, one, other = (g.sub(name) for name in ("then_branch", "else_branch", "then_branch_1", "else_branch_1"))
    for branch, operator in ((one, "Relu"), (other, "Neg")):
        branch.output(branch(operator, x), FLOAT, None)
    inner = outer("If", outer("Less", outer.size(x, 0), np.int64(2)), then_branch=one.proto(), else_branch=other.proto())
    outer.output(inner, FLOAT, None)
    rest.output(rest("Abs", x), FLOAT, None)
    for branch in (outer, rest):
        branch.outputs[0].type.Clear()
    y = g("If", long, then_branch=outer.proto(), else_branch=rest.proto())
    g.output(g("Identity", y), FLOAT, ["batch", "sequence"])
    return g.model()


def either(g: Graph, condition: str, x: str, then: object, other: object) -> str:
    """An If whose branches are written by functions of a graph and a value."""
    branches = {}
    for name, write in (("then_branch", then), ("else_branch", other)):
        branch = g.sub(name)
        branch.output(write(branch, x), FLOAT, None)
        branches[name] = branch.proto()
    return g("If", condition, **branches)


@honest("recurrent-cell-of-a-script", opsets=(13, 15, 17), sizes=({"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 1}))
def recurrent_cell_of_a_script(opset):
    """A scripted LSTMCell of a voice detector: not even the number of dimensions is known, so branches ask for it."""
    g = Graph("vad", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE, "sequence"])
    state = g.input("state", FLOAT, [2, "batch", WIDE])
    last = g("Gather", g("Shape", x), np.array([-1]), axis=0)
    single = g("Squeeze", g("Equal", last, np.array([1])), [0])
    x = either(g, single, x, lambda b, v: b("Squeeze", v, [-1]), lambda b, v: b("Identity", v))
    batched = g("Cast", g("Equal", g("Size", g("Shape", x)), np.int64(2)), to=BOOL)
    alone = g("Not", batched)
    row = either(g, alone, x, lambda b, v: b("Unsqueeze", v, [0]), lambda b, v: b("Identity", v))
    weights = g.weight(1, 4 * WIDE, WIDE), g.weight(1, 4 * WIDE, WIDE), g.weight(1, 8 * WIDE)
    states = []
    for number in (0, 1):
        held = g("Gather", state, np.int64(number), axis=0)
        held = either(g, alone, held, lambda b, v: b("Unsqueeze", v, [0]), lambda b, v: b("Identity", v))
        states.append(g("Unsqueeze", held, [0]))
    _, hidden, _ = g("LSTM", g("Unsqueeze", row, [0]), *weights, None, *states, outputs=3, hidden_size=WIDE)
    zeros = g.filled(g("Concat", g("Unsqueeze", g.size(row, 0), [0]), [WIDE], axis=0), np.float32(0))
    zeros = g("Unsqueeze", zeros, [0])
    _, fresh, _ = g("LSTM", g("Unsqueeze", row, [0]), *weights, None, zeros, zeros, outputs=3, hidden_size=WIDE)
    total = g("Squeeze", g("Add", hidden, fresh), [0])
    total = either(g, alone, total, lambda b, v: b("Squeeze", v, [0]), lambda b, v: b("Identity", v))
    score = g("Conv", g("Relu", g("Unsqueeze", total, [-1])), g.weight(1, WIDE, 1), g.weight(1))
    g.output(g("Sigmoid", score), FLOAT, None)
    return g.model()
