"""Text and tables: strings in, vectorizers, encoders, one-hot, embeddings, the operators of ai.onnx.ml, sparse weights."""

import numpy as np
import onnx
from honest_graph import FLOAT, INT64, NEWEST, STRING, Graph, honest
from onnx import TensorProto, helper, numpy_helper

ROWS = ({"batch": 1, "sequence": 1}, {"batch": 3, "sequence": 7})
ML = "ai.onnx.ml"
VOCABULARY, WIDE = 20, 8


@honest("one-hot", opsets=(9, 11, 13, 17, 21), sizes=ROWS, below={"x": VOCABULARY})
def one_hot(opset):
    """A constant depth, and the sum over a table that it selects."""
    g = Graph("onehot", opset=opset)
    x = g.input("x", INT64, ["batch", "sequence"])
    hot = g("OneHot", x, np.array([VOCABULARY]), np.array([0, 1], np.float32), axis=-1)
    g.output(g("MatMul", hot, g.weight(VOCABULARY, WIDE)), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("embedding-positions", opsets=(11, 13, 17, 21, NEWEST), sizes=ROWS, below={"input_ids": VOCABULARY})
def embedding_positions(opset):
    """Positions by Range(0, size), expanded over the batch; segments that are zeros as large as the tokens."""
    g = Graph("embeddings", opset=opset)
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    positions = g("Expand", g.unsqueeze(g.arange(g.size(ids, 1)), 0), g("Shape", ids))
    kinds = g.filled(g("Shape", ids), np.int64(0))
    tables = [g.weight(size, WIDE) for size in (VOCABULARY, 64, 2)]
    parts = [g("Gather", table, index) for table, index in zip(tables, (ids, positions, kinds), strict=True)]
    g.output(g("Sum", *parts), FLOAT, ["batch", "sequence", WIDE])
    return g.model()


@honest("embedding-mean", opsets=(11, 17), sizes=ROWS, below={"input_ids": VOCABULARY})
def embedding_mean(opset):
    """A sentence as the mean of its tokens that are not padding, made as long as one."""
    g = Graph("sentence", opset=opset)
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    mask = g.input("attention_mask", INT64, ["batch", "sequence"])
    states = g("Gather", g.weight(VOCABULARY, WIDE), ids)
    seen = g("Cast", g("Expand", g.unsqueeze(mask, 2), g("Shape", states)), to=FLOAT)
    axes = {"axes": [1]} if opset < 13 else {}
    total, count = (g("ReduceSum", part, *([] if axes else [[1]]), keepdims=0, **axes) for part in (g("Mul", states, seen), seen))
    mean = g("Div", total, g("Clip", count, np.float32(1e-9)))
    length = g("Clip", g("ReduceL2", mean, axes=[1], keepdims=1) if opset < 18 else g("ReduceL2", mean, [1]), np.float32(1e-12))
    g.output(g("Div", mean, g("Expand", length, g("Shape", mean))), FLOAT, ["batch", WIDE])
    return g.model()


@honest("text-pipeline", opsets=(10, 13, 17, 21), sizes=({"count": 3}, {"count": 6}))
def text_pipeline(opset):
    """Stop words out, lower case, counts of words and pairs of words, a linear classifier with labels in words."""
    g = Graph("text", opset=opset)
    words = g.input("words", STRING, ["count"])
    how = {"case_change_action": "LOWER", "is_case_sensitive": 0, "locale": "C"}  # a locale that is on every machine
    clean = g("StringNormalizer", words, stopwords=["a", "the"], **how)
    pool = ["fraud", "cat", "house", "zebra", "cat", "house", "fraud", "cat"]
    how = {"max_gram_length": 2, "max_skip_count": 0, "min_gram_length": 1, "mode": "TFIDF", "ngram_counts": [0, 4]}
    indexes = list(range(6))
    counts = g("TfIdfVectorizer", clean, pool_strings=pool, ngram_indexes=indexes, weights=[1.0, 0.5, 0.5, 2.0, 1.0, 1.0], **how)
    row = g("Reshape", counts, [1, 6])
    more = {"classlabels_strings": ["ham", "spam"], "multi_class": 0, "post_transform": "LOGISTIC"}
    numbers = {"coefficients": [-0.1 * n for n in range(6)] + [0.1 * n for n in range(6)], "intercepts": [0.1, -0.1]}
    label, scores = g("LinearClassifier", row, domain=ML, outputs=2, **numbers, **more)
    g.output(label, STRING, [1], called="label")
    g.output(scores, FLOAT, [1, 2], called="probabilities")
    return g.model(domains={ML: 1})


@honest("label-encoder", opsets=(10, 15, 21), sizes=({"batch": 1}, {"batch": 5}))
def label_encoder(opset):
    """Words to numbers, to an embedding, to a class, and back to words."""
    g = Graph("labels", opset=opset)
    words = g.input("words", STRING, ["batch"])
    known = {"keys_strings": ["fraud", "a", "The", "cat"], "default_int64": 0}
    ids = g("LabelEncoder", words, domain=ML, values_int64s=[1, 2, 3, 4], **known)
    scores = g("MatMul", g("Gather", g.weight(5, WIDE), ids), g.weight(WIDE, 3))
    best = g("ArgMax", scores, axis=1, keepdims=0)
    names = {"keys_int64s": [0, 1, 2], "values_strings": ["low", "middle", "high"], "default_string": "unknown"}
    g.output(g("LabelEncoder", best, domain=ML, **names), STRING, ["batch"])
    return g.model(domains={ML: 2})


@honest("label-encoder-tensors", opsets=(21,), sizes=({"batch": 1}, {"batch": 5}))
def label_encoder_tensors(opset):
    """Keys and values in tensors, as version 4 of the operator takes them."""
    g = Graph("labels", opset=opset)
    keys = numpy_helper.from_array(np.array(["fraud", "cat", "naïve"], object), "keys")
    values = numpy_helper.from_array(np.array([1, 2, 3], np.int64), "values")
    words = g.input("words", STRING, ["batch"])
    default = numpy_helper.from_array(np.array([-1], np.int64), "default")
    ids = g("LabelEncoder", words, domain=ML, keys_tensor=keys, values_tensor=values, default_tensor=default)
    g.output(ids, INT64, ["batch"])
    return g.model(domains={ML: 4})


@honest("strings", opsets=(20, NEWEST), sizes=({"batch": 1}, {"batch": 5}))
def strings(opset):
    """Joined, matched against a pattern, split; numbers to text and back."""
    g = Graph("strings", opset=opset)
    words = g.input("words", STRING, ["batch"])
    joined = g("StringConcat", words, g.keep(np.array([" is a word"], object)))
    g.output(g("RegexFullMatch", joined, pattern="[a-z]+ is a word"), TensorProto.BOOL, ["batch"])
    parts, counts = g("StringSplit", joined, outputs=2, delimiter=" ")
    g.output(parts, STRING, ["batch", None]), g.output(counts, INT64, ["batch"])
    g.output(g("Cast", g("Cast", counts, to=STRING), to=FLOAT), FLOAT, ["batch"])
    return g.model()


@honest("table", opsets=(11, 15, 21), sizes=({"batch": 1}, {"batch": 5}), below={"city": 4})
def table(opset):
    """Columns of their own: filled in, scaled, encoded, joined; a regression and a support vector machine over them."""
    g = Graph("table", opset=opset)
    age, city = g.input("age", FLOAT, ["batch", 2]), g.input("city", INT64, ["batch", 1])
    word = g.input("word", STRING, ["batch", 1])
    full = g("Imputer", age, domain=ML, imputed_value_floats=[1.0, 2.0], replaced_value_float=float("nan"))
    scaled = g("Normalizer", g("Scaler", full, domain=ML, offset=[0.5, 0.5], scale=[2.0, 1.0]), domain=ML, norm="L2")
    places = g("Reshape", g("OneHotEncoder", city, domain=ML, cats_int64s=[0, 1, 2, 3], zeros=1), [-1, 4])
    kinds = g("Reshape", g("OneHotEncoder", word, domain=ML, cats_strings=["cat", "a", "fraud"], zeros=1), [-1, 3])
    high = g("Binarizer", full, domain=ML, threshold=0.5)
    x = g("FeatureVectorizer", scaled, places, kinds, high, domain=ML, inputdimensions=[2, 4, 3, 2])
    x = g("ArrayFeatureExtractor", x, np.array([0, 1, 3, 5, 8, 10]), domain=ML)
    weights = {"coefficients": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], "intercepts": [0.5]}
    g.output(g("LinearRegressor", x, domain=ML, **weights), FLOAT, ["batch", 1])
    machine = {"kernel_type": "RBF", "kernel_params": [0.5, 0.0, 3.0], "n_supports": 2, "rho": [0.1], "coefficients": [1.0, -1.0]}
    g.output(g("SVMRegressor", x, domain=ML, support_vectors=[0.1 * n for n in range(12)], **machine), FLOAT, ["batch", 1])
    return g.model(domains={ML: 1})


