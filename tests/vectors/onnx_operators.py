"""Vectors of operators that index with their own attributes: honest nodes, and each with one thing changed.

``vectors()`` gives names, nodes and codes; ``build_onnx.py`` makes models of them. A change of a node is a set of
attributes by name, where None takes one away.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import NamedTuple

from onnx import NodeProto, TensorProto, defs, helper

FLOAT = TensorProto.FLOAT
INT64 = TensorProto.INT64
ML = "ai.onnx.ml"


class Vector(NamedTuple):
    """A node, what it is called, and the one code that the reader must report."""

    name: str
    node: NodeProto
    codes: tuple[str, ...]
    opsets: tuple[tuple[str, int], ...]


def row(element: int, values: list) -> TensorProto:
    return helper.make_tensor("t", element, [len(values)], values)


def node(operator: str, domain: str = "", *, takes: int = 1, gives: int = 1, **attributes) -> NodeProto:
    inputs, outputs = [f"x{i}" if i else "x" for i in range(takes)], [f"y{i}" if i else "y" for i in range(gives)]
    made = helper.make_node(operator, inputs, outputs, domain=domain)
    for name, value in attributes.items():
        if value is not None:  # an empty list does not say of what
            kind = defs.get_schema(operator, domain).attributes[name].type.value if value == [] else None
            made.attribute.append(helper.make_attribute(name, value, attr_type=kind))
    return made


def tree(**changes) -> NodeProto:
    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [1.0, 2.0],
        "n_targets": 1,
        **changes,
    }
    return node("TreeEnsembleRegressor", ML, **attributes)


def classes(ids: list[int], **changes) -> NodeProto:
    """A classifier of two classes with its weights as a tensor."""
    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, -1, 7],  # what stands at a leaf means nothing
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values_as_tensor": row(TensorProto.DOUBLE, [0.5, 0.0, 0.0]),
        "nodes_truenodeids": [1, -1, 99],
        "nodes_falsenodeids": [2, -1, 99],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": ids or None,
        "class_weights_as_tensor": row(TensorProto.DOUBLE, [1.0, 1.0]),
        "classlabels_int64s": [0, 1],
        **changes,
    }
    return node("TreeEnsembleClassifier", ML, gives=2, **attributes)


def chain(levels: int) -> NodeProto:
    """A tree that is as deep as it is long: each node has a leaf and the next node."""
    inner = levels - 1
    modes = ["BRANCH_LEQ"] * inner + ["LEAF"] * (inner + 1)
    yes = [inner + index for index in range(inner)] + [0] * (inner + 1)
    no = [index + 1 for index in range(inner - 1)] + [2 * inner] + [0] * (inner + 1)
    count = 2 * inner + 1
    return tree(
        nodes_treeids=[0] * count,
        nodes_nodeids=list(range(count)),
        nodes_featureids=[0] * count,
        nodes_modes=modes,
        nodes_values=[0.5] * count,
        nodes_truenodeids=yes,
        nodes_falsenodeids=no,
    )


def ensemble(**changes) -> NodeProto:
    attributes = {
        "tree_roots": [0],
        "nodes_featureids": [0, 1],
        "nodes_splits": row(FLOAT, [0.5, 0.6]),
        "nodes_modes": row(TensorProto.UINT8, [0, 0]),
        "nodes_truenodeids": [1, 1],
        "nodes_falsenodeids": [0, 2],
        "nodes_trueleafs": [0, 1],
        "nodes_falseleafs": [1, 1],
        "leaf_targetids": [0, 0, 0],
        "leaf_weights": row(FLOAT, [1.0, 2.0, 3.0]),
        "n_targets": 1,
        **changes,
    }
    return node("TreeEnsemble", ML, **attributes)


def deep_ensemble(levels: int) -> NodeProto:
    last = [0] * (levels - 1) + [1]
    return ensemble(
        nodes_featureids=[0] * levels,
        nodes_splits=row(FLOAT, [0.5] * levels),
        nodes_modes=helper.make_tensor("m", TensorProto.UINT8, [levels], bytes(levels), raw=True),
        nodes_truenodeids=[*range(1, levels), 0],
        nodes_falsenodeids=[0] * levels,
        nodes_trueleafs=last,
        nodes_falseleafs=[1] * levels,
    )


def trees() -> Iterator[tuple[str, NodeProto]]:
    for name, changes in {
        "circle": {
            "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"],
            "nodes_truenodeids": [1, 0, 0],
            "nodes_falsenodeids": [2, 2, 0],
        },
        "own_child": {"nodes_truenodeids": [0, 0, 0]},
        "missing_child": {"nodes_truenodeids": [7, 0, 0]},
        "missing_other_child": {"nodes_falsenodeids": [7, 0, 0]},
        "short_array": {"nodes_values": [0.5, 0.0]},
        "short_features": {"nodes_featureids": [0, 0]},
        "short_children": {"nodes_truenodeids": [1, 0]},
        "missing_array": {"nodes_modes": ["LEAF"]},
        "short_optional_array": {"nodes_hitrates": [1.0]},
        "short_tracks": {"nodes_missing_value_tracks_true": [0, 0]},
        "same_id": {"nodes_nodeids": [0, 1, 1]},
        "unknown_mode": {"nodes_modes": ["BRANCH_LEQ", "LEAF", "JUMP"]},
        "negative_feature": {"nodes_featureids": [-1, 0, 0]},
        "huge_feature": {"nodes_featureids": [2**31, 0, 0]},
        "weight_of_missing_node": {"target_nodeids": [1, 9]},
        "target_out_of_range": {"target_ids": [0, 1]},
        "target_negative": {"target_ids": [0, -1]},
        "short_weights": {"target_weights": [1.0]},
        "targets_huge": {"n_targets": 2**40},
        "targets_none": {"n_targets": 0, "target_treeids": [], "target_nodeids": [], "target_ids": [], "target_weights": []},
        "base_values_short": {"base_values": [0.5], "n_targets": 2},
        "values_twice": {"nodes_values_as_tensor": row(FLOAT, [0.5, 0.0, 0.0])},
        "values_of_two_dimensions": {
            "nodes_values": None,
            "nodes_values_as_tensor": helper.make_tensor("t", FLOAT, [3, 1], [0.5, 0.0, 0.0]),
        },
        "values_of_whole_numbers": {"nodes_values": None, "nodes_values_as_tensor": row(INT64, [1, 0, 0])},
        "aggregate_unknown": {"aggregate_function": "MEDIAN"},
        "post_transform_unknown": {"post_transform": "SQUARE"},
    }.items():
        yield f"tree_{name}", tree(**changes)
    yield "tree_no_nodes", node("TreeEnsembleRegressor", ML, n_targets=1)
    yield "tree_too_deep", chain(4097)
    yield "good_tree_deep", chain(4096)
    yield "good_tree", tree()
    yield "good_tree_shared_child", tree(nodes_falsenodeids=[1, 0, 0])  # LightGBM's sets are chains with one child in common
    yield "good_tree_hints", tree(nodes_hitrates=[1.0] * 3, nodes_missing_value_tracks_true=[0, 1, 0], base_values=[0.5])
    yield "good_tree_second_root", tree(nodes_truenodeids=[2, 0, 0])  # node 1 has no parent
    yield "good_tree_without_weights", tree(target_treeids=[], target_nodeids=[], target_ids=[], target_weights=[])
    yield "good_tree_classifier", classes([0, 1])
    yield "good_tree_one_score_for_two", classes([0, 0], base_values=[0.5])
    yield "good_tree_other_score_for_two", classes([1, 1], base_values=[0.5, 0.5])
    yield "tree_classes_out_of_range", classes([0, 2])
    yield "tree_classes_without_ids", classes([])
    yield "tree_classes_base_value_for_two", classes([0, 1], base_values=[0.5])
    yield "tree_classes_two_kinds", classes([0, 1], classlabels_strings=["a", "b"])
    yield "tree_classes_without_labels", classes([0, 0], classlabels_int64s=None)


def ensembles() -> Iterator[tuple[str, NodeProto]]:
    uint8 = TensorProto.UINT8
    sets = {"nodes_modes": row(uint8, [6, 6]), "membership_values": row(FLOAT, [1.0, 2.0, nan, 3.0, nan])}
    for name, changes in {
        "circle": {"nodes_truenodeids": [0, 1]},
        "shared_node": {"nodes_falsenodeids": [1, 2], "nodes_falseleafs": [0, 1]},
        "same_root_twice": {"tree_roots": [0, 0]},
        "root_inside_a_tree": {"tree_roots": [0, 1]},
        "missing_node": {"nodes_truenodeids": [2, 1]},
        "missing_leaf": {"nodes_falsenodeids": [3, 2]},
        "missing_root": {"tree_roots": [2]},
        "negative_leaf": {"nodes_falsenodeids": [-1, 2]},
        "flag_of_two": {"nodes_trueleafs": [0, 2]},
        "target_out_of_range": {"leaf_targetids": [0, 0, 1]},
        "targets_none": {"n_targets": 0},
        "targets_huge": {"n_targets": 2**62},
        "short_array": {"nodes_featureids": [0]},
        "short_flags": {"nodes_falseleafs": [1]},
        "short_modes": {"nodes_modes": row(uint8, [0])},
        "short_weights": {"leaf_weights": row(FLOAT, [1.0])},
        "short_hitrates": {"nodes_hitrates": row(FLOAT, [1.0])},
        "short_tracks": {"nodes_missing_value_tracks_true": [1]},
        "negative_feature": {"nodes_featureids": [0, -1]},
        "weights_scalar": {"leaf_targetids": [0], "leaf_weights": helper.make_tensor("t", FLOAT, [], [1.0])},
        "weights_of_other_type": {"leaf_weights": row(TensorProto.DOUBLE, [1.0, 2.0, 3.0])},
        "modes_of_other_type": {"nodes_modes": row(INT64, [0, 0])},
        "mode_unknown": {"nodes_modes": row(uint8, [0, 7])},
        "mode_unknown_in_raw_data": {"nodes_modes": helper.make_tensor("m", uint8, [2], b"\x00\x09", raw=True)},
        "sets_missing": {"nodes_modes": row(uint8, [0, 6])},
        "sets_too_few": {**sets, "membership_values": row(FLOAT, [1.0, nan, 2.0])},
        "sets_for_nobody": {"membership_values": row(FLOAT, [1.0, nan])},
        "aggregate_unknown": {"aggregate_function": 4},
        "post_transform_unknown": {"post_transform": 5},
        "no_features": {"nodes_featureids": []},
        "no_roots": {"tree_roots": []},
        "no_leaves": {"leaf_targetids": []},
    }.items():
        yield f"tree_5_{name}", ensemble(**changes)
    yield "tree_5_too_deep", deep_ensemble(4097)
    yield "good_tree_5", ensemble()
    yield "good_tree_5_deep", deep_ensemble(4096)
    yield "good_tree_5_hints", ensemble(nodes_hitrates=row(FLOAT, [1.0, 1.0]), nodes_missing_value_tracks_true=[0, 1])
    yield "good_tree_5_sets", ensemble(**sets)
    yield (
        "good_tree_5_sets_double",
        ensemble(
            nodes_modes=helper.make_tensor("m", uint8, [2], b"\x06\x00", raw=True),
            nodes_splits=row(TensorProto.DOUBLE, [0.5, 0.6]),
            leaf_weights=row(TensorProto.DOUBLE, [1.0, 2.0, 3.0]),
            membership_values=row(TensorProto.DOUBLE, [1.0, nan]),
        ),
    )
    half = {"nodes_splits": row(TensorProto.FLOAT16, [0.5, 0.6]), "leaf_weights": row(TensorProto.FLOAT16, [1.0, 2.0, 3.0])}
    yield "good_tree_5_sets_half", ensemble(**{**sets, **half, "membership_values": row(TensorProto.FLOAT16, [1.0, nan, nan])})
    yield (
        "good_tree_5_single_leaf",
        ensemble(
            nodes_featureids=[0],
            nodes_splits=row(FLOAT, [0.0]),
            nodes_modes=row(uint8, [0]),
            nodes_truenodeids=[0],
            nodes_falsenodeids=[0],
            nodes_trueleafs=[1],
            nodes_falseleafs=[1],
            leaf_targetids=[0],
            leaf_weights=row(FLOAT, [1.0]),
        ),
    )


GRAMS = {
    "mode": "TF",
    "min_gram_length": 1,
    "max_gram_length": 2,
    "max_skip_count": 0,
    "pool_strings": ["a", "b", "a", "b", "b", "c"],
    "ngram_counts": [0, 2],
    "ngram_indexes": [0, 1, 2, 3],
}


def ngrams() -> Iterator[tuple[str, NodeProto]]:
    for name, changes in {
        "indexes_short": {"ngram_indexes": [0, 1, 2]},
        "indexes_long": {"ngram_indexes": [0, 1, 2, 3, 4]},
        "index_negative": {"ngram_indexes": [0, 1, 2, -1]},
        "index_huge": {"ngram_indexes": [0, 1, 2, 2**31]},
        "skip_huge": {"max_skip_count": 2**31},
        "skip_above_the_limit": {"max_skip_count": 10_001},
        "skip_negative": {"max_skip_count": -1},
        "no_pool": {"pool_strings": None},
        "two_pools": {"pool_int64s": [1, 2, 3, 4, 5, 6]},
        "no_counts": {"ngram_counts": []},
        "counts_from_the_middle": {"ngram_counts": [1, 2]},
        "counts_go_down": {"ngram_counts": [0, 4, 2]},
        "counts_beyond_the_pool": {"ngram_counts": [0, 7]},
        "counts_negative": {"ngram_counts": [0, -2]},
        "block_not_whole": {"ngram_counts": [0, 3]},
        "weights_short": {"weights": [1.0, 1.0]},
        "weights_by_column": {"mode": "IDF", "weights": [1.0] * 4, "ngram_indexes": [0, 1, 2, 4]},
        "mode_unknown": {"mode": "DF"},
        "gram_length_zero": {"min_gram_length": 0},
        "gram_lengths_crossed": {"min_gram_length": 3},
        "gram_length_huge": {"max_gram_length": 2**31},
    }.items():
        yield f"ngrams_{name}", node("TfIdfVectorizer", **{**GRAMS, **changes})
    yield "good_ngrams", node("TfIdfVectorizer", **GRAMS)
    for name, changes in {
        "weights": {"weights": [1.0] * 4},
        "weights_idf": {"mode": "TFIDF", "weights": [1.0] * 4, "ngram_indexes": [3, 2, 1, 0]},
        "numbers": {"pool_strings": None, "pool_int64s": [1, 2, 1, 2, 2, 3]},
        "same_column": {"ngram_indexes": [0, 0, 1, 7]},
        "empty_block": {"ngram_counts": [0, 0], "ngram_indexes": [0, 1, 2], "min_gram_length": 2},
        "blocks_fewer_than_length": {"ngram_counts": [0], "ngram_indexes": [0, 1, 2, 3, 4, 5]},
        "skip": {"max_skip_count": 10_000},
    }.items():
        yield f"good_ngrams_{name}", node("TfIdfVectorizer", **{**GRAMS, **changes})


def svms() -> Iterator[tuple[str, NodeProto]]:
    machine = {
        "classlabels_ints": [0, 1, 2],
        "vectors_per_class": [1, 1, 2],
        "support_vectors": [0.5] * 8,
        "coefficients": [1.0] * 8,
        "rho": [0.1] * 3,
        "kernel_params": [1.0, 0.0, 3.0],
        "kernel_type": "RBF",
    }
    for name, changes in {
        "coefficients_short": {"coefficients": [1.0] * 7},
        "coefficients_long": {"coefficients": [1.0] * 9},
        "rho_short": {"rho": [0.1]},
        "vectors_negative": {"vectors_per_class": [-1, 1, 4]},
        "vectors_of_two_classes": {"vectors_per_class": [2, 2]},
        "vectors_not_whole": {"support_vectors": [0.5] * 7},
        "no_support_vectors": {"support_vectors": []},
        "no_labels": {"classlabels_ints": None},
        "labels_of_two_kinds": {"classlabels_strings": ["a", "b", "c"]},
        "one_label": {"classlabels_ints": [0], "vectors_per_class": [4], "coefficients": [], "rho": []},
        "chances_short": {"prob_a": [0.1], "prob_b": [0.1]},
        "chances_of_one_kind": {"prob_a": [0.1] * 3},
        "kernel_params_short": {"kernel_params": [1.0]},
        "kernel_unknown": {"kernel_type": "COSINE"},
        "post_transform_unknown": {"post_transform": "X"},
        "linear_with_vectors": {"vectors_per_class": None},
        "linear_not_whole": {"vectors_per_class": None, "support_vectors": None},
        "linear_no_rho": {"vectors_per_class": None, "support_vectors": None, "coefficients": [1.0] * 6, "rho": []},
        "linear_chances": {"vectors_per_class": None, "support_vectors": None, "coefficients": [1.0] * 6, "prob_a": [0.1]},
    }.items():
        yield f"svm_{name}", node("SVMClassifier", ML, gives=2, **{**machine, **changes})
    linear = {"vectors_per_class": None, "support_vectors": None, "coefficients": [1.0] * 6, "kernel_params": None}
    yield "good_svm", node("SVMClassifier", ML, gives=2, **machine)
    yield "good_svm_chances", node("SVMClassifier", ML, gives=2, **machine, prob_a=[0.1] * 3, prob_b=[0.1] * 3)
    yield "good_svm_linear", node("SVMClassifier", ML, gives=2, **{**machine, **linear, "kernel_type": "LINEAR"})
    regressor = {"n_supports": 2, "support_vectors": [0.5] * 4, "coefficients": [1.0] * 2, "rho": [0.1], "kernel_type": "RBF"}
    for name, changes in {
        "coefficients_short": {"coefficients": [1.0]},
        "vectors_short": {"support_vectors": [0.5] * 3},
        "supports_negative": {"n_supports": -1},
        "supports_huge": {"n_supports": 2**40},
        "no_rho": {"rho": []},
        "one_class_of_two": {"one_class": 2},
        "kernel_unknown": {"kernel_type": "COSINE"},
        "linear_with_vectors": {"n_supports": 0},
        "linear_without_coefficients": {"n_supports": 0, "support_vectors": None, "coefficients": []},
    }.items():
        yield f"svm_regressor_{name}", node("SVMRegressor", ML, **{**regressor, **changes})
    yield "good_svm_regressor", node("SVMRegressor", ML, **regressor)
    yield "good_svm_regressor_linear", node("SVMRegressor", ML, **{**regressor, "n_supports": 0, "support_vectors": None})


def linears() -> Iterator[tuple[str, NodeProto]]:
    model = {"classlabels_ints": [0, 1, 2], "coefficients": [1.0] * 6, "intercepts": [0.0] * 3}
    for name, changes in {
        "coefficients_not_whole": {"coefficients": [1.0] * 7},
        "no_coefficients": {"coefficients": []},
        "more_labels_than_rows": {"classlabels_ints": [0, 1, 2, 3]},
        "fewer_labels_than_rows": {"classlabels_ints": [0, 1]},
        "no_labels": {"classlabels_ints": None},
        "labels_of_two_kinds": {"classlabels_strings": ["a", "b", "c"]},
        "multi_class_of_two": {"multi_class": 2},
        "post_transform_unknown": {"post_transform": "X"},
        "no_intercepts_not_whole": {"intercepts": None, "coefficients": [1.0] * 7},
    }.items():
        yield f"linear_{name}", node("LinearClassifier", ML, gives=2, **{**model, **changes})
    yield "good_linear", node("LinearClassifier", ML, gives=2, **model)
    for name, changes in {
        "two_rows": {"classlabels_ints": [0, 1], "intercepts": [0.0] * 2},
        "one_row": {"classlabels_ints": [0, 1], "intercepts": [0.0]},
        "no_intercepts": {"intercepts": None},
        "one_row_no_intercepts": {"intercepts": None, "classlabels_ints": [0, 1], "coefficients": [1.0] * 3},
    }.items():
        yield f"good_linear_{name}", node("LinearClassifier", ML, gives=2, **{**model, **changes})
    regressor = {"targets": 2, "coefficients": [1.0] * 4, "intercepts": [0.0] * 2}
    for name, changes in {
        "targets_zero": {"targets": 0},
        "targets_huge": {"targets": 2**40},
        "coefficients_not_whole": {"coefficients": [1.0] * 3},
        "no_coefficients": {"coefficients": []},
        "post_transform_unknown": {"post_transform": "X"},
    }.items():
        yield f"linear_regressor_{name}", node("LinearRegressor", ML, **{**regressor, **changes})
    yield "good_linear_regressor", node("LinearRegressor", ML, **regressor)
    yield "good_linear_regressor_one_zero", node("LinearRegressor", ML, **{**regressor, "intercepts": [0.0]})


def tables() -> Iterator[tuple[str, NodeProto]]:
    labels = {"keys_strings": ["a", "b", "a"], "values_int64s": [1, 2, 3], "default_int64": -1}
    for name, changes in {
        "keys_short": {"keys_strings": ["a"]},
        "values_short": {"values_int64s": [1]},
        "no_values": {"values_int64s": None},
        "keys_of_two_kinds": {"keys_int64s": [1, 2, 3]},
        "values_of_two_kinds": {"values_strings": ["a", "b", "c"]},
        "keys_of_two_dimensions": {
            "keys_strings": None,
            "keys_tensor": helper.make_tensor("t", INT64, [3, 1], [1, 2, 3]),
        },
        "default_of_two": {"values_int64s": None, "values_tensor": row(INT64, [1, 2, 3]), "default_tensor": row(INT64, [1, 2])},
        "default_of_other_type": {
            "values_int64s": None,
            "values_tensor": row(INT64, [1, 2, 3]),
            "default_tensor": row(FLOAT, [1.0]),
        },
    }.items():
        yield f"labels_{name}", node("LabelEncoder", ML, **{**labels, **changes})
    yield "good_labels", node("LabelEncoder", ML, **labels, default_string="x", default_float=0.5)
    tensors = {"keys_tensor": row(INT64, [1, 2]), "values_tensor": row(FLOAT, [1.0, 2.0])}
    yield "good_labels_tensors", node("LabelEncoder", ML, **tensors, default_tensor=row(FLOAT, [0.0]))
    yield "good_labels_default", node("LabelEncoder", ML, **{**labels, "default_tensor": row(INT64, [0])})
    small = {
        "CategoryMapper": (
            {"cats_int64s": [1, 2], "cats_strings": ["a", "b"]},
            {"short": {"cats_int64s": [1]}, "empty": {"cats_int64s": [], "cats_strings": []}},
            {"twice": {"cats_int64s": [1, 1]}},
        ),
        "DictVectorizer": (
            {"string_vocabulary": ["a", "b"]},
            {"twice": {"string_vocabulary": ["a", "a"]}, "both": {"int64_vocabulary": [1]}, "empty": {"string_vocabulary": []}},
            {"numbers": {"string_vocabulary": None, "int64_vocabulary": [3, 1]}},
        ),
        "OneHotEncoder": (
            {"cats_int64s": [1, 2], "zeros": 1},
            {"both": {"cats_strings": ["a"]}, "empty": {"cats_int64s": []}, "zeros_of_two": {"zeros": 2}},
            {"twice": {"cats_int64s": [1, 1]}},
        ),
        "ZipMap": (
            {"classlabels_int64s": [0]},
            {"both": {"classlabels_strings": ["a"]}, "empty": {"classlabels_int64s": []}},
            {"strings": {"classlabels_int64s": None, "classlabels_strings": ["a", "b"]}},
        ),
        "Scaler": (
            {"offset": [0.0, 1.0], "scale": [1.0, 1.0]},
            {"short": {"offset": [0.0]}, "empty": {"offset": [], "scale": []}},
            {"one": {"offset": [0.0], "scale": [1.0]}},
        ),
        "Imputer": (
            {"imputed_value_floats": [0.5], "replaced_value_float": nan},
            {"both": {"imputed_value_int64s": [1]}, "empty": {"imputed_value_floats": []}},
            {"numbers": {"imputed_value_floats": None, "imputed_value_int64s": [1, 2]}},
        ),
        "Normalizer": ({"norm": "L2"}, {"unknown": {"norm": "L3"}}, {}),
        "CastMap": (
            {"map_form": "SPARSE", "max_map": 5},
            {"huge": {"max_map": 2**40}, "zero": {"max_map": 0}, "form_unknown": {"map_form": "ROUND"}},
            {"dense": {"map_form": "DENSE", "max_map": -1}},
        ),
    }
    for operator, (honest, broken, variants) in small.items():
        slug = operator.lower()
        yield f"good_{slug}", node(operator, ML, **honest)
        for name, changes in variants.items():
            yield f"good_{slug}_{name}", node(operator, ML, **{**honest, **changes})
        for name, changes in broken.items():
            yield f"{slug}_{name}", node(operator, ML, **{**honest, **changes})
    for name, widths in {"short": [1], "zero": [1, 0], "huge": [1, 2**30], "beyond_32_bits": [1, 2**40]}.items():
        yield f"featurevectorizer_{name}", node("FeatureVectorizer", ML, takes=2, inputdimensions=widths)
    yield "good_featurevectorizer", node("FeatureVectorizer", ML, takes=2, inputdimensions=[2, 2])
    yield "good_featurevectorizer_unsaid", node("FeatureVectorizer", ML, takes=2)


def old_labels() -> Iterator[tuple[str, NodeProto]]:
    yield "good_labels_old", node("LabelEncoder", ML, classes_strings=["a", "b"], default_int64=-1)


def equations() -> Iterator[tuple[str, NodeProto]]:
    for index, equation in enumerate(("....", "i.j", "......", "ij......", "...i...", "ij->..", "...i->....i")):
        yield f"einsum_dots_{index}", node("Einsum", equation=equation)
    for name, equation, takes in (
        ("digit", "i1->i", 1),
        ("tab", "ij\t->i", 1),
        ("two_arrows", "i->j->i", 1),
        ("dash", "i-j", 1),
        ("arrow_backwards", "i>-i", 1),
        ("one_term_for_two", "ij", 2),
        ("two_terms_for_one", "ij,jk->ik", 1),
        ("output_letter_from_nowhere", "ij->ik", 1),
        ("output_letter_twice", "ij->ii", 1),
        ("output_ellipsis_from_nowhere", "ij->...i", 1),
        ("too_many_letters", "i" * 33, 1),
        ("not_ascii", "ij->i\N{LATIN SMALL LETTER DOTLESS I}", 1),
    ):
        yield f"einsum_{name}", node("Einsum", takes=takes, equation=equation)
    for name, equation, takes in (
        ("ellipses", "...ik,...kj->...ij", 2),
        ("ellipsis_inside", "i...j", 1),
        ("sum", "ij->", 1),
        ("scalar", "i,->i", 2),
        ("spaces", "  i j , j k -> i k  ", 2),
        ("capitals", "aB,Bc->ac", 2),
        ("diagonal", "ii->i", 1),
        ("implicit", "ij,jk", 2),
        ("nothing", "", 1),
        ("ellipsis_summed", "...i->i", 1),
    ):
        yield f"good_einsum_{name}", node("Einsum", takes=takes, equation=equation)


def windows() -> Iterator[tuple[str, NodeProto]]:
    conv = {"kernel_shape": [3, 3], "strides": [1, 1], "dilations": [1, 1], "pads": [1, 1, 1, 1], "group": 1}
    for name, changes in {
        "stride_zero": {"strides": [1, 0]},
        "stride_negative": {"strides": [-1, 1]},
        "stride_huge": {"strides": [2**31, 1]},
        "dilation_zero": {"dilations": [0, 1]},
        "dilation_huge": {"dilations": [1, 2**62]},
        "kernel_zero": {"kernel_shape": [3, 0]},
        "kernel_negative": {"kernel_shape": [3, -3]},
        "group_zero": {"group": 0},
        "group_negative": {"group": -1},
        "group_huge": {"group": 2**31},
        "strides_short": {"strides": [1]},
        "dilations_long": {"dilations": [1, 1, 1]},
        "pads_short": {"pads": [1, 1]},
        "pads_odd": {"pads": [1, 1, 1]},
        "pads_huge": {"pads": [1, 1, 1, 2**31]},
        "pads_hugely_negative": {"pads": [1, 1, 1, -(2**63)]},
        "of_33_dimensions": {"kernel_shape": [1] * 33, "strides": None, "dilations": None, "pads": None},
    }.items():
        yield f"window_{name}", node("Conv", takes=2, **{**conv, **changes})
    yield "window_pads_odd_alone", node("Conv", takes=2, pads=[1, 1, 1])
    yield "good_window", node("Conv", takes=2, **conv)
    yield "good_window_negative_pads", node("Conv", takes=2, **{**conv, "pads": [-1, 0, -1, 0]})
    yield "good_window_unsaid", node("Conv", takes=2)
    yield "good_window_empty_lists", node("Conv", takes=2, kernel_shape=[3], strides=[], pads=[])
    transposed = {"kernel_shape": [3, 3], "strides": [2, 2]}
    for name, changes in {
        "padding_negative": {"output_padding": [0, -1]},
        "padding_short": {"output_padding": [1]},
        "shape_short": {"output_shape": [5]},
        "shape_huge": {"output_shape": [5, 2**31]},
        "group_zero": {"group": 0},
    }.items():
        yield f"window_transposed_{name}", node("ConvTranspose", takes=2, **{**transposed, **changes})
    yield "good_window_transposed", node("ConvTranspose", takes=2, **transposed, output_padding=[1, 0], output_shape=[10, 8])
    yield "good_window_transposed_whole_shape", node("ConvTranspose", takes=2, **transposed, output_shape=[1, 1, 10, 8])
    for operator in ("MaxPool", "AveragePool", "LpPool"):
        yield f"window_{operator.lower()}_stride_zero", node(operator, kernel_shape=[2, 2], strides=[0, 2])
        yield f"window_{operator.lower()}_strides_short", node(operator, kernel_shape=[2, 2], strides=[2])
        yield f"good_window_{operator.lower()}", node(operator, kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0])
    yield "window_unpool_kernel_zero", node("MaxUnpool", takes=2, kernel_shape=[0, 2])
    yield "window_col2im_stride_zero", node("Col2Im", takes=3, strides=[0, 1])
    yield "window_col2im_pads_short", node("Col2Im", takes=3, strides=[1, 1], pads=[0, 0])
    yield "good_window_col2im", node("Col2Im", takes=3, strides=[2, 2], pads=[0, 1, 0, 1], dilations=[1, 2])
    yield "window_deform_offset_group_zero", node("DeformConv", takes=3, offset_group=0)
    for operator in ("DepthToSpace", "SpaceToDepth"):
        for name, size in (("zero", 0), ("negative", -2), ("huge", 2**31)):
            yield f"window_{operator.lower()}_{name}", node(operator, blocksize=size)
        yield f"good_window_{operator.lower()}", node(operator, blocksize=2)
    yield "window_lrn_zero", node("LRN", size=0)
    yield "window_hidden_size_zero", node("LSTM", takes=3, hidden_size=0)
    align = {"output_height": 7, "output_width": 7, "sampling_ratio": 2}
    for name, changes in {
        "height_zero": {"output_height": 0},
        "bins_huge": {"output_height": 2**30, "output_width": 2**30},
        "samples_huge": {"sampling_ratio": 257},
        "samples_negative": {"sampling_ratio": -1},
    }.items():
        yield f"window_align_{name}", node("RoiAlign", takes=3, **{**align, **changes})
    yield "good_window_align", node("RoiAlign", takes=3, **align)
    yield "window_roi_pool_zero", node("MaxRoiPool", takes=2, pooled_shape=[0, 2])
    yield "window_roi_pool_short", node("MaxRoiPool", takes=2, pooled_shape=[2])
    yield "good_window_roi_pool", node("MaxRoiPool", takes=2, pooled_shape=[2, 2])


def axes() -> Iterator[tuple[str, NodeProto]]:
    yield "axis_huge", node("Softmax", axis=2**31)
    yield "axis_negative", node("Concat", takes=2, axis=-(2**63))
    yield "axis_33", node("Gather", takes=2, axis=33)
    yield "axes_huge", node("ReduceMean", axes=[0, 2**40])
    yield "axes_too_many", node("ReduceMean", axes=[0] * 33)
    yield "perm_repeats", node("Transpose", perm=[0, 0])
    yield "perm_gap", node("Transpose", perm=[0, 2])
    yield "perm_negative", node("Transpose", perm=[0, -1])
    yield "perm_too_long", node("Transpose", perm=list(range(33)))
    yield "good_axis", node("Concat", takes=2, axis=-1)
    yield "good_axes", node("ReduceMean", axes=[-1, 1])
    yield "good_perm", node("Transpose", perm=[0, 3, 1, 2])


def parts() -> Iterator[tuple[str, NodeProto]]:
    yield "split_more_than_outputs", node("Split", gives=2, num_outputs=3)
    yield "split_zero", node("Split", gives=1, num_outputs=0)
    yield "good_split", node("Split", gives=2, num_outputs=2, axis=1)
    yield "good_split_by_lengths", node("Split", takes=2, gives=2)
    yield "norm_groups_zero", node("GroupNormalization", takes=3, num_groups=0)


def old_parts() -> Iterator[tuple[str, NodeProto]]:
    yield "split_old_negative", node("Split", gives=2, split=[3, -1])
    yield "split_old_more_than_outputs", node("Split", gives=2, split=[1, 1, 1])
    yield "split_old_fewer_than_outputs", node("Split", gives=2, split=[1])
    yield "good_split_old", node("Split", gives=2, split=[2, 0])
    yield "pads_odd", node("Pad", pads=[0, 1, 0])
    yield "pads_huge", node("Pad", pads=[0, 2**31])
    yield "good_pads", node("Pad", pads=[0, -1, 0, 1])


FAMILIES = (
    (trees, "MLS370", (("", 17), (ML, 3))),
    (ensembles, "MLS370", (("", 17), (ML, 5))),
    (ngrams, "MLS375", (("", 17),)),
    (svms, "MLS375", (("", 17), (ML, 3))),
    (linears, "MLS375", (("", 17), (ML, 3))),
    (tables, "MLS375", (("", 17), (ML, 4))),
    (old_labels, "MLS375", (("", 17), (ML, 1))),
    (equations, "MLS376", (("", 17),)),
    (windows, "MLS377", (("", 19),)),
    (axes, "MLS377", (("", 17),)),
    (parts, "MLS377", (("", 21),)),
    (old_parts, "MLS377", (("", 10),)),
)


def vectors() -> Iterator[Vector]:
    for family, code, opsets in FAMILIES:
        for name, made in family():
            yield Vector(name, made, () if name.startswith("good_") else (code,), opsets)
