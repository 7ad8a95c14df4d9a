"""onnxruntime as an engine of workers: its options, a warm start, and models with weights in mapped memory. Runs in the confined process."""

from __future__ import annotations

import base64
import gc
import math
import os
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from mlsign.errors import JailError, shown
from mlsign.sandbox.engine import Loaded, Names
from mlsign.sandbox.externals import External, check_externals, find_externals, region
from mlsign.sandbox.onnxruntime.calls import Calls
from mlsign.sandbox.onnxruntime.session import ort_value, warm_runtime
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.task import Task
from mlsign.tensors.elements import BY_NUMBER

_SHARED_BYTES: Final = 64 << 20
"""From this size on external weights are not packed: memory counts for more then than the last bit of a sum, and what packing saves."""

_WARMING: Final = (
    "CAg6sAEKEAoBcxIBdCIISWRlbnRpdHkKDwoBeAoBdxIBZyIER2VtbQoPCgFnEgFwIgdTb2Z0bWF4Cg4KAXASAWkiBkFyZ01heBIE"
    "d2FybSobCAIIAhABIhAAAIA/AAAAQAAAQEAAAIBAQgF3WhQKAXgSDwoNCAESCQoDEgFuCgIIAloQCgFzEgsKCQgIEgUKAxIBbmIJ"
    "CgFwEgQKAggBYgkKAWkSBAoCCAdiCQoBdBIECgIICEIECgAQEQ=="
)
"""A model of four nodes, opset 17: t = Identity(s) over strings; p = Softmax(Gemm(x, w)), i = ArgMax(p)."""


def options(threads: int) -> ort.SessionOptions:
    """Session options: ONNX only, no spinning threads, no words but fatal ones."""
    out = ort.SessionOptions()
    out.intra_op_num_threads = threads
    out.inter_op_num_threads = 1
    out.log_severity_level = 4
    out.add_session_config_entry("session.load_model_format", "ONNX")
    out.add_session_config_entry("session.intra_op.allow_spinning", "0")
    out.add_session_config_entry("session.use_env_allocators", "1")
    return out


def share_allocator() -> None:
    """Sessions take memory as they need it.

    By default the runtime doubles what it takes, and at a limit takes all that is left, so that whatever is allocated
    next fails.
    """
    cpu = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    same_as_requested = 1
    ort.create_and_register_allocator(cpu, ort.OrtArenaCfg(0, same_as_requested, -1, -1))


def _session(model: bytes, settings: ort.SessionOptions) -> ort.InferenceSession:
    return ort.InferenceSession(model, settings, providers=["CPUExecutionProvider"])


def warm(threads: int) -> None:
    """Everything that is loaded at first use has been: a tiny model ran, and failed, once."""
    os.urandom(1)  # a C library that draws numbers without the kernel maps droppable memory for it, refused later on
    session = _session(base64.b64decode(_WARMING), options(threads))
    texts = np.array(["a", "b"], dtype=object)
    session.run(None, {"x": np.ones((2, 2), np.float32), "s": texts})
    try:
        session.run(None, {"x": np.ones((2, 3), np.float32), "s": texts})
    except Exception as err:  # noqa: BLE001  the binding's exceptions share no narrower type
        shown(err)
    else:
        raise JailError("the runtime took a wrong shape", code="sandbox.runtime")
    warm_runtime(lambda model: _session(model, options(threads)))
    del session
    gc.collect()


def load(task: Task, model: memoryview, weights: Mapping[str, memoryview]) -> tuple[ort.InferenceSession, list[ort.OrtValue]]:
    """A session over the model, external initializers tied to mapped memory; the values must outlive the session."""
    settings = options(task.threads)
    found = find_externals(model) if task.external or weights else ()
    check_externals(found, task.external)
    values = [_external_value(item, weights, model_path=task.model[0]) for item in found]
    if values:
        if task.load_bytes >= _SHARED_BYTES:  # packed for its kernels, each worker would have a copy of them to itself
            settings.add_session_config_entry("session.disable_prepacking", "1")
        settings.add_external_initializers([item.name for item in found], values)
        for item, value in zip(found, values, strict=True):
            settings.add_initializer(item.name, value)  # the runtime works on this memory, instead of on a copy of it
    return _session(bytes(model), settings), values


def _external_value(item: External, weights: Mapping[str, memoryview], *, model_path: str) -> ort.OrtValue:
    element = BY_NUMBER.get(item.element)
    if element is None:
        message = f"external tensor {shown(item.name)} has element type {item.element}, which cannot be carried"
        raise JailError(message, code="sandbox.external", where=shown(item.name))
    view = region(item, weights, model_path=model_path, size=element.bytes_of(math.prod(item.shape)))
    return ort_value(element, item.shape, view)


def _names(values: Any) -> Names:
    return tuple((value.name, value.type) for value in values)


class OnnxRuntime:
    """The engine ``onnxruntime``."""

    name: Final = RuntimeName.ONNXRUNTIME
    version: Final[str] = ort.__version__

    def warm(self) -> None:
        """See ``Engine``; once with and once without threads."""
        share_allocator()
        for threads in (1, 2):
            warm(threads)

    def reseed(self, seed: int) -> None:
        ort.set_seed(seed)

    def threads(self, wanted: int) -> int:
        return wanted

    def open(
        self, task: Task, model: memoryview, weights: Mapping[str, memoryview], *, feeds: memoryview, results: memoryview
    ) -> Loaded:
        session, values = load(task, model, weights)
        calls = Calls(session, feeds=feeds, results=results, limits=task.limits, keep=values)
        return Loaded(calls=calls, inputs=_names(session.get_inputs()), outputs=_names(session.get_outputs()))
