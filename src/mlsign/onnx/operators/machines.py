"""Support vector machines and linear models of ``ai.onnx.ml``: coefficients are counted, never read.

A kernel walks through coefficients with strides that it computes from classes and vectors; where the product is larger
than the array, it reads beyond it (onnxruntime PR 27699, 27950).
"""

from __future__ import annotations

from typing import Final

from mlsign.onnx.operators.told import BrokenError, Told, in_range, none_or_same, same
from mlsign.onnx.operators.trees import POST_TRANSFORMS

_KERNELS: Final = frozenset((b"LINEAR", b"POLY", b"RBF", b"SIGMOID"))
_MAX_CLASSES: Final = 65_535
"""Pairs of classes, which one-against-one counts, then still fit 32 bits."""


def check_svm_classifier(told: Told) -> None:
    """``SVMClassifier``: one vector machine for each pair of classes, or, without vectors, one row for each class."""
    classes = told.exclusive("classlabels_ints", "classlabels_strings")
    in_range((classes,), "number of classes", least=1, most=_MAX_CLASSES)
    _check_kernel(told)
    told.one_of("post_transform", b"NONE", POST_TRANSFORMS)
    per_class = told.numbers("vectors_per_class")
    if per_class and min(per_class) < 0:
        raise BrokenError(f"a class has {min(per_class)} vectors")
    vectors, coefficients, rho = sum(per_class), told.count("coefficients"), told.count("rho")
    chances = {"prob_a": told.count("prob_a"), "prob_b": told.count("prob_b")}
    if not vectors:
        same(0, "a machine without vectors", support_vectors=told.count("support_vectors"))
        _check_divides(coefficients, "coefficients", classes, "classes")
        _check_some(rho, "rho")
        same(chances["prob_a"], "prob_a", prob_b=chances["prob_b"])
        return
    in_range((classes,), "number of classes", least=2, most=_MAX_CLASSES)
    pairs = classes * (classes - 1) // 2
    same(classes, "the number of classes", vectors_per_class=len(per_class))
    _check_divides(told.count("support_vectors"), "support_vectors", vectors, "vectors")
    same(vectors * (classes - 1), "vectors_per_class", coefficients=coefficients)
    same(pairs, "the number of pairs of classes", rho=rho)
    none_or_same(pairs, "the number of pairs of classes", **chances)
    same(chances["prob_a"], "prob_a", prob_b=chances["prob_b"])


def check_svm_regressor(told: Told) -> None:
    """``SVMRegressor``."""
    vectors, coefficients = told.number("n_supports", 0), told.count("coefficients")
    if vectors < 0:
        raise BrokenError(f"n_supports is {vectors}")
    _check_kernel(told)
    told.one_of("post_transform", b"NONE", POST_TRANSFORMS)
    told.flag("one_class", 0)
    _check_some(told.count("rho"), "rho")
    if vectors:
        same(vectors, "n_supports", coefficients=coefficients)
        _check_divides(told.count("support_vectors"), "support_vectors", vectors, "vectors")
    else:
        same(0, "a machine without vectors", support_vectors=told.count("support_vectors"))
        _check_some(coefficients, "coefficients")


def check_linear_classifier(told: Told) -> None:
    """``LinearClassifier``: a row for each class, or one row for two."""
    classes = told.exclusive("classlabels_ints", "classlabels_strings")
    coefficients, rows = told.count("coefficients"), told.count("intercepts")
    told.flag("multi_class", 0)
    told.one_of("post_transform", b"NONE", POST_TRANSFORMS)
    if not rows:  # left out, as the specification allows: then the labels say how many rows there are
        _check_divides(coefficients, "coefficients", 1 if classes == 2 else classes, "classes")
        return
    if rows != classes and (rows, classes) != (1, 2):
        raise BrokenError(f"there are {classes} labels and {rows} intercepts")
    _check_divides(coefficients, "coefficients", rows, "intercepts")


def check_linear_regressor(told: Told) -> None:
    """``LinearRegressor``. Exporters write one intercept of zero for any number of targets, and runtimes ignore it."""
    targets = told.number("targets", 1)
    in_range((targets,), "targets", least=1, most=told.most_columns)
    told.one_of("post_transform", b"NONE", POST_TRANSFORMS)
    _check_divides(told.count("coefficients"), "coefficients", targets, "targets")


def _check_kernel(told: Told) -> None:
    told.one_of("kernel_type", b"LINEAR", _KERNELS)
    none_or_same(3, "a kernel", kernel_params=told.count("kernel_params"))


def _check_some(found: int, name: str) -> None:
    if not found:
        raise BrokenError(f"{name} is empty")


def _check_divides(found: int, name: str, rows: int, what: str) -> None:
    """An array is a whole number of columns for so many rows."""
    _check_some(found, name)
    if found % rows:
        raise BrokenError(f"{found} entries of {name} cannot be shared among {rows} {what}")
