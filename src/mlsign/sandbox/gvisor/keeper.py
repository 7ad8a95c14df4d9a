"""The process between a parent and gVisor: builds a place that vanishes, starts ``runsc`` in it, and keeps it.

The place is a set of namespaces with a tmpfs for the bundle and for the state of ``runsc``. It goes, with everything that
runs in it, when ``runsc`` does, and ``runsc`` goes with its keeper: whatever ends first, no process, folder or mount is left behind.
"""

from __future__ import annotations

import array
import os
import select
import signal
import socket
import struct
import sys
from pathlib import Path
from typing import Final, NoReturn

from mlsign.sandbox import kernel
from mlsign.sandbox.confine import fork_keeper
from mlsign.sandbox.gvisor.bundle import find_installation, write_bundle
from mlsign.sandbox.zygote_host import BATCH

_CLONE_NEWUSER: Final = 0x10000000
_NAMESPACES: Final = (0x20000000, 0x00020000, 0x40000000, 0x08000000, 0x04000000, 0x02000000)
"""pid, mount, net, ipc, uts, cgroup. The sandbox has its own ones within; these hold what ``runsc`` itself leaves outside of it."""

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
_PLACES: Final = ("/tmp", "/run", "/mnt", "/media", "/srv", "/var/tmp")  # noqa: S108  covered by a tmpfs that nobody else sees
_OPTIONS: Final = (
    "--network=none",
    "--overlay2=none",
    "--host-uds=none",
    "--ignore-cgroups",
    "--file-access-mounts=exclusive",  # nobody writes to the packages of a program that runs
)
_FAILED: Final = 64
"""The exit status when ``runsc`` could not even be started."""


def main(*, module: str = "mlsign.sandbox.gvisor.worker") -> NoReturn:
    """The entry point: the path of ``runsc``, the keeper's socket, then the descriptors that the worker gets, the control socket first."""
    runsc, *numbers = sys.argv[1:]
    status, *handed = (int(number) for number in numbers)
    try:
        installation = find_installation()
        place = _place(runsc, *installation.sources)
        rootless = ["--rootless"] if _own_namespaces() else []
        requests = _hand_over(handed)
        keeper = os.pidfd_open(os.getpid())
    except OSError as err:
        _give_up(err)
    fork_keeper(status)  # from here on in the first process of the pid namespace
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        if _has_ended(keeper):  # it did before it was asked for the signal
            os._exit(_FAILED)
        _cover(place)
        os.umask(0o022)  # the worker has no way past permissions: what the user's own umask hides would be hidden from it
        write_bundle(place, installation, module=module)
        os.dup2(requests.fileno(), 0)
        kernel.close_descriptors(3)
        command = [runsc, f"--root={place}/state", *_OPTIONS, *rootless, "run", f"--bundle={place}", "worker"]
        os.execve(runsc, command, {"PATH": os.defpath})  # noqa: S606  the program that the parent named, and fixed words
    except OSError as err:
        _give_up(err)


def _own_namespaces() -> bool:
    """Whether this is an ordinary user, who had to become root of a user namespace for it."""
    rootless = os.geteuid() != 0
    if rootless:
        user, group = os.geteuid(), os.getegid()
        kernel.unshare(_CLONE_NEWUSER)
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="utf-8")
    for flag in _NAMESPACES:
        kernel.unshare(flag)
    return rootless


def _hand_over(descriptors: list[int]) -> socket.socket:
    """A socket in which the descriptors lie ready for whoever reads it, as ``zygote.receive`` does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        for start in range(0, len(descriptors), BATCH):
            batch = array.array("i", descriptors[start : start + BATCH])
            ours.sendmsg([struct.pack("<I", len(descriptors))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, batch)])
    return theirs


def _place(*kept: str) -> Path:
    """A folder that none of these paths lies in: it is covered for the processes here."""
    for path in map(Path, _PLACES):
        if path.is_dir() and not path.is_symlink() and not any(Path(each).is_relative_to(path) for each in kept):
            return path
    raise OSError(0, f"runsc and what a worker is made of lie in all of {', '.join(_PLACES)}")


def _cover(place: Path) -> None:
    kernel.mount("/", fstype=None, flags=_MS_REC | _MS_PRIVATE, options=None)  # nothing below reaches the outside
    kernel.mount("/proc", fstype="proc", flags=_MS_NOSUID | _MS_NODEV | _MS_NOEXEC, options=None)
    kernel.mount(str(place), fstype="tmpfs", flags=_MS_NOSUID | _MS_NODEV, options="size=4m,mode=0700")


def _has_ended(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return poll.poll(0) != []


def _give_up(err: OSError) -> NoReturn:
    where = f" ({err.filename})" if err.filename else ""
    sys.stderr.write(f"no place for gVisor could be made: {err.strerror}{where}\n")
    sys.stderr.flush()
    os._exit(_FAILED)


if __name__ == "__main__":
    main()
