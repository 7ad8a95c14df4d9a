"""From bytes to a ``ModelSummary``: every graph, subgraph and function, no weights, nothing trusted.

Owns ``ModelProto`` and the order of reading. Needs no protobuf and no onnx library, and holds only
``Limits`` worth of memory. What is wrong but readable becomes a ``Problem``; what cannot be read raises.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from mlsign.errors import shown
from mlsign.interface import ONNX_DOMAIN, OperatorId, OperatorUse, OpsetImport, TypeSpec, ValueKind, ValueSpec
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx import problems, schema
from mlsign.onnx.bounds.evaluate import evaluate
from mlsign.onnx.functions import Function, canonical, check_functions, check_versions, operator, read_function
from mlsign.onnx.graphs import GraphFacts, GraphReader
from mlsign.onnx.nodes import Call
from mlsign.onnx.opsets import read_opsets
from mlsign.onnx.other_formats import refuse_other_formats, telling_text_files
from mlsign.onnx.scan import Scan, body, integer, text
from mlsign.onnx.spelling import normal
from mlsign.onnx.summary import ModelSummary
from mlsign.onnx.types import TYPELESS, UNTYPED
from mlsign.onnx.wire import Value, Where
from mlsign.source import ByteSource

_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:(?:\.|::)[A-Za-z0-9_-]+)*", re.ASCII)
"""What a domain looks like; others read like a standard one, or cannot be written in a policy."""


_IMPORTS: Final = 3
_FREE_INITIALIZERS: Final = 4
_FUNCTIONS: Final = 8
"""IR versions from which on models import operator sets, initializers need not be inputs, and there are functions."""


def read_model(source: ByteSource, *, limits: Limits = DEFAULT) -> ModelSummary:
    """The facts of the ONNX model in ``source``.

    Raises ``InputError`` with an ``onnx.…`` code when the bytes are not an ONNX model, break the wire format, or
    exceed a limit. Everything else that is wrong is in ``ModelSummary.problems``.
    """
    refuse_other_formats(source, limits=limits)
    with telling_text_files(source):
        return _Reader(Scan(source, limits=limits)).read()


class _Reader:
    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self._graphs = GraphReader(scan)
        self._operators: Counter[Call] = Counter()

    def read(self) -> ModelSummary:
        scan = self._scan
        parts = scan.fields(scan.wire.whole(), schema.MODEL, None)
        ir_version = integer(parts, 1)
        if not 1 <= ir_version <= schema.IR_VERSION:
            scan.problems.add(
                problems.IR_VERSION,
                "the IR version is missing, or newer than this reader",
                (None, "ir_version", -1),
                expected=f"1 to {schema.IR_VERSION}",
                found=ir_version,
            )
        opsets = read_opsets(scan, parts.get(8, ()), None)
        metadata = self._metadata(parts.get(14, ()))
        for index, value in enumerate(parts.get(26, ())):
            scan.fields(body(value), schema.CONFIGURATION, (None, "configuration", index))
        facts, main = self._main(parts.get(7, ()), opsets)
        self._training(parts.get(20, ()), opsets)
        functions = [
            read_function(scan, self._graphs, body(value), (None, "functions", index))
            for index, value in enumerate(parts.get(25, ()))
        ]
        self._complete(facts, functions, ir_version=ir_version, imports=8 in parts)
        self._spelling(main, (None, "graph", -1))
        check_versions(scan, functions, opsets)
        check_functions(scan, functions, main, maximum=scan.limits.max_expanded_nodes)
        for function in functions:
            self._imports(function.calls, function.opsets, (None, "functions", -1))
            self._spelling(function.calls, function.where)
            self._operators.update(function.calls)
        return self._summary(parts, facts, functions, ir_version=ir_version, opsets=opsets, metadata=metadata)

    def _main(self, values: Sequence[Value], opsets: dict[str, int]) -> tuple[GraphFacts, Counter[Call]]:
        if not values:
            self._scan.problems.add(problems.NO_GRAPH, "the model has no graph", (None, "graph", -1))
            return GraphFacts(), Counter()
        main: Counter[Call] = Counter()
        facts = GraphFacts()
        for value in values:  # a second graph is a problem already, and its nodes count
            calls = self._graphs.start(opsets)
            facts = self._graphs.graph(body(value), (None, "graph", -1))
            main.update(calls)
        self._imports(main, opsets, (None, "graph", -1))
        self._operators.update(main)
        return facts, main

    def _training(self, values: Sequence[Value], opsets: dict[str, int]) -> None:
        for index, value in enumerate(values):
            here = (None, "training_info", index)
            self._scan.problems.add(problems.TRAINING_INFO, "the model carries training information", here)
            parts = self._scan.fields(body(value), schema.TRAINING, here)
            for number in (1, 2):
                for part in parts.get(number, ()):
                    calls = self._graphs.start(opsets, hidden="training information")
                    self._graphs.graph(body(part), (here, schema.TRAINING.names[number], -1))
                    self._operators.update(calls)
            for number in (3, 4):
                self._scan.entries(parts.get(number, ()), here, name=schema.TRAINING.names[number])

    def _metadata(self, values: Sequence[Value]) -> tuple[str, ...]:
        pairs = self._scan.entries(values, None, name="metadata_props")
        for key, _ in pairs:
            if is_runtime_key(key):
                self._scan.problems.add(
                    problems.RUNTIME_CONFIGURATION,
                    f"metadata key {shown(key)} configures the runtime that loads the model",
                    (None, "metadata_props", -1),
                    found=key,
                )
        return tuple(sorted({key for key, _ in pairs}))

    def _imports(self, calls: Counter[Call], opsets: dict[str, int], where: Where) -> None:
        for domain in sorted({normal(call[0]) for call in calls} - set(opsets)):
            self._scan.problems.add(
                problems.DOMAIN_NOT_IMPORTED,
                f"nodes use domain {shown(domain)}, of which no version is imported",
                where,
                found=domain,
            )

    def _complete(self, facts: GraphFacts, functions: list[Function], *, ir_version: int, imports: bool) -> None:
        """Notes what a model of its IR version lacks, or has before its time (ONNX IR, "Model" and "Graphs")."""
        if ir_version < 1:
            return  # noted already, and nothing else follows from no version
        given = {name for name, _ in facts.inputs}
        missing = sorted(facts.initializers.keys() - given) if ir_version < _FREE_INITIALIZERS else []
        for wrong, message in (
            (ir_version >= _IMPORTS and not imports, "the model imports no version of any operator set"),
            (ir_version < _IMPORTS and imports, "the model imports operator sets before its format had them"),
            (ir_version < _FUNCTIONS and bool(functions), "the model has functions before its format had them"),
            (bool(missing), "an initializer is no input, as this version of the format asks"),
        ):
            if wrong:
                self._scan.problems.add(problems.INCOMPLETE, message, None, found=f"IR version {ir_version}")

    def _spelling(self, calls: Counter[Call], where: Where) -> None:
        """The standard domain of a node is empty: spelled out, it is another one to onnx and the same one to runtimes."""
        if any(call[0] == ONNX_DOMAIN.encode() for call in calls):
            self._scan.problems.add(
                problems.DOMAIN_NOT_IMPORTED,
                f"nodes spell the domain {ONNX_DOMAIN} out, where it is the empty one",
                where,
                found=ONNX_DOMAIN,
            )

    def _summary(
        self,
        parts: dict[int, list[Value]],
        facts: GraphFacts,
        functions: list[Function],
        *,
        ir_version: int,
        opsets: dict[str, int],
        metadata: tuple[str, ...],
    ) -> ModelSummary:
        defined = {function.key for function in functions}
        for key in defined:
            self._check_name(operator(key))
        uses: Counter[OperatorId] = Counter()
        calls: Counter[OperatorId] = Counter()
        for call, count in self._operators.items():
            name = operator(call)
            self._check_name(name)
            (calls if canonical(call) in defined else uses)[name] += count
        imports = {OpsetImport(domain, version) for domain, version in opsets.items()}
        imports.update(OpsetImport(domain, version) for function in functions for domain, version in function.opsets.items())
        totals = self._graphs.totals
        every = self._specs(facts.inputs, "input")
        inputs = tuple(spec for spec, (name, _) in zip(every, facts.inputs, strict=True) if name not in facts.initializers)
        outputs = self._specs(facts.outputs, "output")
        given = dict(facts.inputs)
        for index, (own, spec) in enumerate(facts.outputs):
            if given.get(own, spec) != spec:
                self._scan.problems.add(
                    problems.INPUT_SHADOWED,
                    f"{shown(text(own))} is an input and an output, of two types",
                    ((None, "graph", -1), "output", index),
                    expected=str(given[own]),
                    found=str(spec),
                )
        if facts.inputs and not inputs:
            self._scan.problems.add(
                problems.EVERY_INPUT_GIVEN, "every input of the model has its value in the model", (None, "graph", -1)
            )
        bounds = None
        if not len(self._scan.problems):
            bounds = evaluate(facts, functions, ir_version=ir_version, limits=self._scan.limits)
        return ModelSummary(
            ir_version=ir_version,
            producer_name=text(self._scan.last(parts, 2, None)),
            producer_version=text(self._scan.last(parts, 3, None)),
            opsets=tuple(sorted(imports)),
            operators=tuple(sorted(OperatorUse(name, count) for name, count in uses.items())),
            functions=tuple(sorted({operator(function.key) for function in functions})),
            function_calls=tuple(sorted(OperatorUse(name, count) for name, count in calls.items())),
            inputs=inputs,
            outputs=outputs,
            node_count=self._scan.used["nodes"],
            graph_count=totals.graphs,
            graph_depth=totals.depth,
            parameter_count=totals.parameter_count,
            parameter_bytes=totals.parameter_bytes,
            external=tuple(sorted(totals.external, key=lambda tensor: (tensor.name, tensor.where))),
            metadata_keys=metadata,
            problems=self._scan.problems.all(),
            bounds=bounds,
        )

    def _check_name(self, name: OperatorId) -> None:
        if not name.name.isidentifier() or not _DOMAIN.fullmatch(name.domain):
            self._scan.problems.add(problems.OPERATOR_NAME, f"{shown(name)} is not a name of an operator", None, found=name)

    def _specs(self, values: list[tuple[bytes, TypeSpec | None]], kind: str) -> tuple[ValueSpec, ...]:
        for index, (name, spec) in enumerate(values):
            # Exporters leave the shape of an output open where branches differ; onnx refuses that, and runtimes do not.
            plain = spec is not None and kind == "input" and spec.kind in (ValueKind.TENSOR, ValueKind.SPARSE_TENSOR)
            if spec is None or spec is TYPELESS or (plain and spec.element and spec.shape is None):
                self._scan.problems.add(
                    problems.INTERFACE_TYPE,
                    f"{kind} {shown(text(name))} has no type, or no number of dimensions",
                    ((None, "graph", -1), kind, index),
                )
        return tuple(ValueSpec(name=text(name), type=spec or UNTYPED) for name, spec in values)


def is_runtime_key(key: str) -> bool:
    """Whether a metadata key is one that a runtime takes settings from.

    ``ort_config`` holds session and run options in onnxruntime (``inference_session_utils.cc``; read when
    ``ORT_LOAD_CONFIG_FROM_MODEL=1`` is set); the prefixes are those of its configuration keys.
    """
    folded = key.strip().lower()
    return folded == "ort_config" or folded.startswith(("session.", "ep.", "optimization."))
