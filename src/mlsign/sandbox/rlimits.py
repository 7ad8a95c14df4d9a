"""Resource limits of a worker: soft and hard alike, so that nothing inside can raise them."""

from __future__ import annotations

import resource
from typing import Final

ZEROED: Final = tuple(
    getattr(resource, name)
    for name in ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE", "RLIMIT_RTPRIO", "RLIMIT_NICE")
    if hasattr(resource, name)  # other systems import this module, too
)
"""A core dump would write what was scored to disk; the others are ways to take from the machine."""


def address_space() -> int:
    """Bytes of address space this process has now. Raises ``OSError`` where /proc cannot be read."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  one number of the kernel's, pathlib costs an import
        return int(file.read().split()[0]) * resource.getpagesize()


def restrict(*, address_space_bytes: int, descriptors: int, processes: int) -> None:
    """Sets the limits and reads them back. Raises ``OSError`` or ``ValueError`` where one does not hold.

    ``processes`` above 0 means something within a user namespace only: outside, it counts everything that the user runs.
    """
    wanted = dict.fromkeys(ZEROED, 0)
    wanted[resource.RLIMIT_AS] = address_space_bytes
    wanted[resource.RLIMIT_NOFILE] = descriptors
    wanted[resource.RLIMIT_NPROC] = processes
    for kind, value in wanted.items():
        if resource.getrlimit(kind) != (value, value):  # gVisor's kernel lets nobody set some of them: they come set
            resource.setrlimit(kind, (value, value))
    for kind, value in wanted.items():
        if resource.getrlimit(kind) != (value, value):
            raise OSError(0, f"resource limit {kind} is {resource.getrlimit(kind)}, wanted {value}")


def lower_address_space(pid: int, *, by: int) -> None:
    """The limit of a process on its address space is so much lower. Raises ``OSError`` or ``ValueError`` where it is not."""
    space, _ = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (space - by, space - by))