def trees() -> dict:
    """Two small trees with labels in words."""
    return {
        "nodes_treeids": [0, 0, 0, 1, 1, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 0, 1, 2, 3, 4],
        "nodes_featureids": [0, 0, 0, 1, 0, 2, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0, -0.5, 0.0, 0.25, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "BRANCH_GT", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0, 1, 0, 3, 0, 0],
        "nodes_falsenodeids": [2, 0, 0, 2, 0, 4, 0, 0],
        "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 1, 0, 0],
        "nodes_hitrates": [1.0] * 8,
    }


@honest("tree-ensemble-old", opsets=(11, 15), sizes=({"batch": 1}, {"batch": 5}))
def tree_ensemble_old(opset):
    g = Graph("trees", opset=opset)
    x = g.input("x", FLOAT, ["batch", 3])
    leaves = {"treeids": [0, 0, 1, 1, 1], "nodeids": [1, 2, 1, 3, 4], "ids": [0, 1, 0, 1, 1]}
    votes = {f"class_{key}": value for key, value in leaves.items()} | {"class_weights": [0.6, 0.4, 0.3, 0.7, 0.9]}
    names = {"classlabels_strings": ["ham", "spam"], "post_transform": "NONE"}
    label, scores = g("TreeEnsembleClassifier", x, domain=ML, outputs=2, **trees(), **votes, **names)
    g.output(label, STRING, ["batch"])
    maps = g("ZipMap", scores, domain=ML, classlabels_strings=["ham", "spam"])
    inner = helper.make_map_type_proto(STRING, helper.make_tensor_type_proto(FLOAT, []))
    g.outputs.append(helper.make_value_info(maps, helper.make_sequence_type_proto(inner)))
    weights = {f"target_{key}": value for key, value in leaves.items()} | {"target_weights": [1.0, 2.0, 3.0, 4.0, 5.0]}
    how = {"n_targets": 2, "aggregate_function": "SUM", "base_values": [0.5, 0.25]}
    g.output(g("TreeEnsembleRegressor", x, domain=ML, **trees(), **weights, **how), FLOAT, ["batch", 2])
    return g.model(domains={ML: 1})


