"""The equation of ``Einsum``: the little language in which it says what it sums over.

onnxruntime 1.32 never comes back from the session of a model with a stray dot in an equation, and neither does the
shape inference of onnx; no input is needed.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from mlsign.errors import shown
from mlsign.onnx.operators.told import BrokenError, Told
from mlsign.onnx.scan import text

_LETTERS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ELLIPSIS: Final = b"..."


def check_einsum(told: Told) -> None:
    """One term for each input, of letters and one ellipsis at most; an output of letters that are there, each once.

    Spaces may stand anywhere, a term may be empty (a scalar), and so may the output.
    """
    if not told.has("equation"):
        return
    equation = told.word("equation", b"").replace(b" ", b"")
    left, arrow, right = equation.partition(b"->")
    terms = left.split(b",")
    if len(terms) != told.inputs:
        raise BrokenError(f"it has {len(terms)} terms for {told.inputs} inputs")
    for term in (*terms, right):
        letters = term.replace(_ELLIPSIS, b"", 1)
        if rest := letters.translate(None, _LETTERS):
            raise BrokenError(f"{shown(text(rest), limit=20)} cannot stand in the term {shown(text(term), limit=20)}")
        if len(letters) > told.limits.max_dimensions:
            raise BrokenError(f"a term of {len(letters)} letters names more dimensions than tensors have")
    if not arrow:
        return
    used = {*left}
    for letter, times in Counter(right.replace(_ELLIPSIS, b"")).items():
        if letter not in used or times > 1:
            raise BrokenError(f"{chr(letter)} of the output {'stands in no term' if times == 1 else 'stands twice'}")
    if _ELLIPSIS in right and _ELLIPSIS not in left:
        raise BrokenError("the output has an ellipsis and no term has one")
