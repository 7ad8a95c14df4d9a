"""Operators in a few families, so that a picture of a thousand nodes can be read by its colours before any name is.

Owns which operator belongs where, and what a family is called. A family says what kind of work a node does, never whether it may.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mlsign.interface import ONNX_DOMAIN
from mlsign.onnx.records import NodeRecord

ML_DOMAIN: Final = "ai.onnx.ml"

FAMILIES: Final = MappingProxyType(
    {
        "linear": "matrices, convolutions",
        "activation": "activations",
        "pooling": "normalizing, pooling, reducing",
        "arithmetic": "arithmetic, comparing",
        "moving": "shapes and moving data",
        "control": "control flow, functions",
        "learnt": "trees and other ai.onnx.ml",
        "other": "all others",
    }
)
"""What the legend says, by the name that colours have. The order is that of the legend, and of numbers in a picture's data."""

_MEMBERS: Final = {
    "linear": (
        "Attention CausalConvWithState Conv ConvInteger ConvTranspose DeformConv Einsum GRU Gemm LSTM LinearAttention MatMul"
        " MatMulInteger QLinearConv QLinearMatMul RNN"
    ),
    "activation": (
        "Celu Elu Gelu HardSigmoid HardSwish Hardmax LeakyRelu LogSoftmax Mish PRelu Relu Selu Shrink Sigmoid Softmax Softplus"
        " Softsign Swish Tanh ThresholdedRelu"
    ),
    "pooling": (
        "ArgMax ArgMin AveragePool BatchNormalization Dropout GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization"
        " InstanceNormalization LRN LayerNormalization LpNormalization LpPool MaxPool MaxRoiPool MeanVarianceNormalization"
        " RMSNormalization ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum"
        " ReduceSumSquare RoiAlign TopK"
    ),
    "arithmetic": (
        "Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Clip Cos Cosh"
        " CumProd CumSum Det Div DequantizeLinear DynamicQuantizeLinear Equal Erf Exp Floor Greater GreaterOrEqual IsInf IsNaN Less"
        " LessOrEqual Log Max Mean Min Mod Mul Neg Not Or Pow QuantizeLinear Reciprocal Round Sign Sin Sinh Sqrt Sub Sum Tan Where"
        " Xor"
    ),
    "moving": (
        "Cast CastLike CenterCropPad Col2Im Compress Concat ConcatFromSequence Constant ConstantOfShape DepthToSpace Expand EyeLike"
        " Flatten Gather GatherElements GatherND GridSample Identity NonZero OneHot Pad Range Reshape Resize ReverseSequence"
        " RotaryEmbedding Scatter ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert"
        " SequenceLength Shape Size Slice SpaceToDepth Split SplitToSequence Squeeze TensorScatter Tile Transpose Trilu Unique"
        " Unsqueeze Upsample"
    ),
    "control": "If Loop Scan SequenceMap",
}
_BY_NAME: Final = {name: family for family, names in _MEMBERS.items() for name in names.split()}


def family_of(node: NodeRecord, *, opens: bool) -> str:
    """A key of ``FAMILIES``. What ``opens`` has nodes of its own, whatever it is called."""
    if opens:
        return "control"
    domain = node.domain or ONNX_DOMAIN
    if domain == ML_DOMAIN:
        return "learnt"
    return _BY_NAME.get(node.operator, "other") if domain == ONNX_DOMAIN else "other"
