"""Remarks on a policy that can be read: what is likely not what its author meant, and where it stands.

A remark never changes what a policy decides. What is wrong enough to refuse a policy is an error of the decoder.
"""

from __future__ import annotations

from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from mlsign.interface import OperatorId
from mlsign.policy.decoding.yaml_source import Mapping, Node, Place, Sequence
from mlsign.policy.model import Policy


class Severity(Enum):
    """How much a remark matters: the policy is unreadable, likely wrong, or merely worth knowing about."""

    ERROR = "error"
    WARNING = "warning"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One remark. ``code`` never changes its meaning; ``place`` is where it stands in the text, ``path`` which field that is."""

    code: str
    severity: Severity
    place: Place
    path: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a policy is checked by: its text as nodes, what it was decoded to, the operator sets that it may name, and the time.

    Of a policy that extends others ``node`` is what all of them come to. ``is_signed`` says that a signature lies beside it.
    """

    node: Node
    policy: Policy
    operator_sets: AbstractMapping[str, frozenset[OperatorId]]
    now: datetime
    is_signed: bool = False

    def at(self, *path: str | int) -> Node:
        """The node at a path, or the nearest one above it that is written down."""
        return step_down(self.node, path)[0]

    def has(self, *path: str | int) -> bool:
        """Whether something is written at a path."""
        return step_down(self.node, path)[1] == len(path)

    def items(self, *path: str | int) -> tuple[Node, ...]:
        """The elements of the list at a path; none where there is no list."""
        node = self.at(*path)
        return node.items if isinstance(node, Sequence) and self.has(*path) else ()

    def warning(self, code: str, message: str, /, *path: str | int, hint: str = "") -> Remark:
        return self._remark(Severity.WARNING, code, message, path, hint)

    def information(self, code: str, message: str, /, *path: str | int, hint: str = "") -> Remark:
        return self._remark(Severity.INFORMATION, code, message, path, hint)

    def _remark(self, severity: Severity, code: str, message: str, path: tuple[str | int, ...], hint: str) -> Remark:
        return Remark(
            code=code, severity=severity, place=self.at(*path).place, path=spelled_path(path), message=message, hint=hint
        )


def step_down(node: Node, path: tuple[str | int, ...]) -> tuple[Node, int]:
    """How far a path leads: the last node on it, and the number of steps that could be taken."""
    for taken, step in enumerate(path):
        following = None
        if isinstance(step, int):
            following = node.items[step] if isinstance(node, Sequence) and step < len(node.items) else None
        elif isinstance(node, Mapping):
            following = next((value for key, value in node.entries if key.text == step), None)
        if following is None:
            return node, taken
        node = following
    return node, len(path)


def spelled_path(path: tuple[str | int, ...]) -> str:
    """``signers[0].any[1]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
