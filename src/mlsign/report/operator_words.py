"""Many operators in a few words: their domain once, then their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from mlsign.errors import shown
from mlsign.interface import OperatorId


def operators_by_domain(operators: Iterable[OperatorId]) -> str:
    """``ai.onnx (Add, Gemm), ai.onnx.ml (Scaler)``; empty for none."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for operator in sorted(operators):
        names[operator.domain].append(shown(operator.name))
    return ", ".join(f"{shown(domain)} ({', '.join(found)})" for domain, found in names.items())
