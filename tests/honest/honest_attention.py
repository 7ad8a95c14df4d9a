"""Transformers as PyTorch's exporters write them: attention, masks, normalisation, rotary positions, caches."""

import numpy as np
from honest_graph import BOOL, FLOAT, INT64, LOWEST, NEWEST, Graph, honest

WIDE, HEADS, VOCABULARY, LONGEST = 32, 4, 50, 64
EACH = WIDE // HEADS
TOKENS = {"input_ids": VOCABULARY, "attention_mask": 2, "position_ids": LONGEST}
SIZES = ({"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 7})
CACHED = ({"batch": 1, "sequence": 4, "past": 0, "total": 4}, {"batch": 2, "sequence": 1, "past": 6, "total": 7})


def heads(g: Graph, x: str, count: int = HEADS) -> str:
    """(batch, sequence, wide) to (batch, heads, sequence, each), by view and transpose."""
    seen = g.view(x, g.size(x, 0), g.size(x, 1), count, EACH)
    return g("Transpose", seen, perm=[0, 2, 1, 3])


def merged(g: Graph, x: str) -> str:
    turned = g("Transpose", x, perm=[0, 2, 1, 3])
    return g.view(turned, g.size(turned, 0), g.size(turned, 1), WIDE)


def attend(g: Graph, query: str, key: str, value: str, mask=None) -> str:
    """Softmax attention; ``mask`` makes new scores of scores."""
    scores = g("Div", g("MatMul", query, g("Transpose", key, perm=[0, 1, 3, 2])), np.float32(np.sqrt(EACH)))
    scores = scores if mask is None else mask(scores)
    return merged(g, g("MatMul", g("Softmax", scores, axis=-1), value))


def self_attention(g: Graph, x: str, mask=None) -> str:
    query, key, value = (heads(g, g.linear(x, WIDE, WIDE)) for _ in range(3))
    return g.linear(attend(g, query, key, value, mask), WIDE, WIDE)


def norm(g: Graph, x: str) -> str:
    """LayerNormalization: an operator since 17, its arithmetic before."""
    scale, bias = g.keep(np.ones(WIDE, np.float32)), g.keep(np.zeros(WIDE, np.float32))
    if g.opset >= 17:
        return g("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-5)
    centred = g("Sub", x, g.mean(x, -1))
    variance = g.mean(g("Pow", centred, np.float32(2)), -1)
    normal = g("Div", centred, g("Sqrt", g("Add", variance, np.float32(1e-5))))
    return g("Add", g("Mul", normal, scale), bias)


def root_mean_square(g: Graph, x: str) -> str:
    wide = g("Cast", x, to=FLOAT)
    mean = g.mean(g("Pow", wide, np.float32(2)), -1)
    normal = g("Mul", wide, g("Div", np.float32(1), g("Sqrt", g("Add", mean, np.float32(1e-6)))))
    return g("Mul", g.keep(np.ones(WIDE, np.float32)), g("Cast", normal, to=FLOAT))


def gelu(g: Graph, x: str) -> str:
    if g.opset >= 20:
        return g("Gelu", x)
    grown = g("Add", g("Erf", g("Div", x, np.float32(np.sqrt(2)))), np.float32(1))
    return g("Mul", g("Mul", x, grown), np.float32(0.5))


def block(g: Graph, x: str, mask=None) -> str:
    x = g("Add", x, self_attention(g, norm(g, x), mask))
    hidden = gelu(g, g.linear(norm(g, x), WIDE, 4 * WIDE))
    return g("Add", x, g.linear(hidden, 4 * WIDE, WIDE))


def embedded(g: Graph, ids: str, positions: str) -> str:
    words = g("Gather", g.weight(VOCABULARY, WIDE, name="wte"), ids)
    return g("Add", words, g("Gather", g.weight(LONGEST, WIDE, name="wpe"), positions))


def causal_buffer(g: Graph):
    """GPT-2: a triangle of booleans up to the longest sequence, of which a corner is cut out."""
    triangle = g.keep(np.tril(np.ones((1, 1, LONGEST, LONGEST), bool)), name="bias")

    def mask(scores: str) -> str:
        rows, columns = g.size(scores, -2), g.size(scores, -1)
        start = g.unsqueeze(g("Sub", columns, rows), 0)
        corner = g("Slice", triangle, start, g.unsqueeze(columns, 0), [2], [1])
        corner = g("Slice", corner, [0], g.unsqueeze(columns, 0), [3], [1])
        return g("Where", corner, scores, LOWEST)

    return mask


def causal_trilu(g: Graph):
    """A square of lowest numbers as large as the scores, of which Trilu keeps what lies ahead."""

    def mask(scores: str) -> str:
        square = g.filled(g.shape(g.size(scores, -2), g.size(scores, -1)), LOWEST)
        return g("Add", scores, g("Trilu", square, np.int64(1), upper=1))

    return mask


def causal_range(g: Graph):
    """Rows against columns, made by Range and Unsqueeze."""

    def mask(scores: str) -> str:
        columns = g.unsqueeze(g.arange(g.size(scores, -1)), 0)
        rows = g.unsqueeze(g.arange(g.size(scores, -2)), 1)
        return g("Where", g("LessOrEqual", columns, rows), scores, LOWEST)

    return mask


def padding(g: Graph, attention: str):
    """BERT: (batch, sequence) to (batch, 1, sequence, sequence) by expand, then 0 or the lowest number."""

    def mask(scores: str) -> str:
        seen = g.unsqueeze(g.unsqueeze(attention, 1), 2)
        seen = g.expand(seen, g.size(attention, 0), 1, g.size(attention, 1), g.size(attention, 1))
        away = g("Sub", np.float32(1), g("Cast", seen, to=FLOAT))
        return g("Add", scores, g("Where", g("Cast", away, to=BOOL), LOWEST, away))

    return mask


@honest("attention", opsets=(11, 13, 17, 21, NEWEST), sizes=SIZES)
def attention(opset):
    g = Graph("attn", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    g.output(self_attention(g, x), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("attention-causal-buffer", opsets=(11, 13, 17), sizes=SIZES)
def attention_causal_buffer(opset):
    g = Graph("attn", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    g.output(self_attention(g, x, causal_buffer(g)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("attention-causal-trilu", opsets=(14, 17, 21, NEWEST), sizes=SIZES)
def attention_causal_trilu(opset):
    g = Graph("attn", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    g.output(self_attention(g, x, causal_trilu(g)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("attention-causal-range", opsets=(13, 18), sizes=SIZES)
def attention_causal_range(opset):
    g = Graph("attn", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    g.output(self_attention(g, x, causal_range(g)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("bert-encoder", opsets=(11, 13, 17, 21, NEWEST), sizes=SIZES, below=TOKENS)
def bert_encoder(opset):
    """Two layers, a mask that is expanded, positions cut from a buffer, a pooled first token and a classifier."""
    g = Graph("bert", opset=opset)
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    attention = g.input("attention_mask", INT64, ["batch", "sequence"])
    buffer = g.keep(np.arange(LONGEST)[None], name="position_ids")
    positions = g("Slice", buffer, [0], g.unsqueeze(g.size(ids, 1), 0), [1], [1])
    x = norm(g, embedded(g, ids, positions))
    for _ in range(2):
        x = block(g, x, padding(g, attention))
    first = g("Gather", x, np.int64(0), axis=1)
    pooled = g("Tanh", g("Gemm", first, g.weight(WIDE, WIDE), g.weight(WIDE), transB=1))
    g.output(g("Gemm", pooled, g.weight(3, WIDE), g.weight(3), transB=1), FLOAT, ["batch", 3])
    g.output(x, FLOAT, ["batch", "sequence", WIDE])
    return g.model()


def cached(g: Graph, layer: int, key: str, value: str, count: int = HEADS) -> tuple[str, str]:
    """The past in front of the present, which is handed out for the next call."""
    out = []
    for what, new in (("key", key), ("value", value)):
        past = g.input(f"past_key_values.{layer}.{what}", FLOAT, ["batch", count, "past", EACH])
        whole = g("Concat", past, new, axis=-2)
        g.output(whole, FLOAT, ["batch", count, "total", EACH], called=f"present.{layer}.{what}")
        out.append(whole)
    return out[0], out[1]


@honest("gpt-cache", opsets=(13, 17, 21, NEWEST), sizes=CACHED, below=TOKENS)
def gpt_cache(opset):
    """A decoder with a cache: positions begin where the past ends, the mask is cut from a buffer."""
    g = Graph("gpt", opset=opset)
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    stored = g("Identity", "past_key_values.0.key")
    past = g.size(stored, 2)
    positions = g("Range", past, g("Add", past, g.size(ids, 1)), np.int64(1))
    x = embedded(g, ids, g.unsqueeze(positions, 0))
    for layer in range(2):
        joined = g.linear(norm(g, x), WIDE, 3 * WIDE)
        query, key, value = (heads(g, part) for part in g.split(joined, WIDE, WIDE, WIDE, axis=2))
        key, value = cached(g, layer, key, value)
        x = g("Add", x, g.linear(attend(g, query, key, value, causal_buffer(g)), WIDE, WIDE))
        x = g("Add", x, g.linear(gelu(g, g.linear(norm(g, x), WIDE, 4 * WIDE)), 4 * WIDE, WIDE))
    logits = g("MatMul", norm(g, x), g.weight(WIDE, VOCABULARY, name="lm_head"))
    g.output(logits, FLOAT, ["batch", "sequence", VOCABULARY], called="logits")
    return g.model()


def rotary(g: Graph, positions: str) -> tuple[str, str]:
    """Cosine and sine of positions times frequencies, each doubled by Concat."""
    frequencies = g.keep((1 / 10000 ** (np.arange(0, EACH, 2) / EACH)).astype(np.float32)[None, :, None], name="inv_freq")
    wide = g.expand(frequencies, g.size(positions, 0), -1, 1)
    angles = g("MatMul", wide, g("Cast", g.unsqueeze(positions, 1), to=FLOAT))
    angles = g("Transpose", angles, perm=[0, 2, 1])
    both = g("Concat", angles, angles, axis=-1)
    return g.unsqueeze(g("Cos", both), 1), g.unsqueeze(g("Sin", both), 1)


def rotated(g: Graph, x: str, cosine: str, sine: str) -> str:
    half = g("Div", g.size(x, 3), np.int64(2))
    first = g("Slice", x, [0], g.unsqueeze(half, 0), [3], [1])
    second = g("Slice", x, g.unsqueeze(half, 0), [np.iinfo(np.int64).max], [3], [1])
    turned = g("Concat", g("Neg", second), first, axis=-1)
    return g("Add", g("Mul", x, cosine), g("Mul", turned, sine))


def repeated(g: Graph, x: str, times: int) -> str:
    """Grouped-query attention: every head of the cache serves several queries (unsqueeze, expand, reshape)."""
    batch, count, length, each = (g.size(x, axis) for axis in range(4))
    wide = g.expand(g.unsqueeze(x, 2), batch, count, times, length, each)
    return g.view(wide, batch, g("Mul", count, np.int64(times)), length, each)


@honest("llama-cache", opsets=(14, 17, 21, NEWEST), sizes=CACHED, below=TOKENS)
def llama_cache(opset):
    """RMSNorm, rotary positions, two key heads for four queries, a gated unit, a mask from ConstantOfShape and Trilu."""
    g = Graph("llama", opset=opset)
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    attention = g.input("attention_mask", INT64, ["batch", "total"])
    positions = g.input("position_ids", INT64, ["batch", "sequence"])
    x = g("Gather", g.weight(VOCABULARY, WIDE, name="embed_tokens"), ids)
    mask = llama_mask(g, ids, attention)
    cosine, sine = rotary(g, positions)
    for layer in range(2):
        calm = root_mean_square(g, x)
        query = rotated(g, heads(g, g("MatMul", calm, g.weight(WIDE, WIDE))), cosine, sine)
        key = rotated(g, heads(g, g("MatMul", calm, g.weight(WIDE, 2 * EACH)), 2), cosine, sine)
        value = heads(g, g("MatMul", calm, g.weight(WIDE, 2 * EACH)), 2)
        key, value = cached(g, layer, key, value, 2)
        seen = attend(g, query, repeated(g, key, 2), repeated(g, value, 2), lambda scores: g("Add", scores, mask))
        x = g("Add", x, g("MatMul", seen, g.weight(WIDE, WIDE)))
        calm = root_mean_square(g, x)
        gate = g("MatMul", calm, g.weight(WIDE, 3 * WIDE))
        gated = g("Mul", g("Mul", gate, g("Sigmoid", gate)), g("MatMul", calm, g.weight(WIDE, 3 * WIDE)))
        x = g("Add", x, g("MatMul", gated, g.weight(3 * WIDE, WIDE)))
    g.output(g("MatMul", root_mean_square(g, x), g.weight(WIDE, VOCABULARY)), FLOAT, ["batch", "sequence", VOCABULARY])
    return g.model()


def llama_mask(g: Graph, ids: str, attention: str) -> str:
    """(batch, 1, sequence, total): a filled square, its upper triangle, expanded over the batch, padding put in by Where."""
    batch, sequence, total = g.size(ids, 0), g.size(ids, 1), g.size(attention, 1)
    square = g("Trilu", g.filled(g.shape(sequence, total), LOWEST), np.int64(1), upper=1)
    past = g("Sub", total, sequence)
    ahead = g("Greater", g.arange(total), g("Reshape", g("Range", past, total, np.int64(1)), [-1, 1]))
    square = g("Mul", square, g("Cast", ahead, to=FLOAT))
    wide = g.expand(g.unsqueeze(g.unsqueeze(square, 0), 0), batch, 1, -1, -1)
    seen = g("Cast", g.unsqueeze(g.unsqueeze(attention, 1), 1), to=FLOAT)
    return g("Where", g("Equal", g("Add", wide, seen), np.float32(0)), LOWEST, wide)


@honest("scaled-dot-product", opsets=(14, 17, 20), sizes=SIZES)
def scaled_dot_product(opset):
    """F.scaled_dot_product_attention: the scale is computed from the shape, and both sides take its square root."""
    g = Graph("sdpa", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    query, key, value = (heads(g, g.linear(x, WIDE, WIDE)) for _ in range(3))
    each = g("Cast", g("Slice", g("Shape", query), [-1], [np.iinfo(np.int64).max]), to=FLOAT)
    scale = g("Sqrt", g("Div", np.array([1], np.float32), g("Sqrt", each)))
    rows, columns = g("Slice", g("Shape", query), [-2], [-1]), g("Slice", g("Shape", key), [-2], [-1])
    ones = g.filled(g("Concat", rows, columns, axis=0), np.float32(1))
    allowed = g("Cast", g("Trilu", ones, upper=0), to=BOOL)
    mask = g("Where", allowed, np.float32(0), np.float32(-np.inf))
    scores = g("MatMul", g("Mul", query, scale), g("Mul", g("Transpose", key, perm=[0, 1, 3, 2]), scale))
    seen = g("MatMul", g("Softmax", g("Add", scores, mask), axis=-1), value)
    g.output(g.linear(merged(g, seen), WIDE, WIDE), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("attention-operator", opsets=(23, 24, NEWEST), sizes=CACHED, below=TOKENS)
def attention_operator(opset):
    """The operators of their own: RMSNormalization, RotaryEmbedding and Attention with a past."""
    g = Graph("modern", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    positions = g.input("position_ids", INT64, ["batch", "sequence"])
    angles = np.outer(np.arange(LONGEST), 1 / 10000 ** (np.arange(0, EACH, 2) / EACH)).astype(np.float32)
    tables = g.keep(np.cos(angles), name="cos_cache"), g.keep(np.sin(angles), name="sin_cache")
    calm = g("RMSNormalization", x, g.keep(np.ones(WIDE, np.float32)), axis=-1)
    query, key, value = (heads(g, g("MatMul", calm, g.weight(WIDE, WIDE))) for _ in range(3))
    query, key = (g("RotaryEmbedding", part, *tables, positions) for part in (query, key))
    past = [g.input(f"past.{what}", FLOAT, ["batch", HEADS, "past", EACH]) for what in ("key", "value")]
    seen, *present = g("Attention", query, key, value, None, *past, outputs=3, is_causal=1)
    for what, name in zip(("key", "value"), present, strict=True):
        g.output(name, FLOAT, ["batch", HEADS, "total", EACH], called=f"present.{what}")
    g.output(g.linear(merged(g, seen), WIDE, WIDE), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("relative-positions", opsets=(13, 17, 21), sizes=SIZES)
def relative_positions(opset):
    """T5: buckets of distances, logarithmic from some distance on, look up a bias for every head."""
    g = Graph("t5", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    length = g.size(x, 1)
    distance = g("Sub", g.unsqueeze(g.arange(length), 0), g.unsqueeze(g.arange(length), 1))
    side = g("Mul", g("Cast", g("Greater", distance, np.int64(0)), to=INT64), np.int64(4))
    far = g("Abs", distance)
    share = g("Div", g("Log", g("Div", g("Cast", far, to=FLOAT), np.float32(2))), np.float32(np.log(4)))
    large = g("Add", g("Cast", g("Mul", share, np.float32(2)), to=INT64), np.int64(2))
    large = g("Min", large, g.filled(g("Shape", large), np.int64(3)))
    bucket = g("Add", side, g("Where", g("Less", far, np.int64(2)), far, large))
    bias = g.unsqueeze(g("Transpose", g("Gather", g.weight(8, HEADS), bucket), perm=[2, 0, 1]), 0)
    g.output(self_attention(g, x, lambda scores: g("Add", scores, bias)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("vision-transformer", opsets=(11, 17, 21), sizes=({"batch": 1}, {"batch": 3}))
def vision_transformer(opset):
    """Patches by a convolution, a class token expanded over the batch, positions added, the first token classified."""
    g = Graph("vit", opset=opset)
    image = g.input("pixel_values", FLOAT, ["batch", 3, 32, 32])
    patches = g("Conv", image, g.weight(WIDE, 3, 8, 8), g.weight(WIDE), kernel_shape=[8, 8], strides=[8, 8])
    shape = g("Slice", g("Shape", patches), [0], [2], [0])
    flat = g("Reshape", patches, g("Concat", shape, [-1], axis=0))
    tokens = g("Transpose", flat, perm=[0, 2, 1])
    first = g.expand(g.weight(1, 1, WIDE, name="cls_token"), g.size(image, 0), -1, -1)
    x = g("Add", g("Concat", first, tokens, axis=1), g.weight(1, 17, WIDE, name="position_embeddings"))
    x = norm(g, block(g, x))
    g.output(g("Gemm", g("Gather", x, np.int64(0), axis=1), g.weight(5, WIDE), g.weight(5), transB=1), FLOAT, ["batch", 5])
    return g.model()


@honest("cross-attention", opsets=(13, 21), sizes=({"batch": 2, "sequence": 3, "source": 5},))
def cross_attention(opset):
    """A decoder's block that looks at an encoder's states of another length."""
    g = Graph("cross", opset=opset)
    x = g.input("x", FLOAT, ["batch", "sequence", WIDE])
    states = g.input("encoder_hidden_states", FLOAT, ["batch", "source", WIDE])
    query = heads(g, g.linear(norm(g, x), WIDE, WIDE))
    key, value = (heads(g, g.linear(states, WIDE, WIDE)) for _ in range(2))
    g.output(g("Add", x, g.linear(attend(g, query, key, value), WIDE, WIDE)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()
