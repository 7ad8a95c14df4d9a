"""The layers of the confinement: their names, which ones are asked for, and what became of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Isolation(Enum):
    """How much of the confinement has to be in force.

    ``AVAILABLE``: closed descriptors, no_new_privs, rlimits and seccomp, which every supported kernel has;
    everything else as far as the kernel and the container allow it. ``FULL``: all layers.
    """

    AVAILABLE = "available"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer of the confinement: whether it is in force, and what exactly, or why not."""

    name: str
    in_force: bool
    detail: str


REQUIRED: Final = ("descriptors", "no_new_privs", "rlimits", "seccomp")
"""Layers without which nothing is ever scored."""

FULL: Final = (
    *REQUIRED,
    "user",
    "capabilities",
    "user_namespace",
    "pid_namespace",
    "mount_namespace",
    "net_namespace",
    "ipc_namespace",
    "uts_namespace",
    "cgroup_namespace",
    "empty_root",
    "landlock",
)
"""Layers that ``Isolation.FULL`` asks for."""


def missing_layers(layers: tuple[Layer, ...], *, isolation: Isolation) -> tuple[Layer, ...]:
    """The layers that ``isolation`` asks for and that are not in force; one nobody reported is not in force."""
    known = {layer.name: layer for layer in layers}
    wanted = FULL if isolation is Isolation.FULL else REQUIRED
    found = (known.get(name, Layer(name=name, in_force=False, detail="not reported")) for name in wanted)
    return tuple(layer for layer in found if not layer.in_force)