@honest("tree-ensemble", opsets=(21, NEWEST), sizes=({"batch": 1}, {"batch": 5}))
def tree_ensemble(opset):
    """Version 5 of ai.onnx.ml: one operator for both, numbers in tensors, a set membership."""
    g = Graph("trees", opset=opset)
    tensor = {
        "nodes_splits": np.array([0.5, -0.5], np.float32),
        "nodes_modes": np.array([0, 1], np.uint8),
        "leaf_weights": np.array([1.0, 2.0, 3.0], np.float32),
    }
    how = {"n_targets": 2, "aggregate_function": 1, "post_transform": 0, "tree_roots": [0]}
    nodes = {"nodes_featureids": [0, 2], "nodes_truenodeids": [1, 0], "nodes_trueleafs": [0, 1]}
    leaves = {"nodes_falsenodeids": [2, 1], "nodes_falseleafs": [1, 1], "leaf_targetids": [0, 1, 0]}
    arrays = {name: numpy_helper.from_array(value, name) for name, value in tensor.items()}
    x = g.input("x", FLOAT, ["batch", 3])
    g.output(g("TreeEnsemble", x, domain=ML, **how, **nodes, **leaves, **arrays), FLOAT, ["batch", 2])
    return g.model(domains={ML: 5})


@honest("dictionaries", sizes=({},), given={"words": lambda _rng, _sizes: {"cat": 1.5, "house": 2.0}})
def dictionaries(opset):
    """A map of words to numbers becomes a row, then a cast of a map of numbers."""
    g = Graph("dictionary", opset=opset)
    inner = helper.make_tensor_type_proto(FLOAT, [])
    g.inputs.append(helper.make_value_info("words", helper.make_map_type_proto(STRING, inner)))
    row = g("DictVectorizer", "words", domain=ML, string_vocabulary=["cat", "fraud", "house"])
    g.output(row, FLOAT, [1, 3])
    return g.model(domains={ML: 1})


