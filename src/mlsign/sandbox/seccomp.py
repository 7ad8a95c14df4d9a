"""The system call filter of a worker: which calls it may make, built as a BPF program and installed.

An allowlist (``seccomp(2)``): what no rule names is refused. The same rules are built twice. On *trial*
the refusal is an errno that the kernel never gives, so that the proof can attempt forbidden calls and know
that the filter refused them; *final* kills the process instead. Filters stack and the strictest answer
wins, so the final one is laid over the trial one.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mlsign.sandbox import kernel
from mlsign.sandbox.syscalls import ARCHITECTURES, NUMBERS, X32_BIT

CONTROL_FD: Final = 3
"""The one socket of a worker; descriptors 0 and 1 are /dev/null, 2 is the pipe for complaints."""

TRIAL_ERRNO: Final = 1021
"""Below 4095 (``MAX_ERRNO``) and used by nothing in the kernel."""

PROT_EXEC: Final = 4
MAP_SHARED: Final = 0x01
MAP_ANONYMOUS: Final = 0x20
UNCOUNTED_MAPS: Final = MAP_SHARED | 0x08 | 0x40000
"""MAP_SHARED (its bit is in MAP_SHARED_VALIDATE, too), MAP_DROPPABLE and MAP_HUGETLB. Pages of shared memory stay when
all but one of them are unmapped: they would be outside every limit on address space."""

FUTEX_OPERATIONS: Final = tuple(128 + op for op in (0, 1, 3, 4, 5, 9, 10, 256, 256 + 9))
"""WAIT, WAKE, REQUEUE, CMP_REQUEUE, WAKE_OP, WAIT_BITSET and WAKE_BITSET, and the waits by the other clock: all with
FUTEX_PRIVATE_FLAG, without which a futex in a page of a shared file is a bell between processes. None with
priority inheritance (CVE-2014-3153)."""

JOIN_OPERATIONS: Final = (0, 9, 256 + 9)
"""Waiting without that flag is what ``pthread_join`` does: the kernel wakes it so when a thread ends."""

HARMLESS_ADVICE: Final = (0, 1, 2, 3, 4, 8, 15, 102, 103)
"""NORMAL, RANDOM, SEQUENTIAL, WILLNEED, DONTNEED, FREE, NOHUGEPAGE, and the guard pages of newer C libraries' stacks. Not
HUGEPAGE, COLLAPSE, MERGEABLE, REMOVE or HWPOISON: they act on memory that others count or share."""

THREAD_FLAGS: Final = 0x3D0F00
"""What glibc's ``pthread_create`` passes to ``clone``: VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, SETTLS,
PARENT_SETTID and CHILD_CLEARTID. Exactly these; one bit less of them would be a process."""

_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_KILL_PROCESS: Final = 0x80000000
_LOAD, _JUMP_EQ, _JUMP_SET, _JUMP_GE, _RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARGS = 0, 4, 16
"""Offsets in ``struct seccomp_data``."""


class Mode(Enum):
    """What happens to a call that the rules refuse."""

    TRIAL = _ERRNO | TRIAL_ERRNO
    FINAL = _KILL_PROCESS


@dataclass(frozen=True, slots=True)
class OneOf:
    """The low 32 bits of an argument are one of ``values``: for arguments the kernel takes as ``int``."""

    argument: int
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Clear:
    """No bit of ``mask`` is set in the low 32 bits of an argument."""

    argument: int
    mask: int


@dataclass(frozen=True, slots=True)
class Set:
    """Some bit of ``mask`` is set in the low 32 bits of an argument."""

    argument: int
    mask: int


Condition = OneOf | Clear | Set

ALLOWED: Final = (
    "munmap", "mremap", "brk", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "clock_gettime",
    "clock_getres", "gettimeofday", "nanosleep", "clock_nanosleep", "getpid", "gettid", "sched_getaffinity",
    "restart_syscall", "set_robust_list", "rseq", "getrandom", "sigaltstack", "close", "exit", "exit_group",
)  # fmt: skip
"""Calls that are harmless whatever their arguments."""

ANSWERED: Final = {
    **dict.fromkeys(
        ("open", "openat", "stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2", "readlink",
         "readlinkat", "getcwd", "getdents64", "mkdir", "mkdirat", "unlink", "unlinkat"), errno.EACCES),
    **dict.fromkeys(("fcntl", "uname", "sysinfo", "prctl", "prlimit64", "getrlimit", "setrlimit", "rt_sigaction",
                     "sched_setaffinity", "getrusage"), errno.EPERM),
    "ioctl": errno.ENOTTY, "clone3": errno.ENOSYS, "membarrier": errno.ENOSYS, "lseek": errno.ESPIPE,
}  # fmt: skip
"""Calls that a healthy runtime makes now and then (looking for a file, asking for a terminal) and that are
refused without killing it. ``clone3`` hides its flags from filters; glibc falls back to ``clone``."""


def _op(code: int, value: int, *, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, value & 0xFFFFFFFF)


def _word(argument: int) -> bytes:
    return _op(_LOAD, _OFFSET_ARGS + 8 * argument)  # both architectures are little-endian: the low word comes first


def _test(condition: Condition, *, to_refusal: int) -> bytes:
    """Falls through when the condition holds, else jumps over ``to_refusal`` further instructions."""
    match condition:
        case OneOf(argument, values):
            last = len(values) - 1
            jumps = [_op(_JUMP_EQ, v, true=last - i, false=to_refusal if i == last else 0) for i, v in enumerate(values)]
            return _word(argument) + b"".join(jumps)
        case Clear(argument, mask):
            return _word(argument) + _op(_JUMP_SET, mask, true=to_refusal)
        case Set(argument, mask):
            return _word(argument) + _op(_JUMP_SET, mask, false=to_refusal)


def _guarded(conditions: tuple[Condition, ...], *, refusal: int) -> bytes:
    body = b""
    for condition in reversed(conditions):  # backwards: the length of what follows is the distance to the refusal
        body = _test(condition, to_refusal=len(body) // 8 + 1) + body
    return body + _op(_RETURN, _ALLOW) + _op(_RETURN, refusal)


def rules(*, threads: int, pid: int) -> tuple[tuple[str, tuple[Condition, ...]], ...]:
    """Calls that are allowed under conditions on their arguments, hot ones first."""
    creating = (("clone", (OneOf(0, (THREAD_FLAGS,)),)),) if threads > 1 else ()
    return (
        ("read", (OneOf(0, (CONTROL_FD,)),)),
        ("write", (OneOf(0, (CONTROL_FD, 2)),)),
        ("futex", (OneOf(1, (*FUTEX_OPERATIONS, *(JOIN_OPERATIONS if threads > 1 else ()))),)),
        ("madvise", (OneOf(2, HARMLESS_ADVICE),)),
        ("mmap", (Clear(2, PROT_EXEC), Set(3, MAP_ANONYMOUS), Clear(3, UNCOUNTED_MAPS))),
        ("mprotect", (Clear(2, PROT_EXEC),)),
        ("tgkill", (OneOf(0, (pid,)),)),
        *creating,
    )


def build_filter(machine: str, *, mode: Mode, threads: int, pid: int) -> bytes:
    """The BPF program for one architecture. The arch check comes first: numbers mean nothing before it."""
    numbers = NUMBERS[machine]
    refusal = mode.value
    out = _op(_LOAD, _OFFSET_ARCH) + _op(_JUMP_EQ, ARCHITECTURES[machine], true=1) + _op(_RETURN, _KILL_PROCESS)
    out += _op(_LOAD, _OFFSET_NR)
    if machine == "x86_64":
        out += _op(_JUMP_GE, X32_BIT, false=1) + _op(_RETURN, refusal)
    answers = [(name, _guarded(conditions, refusal=refusal)) for name, conditions in rules(threads=threads, pid=pid)]
    answers += [(name, _op(_RETURN, _ALLOW)) for name in ALLOWED]
    answers += [(name, _op(_RETURN, _ERRNO | code)) for name, code in ANSWERED.items()]
    if mode is Mode.TRIAL:
        answers.append(("seccomp", _op(_RETURN, _ALLOW)))  # to lay the final filter over this one
    for name, body in answers:
        if name in numbers:
            out += _op(_JUMP_EQ, numbers[name], false=len(body) // 8) + body
    return out + _op(_RETURN, refusal)


def install(*, mode: Mode, threads: int, pid: int) -> None:
    """Every thread of this process is under the filter from now on. Raises ``OSError``."""
    kernel.install_filter(build_filter(kernel.machine(), mode=mode, threads=threads, pid=pid))
