"""The child's one-way steps into the jail, numbered, in the order in which they have to happen.

Runs in the worker process, after the runtime was imported and warmed and before a byte of the model is
read. ``confine`` reports every layer; a required one that fails raises. The reasons of each step stand in
``docs/sandbox.md``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import socket
import struct
import sys
from dataclasses import dataclass, replace
from typing import Final, NoReturn

from mlsign.errors import JailError
from mlsign.sandbox import kernel, landlock, rlimits, seccomp
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.proof import prove_answers, prove_refusals
from mlsign.sandbox.seccomp import CONTROL_FD, Mode

NOBODY: Final = 65534

_LOOK_MILLISECONDS: Final = 50
"""Between two looks at a worker where nothing tells of its end."""

_CLONE_NEWUSER: Final = 0x10000000
_NAMESPACES: Final = (
    ("pid_namespace", 0x20000000),
    ("mount_namespace", 0x00020000),
    ("net_namespace", 0x40000000),
    ("ipc_namespace", 0x08000000),
    ("uts_namespace", 0x04000000),
    ("cgroup_namespace", 0x02000000),
)
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_RDONLY, _MS_REC, _MS_PRIVATE = 2, 4, 8, 1, 0x4000, 0x40000
_MOUNT_POINTS: Final = ("/proc", "/tmp", "/dev", "/usr")  # noqa: S108  any folder that exists: it is covered, not written


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the steps need to know. ``status_fd`` is the keeper's socket to the parent; none where the worker is the only process
    of a kernel of its own, which has no namespaces that are worth the name and is kept from outside.
    """

    memory_bytes: int
    threads: int
    status_fd: int | None


def _held(name: str, detail: str) -> Layer:
    return Layer(name=name, in_force=True, detail=detail)


def _missing(name: str, err: OSError) -> Layer:
    return Layer(name=name, in_force=False, detail=(err.strerror or str(err)).lower())


def _required(name: str, err: Exception) -> JailError:
    return JailError(
        f"the required layer {name} could not be put in force: {err}", code="sandbox.layer", where=name, found=str(err)
    )


def confine(plan: Plan) -> tuple[tuple[Layer, ...], int]:
    """Confines the process for good; the layers and what they came to, and how many threads it may have.

    Returns in the confined process alone: the process that called becomes its keeper and never returns.
    Raises ``JailError`` (``sandbox.layer``, ``sandbox.proof``).
    """
    layers: list[Layer] = []
    asked, status_fd = plan.threads, plan.status_fd
    # 1. Give up root while keeping its capabilities for the steps below, until step 6 drops them.
    layers.append(_leave_root())
    if status_fd is not None:
        # 2. Namespaces: a user namespace first, it brings the right to make the others to an ordinary user.
        layers.extend(_leave_namespaces())
        if not _in_force(layers, "user_namespace"):
            # Outside one, RLIMIT_NPROC counts whatever else the user runs: no number bounds this process alone, and a
            # filter cannot count. So no thread may be made at all.
            plan = replace(plan, threads=1)
        # 3. Fork: a pid namespace begins with a child. This side stays outside, reaps and does nothing else.
        fork_keeper(status_fd)
    # 4. Descriptors: nothing is open but /dev/null, the pipe for complaints and the control socket.
    layers.append(_close_descriptors())
    # The last look at /proc; the address space counts from here.
    space = _address_space() + plan.memory_bytes
    # 5. An empty, read-only root.
    layers.append(_empty_root(layers))
    # 6. No capability, now or ever again.
    layers.append(_drop_capabilities())
    # 7. No executable gives new rights; seccomp and Landlock need it.
    layers.append(_no_new_privs())
    # 8. Nobody attaches to this process, it does not outlive its keeper, and one page of it is never two megabytes:
    # unmapping the rest of a huge page would take it out of the address space and leave it in memory.
    _detach()
    # 9. Landlock: no file, no TCP port, no abstract socket, no signal out.
    layers.append(_landlock())
    # 10. Limits that nothing inside can raise.
    layers.append(_rlimits(plan, space=space, asked=asked))
    layers.append(Layer(name="cgroup_memory", in_force=False, detail="no delegated memory cgroup is used"))
    # 11. The filter on trial, the proof, then the filter for good.
    layers.append(_filter(plan))
    return tuple(layers), plan.threads


