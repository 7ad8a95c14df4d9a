"""What has to hold before a worker is started: a kernel that can confine it, a runtime, and memory that can no longer change."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
from typing import Final

from mlsign.errors import JailError, OutsideError, shown
from mlsign.sandbox.layers import Wall
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import SealedFile
from mlsign.sandbox.syscalls import ARCHITECTURES

OLDEST_ONNX: Final = (1, 19)
"""As in the extra ``reference``."""
_F_GET_SEALS: Final = 1034
_SEALS: Final = 0x1 | 0x2 | 0x4 | 0x8
"""F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE (``linux/fcntl.h``)."""


def can_confine() -> bool:
    """Filters, namespaces and numbers of system calls are known for this kernel and machine."""
    return sys.platform == "linux" and os.uname().machine in ARCHITECTURES and sys.maxsize > 2**32


def unconfinable() -> JailError:
    """What there is to say where that does not hold."""
    return JailError(
        f"{sys.platform} on {os.uname().machine} cannot confine a process, nothing is scored",
        code="sandbox.unavailable",
        hint="score on Linux on x86-64 or aarch64, or allow scoring without a sandbox explicitly",
    )


def check_runtime(runtime: RuntimeName, *, wall: Wall = Wall.PROCESS) -> None:
    """What this runtime needs is installed, and it runs behind this wall. Nothing of it is imported here.

    Raises ``OutsideError`` (``sandbox.reference``) and ``JailError`` (``sandbox.unavailable``).
    """
    if runtime is not RuntimeName.REFERENCE:
        return
    problem = _lacking_onnx()
    if problem:
        message = f"the reference evaluator needs the package onnx, {problem}"
        raise OutsideError(message, code="sandbox.reference", hint="pip install 'mlsign[reference]'")
    if wall is Wall.GVISOR:
        raise JailError(
            "the reference evaluator does not run inside gVisor",
            code="sandbox.unavailable",
            hint="use --sandbox process for it",
        )


def _lacking_onnx() -> str:
    """What is wrong with the package onnx here, or nothing."""
    from importlib import metadata  # noqa: PLC0415  it loads much, and scoring has no use for it

    spec = importlib.util.find_spec("onnx")
    if spec is None or spec.origin is None:  # a folder of that name, such as one full of models, is no package
        return "which is not installed"
    try:
        version = metadata.version("onnx")
    except metadata.PackageNotFoundError:  # built by its user, or a nightly build: the zygote finds out
        return ""
    numbers = tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2])
    return "" if numbers >= OLDEST_ONNX else f"{'.'.join(map(str, OLDEST_ONNX))} or later, and {shown(version)} is installed"


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
