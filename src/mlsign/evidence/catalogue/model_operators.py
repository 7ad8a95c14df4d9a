"""MLS370 to MLS377 that are about one operator's own attributes: trees, tables, equations, windows."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import EXPORT_AGAIN, CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS370",
        title="Broken tree ensemble",
        meaning=(
            "The arrays of a tree ensemble have different lengths or a mode that does not exist, two nodes have one id, a child, "
            "root, leaf, target or class does not exist, the nodes form a circle, two trees share a node, or a tree is deeper than "
            "4096 levels."
        ),
        abuse=(
            "Runtimes follow these indices with few checks: one that points outside reads or writes outside, a circle never "
            "ends, and a tree of 30,000 levels overflows the stack of onnxruntime 1.32 while it loads."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS375",
        title="Broken tables of a classical operator",
        meaning=(
            "The attributes of an operator that looks things up in tables (vectorizers, encoders, maps, support vector machines, "
            "linear models, scalers) do not fit each other: lists of different lengths, two tables where one must be, a column or "
            "a number of outputs out of all proportion. The cause says which."
        ),
        abuse=(
            "Kernels go through one table and index the other, or walk through coefficients with strides computed from others, and "
            "so read beyond them. A TfIdfVectorizer with too few ngram_indexes ends the process of onnxruntime 1.32, and one with "
            "a max_skip_count above 2^31 never comes back."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS376",
        title="Broken Einsum equation",
        meaning=(
            "The equation of an Einsum has a dot outside of one ellipsis, a character that is no letter, an output with a letter "
            "that no input has, or another number of terms than the node has inputs."
        ),
        abuse=(
            "Equations such as i.j are under 500 bytes of model, and neither onnxruntime 1.32 nor the shape inference of onnx ever "
            "finishes loading them; no input is needed."
        ),
        action=EXPORT_AGAIN,
    ),
    CodeEntry(
        code="MLS377",
        title="Broken window or axes",
        meaning=(
            "A stride, dilation, kernel, group or block is below 1, a number has more than 32 bits, lists that describe one window "
            "have different lengths, a permutation is none, an axis is one that no tensor has, or a Split says another number of "
            "parts than it has outputs."
        ),
        abuse=(
            "Kernels divide by these numbers, multiply them in 32 bits and read as many entries of one list as another one has: "
            "a division by zero ends the process, and short lists have been read beyond their end."
        ),
        action=EXPORT_AGAIN,
    ),
)