def _leave_root() -> Layer:
    if os.geteuid() != 0 and os.getuid() != 0:
        return _held("user", f"started as the ordinary user {os.getuid()}")
    try:
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        _, permitted, _ = kernel.capabilities()
        kernel.set_capabilities(effective=permitted, permitted=permitted, inheritable=0)
    except OSError as err:
        return _missing("user", err)
    return _held("user", f"gave up root for user {NOBODY} and no groups")


def _leave_namespaces() -> list[Layer]:
    layers = []
    try:
        kernel.unshare(_CLONE_NEWUSER)
        layers.append(_held("user_namespace", "no user or group is mapped"))
    except OSError as err:
        layers.append(_missing("user_namespace", err))
    for name, flag in _NAMESPACES:
        try:
            kernel.unshare(flag)
            layers.append(_held(name, "own and empty" if name != "mount_namespace" else "own"))
        except OSError as err:
            layers.append(_missing(name, err))
    return layers


def fork_keeper(status_fd: int) -> None:
    """Returns in a child; the process that called keeps it, and never returns."""
    pid = os.fork()
    if pid != 0:
        _keep(pid, status_fd)


def _keep(pid: int, status_fd: int) -> NoReturn:
    """Reaps the worker and tells the parent how it ended; ends the worker when the parent is gone.

    A process of its own because a pid namespace needs a parent outside, and because a worker whose parent
    died would be reaped by nobody in a container whose first process does not reap.
    """
    code = 0
    try:
        with socket.socket(fileno=status_fd) as status:
            if sys.platform == "linux":
                kernel.close_descriptors(0, status_fd - 1)
                kernel.close_descriptors(status_fd + 1)
                _drop_capabilities()
                kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
            status.send(struct.pack("=i", _watch(pid, status)))
    except OSError:
        code = 1  # the parent sees the end of both sockets, whatever failed here
    finally:
        os._exit(code)


def _watch(pid: int, status: socket.socket) -> int:
    """The wait status of the worker, once it ended by itself or because the parent has gone. Raises ``OSError``."""
    poll = select.poll()
    poll.register(status, select.POLLIN)
    pidfd = -1
    if hasattr(os, "pidfd_open"):
        pidfd = os.pidfd_open(pid)
        poll.register(pidfd, select.POLLIN)
        socket.send_fds(status, [struct.pack("=i", pid)], [pidfd])
    else:
        status.send(struct.pack("=i", pid))
    while pidfd not in (ready := {fd for fd, _ in poll.poll(_LOOK_MILLISECONDS if pidfd < 0 else None)}):
        if status.fileno() in ready:
            data = status.recv(8)
            if len(data) != 8:  # the parent has gone
                os.kill(pid, signal.SIGKILL)
                break
            status.send(struct.pack("=i", _lower_address_space(pid, *struct.unpack("=Q", data))))
        elif pidfd < 0 and (found := os.waitpid(pid, os.WNOHANG)) != (0, 0):
            return found[1]
    return os.waitpid(pid, 0)[1]


def _lower_address_space(pid: int, count: int) -> int:
    """0 where the worker's limit is lower by so many bytes, else an errno. The keeper may set it: it has the worker's own user."""
    try:
        rlimits.lower_address_space(pid, by=count)
    except (OSError, ValueError) as err:
        return getattr(err, "errno", None) or errno.EINVAL
    return 0


