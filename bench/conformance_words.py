"""Why a runtime does not answer as a test expects, where that is known: looked at one by one, and found by name and by what was said."""

from __future__ import annotations

import re

from mlsign.sandbox.runtimes import RuntimeName

ORT, REFERENCE = RuntimeName.ONNXRUNTIME, RuntimeName.REFERENCE
BOTH = (ORT, REFERENCE)

CORRECTED = "The expected output of onnx 1.17.0 is wrong; onnx 1.23.2 expects what both runtimes answer."
DRAWN = "Random numbers: the test holds those that one generator drew."
NEAR_ZERO = "The sum is right to its largest part; where it should be zero, the absolute tolerance of 1e-7 allows no rounding."
UNNAMED = "Not known."

_EXPLAINED: tuple[tuple[str, tuple[RuntimeName, ...], str, str], ...] = (
    # a pattern for the whole name, the runtimes, a part of what was said, and why
    ("averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True", BOTH, "", CORRECTED),
    ("qlinearmatmul_.*_int8_.*", BOTH, "", "The expected output of onnx 1.17.0 wraps around where int8 ends, and `QLinearMatMul` saturates; that of onnx 1.23.2 saturates, too."),
    ("cast_FLOAT(16)?_to_U?INT4", BOTH, "", f"{CORRECTED} Numbers beyond four bits lose their high bits."),
    ("cast(like)?_FLOAT_to_BFLOAT16(_expanded)?", BOTH, "another type", "The expected output is written as uint16, and the model declares bfloat16."),
    ("bernoulli.*", (REFERENCE,), "", DRAWN),
    ("training_dropout.*", (ORT,), "", DRAWN),
    ("dft.*|stft.*", (ORT,), "", NEAR_ZERO),
    ("cast(like)?_FLOAT_to_STRING(_expanded)?", (ORT,), "", "Digits: both texts name the same number, onnxruntime writes one digit more."),
    ("resize_downsample_scales_(linear|cubic)_align_corners", (ORT,), "", "With `align_corners`, onnxruntime divides by the size of the output, ONNX by the size before rounding; its own tests leave this one out."),
    ("maxunpool_export_with_output_shape", (ORT,), "", "Whether indices count in the output that is given or in the one without it is read in two ways (onnx/onnx#2398)."),
    ("adam_multiple", (REFERENCE,), "", "The expected output was computed with an epsilon of 0.01, which the model of the test lacks; that of onnx 1.23.2 has it."),
    ("scan_sum", (REFERENCE,), "", "`Scan` of opset 8, whose first input may be left out: the evaluator knows later ones alone."),
    ("range_.*_expanded", (REFERENCE,), "", "What a loop collects comes out with one dimension too many."),
    ("light_densenet121", (REFERENCE,), "", "`BatchNormalization` of opset 9: the evaluator mixes the mean and variance of the batch in, as in training."),
    ("light_squeezenet", (REFERENCE,), "", "`Softmax` of opset 9, over all dimensions from the second: the evaluator takes the last one, as since opset 13."),
    (".*", (REFERENCE,), "Pillow", "Pictures are not decoded: Pillow is no part of a worker."),
    (".*", (REFERENCE,), "'Scatter'", "`Scatter` was replaced in opset 11, and the evaluator never had it."),
    (".*", (REFERENCE,), "'Gradient'", "Gradients are for training; neither runtime has them."),
    (".*", (ORT,), "is not a registered function/op", "Operators of training are not in the builds of onnxruntime that one installs."),
    (".*", (ORT,), "string_normalizer", "onnxruntime asks the C library for the locale `en_US`, which lies in files; a worker has none."),
    (".*_batchwise", (ORT,), "", "onnxruntime has recurrent layers with the batch in the second dimension alone (`layout` 0)."),
    (".*", (ORT,), "Could not find an implementation", "onnxruntime has this operator in other versions or for other element types."),
)  # fmt: skip


def why(name: str, runtime: RuntimeName, reason: str) -> str:
    """The explanation, ``UNNAMED`` where there is none."""
    for pattern, runtimes, part, text in _EXPLAINED:
        if runtime in runtimes and part in reason and re.fullmatch(pattern, name):
            return text
    return UNNAMED
