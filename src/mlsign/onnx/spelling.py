"""One spelling for the standard domain, which ONNX files write as nothing or as ``ai.onnx``."""

from __future__ import annotations

from mlsign.interface import ONNX_DOMAIN
from mlsign.onnx.scan import text


def normal(domain: bytes) -> str:
    """A domain as facts spell it: the standard one is never empty."""
    return text(domain) or ONNX_DOMAIN
