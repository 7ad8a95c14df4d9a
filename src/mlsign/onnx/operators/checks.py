"""Which operator is checked by what: the one entry to this package.

Owns the table from (domain, operator) to check, and remembers verdicts: thousands of nodes share the same attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

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
    whole: bool


Checks: TypeAlias = Mapping[str, Callable[[Told], None]]
"""Checks by the operators that they are for, spaces between them."""

_FORESTS: Final[Checks] = {
    "TreeEnsembleClassifier": trees.check_classifier,
    "TreeEnsembleRegressor": trees.check_regressor,
    "TreeEnsemble": ensembles.check_ensemble,
}
_TABLES: Final[Checks] = {
    "SVMClassifier": machines.check_svm_classifier,
    "SVMRegressor": machines.check_svm_regressor,
    "LinearClassifier": machines.check_linear_classifier,
    "LinearRegressor": machines.check_linear_regressor,
    "LabelEncoder": tables.check_labels,
    "CategoryMapper": tables.check_categories,
    "DictVectorizer": tables.check_vocabulary,
    "OneHotEncoder": tables.check_one_hot,
    "ZipMap": tables.check_zip,
    "Scaler": tables.check_scaler,
    "Imputer": tables.check_imputer,
    "Normalizer": tables.check_normalizer,
    "FeatureVectorizer": tables.check_columns,
    "CastMap": tables.check_cast,
}
_CONVOLUTIONS: Final = (
    "Conv ConvInteger ConvTranspose QLinearConv DeformConv"
    " FusedConv NhwcConv NhwcFusedConv QLinearConvTranspose ConvTransposeWithDynamicPads"
)
_POOLS: Final = "MaxPool AveragePool LpPool MaxUnpool NhwcMaxPool QLinearAveragePool"
_WINDOWS: Final[Checks] = {
    f"{_CONVOLUTIONS} {_POOLS} Col2Im": windows.check_window,
    "DepthToSpace SpaceToDepth GroupNormalization LRN RNN GRU LSTM": windows.check_positive,
}
_AXES: Final[Checks] = {
    "RoiAlign": windows.check_align,
    "MaxRoiPool": windows.check_roi_pool,
    "Split": windows.check_split,
    "Pad": windows.check_pads,
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"
    " ArgMax ArgMin Compress Concat ConcatFromSequence Flatten Gather GatherElements Hardmax LayerNormalization LogSoftmax"
    " LpNormalization MeanVarianceNormalization OneHot QuantizeLinear DequantizeLinear Scatter ScatterElements Slice Softmax"
    " SplitToSequence Squeeze TopK Transpose Unique Unsqueeze": windows.check_axes,
}


def _rules(checks: Checks, code: str, what: str, domains: frozenset[bytes], *, whole: bool = True) -> dict[bytes, Rule]:
    return {
        name.encode(): Rule(check=check, domains=domains, code=code, what=what, whole=whole)
        for names, check in checks.items()
        for name in names.split()
    }


_BROKEN_TABLES: Final = "the tables of the operator are broken"
CHECKED: Final = MappingProxyType(
    _rules(_FORESTS, problems.TREE_ENSEMBLE, "the tree ensemble is broken", _CLASSICAL)
    | _rules(_TABLES, problems.CLASSICAL_TABLES, _BROKEN_TABLES, _CLASSICAL)
    | _rules({"TfIdfVectorizer": tables.check_ngrams}, problems.CLASSICAL_TABLES, _BROKEN_TABLES, _STANDARD)
    | _rules({"Einsum": equations.check_einsum}, problems.EINSUM, "the equation is broken", _STANDARD)
    | _rules(_WINDOWS, problems.WINDOW, "a window is broken", _OPTIMISED, whole=False)
    | _rules(_AXES, problems.WINDOW, "a window or axis is broken", _STANDARD, whole=False)
)
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
