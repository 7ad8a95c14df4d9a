"""What a jail is asked to hold: its limits and the model it runs.

Values only; ``jail`` starts processes, ``confine`` builds the walls.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.interface import ValueSpec
from mlsign.limits import DEFAULT, GIB, Limits
from mlsign.onnx.summary import ExternalTensor
from mlsign.sandbox.layers import Isolation, Wall
from mlsign.sandbox.runtimes import RuntimeName


@dataclass(frozen=True, slots=True, kw_only=True)
class JailSpec:
    """The limits of one worker.

    ``memory_bytes`` is the address space (``RLIMIT_AS``) that the worker may take beyond the idle runtime
    and the mapped model files; a model with its weights inside needs about three times its size while it
    loads. ``cpu_seconds`` is CPU time of all threads within one call; the parent measures it while it
    waits, so that a worker which serves for days is not punished for its age. ``wall_seconds`` is the
    deadline of one call, ``start_seconds`` that of spawning, confining and loading. ``threads`` is the
    number of threads one operator may use; more than one lets the worker create threads at all. ``busy``
    lets a caller look for the answer for some microseconds before it sleeps, where there is a core to spare:
    being woken takes longer than a small model. ``wall`` is what stands around the worker; another one is never put in its place.
    ``runtime`` is what runs the model; the reference evaluator makes use of one thread, whatever is allowed.
    """

    memory_bytes: int = 2 * GIB
    cpu_seconds: float = 10.0
    wall_seconds: float = 15.0
    start_seconds: float = 60.0
    threads: int = 1
    busy: bool = True
    isolation: Isolation = Isolation.AVAILABLE
    wall: Wall = Wall.PROCESS
    runtime: RuntimeName = RuntimeName.ONNXRUNTIME
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """A file of the package in sealed memory: ``fd`` is a memfd that nobody can write, grow or shrink any more.

    ``path`` is the path within the package. Whoever made the descriptor keeps and closes it.
    """

    path: str
    fd: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JailedModel:
    """One model as verification left it: its bytes, its weights, and what it takes and gives."""

    model: SealedFile
    weights: tuple[SealedFile, ...]
    external: tuple[ExternalTensor, ...]
    inputs: tuple[ValueSpec, ...]
    outputs: tuple[ValueSpec, ...]

    @property
    def load_bytes(self) -> int:
        """The address space that loading takes beside the limit: the runtime copies external tensors and gives the copies back."""
        return min(sum(tensor.size for tensor in self.external), sum(file.size for file in self.weights))
