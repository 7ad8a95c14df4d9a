"""Recurrent networks, loops, scans, branches, sequences and optional values."""

import numpy as np
import onnx
from honest_attention import WIDE, self_attention
from honest_graph import BOOL, FLOAT, INT64, NEWEST, Graph, honest
from onnx import TensorProto, helper

TIMES = ({"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 7})
HIDDEN, VOCABULARY, LONGEST = 16, 20, 12


def zeros(g: Graph, layers: int, batch: str) -> str:
    """The first state, as PyTorch's exporter writes torch.zeros(layers, batch, hidden)."""
    return g.filled(g.shape(layers, batch, HIDDEN), np.float32(0))


@honest("lstm", opsets=(11, 13, 17, 22), sizes=TIMES)
def lstm(opset):
    """Two layers in both directions, batch first: transposed, initial states cut from one tensor, directions joined."""
    g = Graph("lstm", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    hidden, cell = (zeros(g, 4, g.size(x, 0)) for _ in range(2))
    x, wide, last = g("Transpose", x, perm=[1, 0, 2]), WIDE, []
    for layer in range(2):
        states = [g("Slice", s, [2 * layer], [2 * layer + 2], [0]) for s in (hidden, cell)]
        weights = g.weight(2, 4 * HIDDEN, wide), g.weight(2, 4 * HIDDEN, HIDDEN), g.weight(2, 8 * HIDDEN)
        y, h, _ = g("LSTM", x, *weights, None, *states, outputs=3, hidden_size=HIDDEN, direction="bidirectional")
        x = g("Reshape", g("Transpose", y, perm=[0, 2, 1, 3]), [0, 0, -1])
        wide, last = 2 * HIDDEN, [*last, h]
    g.output(g("Transpose", x, perm=[1, 0, 2]), FLOAT, ["batch", "sequence", 2 * HIDDEN])
    g.output(g("Concat", *last, axis=0), FLOAT, [4, "batch", HIDDEN])
    return g.model()


@honest("gru", opsets=(11, 14, 17, 22), sizes=TIMES)
def gru(opset):
    """Forward, backward and both, with lengths of the sequences."""
    g = Graph("gru", opset=opset)
    x = g("Transpose", g.input("x", FLOAT, ["batch", "sequence", WIDE]), perm=[1, 0, 2])
    length = g("Cast", g.size(x, 0), to=TensorProto.INT32)
    lengths = g("Expand", length, g.shape(g.size(x, 1)))
    for direction, count in (("forward", 1), ("reverse", 1), ("bidirectional", 2)):
        weights = g.weight(count, 3 * HIDDEN, WIDE), g.weight(count, 3 * HIDDEN, HIDDEN), g.weight(count, 6 * HIDDEN)
        start = g("Expand", g.weight(count, 1, HIDDEN), g.shape(count, g.size(x, 1), HIDDEN))
        how = {"direction": direction, "hidden_size": HIDDEN, "linear_before_reset": 1}
        y, _ = g("GRU", x, *weights, lengths, start, outputs=2, **how)
        g.output(y, FLOAT, ["sequence", count, "batch", HIDDEN])
    return g.model()


@honest("rnn", opsets=(11, 17), sizes=TIMES)
def rnn(opset):
    g = Graph("rnn", opset=opset)
    x = g("Transpose", g.input("x", FLOAT, ["batch", "sequence", WIDE]), perm=[1, 0, 2])
    y, _ = g("RNN", x, g.weight(1, HIDDEN, WIDE), g.weight(1, HIDDEN, HIDDEN), outputs=2, hidden_size=HIDDEN)
    g.output(g.squeeze(y, 1), FLOAT, ["sequence", "batch", HIDDEN])
    return g.model()


def next_token(g: Graph, token: str, state: str) -> tuple[str, str]:
    """One step of a small decoder: the new state, and the token that scores best."""
    seen = g("Gather", g.weight(VOCABULARY, HIDDEN), token)
    state = g("Tanh", g("Add", seen, g("MatMul", state, g.weight(HIDDEN, HIDDEN))))
    return state, g("ArgMax", g("MatMul", state, g.weight(HIDDEN, VOCABULARY)), axis=-1, keepdims=0)


def goes_on(g: Graph, token: str) -> str:
    """Whether some row has not ended."""
    open_rows = g("Cast", g("Not", g("Equal", token, np.int64(0))), to=TensorProto.INT32)
    return g("Cast", g("ReduceMax", open_rows, keepdims=0), to=BOOL)


@honest("greedy-decoder", opsets=(11, 13, 17, 21), sizes=TIMES)
def greedy_decoder(opset):
    """At most twelve steps, fewer when every row has ended; tokens are what the loop scans out."""
    g = Graph("decoder", opset=opset)
    state = g.input("state", FLOAT, ["batch", HIDDEN])
    start = g.filled(g.shape(g.size(state, 0)), np.int64(1))
    body = g.sub("body")
    body.input("step", INT64, []), body.input("on", BOOL, [])
    token, held = body.input("token", INT64, [None]), body.input("held", FLOAT, [None, HIDDEN])
    held, token = next_token(body, token, held)
    body.output(goes_on(body, token), BOOL, [])
    for name, kind, shape in ((token, INT64, [None]), (held, FLOAT, [None, HIDDEN])):
        body.output(name, kind, shape)
    body.output(body("Identity", token), INT64, [None])
    _, last, tokens = g("Loop", np.int64(LONGEST), np.array(True), start, state, outputs=3, body=body.proto())
    g.output(g("Transpose", tokens, perm=[1, 0]), INT64, ["batch", "steps"])
    g.output(last, FLOAT, ["batch", HIDDEN])
    return g.model()


@honest("growing-decoder", opsets=(13, 17, 21), sizes=TIMES, below={"prompt": VOCABULARY})
def growing_decoder(opset):
    """The whole text so far is carried, one token longer in each step, and read anew by attention."""
    g = Graph("decoder", opset=opset)
    prompt = g.input("prompt", INT64, ["batch", "sequence"])
    table = g.weight(VOCABULARY, WIDE)
    body = g.sub("body")
    body.input("step", INT64, []), body.input("on", BOOL, [])
    text = body.input("text", INT64, [None, None])
    states = self_attention(body, body("Gather", table, text))
    g.initializers += body.initializers  # weights that the body takes from outside, as exporters lift them
    body.initializers = []
    last = body("Gather", states, np.int64(-1), axis=1)
    token = body("ArgMax", body("MatMul", last, table_turned(g, table)), axis=-1, keepdims=1)
    body.output(goes_on(body, token), BOOL, [])
    body.output(body("Concat", text, token, axis=1), INT64, [None, None])
    g.output(g("Loop", np.int64(LONGEST), np.array(True), prompt, body=body.proto()), INT64, ["batch", "total"])
    return g.model()


def table_turned(g: Graph, table: str) -> str:
    """Tied weights: what embeds also scores."""
    return g("Transpose", table, perm=[1, 0])


@honest("cached-decoder", opsets=(13, 21), sizes=TIMES)
def cached_decoder(opset):
    """A cache of keys grows in the loop, from no rows at all."""
    g = Graph("decoder", opset=opset)
    state = g.input("state", FLOAT, ["batch", HIDDEN])
    empty = g.filled(g.shape(g.size(state, 0), 0, HIDDEN), np.float32(0))
    body = g.sub("body")
    step = body.input("step", INT64, [])
    body.input("on", BOOL, [])
    held, cache = body.input("held", FLOAT, [None, HIDDEN]), body.input("cache", FLOAT, [None, None, HIDDEN])
    cache = body("Concat", cache, body.unsqueeze(held, 1), axis=1)
    weights = body("Softmax", body("MatMul", cache, body.unsqueeze(held, 2)), axis=1)
    held = body("Tanh", body("Squeeze", body("MatMul", body("Transpose", weights, perm=[0, 2, 1]), cache), [1]))
    body.output(body("Less", step, np.int64(8)), BOOL, [])
    body.output(held, FLOAT, [None, HIDDEN])
    body.output(cache, FLOAT, [None, None, HIDDEN])
    _, cache = g("Loop", np.int64(LONGEST), None, state, empty, outputs=2, body=body.proto())
    g.output(cache, FLOAT, ["batch", "steps", HIDDEN])
    return g.model()


@honest("beam-search", opsets=(13, 17), sizes=TIMES)
def beam_search(opset):
    """Three candidates for each row: TopK over beams and words, Gather of what they come from."""
    g = Graph("beams", opset=opset)
    state = g.input("state", FLOAT, ["batch", HIDDEN])
    batch = g.size(state, 0)
    score = g.filled(g.shape(batch, 3), np.float32(0))
    states = g.expand(g.unsqueeze(state, 1), batch, 3, HIDDEN)
    body = g.sub("body")
    body.input("step", INT64, []), body.input("on", BOOL, [])
    held, sums = body.input("held", FLOAT, [None, 3, HIDDEN]), body.input("sums", FLOAT, [None, 3])
    held = body("Tanh", body("MatMul", held, body.weight(HIDDEN, HIDDEN)))
    chances = body("LogSoftmax", body("MatMul", held, body.weight(HIDDEN, VOCABULARY)), axis=-1)
    total = body.view(body("Add", body.unsqueeze(sums, 2), chances), body.size(sums, 0), 3 * VOCABULARY)
    sums, index = body("TopK", total, np.array([3]), outputs=2, axis=1)
    word, beam = body("Mod", index, np.int64(VOCABULARY)), body("Div", index, np.int64(VOCABULARY))
    wide = body("Expand", body.unsqueeze(beam, 2), body("Shape", held))
    held = body("GatherElements", held, wide, axis=1)
    body.output(body("Cast", np.int64(1), to=BOOL), BOOL, [])
    body.output(held, FLOAT, [None, 3, HIDDEN]), body.output(sums, FLOAT, [None, 3]), body.output(word, INT64, [None, 3])
    _, sums, words = g("Loop", np.int64(6), np.array(True), states, score, outputs=3, body=body.proto())
    g.output(words, INT64, [6, "batch", 3]), g.output(sums, FLOAT, ["batch", 3])
    return g.model()


@honest("loop-over-the-input", opsets=(11, 13, 17), sizes=TIMES)
def loop_over_the_input(opset):
    """A scripted ``for i in range(x.size(0))``: as many turns as the input has rows."""
    g = Graph("rows", opset=opset)
    x = g.input("x", FLOAT, ["sequence", WIDE])
    body = g.sub("body")
    step, on = body.input("step", INT64, []), body.input("on", BOOL, [])
    total = body.input("total", FLOAT, [WIDE])
    new = body("Add", body("Mul", total, np.float32(0.5)), body("Gather", x, step, axis=0))
    body.output(body("Identity", on), BOOL, []), body.output(new, FLOAT, [WIDE]), body.output(body("Relu", new), FLOAT, [WIDE])
    first = g.filled(g.const([WIDE]), np.float32(0))
    total, rows = g("Loop", g.size(x, 0), np.array(True), first, outputs=2, body=body.proto())
    g.output(total, FLOAT, [WIDE]), g.output(rows, FLOAT, ["sequence", WIDE])
    return g.model()


@honest("scan", opsets=(11, 13, 17, 21, NEWEST), sizes=TIMES)
def scan(opset):
    """A cell over the axis of time, forward and backward, with two states."""
    g = Graph("scan", opset=opset)
    x = g.input("x", FLOAT, ["sequence", "batch", WIDE])
    first = zeros(g, 1, g.size(x, 1))
    first = g("Squeeze", first, [0]) if opset >= 13 else g("Squeeze", first, axes=[0])
    for direction in (0, 1):
        body = g.sub("cell")
        held, total = body.input("held", FLOAT, [None, HIDDEN]), body.input("total", FLOAT, [None, HIDDEN])
        now = body.input("now", FLOAT, [None, WIDE])
        new = body(
            "Tanh", body("Add", body("MatMul", now, body.weight(WIDE, HIDDEN)), body("MatMul", held, body.weight(HIDDEN, HIDDEN)))
        )
        for name in (new, body("Add", total, new), body("Relu", new)):
            body.output(name, FLOAT, [None, HIDDEN])
        how = {"num_scan_inputs": 1, "scan_input_directions": [direction], "scan_output_directions": [direction]}
        *states, rows = g("Scan", first, first, x, outputs=3, body=body.proto(), **how)
        g.output(rows, FLOAT, ["sequence", "batch", HIDDEN]), g.output(states[1], FLOAT, ["batch", HIDDEN])
    return g.model()


@honest("branches", opsets=(11, 13, 17, 21, NEWEST), sizes=({"batch": 2, "sequence": 3}, {"batch": 1, "sequence": 9}))
def branches(opset):
    """Branches of different shapes, a branch in a branch, weights of a branch's own, values from outside."""
    g = Graph("branches", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    long = g("Greater", g.size(x, 1), np.int64(4))
    keep, cut, inner_a, inner_b = (g.sub(name) for name in ("keep", "cut", "a", "b"))
    keep.output(keep("Relu", x), FLOAT, ["batch", "sequence", WIDE])
    inner_a.output(inner_a("Identity", x), FLOAT, None)
    inner_b.output(inner_b.linear(x, WIDE, WIDE), FLOAT, None)
    flag = cut("Cast", cut("Greater", cut("ReduceSum", x, keepdims=0), np.float32(0)), to=BOOL)
    chosen = cut("If", flag, then_branch=inner_a.proto(), else_branch=inner_b.proto())
    cut.output(cut("Slice", chosen, [0], [4], [1]), FLOAT, ["batch", 4, WIDE])
    y = g("If", long, then_branch=cut.proto(), else_branch=keep.proto())
    g.output(g("MatMul", y, g.weight(WIDE, 3)), FLOAT, ["batch", None, 3])
    flat, wide = g.sub("flat"), g.sub("wide")
    flat.output(flat("Reshape", x, [-1]), FLOAT, [None]), wide.output(wide.const(np.zeros((1, 1), np.float32)), FLOAT, [1, 1])
    g.output(g("If", long, then_branch=flat.proto(), else_branch=wide.proto()), FLOAT, None)
    return g.model()


@honest("squeeze-if-one", opsets=(11, 13, 17), sizes=({"batch": 1}, {"batch": 3}))
def squeeze_if_one(opset):
    """x.squeeze(0) of an axis that is not known: If over the size, with Squeeze on one side and Identity on the other."""
    g = Graph("squeeze", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    one, more = g.sub("then"), g.sub("else")
    one.output(one.squeeze(x, 0), FLOAT, None), more.output(more("Identity", x), FLOAT, None)
    condition = g("Equal", g.size(x, 0), np.int64(1))
    g.output(g("If", condition, then_branch=one.proto(), else_branch=more.proto()), FLOAT, None)
    return g.model()


@honest("sequences", opsets=(11, 13, 17, 21), sizes=({"sequence": 4},))
def sequences(opset):
    """Cut into a sequence, taken from it, put together again; one grows in a loop as PyTorch exports list.append."""
    g = Graph("list", opset=opset)
    x = g.input("x", FLOAT, ["sequence", WIDE])
    parts = g("SplitToSequence", x, np.int64(1), axis=0)
    first = g("SequenceAt", parts, np.int64(0))
    pair = g("SequenceConstruct", first, g("Relu", x))
    pair = g("SequenceErase", g("SequenceInsert", pair, x, np.int64(0)), g("Sub", g("SequenceLength", pair), np.int64(0)))
    g.output(g("ConcatFromSequence", pair, axis=0), FLOAT, [None, WIDE])
    if opset >= 13:
        body = g.sub("body")
        step, on = body.input("step", INT64, []), body.input("on", BOOL, [])
        body.inputs.append(helper.make_tensor_sequence_value_info(body.fresh("rows"), FLOAT, None))
        rows = body("SequenceInsert", body.inputs[-1].name, body("Gather", x, step, axis=0))
        body.output(body("Identity", on), BOOL, [])
        body.outputs.append(helper.make_tensor_sequence_value_info(rows, FLOAT, None))
        empty = g("SequenceEmpty", dtype=FLOAT)
        grown = g("Loop", np.int64(3), np.array(True), empty, body=body.proto())
        g.output(g("ConcatFromSequence", grown, axis=0, new_axis=1), FLOAT, [None, WIDE])
    return g.model()


@honest("sequence-map", sizes=({"sequence": 4},))
def sequence_map(opset):
    g = Graph("map", opset=opset)
    parts = g("SplitToSequence", g.input("x", FLOAT, ["sequence", WIDE]), np.int64(2), axis=0)
    body = g.sub("body")
    part = body.input("part", FLOAT, [None, WIDE])
    body.output(body("Relu", part), FLOAT, [None, WIDE])
    g.output(g("ConcatFromSequence", g("SequenceMap", parts, body=body.proto()), axis=0), FLOAT, [None, WIDE])
    return g.model()


@honest(
    "sequence-input",
    opsets=(11, 17),
    given={"rows": lambda rng, _sizes: [rng.standard_normal((n, WIDE), np.float32) for n in (1, 3)]},
)
def sequence_input(opset):
    """In and out again, with one more row in the old operator set, where Identity did not take sequences yet."""
    g = Graph("list", opset=opset)
    g.inputs.append(helper.make_tensor_sequence_value_info("rows", FLOAT, [None, WIDE]))
    g.output(g("ConcatFromSequence", "rows", axis=0), FLOAT, [None, WIDE])
    g.outputs.append(
        helper.make_tensor_sequence_value_info(
            g("Identity" if opset >= 14 else "SequenceInsert", "rows", *extra(g, opset)), FLOAT, None
        )
    )
    return g.model()


def extra(g: Graph, opset: int) -> list[str]:
    return [] if opset >= 14 else [g.weight(2, WIDE)]


@honest(
    "optional-input",
    opsets=(18, 21),
    sizes=({"batch": 2},),
    given={"mask": lambda rng, _sizes: rng.random((2, WIDE), np.float32)},
)
def optional_input(opset):
    """An input that callers may leave out: asked for, and taken in one branch."""
    g = Graph("optional", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    inner = helper.make_tensor_type_proto(FLOAT, ["batch", WIDE])
    g.inputs.append(helper.make_value_info("mask", helper.make_optional_type_proto(inner)))
    given, missing = g.sub("given"), g.sub("missing")
    given.output(given("Mul", x, given("OptionalGetElement", "mask")), FLOAT, ["batch", WIDE])
    missing.output(missing("Identity", x), FLOAT, ["batch", WIDE])
    g.output(
        g("If", g("OptionalHasElement", "mask"), then_branch=given.proto(), else_branch=missing.proto()), FLOAT, ["batch", WIDE]
    )
    return g.model()


@honest("random-noise", opsets=(11, 17), sizes=TIMES, needs=("random-v1",))
def random_noise(opset):
    """A variational autoencoder draws noise as large as its mean."""
    g = Graph("vae", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    mean, spread = g.linear(x, WIDE, 4), g("Exp", g("Mul", g.linear(x, WIDE, 4), np.float32(0.5)))
    code = g("Add", mean, g("Mul", spread, g("RandomNormalLike", mean, dtype=FLOAT, seed=1.0)))
    g.output(g.linear(code, 4, WIDE), FLOAT, ["batch", WIDE])
    return g.model()


@honest("deep-and-wide", sizes=({"batch": 2},))
def deep_and_wide(opset):
    """Ten thousand nodes one after the other, and a sum of two thousand terms."""
    g = Graph("deep", opset=opset)
    x = g.input("x", FLOAT, ["batch", 4])
    terms = []
    for number in range(10_000):
        x = g("Relu" if number % 2 else "Neg", x)
        terms += [x] if number % 5 == 0 else []
    g.output(g("Sum", *terms), FLOAT, ["batch", 4])
    return onnx.shape_inference.infer_shapes(g.model())
