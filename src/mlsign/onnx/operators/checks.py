"""Which operator is checked by what: the one entry to this package.

Owns the table from (domain, operator) to check, and remembers verdicts: thousands of nodes share the same attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mlsign.onnx import problems
from mlsign.onnx.nodes import Attributes, Call
from mlsign.onnx.operators import ensembles, equations, machines, tables, trees, windows
from mlsign.onnx.operators.told import BrokenError, Told
from mlsign.onnx.scan import Scan, text
from mlsign.onnx.wire import Where

_STANDARD: Final = frozenset((b"", b"ai.onnx"))
_CLASSICAL: Final = frozenset((b"ai.onnx.ml",))
_OPTIMISED: Final = _STANDARD | {b"com.microsoft", b"com.microsoft.nchwc", b"com.ms.internal.nhwc"}
"""Domains in which onnxruntime keeps other forms of standard convolutions and pools, with the attributes of those."""
_MAX_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A check, the domains of its operator, and what a fault is called. ``whole`` where it needs every attribute."""

    check: Callable[[Told], None]
    domains: frozenset[bytes]
    code: str
    what: str
    whole: bool = True


def _rules() -> Iterator[tuple[bytes, Rule]]:
    def rows(
        code: str,
        what: str,
        domains: frozenset[bytes],
        entries: Iterable[tuple[str, Callable[[Told], None]]],
        *,
        whole: bool = True,
    ) -> Iterator[tuple[bytes, Rule]]:
        for names, check in entries:
            for name in names.split():
                yield name.encode(), Rule(check=check, domains=domains, code=code, what=what, whole=whole)

    forests = (
        ("TreeEnsembleClassifier", trees.check_classifier),
        ("TreeEnsembleRegressor", trees.check_regressor),
        ("TreeEnsemble", ensembles.check_ensemble),
    )
    yield from rows(problems.TREE_ENSEMBLE, "the tree ensemble is broken", _CLASSICAL, forests)
    classical = (
        ("SVMClassifier", machines.check_svm_classifier),
        ("SVMRegressor", machines.check_svm_regressor),
        ("LinearClassifier", machines.check_linear_classifier),
        ("LinearRegressor", machines.check_linear_regressor),
        ("LabelEncoder", tables.check_labels),
        ("CategoryMapper", tables.check_categories),
        ("DictVectorizer", tables.check_vocabulary),
        ("OneHotEncoder", tables.check_one_hot),
        ("ZipMap", tables.check_zip),
        ("Scaler", tables.check_scaler),
        ("Imputer", tables.check_imputer),
        ("Normalizer", tables.check_normalizer),
        ("FeatureVectorizer", tables.check_columns),
        ("CastMap", tables.check_cast),
    )
    yield from rows(problems.CLASSICAL_TABLES, "the tables of the operator are broken", _CLASSICAL, classical)
    ngrams = (("TfIdfVectorizer", tables.check_ngrams),)
    yield from rows(problems.CLASSICAL_TABLES, "the tables of the operator are broken", _STANDARD, ngrams)
    yield from rows(problems.EINSUM, "the equation is broken", _STANDARD, (("Einsum", equations.check_einsum),))
    convolutions = "Conv ConvInteger ConvTranspose QLinearConv DeformConv FusedConv NhwcConv NhwcFusedConv QLinearConvTranspose"
    pools = "MaxPool AveragePool LpPool MaxUnpool NhwcMaxPool QLinearAveragePool"
    counted = (
        (f"{convolutions} {pools} ConvTransposeWithDynamicPads Col2Im", windows.check_window),
        ("DepthToSpace SpaceToDepth GroupNormalization LRN RNN GRU LSTM", windows.check_positive),
    )
    yield from rows(problems.WINDOW, "a window is broken", _OPTIMISED, counted, whole=False)
    reduce = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"
    axes = (
        ("RoiAlign", windows.check_align),
        ("MaxRoiPool", windows.check_roi_pool),
        ("Split", windows.check_split),
        ("Pad", windows.check_pads),
        (" ".join(f"Reduce{name}" for name in reduce.split()), windows.check_axes),
        ("ArgMax ArgMin Compress Concat ConcatFromSequence Flatten Gather GatherElements Hardmax", windows.check_axes),
        ("LayerNormalization LogSoftmax LpNormalization MeanVarianceNormalization OneHot", windows.check_axes),
        ("QuantizeLinear DequantizeLinear Scatter ScatterElements Slice Softmax SplitToSequence", windows.check_axes),
        ("Squeeze TopK Transpose Unique Unsqueeze", windows.check_axes),
    )
    yield from rows(problems.WINDOW, "a window or axis is broken", _STANDARD, axes, whole=False)


CHECKED: Final = dict(_rules())
"""Rules by the name of the operator. No name has a rule in two domains that differ."""


class OperatorChecks:
    """Checks the nodes of one model and remembers what it found for attributes that nodes share."""

    __slots__ = ("_scan", "_verdicts")

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._verdicts: dict[tuple[Call, Attributes, int, int], str] = {}

    def check(self, call: Call, attributes: Attributes, where: Where, *, inputs: int, outputs: int) -> None:
        """Notes the first thing that is broken in what a node tells its operator, which is in ``CHECKED``."""
        rule = CHECKED[call[1]]
        if call[0] not in rule.domains:
            return
        key = (call, attributes, inputs, outputs)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdict(rule, Told(self._scan, attributes, where, inputs=inputs, outputs=outputs), attributes)
            if attributes.plain and len(self._verdicts) < _MAX_REMEMBERED:
                self._verdicts[key] = verdict
        if verdict and self._scan.problems.wants(rule.code):
            self._scan.problems.add(rule.code, f"{rule.what}: {verdict}", where, found=text(call[1]))

    @staticmethod
    def _verdict(rule: Rule, told: Told, attributes: Attributes) -> str:
        """What is broken, in words; empty when nothing is."""
        if rule.whole and any(attribute.reference for attribute in attributes.all):
            return "its attributes come from the caller of a function, and nobody can check them"
        try:
            rule.check(told)
        except BrokenError as fault:
            return str(fault)
        return ""
