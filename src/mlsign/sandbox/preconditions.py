"""What has to hold before a worker is started: a kernel that can confine it, and memory that can no longer change."""

from __future__ import annotations

import fcntl
import os
import sys
from typing import Final

from mlsign.errors import JailError, shown
from mlsign.sandbox.spec import SealedFile
from mlsign.sandbox.syscalls import ARCHITECTURES

_F_GET_SEALS: Final = 1034
_SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8
"""F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE (``linux/fcntl.h``)."""


def can_confine() -> bool:
    """Filters, namespaces and numbers of system calls are known for this kernel and machine."""
    return sys.platform == "linux" and os.uname().machine in ARCHITECTURES and sys.maxsize > 2**32


def check_sealed(file: SealedFile) -> None:
    """The descriptor is a memfd that cannot change, of the size given. Raises ``JailError`` (``sandbox.unsealed``).

    Without it, whoever shares the memory could change the model between verification and loading.
    """
    try:
        seals = fcntl.fcntl(file.fd, _F_GET_SEALS) if sys.platform == "linux" else _SEALS
        size = os.fstat(file.fd).st_size
    except OSError as err:
        message = f"{shown(file.path)} is not sealed memory: {err.strerror}"
        raise JailError(message, code="sandbox.unsealed", where=shown(file.path)) from err
    if seals & _SEALS != _SEALS or size != file.size:
        message = f"{shown(file.path)} has seals {seals:#x} and {size} bytes, wanted are {_SEALS:#x} and {file.size}"
        raise JailError(message, code="sandbox.unsealed", where=shown(file.path))
