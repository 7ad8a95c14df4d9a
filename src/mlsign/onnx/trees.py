"""Tree ensembles of ``ai.onnx.ml``: arrays of one length, children that exist, no circles."""

from __future__ import annotations

from typing import Final

from mlsign.onnx.scan import Scan
from mlsign.onnx.wire import Value, Where

DOMAIN: Final = b"ai.onnx.ml"
OPERATORS: Final = frozenset((b"TreeEnsembleClassifier", b"TreeEnsembleRegressor", b"TreeEnsemble"))


def check(scan: Scan, operator: bytes, attributes: list[Value], where: Where) -> None:
    """Notes what is broken in one tree ensemble."""
