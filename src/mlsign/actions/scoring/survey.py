"""Survey: what the sandbox can enforce on this machine, seen by a worker that really confines itself."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mlsign.errors import JailError, MlsignError, OutsideError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.package.sealed import ALL_SEALS, F_ADD_SEALS
from mlsign.sandbox.layers import Isolation, Layer, Wall, missing_layers
from mlsign.sandbox.machine import Machine, read_machine
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile

_MODEL: Final = base64.b64decode("CAg6LwoQCgF4EgF5IghJZGVudGl0eRIBbVoLCgF4EgYKBAgBEgBiCwoBeRIGCgQIARIAQgQKABAR")
"""y = Identity(x), one float, opset 17."""

_LINUX: Final = "score on Linux on x86-64 or aarch64"
_ALLOW_UNSHARE: Final = (
    "let the container make user namespaces: its system call filter has to allow clone, unshare, mount, umount2 and pivot_root "
    "(for docker a profile given with --security-opt seccomp=FILE)"
)
_UNKNOWN_LIMIT: Final = (
    "find out what forbids user namespaces to this user: no setting known here does (a security module, or a changed root)"
)
_ALLOW_MOUNT: Final = "let the process mount within its own namespaces: the container's filter or AppArmor profile forbids it"
_LANDLOCK: Final = "use a kernel of at least 5.13 with Landlock in its list of security modules (lsm=landlock,… when it starts)"
_RELEASED: Final = MappingProxyType(
    {
        "user.max_user_namespaces": "10000",
        "kernel.unprivileged_userns_clone": "1",
        "kernel.apparmor_restrict_unprivileged_userns": "0",
    }
)
"""What the settings that ``machine`` looks at have to be for user namespaces to be allowed."""
_RETIRE: Final = "start as an ordinary user, or leave CAP_SETUID and CAP_SETGID to root so that it can become one"


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """A machine, what came of confining a worker on it, and what has to change for the layers that are missing.

    ``failure`` says why no confined worker could be had; ``layers`` are empty then. ``without_gvisor`` says why none could be had
    inside gVisor, None where one was.
    """

    machine: Machine
    layers: tuple[Layer, ...]
    failure: MlsignError | None
    without_gvisor: MlsignError | None
    advice: tuple[str, ...]

    def meets(self, isolation: Isolation) -> bool:
        """Models can be scored here under this setting of a policy."""
        return self.failure is None and not missing_layers(self.layers, isolation=isolation)


def survey() -> Survey:
    """Starts workers over a model of one node, as scoring would, and ends them. Raises nothing that scoring would refuse."""
    machine = read_machine()
    layers, failure = _try(Wall.PROCESS)
    _, without_gvisor = _try(Wall.GVISOR)
    advice = tuple(_advise(machine, layers, failure))
    return Survey(machine=machine, layers=layers, failure=failure, without_gvisor=without_gvisor, advice=advice)


def _try(wall: Wall) -> tuple[tuple[Layer, ...], MlsignError | None]:
    try:
        return _confine(wall), None
    except (JailError, OutsideError) as err:
        return (), err


def _confine(wall: Wall) -> tuple[Layer, ...]:
    # Brings in numpy, which the rest of the command line does without.
    from mlsign.sandbox.jail import Jail

    with _sealed(_MODEL) as file:
        value = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=())
        model = JailedModel(
            model=file,
            weights=(),
            external=(),
            inputs=(ValueSpec(name="x", type=value),),
            outputs=(ValueSpec(name="y", type=value),),
        )
        with Jail.start(model, spec=JailSpec(wall=wall)) as jail:
            return jail.layers


@contextlib.contextmanager
def _sealed(data: bytes) -> Iterator[SealedFile]:
    if not hasattr(os, "memfd_create"):
        raise OutsideError("sealed memory needs Linux", code="sealed.unavailable")
    fd = os.memfd_create("mlsign-survey", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, data)
        fcntl.fcntl(fd, F_ADD_SEALS, ALL_SEALS)
        yield SealedFile(path="model.onnx", fd=fd, size=len(data))
    finally:
        os.close(fd)


def _advise(machine: Machine, layers: tuple[Layer, ...], failure: MlsignError | None) -> Iterator[str]:
    """What to change, one thing at a time, for everything that ``Isolation.FULL`` asks for."""
    if failure is not None:
        yield failure.hint or (_LINUX if failure.code in {"sandbox.unavailable", "sealed.unavailable"} else _hint(failure))
        return
    missing = {layer.name for layer in missing_layers(layers, isolation=Isolation.FULL)}
    if "user" in missing:
        yield _RETIRE
    if any(name.endswith("_namespace") for name in missing):
        limits = [f"sysctl -w {setting.name}={_RELEASED[setting.name]}" for setting in machine.limiting]
        yield from limits
        if not limits:
            yield _ALLOW_UNSHARE if machine.filtered else _UNKNOWN_LIMIT
    elif "empty_root" in missing:
        yield _ALLOW_MOUNT
    if "landlock" in missing:
        yield _LANDLOCK


def _hint(failure: MlsignError) -> str:
    if failure.code == "sandbox.layer":
        return "use a kernel of at least 5.9 that filters system calls (CONFIG_SECCOMP_FILTER), and let the container install filters"
    return "run again with --verbose; if it stays, report the kernel, the container runtime and this message"
