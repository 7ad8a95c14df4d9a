"""What the reader found in an ONNX file: facts for a manifest, a report and a policy, and problems.

Nothing here has been judged: a ``Problem`` is something in the bytes that no honest exporter writes, and
its code says what it is; whether a model with it may run is the policy's decision.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """Facts about one ONNX model; all tuples are sorted, so equal models have equal summaries; only inputs and
    outputs keep the order of the model, which a caller may rely on.

    ``operators`` counts every node of the main graph, of subgraphs at any depth and of functions, used or
    not, except calls of the model's own functions: those are ``function_calls``, and ``functions`` are the
    definitions. ``parameter_count`` is in elements, ``parameter_bytes`` in bytes as type and shape ask
    (initializers and Constant nodes; external data included).
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
