"""Classical machine learning (``ai.onnx.ml``): tables in attributes, rows in, scores out."""

from __future__ import annotations

from typing import Final

from mlsign.onnx.bounds.amounts import Value, added, fixed, times, upper, upto
from mlsign.onnx.bounds.indices import check_indices
from mlsign.onnx.bounds.numbers import DOUBLE
from mlsign.onnx.bounds.sequences import sequence_of
from mlsign.onnx.bounds.tensors import FLOAT, INT64, TEXT, TEXT_BYTES, Tensor
from mlsign.onnx.bounds.use import Rule, Use


def _rows(use: Use) -> Value:
    dims = use.first().dims
    return upto(None) if dims is None else dims[0] if len(dims) > 1 else fixed(1)


_LABELS: Final = (
    b"classlabels_int64s",
    b"classlabels_ints",
    b"classlabels_strings",
    b"intercepts",
    b"vectors_per_class",
)
"""Lists with a number for each class: runtimes differ on which one they count."""


def _labels(use: Use) -> int:
    return max(2, *map(use.length, _LABELS))


def _classified(use: Use) -> list[Tensor]:
    texts = use.length(b"classlabels_strings") > 0
    use.worked(use.first().count, _table(use))
    return [
        use.space.tensor(TEXT if texts else INT64, (_rows(use),), width=use.longest() if texts else None),
        use.sized((_rows(use), upto(_labels(use) ** 2 if use.has(b"rho") else _labels(use))), element=FLOAT),
    ]


def _regressed(use: Use) -> list[Tensor]:
    targets = max(1, use.whole(b"n_targets", 1), use.whole(b"targets", 1))
    use.worked(use.first().count, _table(use))
    element = DOUBLE if use.first().element == DOUBLE else FLOAT
    return [use.sized((_rows(use), fixed(targets)), element=element)]


def _table(use: Use) -> int:
    """Steps for one number of the input, at most: all of the tables of the model."""
    names = (b"coefficients", b"nodes_treeids", b"nodes_featureids", b"support_vectors", b"class_ids", b"target_ids")
    return 1 + sum(map(use.length, names))


def _one_hot_encoded(use: Use) -> list[Tensor]:
    classes = max(use.length(b"cats_int64s"), use.length(b"cats_strings"))
    data = use.first()
    dims = None if data.dims is None else (*data.dims, fixed(classes))
    count = None if data.count is None else times(upper(data.count), classes)
    return [use.sized(dims, element=FLOAT, count=count)]


def _zip_map(use: Use) -> list[Tensor]:
    data = use.first()
    row = use.space.tensor(FLOAT, (fixed(_labels(use)),), width=TEXT_AND_NUMBER + use.longest())
    return [sequence_of(use, row, _rows(use).high if data.count is not None else None)]


TEXT_AND_NUMBER: Final = 72
"""Bytes of one entry of a map of texts to numbers, about."""


def _extracted(use: Use) -> list[Tensor]:
    data, places = use.first(), use.arg(1)
    if places is not None and data.dims:
        check_indices(places.values, data.dims[-1], negative=False)
    picked = upto(None if places is None else places.count)
    if data.dims is None:
        return [use.space.unknown(data.element)]
    lead = data.dims[:-1] if len(data.dims) > 1 else (fixed(1),)
    exact = places.dims[-1] if places is not None and places.dims and len(places.dims) == 1 else picked
    return [use.space.tensor(data.element, (*lead, exact), width=data.width)]


def _joined_features(use: Use) -> list[Tensor]:
    total = fixed(0)
    for size in use.wholes(b"inputdimensions") or ():
        total = added(total, fixed(max(0, size)))
    return [use.sized((_rows(use), total), element=FLOAT)]


def _vectorized(use: Use) -> list[Tensor]:
    words = max(use.length(b"string_vocabulary"), use.length(b"int64_vocabulary"))
    return [use.space.tensor(FLOAT, (fixed(1), fixed(words)), width=TEXT_BYTES)]


def _cast_map(use: Use) -> list[Tensor]:
    sparse = use.text(b"map_form") == "SPARSE"
    width = fixed(max(1, use.whole(b"max_map", 1))) if sparse else upto(use.first().count)
    return [use.space.tensor(FLOAT, (fixed(1), width), width=TEXT_BYTES)]


RULES: Final[dict[str, Rule]] = {
    "LinearClassifier": _classified,
    "SVMClassifier": _classified,
    "TreeEnsembleClassifier": _classified,
    "LinearRegressor": _regressed,
    "SVMRegressor": _regressed,
    "TreeEnsembleRegressor": _regressed,
    "TreeEnsemble": _regressed,
    "OneHotEncoder": _one_hot_encoded,
    "ZipMap": _zip_map,
    "ArrayFeatureExtractor": _extracted,
    "FeatureVectorizer": _joined_features,
    "DictVectorizer": _vectorized,
    "CastMap": _cast_map,
}
