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


class Wall(Enum):
    """What stands around a worker.

    ``PROCESS``: a process of this machine's kernel that confines itself. ``GVISOR``: the same inside gVisor (``runsc``), a
    kernel of its own in user space, so that the worker does not reach this machine's kernel at all.
    """

    PROCESS = "process"
    GVISOR = "gvisor"


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

_NOT_IN_GVISOR: Final = frozenset({"landlock", "empty_root"})
"""gVisor's kernel has no Landlock, and versions of it cannot take a root away but only change it. What they guard against, the
files and the kernel of this machine, is behind the other wall; namespaces are those of gVisor's processes, seen from outside."""


def wanted_layers(isolation: Isolation, *, wall: Wall = Wall.PROCESS) -> tuple[str, ...]:
    """The layers that ``isolation`` asks for within this wall."""
    wanted = FULL if isolation is Isolation.FULL else REQUIRED
    if wall is Wall.PROCESS:
        return wanted
    return ("gvisor", *(name for name in wanted if name not in _NOT_IN_GVISOR))


def missing_layers(layers: tuple[Layer, ...], *, isolation: Isolation, wall: Wall = Wall.PROCESS) -> tuple[Layer, ...]:
    """The layers that ``isolation`` asks for and that are not in force; one nobody reported is not in force."""
    known = {layer.name: layer for layer in layers}
    wanted = wanted_layers(isolation, wall=wall)
    found = (known.get(name, Layer(name=name, in_force=False, detail="not reported")) for name in wanted)
    return tuple(layer for layer in found if not layer.in_force)
