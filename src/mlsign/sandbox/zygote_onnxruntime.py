"""The zygote of onnxruntime, run as a process of its own."""

from __future__ import annotations

from mlsign.sandbox import zygote
from mlsign.sandbox.onnxruntime.engine import OnnxRuntime

if __name__ == "__main__":
    zygote.main(OnnxRuntime())
