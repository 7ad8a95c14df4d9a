"""Every node against the signature of its operator, at the version that its graph imports.

Says what ``onnx.checker`` says of nodes, in the same pass as everything else. Owns the comparison; the signatures are in
``signatures``, what attributes must be beyond their types is in ``operators``, and operators of domains that ONNX does
not specify are left to policies.
"""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.onnx import problems
from mlsign.onnx.nodes import Attributes, Call
from mlsign.onnx.operators.checks import CHECKED, OperatorChecks
from mlsign.onnx.scan import Scan, integer, text
from mlsign.onnx.signatures import Signature, Values, is_specified, signature
from mlsign.onnx.spelling import normal
from mlsign.onnx.wire import Where

_MAX_KNOWN: Final = 4096
_LIST: Final = 1 << 30
"""An operator that takes more inputs than this takes a list of any length."""


_SOME_OUTPUTS: Final = {"ai.onnx:BatchNormalization": ((14, (1, 3)), (1, (1, 5)))}
"""Operators with outputs that are all there or all left out, from which version on; the schemas say so in code only."""


class Conformance:
    """Checks the nodes of one body. ``known`` are combinations that were found to be in order, each looked at once."""

    __slots__ = ("_operators", "_opsets", "_scan", "known")

    def __init__(self, scan: Scan, opsets: dict[str, int]) -> None:
        self._scan = scan
        self._opsets = opsets
        self._operators = OperatorChecks(scan)
        self.known: set[tuple[Call, Attributes, int, int]] = set()

    def check(self, call: Call, told: Attributes, inputs: tuple[bytes, ...], outputs: tuple[bytes, ...], where: Where) -> None:
        """Notes what a node has that its operator does not take, or lacks."""
        before = len(self._scan.problems)
        if not inputs and not outputs:
            self._scan.problems.add(problems.VALUE_COUNT, "a node takes nothing and gives nothing", where)
        domain, name = normal(call[0]), text(call[1])
        version = self._opsets.get(domain, 0)
        if version > 0 and is_specified(domain):
            # an overload is one of the functions of the model, and those are told apart elsewhere
            found = None if call[2] else signature(domain, name, version)
            if found is None:
                self._scan.problems.add(
                    problems.UNKNOWN_OPERATOR,
                    f"{shown(domain)} has no operator {shown(name)} at version {version}",
                    where,
                    expected=f"an operator of {domain} {version}",
                    found=f"{domain}:{name}",
                )
            else:
                self._count(f"{domain}:{name}", "inputs", found.inputs, inputs, where)
                self._count(f"{domain}:{name}", "outputs", found.outputs, outputs, where)
                self._outputs(f"{domain}:{name}", version, len(outputs), where)
                self._attributes(f"{domain}:{name}", found, told, where)
        if call[1] in CHECKED:
            self._operators.check(call, told, where, inputs=len(inputs), outputs=len(outputs))
        if told.plain and len(self._scan.problems) == before and len(self.known) < _MAX_KNOWN:
            self.known.add((call, told, len(inputs), len(outputs)))

    def _attributes(self, name: str, found: Signature, told: Attributes, where: Where) -> None:
        for attribute in told.all:
            if not attribute.name:
                continue  # noted where it was read
            wanted = found.attributes.get(attribute.name)
            kind = integer(attribute.parts, 20)
            if wanted is None or wanted != kind:
                self._scan.problems.add(
                    problems.ATTRIBUTE_SIGNATURE,
                    f"{name} has no attribute {shown(text(attribute.name))}"
                    if wanted is None
                    else f"attribute {shown(text(attribute.name))} of {name} is of another type",
                    where,
                    expected=", ".join(sorted(key.decode() for key in found.attributes)) if wanted is None else wanted,
                    found=text(attribute.name) if wanted is None else kind,
                )
        for missing in sorted(found.needed - told.by_name.keys()):
            self._scan.problems.add(
                problems.ATTRIBUTE_SIGNATURE, f"{name} lacks its attribute {missing.decode()}", where, expected=missing.decode()
            )

    def _outputs(self, name: str, version: int, count: int, where: Where) -> None:
        for since, some in _SOME_OUTPUTS.get(name, ()):
            if version >= since:
                if count not in some:
                    expected = f"one of {some}"
                    self._scan.problems.add(
                        problems.VALUE_COUNT, f"{name} has {count} outputs", where, expected=expected, found=count
                    )
                return

    def _count(self, name: str, kind: str, values: Values, names: tuple[bytes, ...], where: Where) -> None:
        if not values.least <= len(names) <= values.most:
            most = "any number" if values.most > _LIST else values.most
            self._scan.problems.add(
                problems.VALUE_COUNT,
                f"{name} has {len(names)} {kind}",
                where,
                expected=f"{values.least} to {most}",
                found=len(names),
            )
        # The runtime reads every one of a list: with a nothing in it, it reads address zero.
        if kind == "inputs" and values.most > _LIST and not all(names[len(values.required) - 1 :]):
            self._scan.problems.add(
                problems.VALUE_COUNT, f"a list of inputs of {name} has one that is left out", where, found="nothing"
            )
        for index, (required, value) in enumerate(zip(values.required, names, strict=False)):
            if required and not value:
                self._scan.problems.add(
                    problems.VALUE_COUNT, f"{kind.removesuffix('s')} {index} of {name} cannot be left out", where, found="nothing"
                )
