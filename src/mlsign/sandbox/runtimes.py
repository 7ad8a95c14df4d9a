"""Which programs can run a model in the sandbox. Each has a zygote of its own, and a worker holds one of them alone."""

from __future__ import annotations

from enum import Enum


class RuntimeName(Enum):
    """What runs a model.

    ``ONNXRUNTIME``: Microsoft's, which scores. ``REFERENCE``: the reference evaluator of the package ``onnx``, an implementation in
    Python and numpy that shares no code with it: slow, and there to say what a model means.
    """

    ONNXRUNTIME = "onnxruntime"
    REFERENCE = "reference"
