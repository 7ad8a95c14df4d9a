"""A worker inside gVisor, from the parent's side: a process of ``runsc``, its keeper, and what can be seen of the wall from here.

gVisor is a kernel in user space. What it says of itself is not taken: before the worker gets a model, its processes are looked at
in this machine's ``/proc``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from mlsign.errors import JailError, shown
from mlsign.sandbox.child import disown, end
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.process import Process
from mlsign.sandbox.zygote_host import ENVIRONMENT

_PROC: Final = Path("/proc")
_HINT: Final = "mlsign sandbox status says whether gVisor works here; --sandbox process needs none"
_AREAS: Final = 2
"""The first two descriptors of a worker are the areas, the others the model and its weights."""

_LAST_STREAM: Final = 2
_PATIENCE_SECONDS: Final = 5.0
_SIGNALLED: Final = 128
"""``runsc`` ends with this number and that of the signal that ended its container."""

_NAMESPACES: Final = {"user": "user", "pid": "pid", "mnt": "mount", "net": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup"}
_FILTERED: Final = {"Seccomp": "2", "NoNewPrivs": "1"}


def find_runsc() -> str:
    """Where ``runsc`` lies. Raises ``JailError`` (``sandbox.unavailable``)."""
    found = shutil.which("runsc")
    if found is None:
        raise JailError(
            "gVisor was asked for, and there is no runsc on PATH",
            code="sandbox.unavailable",
            hint="install runsc (https://gvisor.dev/docs/user_guide/install/), or use --sandbox process",
        )
    return os.path.realpath(found)


class _Keeper:
    """The process that keeps ``runsc``; it writes to the worker's pipe of complaints, and has none of its own."""

    def __init__(self, descriptors: Sequence[int], *, stderr: int) -> None:
        """Raises ``JailError`` (``sandbox.unavailable``, ``sandbox.spawn``)."""
        runsc = find_runsc()
        try:
            self._popen = subprocess.Popen(  # noqa: S603  this interpreter, our own module, numbers as arguments
                [sys.executable, "-I", "-B", "-m", "mlsign.sandbox.gvisor.keeper", runsc, *map(str, descriptors)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=tuple(descriptors),
                env=dict(ENVIRONMENT),
                cwd="/",
                start_new_session=True,  # an interrupt typed at the parent is the parent's to handle
            )
        except OSError as err:
            raise JailError(f"the worker could not be started: {err.strerror}", code="sandbox.spawn") from err

    def complaint(self) -> str:
        """Nothing: it is in the worker's pipe."""
        return ""

    def release(self) -> None:
        """It is not this process's child: there is nothing to wait for."""
        disown(self._popen)

    def reap(self) -> None:
        """It is gone. Whoever calls has closed its socket."""
        end(self._popen, patience_seconds=_PATIENCE_SECONDS)  # its children have asked to go with it


class GvisorProcess(Process):
    """A worker in a container of gVisor that holds nothing else. ``pid`` is ``runsc``; with it everything inside ends."""

    _keeper: _Keeper | None = None
    _confirmed = False

    def _spawn(self, control: int, status: int, stderr: int, descriptors: Sequence[int]) -> _Keeper:
        areas, files = descriptors[:_AREAS], descriptors[_AREAS:]
        with contextlib.ExitStack() as opened:
            try:
                # By descriptions that cannot write: gVisor maps them shared, which older kernels refuse otherwise.
                readable = [_open_again(fd, opened) for fd in files]
                passed = [_above_streams(fd, opened) for fd in (status, control, *areas, *readable)]
            except OSError as err:
                raise JailError(f"the model could not be handed to gVisor: {err.strerror}", code="sandbox.spawn") from err
            self._keeper = _Keeper(passed, stderr=stderr)
        return self._keeper

    def confirm(self, layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
        """The layers that the worker reports, behind those of gVisor that are seen from here."""
        below = descendants(self.pid)
        self.others = tuple(below)
        self._confirmed = True
        outer = (*_wall(below), *_namespaces(below))
        return (*outer, *(layer for layer in layers if layer.name not in {seen.name for seen in outer}))

    def take_address_space(self, count: int, *, timeout: float) -> None:
        """Does nothing: nobody outside sets the limits of gVisor's own kernel."""

    def exit_code(self) -> int | None:
        """How the worker ended, out of how ``runsc`` did."""
        code = super().exit_code()
        return code if code is None or code <= _SIGNALLED else _SIGNALLED - code

    def obituary(self, *, alone: bool) -> JailError:
        """A worker that never came so far as to be confined was not ended by a model: gVisor does not work here."""
        if self._confirmed:
            return super().obituary(alone=alone)
        how = self.explain() if self.exit_code() is not None else self.last_words() or "its keeper ended without a word"
        return JailError(f"gVisor could not start a worker: {how}", code="sandbox.unavailable", hint=_HINT)

    def release(self) -> None:
        """Closes this side's descriptors and touches no process: for a fork of the parent."""
        super().release()
        if self._keeper is not None:
            self._keeper.release()

    def close(self) -> None:
        """Kills, reaps, closes. May be called again."""
        super().close()
        if self._keeper is not None:
            self._keeper.reap()
            self._keeper = None


def _open_again(fd: int, opened: contextlib.ExitStack) -> int:
    readable = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    opened.callback(os.close, readable)
    return readable


def _above_streams(fd: int, opened: contextlib.ExitStack) -> int:
    """Above 2, where in a parent without standard streams it may come to lie, the keeper's own streams take no place away."""
    if fd > _LAST_STREAM:
        return fd
    other = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LAST_STREAM + 1)
    opened.callback(os.close, other)
    return other


def descendants(pid: int) -> list[int]:
    """The processes below one, as far as they are to be seen."""
    children: dict[int, list[int]] = {}
    for process in _PROC.iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                _, parent, *_ = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                children.setdefault(int(parent), []).append(int(process.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found[1:]


def _wall(below: list[int]) -> Iterator[Layer]:
    """The layer that gVisor is: its kernel, and the processes it runs programs in, see no file of this machine and are filtered."""
    kernels = [pid for pid in below if _is_kernel(pid)]
    if len(kernels) != 1:
        yield Layer(
            name="gvisor", in_force=False, detail=f"{len(kernels)} processes of gVisor's kernel are running, expected is one"
        )
        return
    inside = [_PROC / str(pid) for pid in (*kernels, *descendants(kernels[0]))]
    try:
        rooted = sum(_is_same(process / "root", Path("/")) for process in inside)
        free = sum(not _is_filtered(thread) for process in inside for thread in (process / "task").iterdir())
    except OSError as err:
        yield Layer(name="gvisor", in_force=False, detail=f"its processes cannot be looked at: {shown(err.strerror)}")
        return
    detail = f"its kernel is process {kernels[0]}; {len(inside)} processes have another root, and all their threads a filter"
    if rooted or free:
        detail = f"{rooted} processes have this machine's root, {free} threads no filter"
    yield Layer(name="gvisor", in_force=not (rooted or free), detail=detail)


def _is_same(one: Path, other: Path) -> bool:
    first, second = one.stat(), other.stat()
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _is_kernel(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().startswith(b"runsc-sandbox\0")
    return False


def _is_filtered(thread: Path) -> bool:
    lines = (thread / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    found = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return all(found.get(name) == value for name, value in _FILTERED.items())


def _namespaces(below: list[int]) -> Iterator[Layer]:
    """The namespaces that are not this process's own, of gVisor's kernel and every process below it."""
    inside = [each for pid in below if _is_kernel(pid) for each in (pid, *descendants(pid))]
    for kind, name in _NAMESPACES.items():
        try:
            ours = (_PROC / "self" / "ns" / kind).readlink()
            shared = not inside or any((_PROC / str(pid) / "ns" / kind).readlink() == ours for pid in inside)
            detail = "this process's own" if shared else "gVisor's processes have others than this one"
        except OSError as err:
            shared, detail = True, f"cannot be looked at: {shown(err.strerror)}"
        yield Layer(name=f"{name}_namespace", in_force=not shared, detail=detail)
