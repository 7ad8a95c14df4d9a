"""What came of holding two graphs side by side."""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.compare.facts import FieldChange
from mlsign.compare.graphs.bodies import Constant
from mlsign.onnx.records import Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRef:
    """A node: where it stands in its model, the operator that it runs (``domain:Name``) and its name, as written and perhaps empty."""

    where: str
    operator: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChange:
    """A node of both graphs that is not the same. ``attributes`` are those with other values, and ``outputs`` where the node gives
    others; ``inputs`` those that come from elsewhere, by their number, unless an added or removed node in between is the reason.
    """

    before: NodeRef
    after: NodeRef
    attributes: tuple[FieldChange, ...]
    inputs: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoneNode:
    """A node that only one of the graphs has, and the nodes, inputs and outputs right before and behind it there.

    ``inside`` counts nodes in its subgraphs.
    """

    node: NodeRef
    takes_from: tuple[str, ...]
    gives_to: tuple[str, ...]
    inside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Renames:
    """How many nodes, values and weights of both graphs have another name, and the first of them."""

    nodes: int = 0
    values: int = 0
    weights: int = 0
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def count(self) -> int:
        return self.nodes + self.values + self.weights


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphDifference:
    """Two graphs with their subgraphs and functions. ``identical`` nodes do the same in the same place, whatever their names.

    ``outputs`` are outputs of the model that come from elsewhere, what subgraphs take and give otherwise, and codes of which nodes take
    other numbers than before. ``approximate`` is True where bounds on work ended the search for which node is which: nodes that are called added and removed may then be the same.
    """

    before: int
    after: int
    identical: int
    changed: tuple[NodeChange, ...]
    added: tuple[LoneNode, ...]
    removed: tuple[LoneNode, ...]
    outputs: tuple[FieldChange, ...]
    functions: tuple[FieldChange, ...]
    renames: Renames
    approximate: bool

    @property
    def is_same(self) -> bool:
        """Nothing differs but names."""
        return not (self.changed or self.added or self.removed or self.outputs or self.functions or self.approximate)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantPair:
    """A weight of both models, matched through what takes it. ``transposed`` matrices have rows in the place of columns."""

    before: Constant
    after: Constant
    transposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPair:
    """A long attribute of a matched node, with its place in both models and how it is called: values that nobody has read."""

    name: str
    before: Stored
    after: Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The difference of two graphs, and the weights that are to be held against each other, with those that only one model has.

    ``notes`` are doc strings, properties and annotations of parts of both models that are not the same: nothing is computed with them.
    """

    difference: GraphDifference
    constants: tuple[ConstantPair, ...]
    stored: tuple[StoredPair, ...]
    only_before: tuple[Constant, ...]
    only_after: tuple[Constant, ...]
    notes: tuple[FieldChange, ...] = ()
