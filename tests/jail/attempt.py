"""What an attempt to escape is, and what all of them share: the targets outside, and calls by number.

``Attempt.do`` is the very same code inside and outside; it raises where it did not get what it wanted, so that "went
through" means that it really did. Targets are made by ``Stage`` before confinement, outside of it.
"""

import ctypes
import mmap
import os
import signal
import socket
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlsign.sandbox import kernel

MACHINE = os.uname().machine
WORKS = "went through"

# Calls that the sandbox has no number for, on x86-64 and on aarch64; None where the architecture has no such call.
_NUMBERS = {
    "openat2": (437, 437), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "renameat2": (316, 276),
    "mknodat": (259, 33), "sendfile": (40, 71), "vmsplice": (278, 75), "splice": (275, 76), "readv": (19, 65), "writev": (20, 66),
    "sendto": (44, 206), "recvfrom": (45, 207), "recvmsg": (47, 212), "shutdown": (48, 210), "setsockopt": (54, 208),
    "timerfd_create": (283, 85), "signalfd4": (289, 74), "eventfd2": (290, 19), "epoll_create1": (291, 20),
    "inotify_init1": (294, 26), "fanotify_init": (300, 262), "memfd_secret": (447, 447), "dup": (32, 23),
    "clone": (56, 220), "execveat": (322, 281), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "kcmp": (312, 272),
    "pidfd_send_signal": (424, 424), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138),
    "setitimer": (38, 103), "timer_create": (222, 107), "get_robust_list": (274, 100), "ioprio_set": (251, 30),
    "futex": (202, 98), "futex_waitv": (449, 449), "futex_wake": (454, 454),
    "io_uring_setup": (425, 425), "bpf": (321, 280), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "add_key": (248, 217), "keyctl": (250, 219), "unshare": (272, 97), "setns": (308, 268), "umount2": (166, 39),
    "mount": (165, 40), "fsopen": (430, 430), "open_tree": (428, 428), "listmount": (458, 458), "personality": (135, 92),
    "modify_ldt": (154, None), "iopl": (172, None), "arch_prctl": (158, None), "seccomp": (317, 277),
    "landlock_create_ruleset": (444, 444), "mseal": (462, 462), "map_shadow_stack": (453, None), "syslog": (103, 116),
    "quotactl": (179, 60), "init_module": (175, 105), "clock_adjtime": (305, 266), "settimeofday": (164, 170),
    "io_setup": (206, 0), "mq_open": (240, 180), "mq_unlink": (241, 181), "shmget": (29, 194), "shmctl": (31, 195),
    "shmat": (30, 196), "mlock": (149, 228), "mincore": (27, 232), "move_pages": (279, 239), "pkey_mprotect": (329, 288),
    "cachestat": (451, 451), "mmap": (9, 222), "mprotect": (10, 226), "mremap": (25, 216), "brk": (12, 214), "madvise": (28, 233),
    "prlimit64": (302, 261), "ftruncate": (77, 46), "setgroups": (116, 159), "pivot_root": (155, 41), "getppid": (110, 173),
}  # fmt: skip


def number(name: str) -> int:
    found = _NUMBERS[name][0 if MACHINE == "x86_64" else 1]
    assert found is not None, f"{MACHINE} has no {name}"
    return found


def has(name: str) -> bool:
    return _NUMBERS[name][0 if MACHINE == "x86_64" else 1] is not None


def syscall(name: str, *arguments: int | bytes | None) -> int:
    return kernel.syscall(number(name), *arguments)


def closing(fd: int) -> None:
    assert fd >= 0
    os.close(fd)


def reading(path: str) -> str:
    """A setting of the kernel, empty where it has none."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def no_call(name: str) -> str:
    """Why this kernel cannot make a call at all, or nothing; asked outside, with arguments that do no harm."""
    if not has(name):
        return f"{MACHINE} has no such call"
    return "this kernel has no such call" if kernel.attempt(number(name), *(-1,) * 6) == 38 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One thing that a worker must not be able to do.

    ``denied`` is how it ends inside, wherever that is: the name of an errno, a signal or an exception. ``layer`` is what
    denies it. ``prepare`` runs before confinement, inside and outside. ``harmless`` runs outside only, before the
    attempt, so that its success does nothing to the machine. ``impossible`` says why this machine cannot do it even
    outside, or nothing. ``takes_slot`` closes descriptor 0 first: the limit on descriptors leaves room for one then.
    """

    name: str
    tries: str
    do: Callable[[], object]
    denied: str = "SIGSYS"
    layer: str = "seccomp"
    prepare: Callable[[], object] | None = None
    harmless: Callable[[], object] | None = None
    impossible: Callable[[], str] = lambda: ""
    takes_slot: bool = False


class Stage:
    """What attempts are aimed at. Everything is made by ``set_up``, in the setting of the run and outside the jail."""

    keeper: int
    """The process that the confined one was forked from; outside, its parent."""

    def set_up(self) -> None:
        while os.dup(2) < 3:  # numbers that a worker's own descriptors will take
            pass
        self.main = os.getpid()
        self.area = mmap.mmap(-1, 1 << 16, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.area[:6] = b"inside"
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.area))
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o777)  # noqa: S103  the worker is another user
        self.file = os.path.join(self.folder, "file")
        Path(self.file).write_text("a file\n")
        os.chmod(self.file, 0o666)  # noqa: S103
        self._listen()
        self.memory = os.memfd_create("readable")
        os.pwrite(self.memory, b"secret" * 1000, 0)
        self.namespace = os.open("/proc/self/ns/uts", os.O_RDONLY)
        self.segment = syscall("shmget", 0, 4096, 0o1777)
        self._start_victim()
        self.handle = self._handle()

    def _listen(self) -> None:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.tcp_address, self.udp_address = self.tcp.getsockname(), self.udp.getsockname()
        self.abstract = f"\0mlsign-test-{self.main}"
        self.path = os.path.join(self.folder, "socket")
        self.unix = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for sock, name in zip(self.unix, (self.abstract, self.path), strict=True):
            sock.bind(name)
            sock.listen()
        os.chmod(self.path, 0o777)  # noqa: S103

    def _start_victim(self) -> None:
        """A process of the same user with a secret at an address that everybody knows: it was forked."""
        self.secret = ctypes.create_string_buffer(b"nothing to see")
        self.victim = os.fork()
        if self.victim == 0:
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            self.secret.value = b"the victim's"
            while True:
                signal.pause()
        self.pidfd = os.pidfd_open(self.victim)

    def _handle(self) -> bytes:
        """A handle of ``file``, as ``open_by_handle_at`` takes it."""
        buffer = ctypes.create_string_buffer(struct.pack("=Ii", 128, 0) + bytes(128))
        mount = ctypes.c_int()
        syscall("name_to_handle_at", -100, self.file.encode(), ctypes.addressof(buffer), ctypes.addressof(mount), 0)
        return buffer.raw

    def tear_down(self) -> None:
        os.kill(self.victim, signal.SIGKILL)
        os.waitpid(self.victim, 0)
        self.clear()

    def clear(self) -> None:
        """What would outlive all processes is gone."""
        syscall("shmctl", self.segment, 0, 0)
        for name in os.listdir(self.folder):
            os.unlink(os.path.join(self.folder, name))
        os.rmdir(self.folder)


STAGE = Stage()
