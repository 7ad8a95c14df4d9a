"""What ``diff`` found: two packages or models side by side. Names and values in it are foreign and not escaped."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from mlsign.compare.facts import FieldChange, FileChanges, Names, OperatorChange
from mlsign.compare.graphs.result import GraphDifference
from mlsign.compare.interfaces import Effect, InterfaceChange
from mlsign.evidence.findings import Finding
from mlsign.evidence.record import MeasuredOutput

if TYPE_CHECKING:
    from mlsign.actions.verification.verify import Report
    from mlsign.tensors.differences import Difference as TensorDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: where it was found, and what it says it is; ``name`` and ``version`` are those of a manifest.

    ``model_bytes`` are those of the model and of the files of its weights.
    """

    path: str
    name: str | None
    version: str | None
    model_path: str
    model_bytes: int
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChange:
    """A weight of both models that is not the same. Types and shapes are as stored; of a ``transposed`` matrix the rows of one are held
    against the columns of the other.

    ``difference`` is None where the values were not compared, and ``problem`` says why.
    """

    before: str
    after: str
    types: tuple[str, str]
    difference: TensorDifference | None
    problem: str = ""
    transposed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsDifference:
    """The weights of two models: how many are identical, which are not, and those that only one has, as ``name: type[shape]``."""

    identical: int
    changed: tuple[WeightChange, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    @property
    def is_same(self) -> bool:
        """Every weight of either model is one of the other, bit for bit."""
        return not (self.changed or self.added or self.removed)


class Ran(Enum):
    """Whether answers were compared."""

    YES = "yes"
    NO_DATA = "no data"
    """Nobody gave inputs: neither has golden test data."""
    NOT_ASKED = "not asked"
    SAME_BYTES = "same bytes"
    """The files are the same to the last byte, so are the answers."""
    FAILED = "failed"
    """At least one model gave no answers to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What both models answer to the same inputs. ``outputs`` are over all ``inputs``, the answers of the first as what is expected.

    ``problems`` say for which inputs, or outputs, there was nothing to compare.
    """

    ran: Ran
    inputs: tuple[str, ...] = ()
    outputs: tuple[MeasuredOutput, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Nothing that was to be compared differs, or could not be."""
        return not self.problems and all(output.difference is None for output in self.outputs) and self.ran is not Ran.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDifference:
    """Both under one policy, and what is found wrong with only one of them."""

    before: Report
    after: Report
    appeared: tuple[Finding, ...]
    disappeared: tuple[Finding, ...]

    @property
    def alters_decision(self) -> bool:
        """One is allowed, and the other is not."""
        return self.before.decision.verdict is not self.after.decision.verdict

    @property
    def is_same(self) -> bool:
        """Decision and findings are the same."""
        return not (self.alters_decision or self.appeared or self.disappeared)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Everything that was compared. ``same_model`` says that the model and the files of its weights are the same bytes; ``problems`` are
    what no honest exporter writes.

    ``notes`` are doc strings, properties and annotations within the models, with which nothing is computed. ``files`` is None unless
    both are packages; ``authenticated`` says that signers are those whom a policy trusts, and not claims.
    """

    before: Side
    after: Side
    same_model: bool
    manifest: tuple[FieldChange, ...]
    files: FileChanges | None
    signers: Names
    authenticated: bool
    interface: tuple[InterfaceChange, ...]
    opsets: tuple[FieldChange, ...]
    operators: tuple[OperatorChange, ...]
    problems: Names
    metadata: tuple[FieldChange, ...]
    notes: tuple[FieldChange, ...]
    graph: GraphDifference
    weights: WeightsDifference
    behaviour: Behaviour
    policy: PolicyDifference | None = None

    @property
    def is_breaking(self) -> bool:
        """Whoever calls the first as before cannot call the second."""
        return any(change.effect is Effect.BREAKING for change in self.interface)

    @property
    def is_renamed_only(self) -> bool:
        """The models compute the same with the same weights, none of them twice in one alone, and names within them differ."""
        differs = any(
            (self.interface, self.opsets, self.operators, self.metadata, self.notes, self.problems.added, self.problems.removed)
        )
        differs = differs or self.before.parameters != self.after.parameters
        same = self.graph.is_same and self.weights.is_same and self.behaviour.is_same and not differs
        return same and self.graph.renames.count > 0

    @property
    def is_same(self) -> bool:
        """Nothing that was compared differs, names included, and nothing was left that could not be compared."""
        changes = (self.manifest, self.interface, self.opsets, self.operators, self.metadata, self.notes)
        names = any((self.signers.added, self.signers.removed, self.problems.added, self.problems.removed))
        files = self.files is not None and (self.files.added or self.files.removed or self.files.changed)
        return not (
            any(changes)
            or names
            or files
            or not self.graph.is_same
            or self.graph.renames.count
            or not self.weights.is_same
            or not self.behaviour.is_same
            or (self.policy is not None and not self.policy.is_same)
        )