def _close_descriptors() -> Layer:
    try:
        kernel.close_descriptors(CONTROL_FD + 1)
        for fd in range(CONTROL_FD + 1):
            os.fstat(fd)
        left = sorted(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208  the listing's own descriptor is in it
    except OSError as err:
        raise _required("descriptors", err) from err
    if left not in ([0, 1, 2, 3], [0, 1, 2, 3, 4]):
        raise _required("descriptors", OSError(0, f"{left} are open"))
    return _held("descriptors", "open are /dev/null twice, the pipe for complaints and the control socket")


def _address_space() -> int:
    try:
        return rlimits.address_space()
    except OSError as err:
        raise _required("rlimits", err) from err


def _in_force(layers: list[Layer], name: str) -> bool:
    return any(layer.in_force for layer in layers if layer.name == name)


def _empty_root(layers: list[Layer]) -> Layer:
    try:
        if not _in_force(layers, "mount_namespace"):
            return _chroot()
        kernel.mount("/", fstype=None, flags=_MS_REC | _MS_PRIVATE, options=None)  # nothing below reaches the outside
        target = next(path for path in _MOUNT_POINTS if os.path.isdir(path))  # noqa: PTH112  no pathlib in here
        flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC | _MS_RDONLY
        kernel.mount(target, fstype="tmpfs", flags=flags, options="size=4k,nr_inodes=1,mode=0555")
        os.chdir(target)
        kernel.pivot_root_here()
        os.chdir("/")
        left = os.listdir("/")  # noqa: PTH208  no pathlib in here
    except OSError as err:
        return _missing("empty_root", err)
    if left:
        raise JailError("the new root is not empty", code="sandbox.proof", where="empty_root", found=" ".join(left[:5]))
    return _held("empty_root", "an empty read-only tmpfs, the old root unmounted")


def _chroot() -> Layer:
    """The next best without a mount namespace, for a container's root: some folder that is empty."""
    for path in ("/proc/self/fdinfo", "/sys/kernel/debug", "/var/empty", "/mnt", "/srv", "/media"):
        if os.path.isdir(path) and not os.listdir(path):  # noqa: PTH112, PTH208  no pathlib in here
            os.chroot(path)
            os.chdir("/")
            return Layer(name="empty_root", in_force=False, detail="only a changed root: no mount namespace")
    return Layer(name="empty_root", in_force=False, detail="no mount namespace and no empty folder")


def _drop_capabilities() -> Layer:
    bounding = "bounding set emptied"
    try:
        try:
            kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
        except OSError as err:
            if err.errno != errno.EINVAL:  # a kernel without that set, such as gVisor's
                raise
        for capability in range(64):
            try:
                kernel.prctl(kernel.PR_CAPBSET_READ, capability)
            except OSError:
                break  # one past the last that this kernel knows
            try:
                kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
            except OSError:
                bounding = "bounding set untouched"  # needs CAP_SETPCAP; without privileges to gain it bounds nothing
                break
        kernel.set_capabilities(effective=0, permitted=0, inheritable=0)
        left = kernel.capabilities()
    except OSError as err:
        return _missing("capabilities", err)
    if left != (0, 0, 0):
        return Layer(name="capabilities", in_force=False, detail=f"left are {left}")
    return _held("capabilities", f"none, {bounding}")


def _no_new_privs() -> Layer:
    try:
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        reads_back = kernel.prctl(kernel.PR_GET_NO_NEW_PRIVS)
    except OSError as err:
        raise _required("no_new_privs", err) from err
    if reads_back != 1:
        raise _required("no_new_privs", OSError(0, "it reads back as not set"))
    return _held("no_new_privs", "set")


def _detach() -> None:
    try:
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # last: a change of credentials clears it
    except OSError as err:
        raise _required("no_new_privs", err) from err
    with contextlib.suppress(OSError):  # kernels without huge pages have nothing to disable
        kernel.prctl(kernel.PR_SET_THP_DISABLE, 1)


def _landlock() -> Layer:
    try:
        version = landlock.deny_all()
    except OSError as err:
        return _missing("landlock", err)
    return _held("landlock", f"everything denied that version {version} can deny")


def _rlimits(plan: Plan, *, space: int, asked: int) -> Layer:
    processes = 0 if plan.threads == 1 else plan.threads + 8
    try:
        rlimits.restrict(address_space_bytes=space, descriptors=CONTROL_FD + 1, processes=processes)
    except (OSError, ValueError) as err:
        raise _required("rlimits", err) from err
    fewer = f"; one thread instead of {asked}: nothing counts threads without a user namespace" if plan.threads < asked else ""
    return _held("rlimits", f"address space {space} bytes, no files, no locked memory, processes {processes}{fewer}")


def _filter(plan: Plan) -> Layer:
    pid = os.getpid()
    try:
        seccomp.install(mode=Mode.TRIAL, threads=plan.threads, pid=pid)
        count = prove_refusals(threads=plan.threads, pid=pid)
        seccomp.install(mode=Mode.FINAL, threads=plan.threads, pid=pid)
        count += prove_answers()
    except OSError as err:
        raise _required("seccomp", err) from err
    return _held("seccomp", f"allowlist, everything else kills; {count} forbidden calls were tried and refused")
