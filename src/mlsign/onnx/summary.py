"""What the reader found in an ONNX file: facts for a manifest, a report and a policy, and problems.

Nothing here has been judged: a ``Problem`` is something in the bytes that no honest exporter writes, and
its code says what it is; whether a model with it may run is the policy's decision.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlsign.interface import OperatorId, OperatorUse, OpsetImport, ValueSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a model. ``code`` is a finding code (``MLS3…``), ``where`` a place in the file."""

    code: str
    message: str
    where: str = ""
    expected: str = ""
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalTensor:
    """A tensor whose bytes are in another file.

    ``location`` is as written in the model, not yet a checked path. ``offset`` is 0 and ``length`` None
    when the model does not say. ``size`` is the number of bytes that element type and shape ask for;
    ``element_bytes`` those of one element, 0 for elements smaller than a byte, strings and unknown types.
    """

    name: str
    where: str
    location: str
    offset: int
    length: int | None
    size: int
    element_bytes: int = 0


class Unbounded(Enum):
    """What of a run has no bound that can be read off the model."""

    SIZE = "size"
    """How many elements a value has is decided while the model runs."""
    TURNS = "turns"
    """How often a loop turns is decided while the model runs."""
    ENDLESS = "endless"
    """A loop has neither a number of turns nor a condition that could end it."""
    COMPLEXITY = "complexity"
    """The model is too entangled for its bounds to be computed in the time that is given."""
    MISUSE = "misuse"
    """An operator cannot run on what it is given, whatever the caller gives: runtimes stop, or go on and read elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A place from which on the bounds of a run are not known. ``operator`` is spelled ``domain:Name``; ``detail`` says what
    is wrong with its use, where that is the reason.
    """

    kind: Unbounded
    where: str
    operator: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBounds:
    """What one run takes at most, with every dimension that the model leaves open at ``open_dimension``.

    ``peak_bytes`` are of the values that are alive at once, beyond inputs and weights; ``largest_bytes`` of the largest
    single one, which ``largest`` makes. ``steps`` are operators run, turns of loops counted; ``operations`` steps of
    arithmetic, roughly. What is ``unknown`` is not in these numbers.
    """

    peak_bytes: int
    largest_bytes: int
    largest: str
    steps: int
    operations: int
    open_dimension: int
    unknown: tuple[Unknown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """Facts about one ONNX model; all tuples are sorted, so equal models have equal summaries; only inputs and
    outputs keep the order of the model, which a caller may rely on.

    ``operators`` counts every node of the main graph, of subgraphs at any depth and of functions, used or
    not, except calls of the model's own functions: those are ``function_calls``, and ``functions`` are the
    definitions. ``parameter_count`` is in elements, ``parameter_bytes`` in bytes as type and shape ask
    (initializers and Constant nodes; external data included). ``bounds`` are there when the model has no problem.
    """

    ir_version: int
    producer_name: str
    producer_version: str
    opsets: tuple[OpsetImport, ...]
    operators: tuple[OperatorUse, ...]
    functions: tuple[OperatorId, ...]
    function_calls: tuple[OperatorUse, ...]
    inputs: tuple[ValueSpec, ...]
    outputs: tuple[ValueSpec, ...]
    node_count: int
    graph_count: int
    graph_depth: int
    parameter_count: int
    parameter_bytes: int
    external: tuple[ExternalTensor, ...]
    metadata_keys: tuple[str, ...]
    problems: tuple[Problem, ...]
    bounds: RunBounds | None = None