@honest("sparse-weights", opsets=(13, 17), sizes=({"batch": 1}, {"batch": 5}))
def sparse_weights(opset):
    """A sparse initializer in one list of places, a sparse constant with rows and columns."""
    g = Graph("sparse", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    values = numpy_helper.from_array(np.array([0.5, -0.5, 1.0], np.float32), "sparse.weight")
    flat = numpy_helper.from_array(np.array([0, 9, 60], np.int64), "places")
    pairs = numpy_helper.from_array(np.array([[0, 1], [3, 2], [7, 7]], np.int64), "places")
    y = g("MatMul", x, "sparse.weight")
    again = numpy_helper.from_array(np.array([0.5, -0.5, 1.0], np.float32), "values")
    y = g("MatMul", y, g("Constant", sparse_value=helper.make_sparse_tensor(again, pairs, [WIDE, WIDE])))
    g.output(y, FLOAT, ["batch", WIDE])
    model = g.model()
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, flat, [WIDE, WIDE]))
    return model


@honest("weights-as-inputs", opsets=(8, 9), sizes=({"batch": 1}, {"batch": 5}))
def weights_as_inputs(opset):
    """IR version 3: every initializer is an input as well."""
    g = Graph("old", opset=opset)
    x = g.input("x", FLOAT, ["batch", WIDE])
    y = g("Relu", g("Gemm", x, g.weight(WIDE, WIDE), g.weight(WIDE), transB=1))
    g.output(g("Softmax", g("Dropout", y, ratio=0.5), axis=1), FLOAT, ["batch", WIDE])
    for tensor in g.initializers:
        g.inputs.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    return g.model(ir_version=3)


@honest("tied-weights", sizes=ROWS, below={"input_ids": VOCABULARY})
def tied_weights(opset):
    """One table at both ends, and another that is there twice under two names."""
    g = Graph("tied", opset=opset)
    ids = g.input("input_ids", INT64, ["batch", "sequence"])
    words = g.weight(VOCABULARY, WIDE)
    x = g("Gather", words, ids)
    same = np.eye(WIDE, dtype=np.float32)
    x = g("MatMul", g("MatMul", x, g.keep(same)), g.keep(same))
    g.output(g("MatMul", x, g("Transpose", words, perm=[1, 0])), FLOAT, ["batch", "sequence", VOCABULARY])
    return g.model()


@honest("scalars-and-empty-tensors", sizes=({},))
def scalars_and_empty_tensors(opset):
    g = Graph("scalars", opset=opset)
    x, y = g.input("x", FLOAT, []), g.input("none", FLOAT, [0, 3])
    g.output(g("Add", x, np.float32(1)), FLOAT, [])
    g.output(g("Concat", y, g.filled(g.const([2, 3]), np.float32(7)), axis=0), FLOAT, [2, 3])
    shape = g.keep(np.zeros(0, np.int64), name="no_dimensions")
    g.output(g("Reshape", g("Expand", x, shape), shape), FLOAT, [])
    g.output(g.filled(shape, np.float32(3)), FLOAT, [])
    return onnx.shape_inference.infer_shapes(g.model())
