"""Convolutional networks: resizing by constants and by arithmetic on shapes, padding, detection heads, generators."""

import numpy as np
from honest_graph import BOOL, FLOAT, INT64, NEWEST, Graph, honest
from onnx import TensorProto

IMAGE = ({"batch": 1, "height": 32, "width": 32}, {"batch": 2, "height": 48, "width": 64})
FREE = ["batch", 3, "height", "width"]


def conv(g: Graph, x: str, wide: int, out: int, *, size: int = 3, stride: int = 1, group: int = 1) -> str:
    weight = g.weight(out, wide // group, size, size)
    edge, square = [size // 2] * 4, {"kernel_shape": [size, size], "strides": [stride, stride], "dilations": [1, 1]}
    return g("Conv", x, weight, g.weight(out, name="bias"), pads=edge, group=group, **square)


def batch_norm(g: Graph, x: str, wide: int) -> str:
    scale, mean = g.keep(np.ones(wide, np.float32)), g.keep(np.zeros(wide, np.float32))
    return g("BatchNormalization", x, scale, g.weight(wide, name="bias"), mean, scale, epsilon=1e-5, momentum=0.9)


def residual(g: Graph, x: str, wide: int) -> str:
    y = g("Relu", batch_norm(g, conv(g, x, wide, wide), wide))
    return g("Relu", g("Add", x, batch_norm(g, conv(g, y, wide, wide), wide)))


@honest("resnet", opsets=(9, 11, 13, 17, 21, NEWEST), sizes=IMAGE)
def resnet(opset):
    g = Graph("resnet", opset=opset)
    x = g("Relu", batch_norm(g, conv(g, g.input("x", FLOAT, FREE), 3, 8, size=7, stride=2), 8))
    x = g("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for _ in range(3):
        x = residual(g, x, 8)
    x = g("Flatten", g("GlobalAveragePool", x), axis=1)
    g.output(g("Gemm", x, g.weight(5, 8), g.weight(5), transB=1, alpha=1.0, beta=1.0), FLOAT, ["batch", 5])
    return g.model()


@honest("mobilenet", opsets=(14, 18, NEWEST), sizes=IMAGE)
def mobilenet(opset):
    """Depthwise convolutions, HardSwish, squeeze and excite, a classifier with the dropout that exporters leave in."""
    g = Graph("mobilenet", opset=opset)
    x = g("HardSwish", conv(g, g.input("x", FLOAT, FREE), 3, 16, stride=2))
    x = g("HardSwish", conv(g, x, 16, 16, group=16))
    gate = g("Relu", conv(g, g.mean(x, 2, 3), 16, 4, size=1))
    x = conv(g, g("Mul", x, g("HardSigmoid", conv(g, gate, 4, 16, size=1), alpha=1 / 6)), 16, 8, size=1)
    flat = g("Flatten", g("GlobalAveragePool", x))
    kept = g("Dropout", flat, np.float32(0.2), g.keep(np.array(False), name="training"), outputs=2)
    g.output(g("Softmax", g.linear(kept[0], 8, 5), axis=1), FLOAT, ["batch", 5])
    return g.model()


@honest("densenet", opsets=(11, 17), sizes=IMAGE)
def densenet(opset):
    """Twelve layers, each of which appends its channels to all that came before."""
    g = Graph("densenet", opset=opset)
    x, wide = conv(g, g.input("x", FLOAT, FREE), 3, 8), 8
    for _ in range(12):
        x, wide = g("Concat", x, g("Relu", conv(g, x, wide, 4)), axis=1), wide + 4
    x = g("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    g.output(x, FLOAT, ["batch", wide, None, None])
    return g.model()


@honest("upsample-scales", opsets=(11, 13, 18, 21, NEWEST), sizes=IMAGE)
def upsample_scales(opset):
    """F.interpolate(scale_factor=2): constant scales, and before opset 13 an empty region of interest."""
    g = Graph("fpn", opset=opset)
    x = conv(g, g.input("x", FLOAT, FREE), 3, 8)
    roi = None if opset >= 13 else g.const(np.zeros(0, np.float32))
    scales = np.array([1, 1, 2, 2], np.float32)
    for mode in ("nearest", "linear", "cubic"):
        how = {"coordinate_transformation_mode": "asymmetric" if mode == "nearest" else "half_pixel", "mode": mode}
        x = conv(g, g("Resize", x, roi, scales, nearest_mode="floor", cubic_coeff_a=-0.75, **how), 8, 8)
    g.output(x, FLOAT, ["batch", 8, None, None])
    return g.model()


@honest("upsample-old", opsets=(9,), sizes=({"batch": 1},))
def upsample_old(opset):
    g = Graph("old", opset=opset)
    x = conv(g, g.input("x", FLOAT, ["batch", 3, 16, 16]), 3, 8)
    g.output(g("Upsample", x, np.array([1, 1, 2, 2], np.float32), mode="nearest"), FLOAT, ["batch", 8, 32, 32])
    return g.model()


@honest("upsample-sizes", opsets=(11, 13, 17, 21, NEWEST), sizes=IMAGE)
def upsample_sizes(opset):
    """F.interpolate(size=other.shape[-2:]): the target's size is put together from two shapes."""
    g = Graph("fpn", opset=opset)
    x = g.input("x", FLOAT, FREE)
    large = conv(g, x, 3, 8)
    small = conv(g, large, 8, 8, stride=2)
    target = g.shape(g.size(large, 2), g.size(large, 3))
    sizes = g("Concat", g("Slice", g("Shape", small), [0], [2], [0]), target, axis=0)
    roi, scales = (None, None) if opset >= 13 else (g.const(np.zeros(0, np.float32)), g.const(np.zeros(0, np.float32)))
    wide = g(
        "Resize", small, roi, scales, sizes, coordinate_transformation_mode="asymmetric", mode="nearest", nearest_mode="floor"
    )
    g.output(g("Add", wide, large), FLOAT, ["batch", 8, "height", "width"])
    return g.model()


@honest("resize-any-image", opsets=(13, 18, NEWEST), sizes=IMAGE)
def resize_any_image(opset):
    """Preprocessing in the graph: bytes of any size to floats of a fixed one, and a longest side by arithmetic."""
    g = Graph("pre", opset=opset)
    image = g.input("image", TensorProto.UINT8, ["batch", "height", "width", 3])
    x = g("Transpose", g("Cast", image, to=FLOAT), perm=[0, 3, 1, 2])
    x = g("Div", g("Sub", x, np.array([123.7, 116.3, 103.5], np.float32).reshape(3, 1, 1)), np.float32(58))
    fixed = g("Concat", g("Slice", g("Shape", x), [0], [2], [0]), [24, 24], axis=0)
    half = {"coordinate_transformation_mode": "half_pixel", "mode": "linear"}
    g.output(g("Resize", x, None, None, fixed, **half), FLOAT, ["batch", 3, 24, 24])
    sides = g("Cast", g("Slice", g("Shape", x), [2], [4], [0]), to=FLOAT)
    longest = g("ReduceMax", sides, keepdims=1)
    scale = g("Div", np.array([40], np.float32), longest)
    scales = g("Concat", np.array([1, 1], np.float32), scale, scale, axis=0)
    g.output(g("Resize", x, None, scales, **half), FLOAT, ["batch", 3, None, None])
    return g.model()


@honest("u-net", opsets=(11, 17, 21), sizes=({"batch": 1, "height": 35, "width": 33}, {"batch": 2, "height": 48, "width": 64}))
def u_net(opset):
    """Halved twice and doubled twice; what comes up is padded to what goes over, by as much as the shapes differ."""
    g = Graph("unet", opset=opset)
    x = g("Relu", conv(g, g.input("x", FLOAT, FREE), 3, 8))
    kept = []
    for _ in range(2):
        kept.append(x)
        x = g("Relu", conv(g, g("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2]), 8, 8))
    for other in reversed(kept):
        x = g("ConvTranspose", x, g.weight(8, 8, 2, 2), g.weight(8), kernel_shape=[2, 2], strides=[2, 2])
        x = g("Relu", conv(g, g("Concat", other, padded_like(g, x, other), axis=1), 16, 8))
    g.output(g("Sigmoid", conv(g, x, 8, 1, size=1)), FLOAT, ["batch", 1, "height", "width"])
    return g.model()


def padded_like(g: Graph, x: str, other: str) -> str:
    """F.pad as PyTorch exports it: zeros up to twice the rank, in pairs, turned around and into ONNX's order."""
    across, down = (g("Sub", g.size(other, axis), g.size(x, axis)) for axis in (3, 2))
    parts = []
    for missing in (across, down):
        before = g("Div", missing, np.int64(2))
        parts += [before, g("Sub", missing, before)]
    listed = g("Concat", *[g.unsqueeze(part, 0) for part in parts], axis=0)
    rest = g("Sub", g("Mul", g("Size", g("Shape", x)), np.int64(2)), g("Size", listed))
    whole = g("Concat", listed, g.filled(g.unsqueeze(rest, 0), np.int64(0)), axis=0)
    pairs = g("Slice", g("Reshape", whole, [-1, 2]), [-1], [np.iinfo(np.int64).min], [0], [-1])
    pads = g("Cast", g("Reshape", g("Transpose", pairs, perm=[1, 0]), [-1]), to=INT64)
    return g("Pad", x, pads, np.float32(0), mode="constant")


@honest("padding", opsets=(11, 13, 19, NEWEST), sizes=IMAGE)
def padding(opset):
    """Reflected, repeated, and up to the next multiple of 16 as networks with strides want it."""
    g = Graph("pad", opset=opset)
    x = g.input("x", FLOAT, FREE)
    x = g("Pad", x, [0, 0, 3, 3, 0, 0, 3, 3], mode="reflect")
    x = g("Pad", x, [0, 0, 1, 1, 0, 0, 1, 1], None, mode="edge")
    missing = []
    for axis in (2, 3):
        over = g("Mod", g.size(x, axis), np.int64(16))
        missing.append(g("Mod", g("Sub", np.int64(16), over), np.int64(16)))
    pads = g.shape(0, 0, 0, 0, 0, 0, *missing)
    g.output(g("Pad", x, pads, np.float32(0)), FLOAT, ["batch", 3, None, None])
    return g.model()


@honest("generator", opsets=(11, 17, 21), sizes=({"batch": 1}, {"batch": 3}))
def generator(opset):
    """A generator that doubles a 4 by 4 image five times, by transposed convolutions and by Resize in turn."""
    g = Graph("gan", opset=opset)
    noise = g.input("noise", FLOAT, ["batch", 16])
    x = g.view(g.linear(noise, 16, 8 * 16), g.size(noise, 0), 8, 4, 4)
    for step in range(5):
        if step % 2:
            x = g("Resize", x, g.const(np.zeros(0, np.float32)), np.array([1, 1, 2, 2], np.float32), mode="nearest")
        else:
            x = g("ConvTranspose", x, g.weight(8, 8, 4, 4), g.weight(8), kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1])
        x = g("LeakyRelu", g("InstanceNormalization", x, g.weight(8), g.weight(8)), alpha=0.2)
    g.output(g("Tanh", conv(g, x, 8, 3)), FLOAT, ["batch", 3, 128, 128])
    return g.model()


@honest("super-resolution", opsets=(11, 13, 21), sizes=IMAGE)
def super_resolution(opset):
    """DepthToSpace, and the same as view, permute and view of six dimensions."""
    g = Graph("espcn", opset=opset)
    x = conv(g, g.input("x", FLOAT, FREE), 3, 12)
    first = g("DepthToSpace", x, blocksize=2, mode="CRD")
    batch, down, across = (g.size(x, axis) for axis in (0, 2, 3))
    turned = g("Transpose", g.view(x, batch, 3, 2, 2, down, across), perm=[0, 1, 4, 2, 5, 3])
    second = g.view(turned, batch, 3, g("Mul", down, np.int64(2)), g("Mul", across, np.int64(2)))
    g.output(g("Add", first, second), FLOAT, ["batch", 3, None, None])
    return g.model()


@honest("group-norm", opsets=(11, 17, 21, NEWEST), sizes=IMAGE)
def group_norm(opset):
    """F.group_norm as exporters took it apart before there was an operator of that name, and the operator."""
    g = Graph("gn", opset=opset)
    x = conv(g, g.input("x", FLOAT, FREE), 3, 8)
    if opset >= 21:
        x = g("GroupNormalization", x, g.weight(8), g.weight(8), num_groups=2)
    else:
        grouped = g("Reshape", x, [0, 2, -1])
        calm = g("InstanceNormalization", grouped, g.keep(np.ones(2, np.float32)), g.keep(np.zeros(2, np.float32)))
        x = g("Add", g("Mul", g("Reshape", calm, g("Shape", x)), g.weight(8, 1, 1)), g.weight(8, 1, 1))
    g.output(x, FLOAT, ["batch", 8, "height", "width"])
    return g.model()


def grid(g: Graph, features: str) -> str:
    """The middle of every cell in pixels: two ranges, expanded against each other, stacked."""
    down, across = g.size(features, 2), g.size(features, 3)
    rows, columns = (g("Cast", g.arange(n), to=FLOAT) for n in (down, across))
    rows = g.expand(g.unsqueeze(rows, 1), down, across)
    columns = g.expand(g.unsqueeze(columns, 0), down, across)
    both = g("Concat", g.unsqueeze(columns, 2), g.unsqueeze(rows, 2), axis=-1)
    return g("Mul", g("Add", g("Reshape", both, [1, -1, 2]), np.float32(0.5)), np.float32(8))


@honest("detector", opsets=(11, 13, 17, 21), sizes=IMAGE)
def detector(opset):
    """Anchors from ranges, the best by TopK, non-maximum suppression, and GatherND of what is left."""
    g = Graph("detector", opset=opset)
    x = g.input("x", FLOAT, FREE)
    features = g("Relu", conv(g, x, 3, 8, size=9, stride=8))
    count, batch = g("Mul", g.size(features, 2), g.size(features, 3)), g.size(x, 0)
    logits = g("Transpose", g.view(conv(g, features, 8, 3), batch, 3, count), perm=[0, 2, 1])
    scores = g("Sigmoid", logits)
    moves = g("Transpose", g.view(conv(g, features, 8, 4), batch, 4, count), perm=[0, 2, 1])
    shift, size = g.split(moves, 2, 2, axis=2)
    middle = g("Add", grid(g, features), shift)
    half = g("Mul", g("Exp", size), np.float32(4))
    boxes = g("Concat", g("Sub", middle, half), g("Add", middle, half), axis=2)
    best = g("ReduceMax", scores, axes=[2], keepdims=0) if opset < 18 else g("ReduceMax", scores, [2], keepdims=0)
    limit = g("Min", g.const(np.array([10])), g.unsqueeze(count, 0)) if opset >= 12 else g.const(np.array([10]))
    _, chosen = g("TopK", best, limit, outputs=2, axis=1, largest=1, sorted=1)
    index = g("Expand", g.unsqueeze(chosen, 2), g("Concat", g("Shape", chosen), [4], axis=0))
    boxes = g("GatherElements", boxes, index, axis=1)
    index = g("Expand", g.unsqueeze(chosen, 2), g("Concat", g("Shape", chosen), [3], axis=0))
    scores = g("Transpose", g("GatherElements", scores, index, axis=1), perm=[0, 2, 1])
    found = g("NonMaxSuppression", boxes, scores, np.array([5]), np.array([0.5], np.float32), np.array([0.1], np.float32))
    g.output(found, INT64, [None, 3], called="selected")
    g.output(g("GatherND", scores, found), FLOAT, [None], called="scores")
    where = g("Gather", found, [0, 2], axis=1)
    g.output(g("GatherND", boxes, where), FLOAT, [None, 4], called="boxes")
    sure = g("Transpose", g("NonZero", g("Greater", best, np.float32(0.5))), perm=[1, 0])
    g.output(g("GatherND", best, sure), FLOAT, [None], called="confident")
    return g.model()


@honest("two-stage", opsets=(16, 20), sizes=({"batch": 1, "height": 32, "width": 32},))
def two_stage(opset):
    """RoiAlign over boxes that a mask selects, GridSample, ScatterND into a picture of zeros."""
    g = Graph("rcnn", opset=opset)
    x = g.input("x", FLOAT, FREE)
    boxes = g.input("boxes", FLOAT, ["count", 4])
    features = conv(g, x, 3, 8, stride=2)
    kept = g("Compress", g("Abs", boxes), g("Cast", np.array([1, 1], np.int32), to=BOOL), axis=0)
    batch = g.filled(g.shape(g.size(kept, 0)), np.int64(0))
    crops = g("RoiAlign", features, kept, batch, output_height=4, output_width=4, spatial_scale=0.5, sampling_ratio=2)
    g.output(crops, FLOAT, [None, 8, 4, 4])
    place = g("Expand", g.weight(1, 4, 4, 2), g("Concat", g("Slice", g("Shape", x), [0], [1]), [4, 4, 2], axis=0))
    g.output(g("GridSample", features, place, align_corners=0), FLOAT, ["batch", 8, 4, 4])
    blank = g.filled(g("Shape", x), np.float32(0))
    g.output(g("ScatterND", blank, [[0, 0, 1, 1], [0, 1, 2, 2]], np.array([1, 2], np.float32)), FLOAT, FREE)
    return g.model()


@honest("unfold", opsets=(11, 13, 18), sizes=IMAGE)
def unfold(opset):
    """F.unfold as PyTorch exports it: indices from ranges, added up, two gathers and a reshape."""
    g = Graph("unfold", opset=opset)
    x = g.input("x", FLOAT, FREE)
    indices = []
    for axis in (2, 3):
        starts = g("Range", np.int64(0), g("Sub", g.size(x, axis), np.int64(2)), np.int64(2))
        indices.append(g("Add", g.unsqueeze(g("Range", np.int64(0), np.int64(3), np.int64(1)), 1), g.unsqueeze(starts, 0)))
    rows = g("Gather", x, indices[0], axis=2)
    cells = g("Transpose", g("Gather", rows, indices[1], axis=4), perm=[0, 1, 2, 4, 3, 5])
    g.output(g.view(cells, g.size(x, 0), 27, -1), FLOAT, ["batch", 27, None])
    return g.model()


@honest("spectrogram", opsets=(17, 21, NEWEST), sizes=({"batch": 1, "samples": 400}, {"batch": 2, "samples": 1000}))
def spectrogram(opset):
    """An audio frontend: window, short-time Fourier transform, power, mel filters, logarithm."""
    g = Graph("mel", opset=opset)
    sound = g.input("sound", FLOAT, ["batch", "samples"])
    window = g("HannWindow", np.int64(64), output_datatype=FLOAT)
    seen = g("STFT", g.unsqueeze(sound, 2), np.int64(32), window, np.int64(64), onesided=1)
    power = g("ReduceSumSquare", seen, axes=[3], keepdims=0) if opset < 18 else g("ReduceSumSquare", seen, [3], keepdims=0)
    filters = g("MelWeightMatrix", np.int64(10), np.int64(64), np.int64(16000), np.float32(0), np.float32(8000))
    mel = g("MatMul", power, filters)
    g.output(g("Log", g("Max", mel, np.float32(1e-6))), FLOAT, ["batch", None, 10])
    return g.model()


@honest("einsum-and-tiles", opsets=(12, 13, 21), sizes=IMAGE)
def einsum_and_tiles(opset):
    """Einsum, Tile by a shape, CumSum, ArgMax, Clip with open ends, ScatterElements, Mod, EyeLike, Hardmax."""
    g = Graph("mix", opset=opset)
    x = g.input("x", FLOAT, FREE)
    mixed = g("Einsum", x, g.weight(3, 5), equation="bchw,cd->bdhw")
    row = g("Tile", g.weight(1, 5, 1, 1), g.shape(g.size(x, 0), 1, g.size(x, 2), g.size(x, 3)))
    total = g("CumSum", g("Clip", g("Add", mixed, row), np.float32(0)), np.int64(3))
    g.output(total, FLOAT, ["batch", 5, "height", "width"])
    top = g("ArgMax", total, axis=1, keepdims=1)
    one = g("ScatterElements", g.filled(g("Shape", total), np.float32(0)), top, g.filled(g("Shape", top), np.float32(1)), axis=1)
    g.output(one, FLOAT, ["batch", 5, "height", "width"])
    g.output(g("Hardmax", g("EyeLike", g("Gather", g("Gather", x, np.int64(0)), np.int64(0)))), FLOAT, [None, None])
    return g.model()
