"""The proof: a confined worker attempts what it must not be able to do, before it is trusted with a model.

Under the trial filter a refusal carries an errno that the kernel never gives (``TRIAL_ERRNO``); any other
answer, success or another errno, means that the filter did not refuse the call, and nothing is served.
The arguments are such that a call which is let through does no harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from mlsign.errors import JailError
from mlsign.sandbox import kernel
from mlsign.sandbox.seccomp import ANSWERED, CONTROL_FD, MAP_ANONYMOUS, MAP_SHARED, PROT_EXEC, THREAD_FLAGS, TRIAL_ERRNO
from mlsign.sandbox.syscalls import NUMBERS, X32_BIT

Attempt = tuple[str, int, tuple[int | bytes | None, ...]]

_AT_FDCWD: Final = -100
_PRIVATE: Final = 2
_WRONG: Final = (-1,) * 6
"""No descriptor, no address, no signal, no size, no known flags: what any call refuses, or does without harm."""

FORBIDDEN: Final[tuple[tuple[str, tuple[int | bytes | None, ...]], ...]] = (
    ("execve", (None, None, None)),
    ("execveat", (-1, b"", None, None, 0)),
    ("clone", (0x10000, 0, 0, 0, 0)),  # CLONE_THREAD without CLONE_SIGHAND: invalid, should it come through
    ("ptrace", (16, 0x7FFFFFFF, 0, 0)),
    ("process_vm_readv", (0x7FFFFFFF, None, 0, None, 0, 0)),
    ("process_vm_writev", (0x7FFFFFFF, None, 0, None, 0, 0)),
    ("kill", (0x7FFFFFFF, 0)),
    ("tkill", (0x7FFFFFFF, 0)),
    ("tgkill", (0x7FFFFFFF, 0x7FFFFFFF, 0)),
    ("pidfd_open", (0x7FFFFFFF, 0)),
    ("pidfd_getfd", (-1, 0, 0)),
    ("memfd_create", (None, 0)),
    ("io_uring_setup", (0, None)),
    ("bpf", (0, None, 0)),
    ("userfaultfd", (-1,)),
    ("perf_event_open", (None, 0, 0, -1, 0)),
    ("keyctl", (-1, 0, 0, 0, 0)),
    ("add_key", (None, None, None, 0, 0)),
    ("mount", (None, None, None, 0, None)),
    ("umount2", (None, 0)),
    ("pivot_root", (None, None)),
    ("chroot", (None,)),
    ("chdir", (None,)),
    ("unshare", (0,)),
    ("setns", (-1, 0)),
    ("setuid", (-1,)),
    ("capset", (None, None)),
    ("personality", (0xFFFFFFFF,)),
    ("socket", (-1, 0, 0)),
    ("socketpair", (-1, 0, 0, None)),
    ("connect", (-1, None, 0)),
    ("bind", (-1, None, 0)),
    ("sendto", (-1, None, 0, 0, None, 0)),
    ("recvfrom", (-1, None, 0, 0, None, None)),
    ("sendmsg", (CONTROL_FD, None, 0)),
    ("recvmsg", (CONTROL_FD, None, 0)),
    ("dup", (-1,)),
    ("openat2", (_AT_FDCWD, None, None, 0)),
    ("open_by_handle_at", (-1, None, 0)),
    ("open_tree", (-1, None, 0)),
    ("inotify_init1", (-1,)),
    ("epoll_create1", (-1,)),
    ("splice", (-1, None, -1, None, 0, 0)),
    ("vmsplice", (-1, None, 0, 0)),
    ("ftruncate", (-1, 0)),
    ("shmget", (0, 0, 0)),
    ("init_module", (None, 0, None)),
    ("sched_setattr", (0x7FFFFFFF, None, 0)),
    ("landlock_create_ruleset", (None, 0, 1)),
    ("memfd_secret", (-1,)),
    ("process_madvise", (-1, None, 0, 0, 0)),
    ("mmap", (0, 4096, 1 | PROT_EXEC, _PRIVATE | MAP_ANONYMOUS, -1, 0)),
    ("mmap", (0, 4096, 1, _PRIVATE, CONTROL_FD, 0)),
    ("mmap", (0, 4096, 1, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
    ("mmap", (0, 4096, 1, 3 | MAP_ANONYMOUS, -1, 0)),  # MAP_SHARED_VALIDATE
    ("mmap", (0, 4096, 1, 8 | MAP_ANONYMOUS, -1, 0)),  # MAP_DROPPABLE
    ("mmap", (0, 4096, 1, _PRIVATE | MAP_ANONYMOUS | 0x40000, -1, 0)),  # MAP_HUGETLB
    ("futex", (None, 1, 0, None, None, 0)),  # FUTEX_WAKE of other processes, too
    ("futex", (None, 3, 0, None, None, 0)),  # FUTEX_REQUEUE, likewise
    ("futex", (None, 128 + 6, 0, None, None, 0)),  # FUTEX_LOCK_PI
    ("madvise", (0, 0, 9)),  # MADV_REMOVE
    ("madvise", (0, 0, 14)),  # MADV_HUGEPAGE
    ("madvise", (0, 0, 25)),  # MADV_COLLAPSE
    ("madvise", (0, 0, 100)),  # MADV_HWPOISON
    ("mprotect", (0, 0, PROT_EXEC)),
    ("pkey_mprotect", (0, 0, PROT_EXEC, -1)),
    ("read", (0, None, 0)),
    ("read", (2, None, 0)),
    ("write", (1, None, 0)),
    ("readv", (CONTROL_FD, None, 0)),
    ("writev", (CONTROL_FD, None, 0)),
)


HIGHEST_NUMBER: Final = 600
"""Above every number that either architecture has given out, with room."""

_NOT_SWEPT: Final = frozenset(
    (
        "munmap", "mremap", "brk", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "clock_gettime", "clock_getres", "gettimeofday",
        "nanosleep", "clock_nanosleep", "getpid", "gettid", "sched_getaffinity", "restart_syscall", "set_robust_list", "rseq",
        "getrandom", "sigaltstack", "close", "exit", "exit_group", "seccomp",
    )
)  # fmt: skip
"""What the trial filter lets through. Written a second time on purpose: a call that gets into the filter's list alone, by
an edit or a slip, is attempted all the same and ends the worker."""

_UNFILTERED: Final = {"x86_64": frozenset((335, 336)), "aarch64": frozenset[int]()}
"""uretprobe and uprobe, which newer kernels pass by every filter: they act for the kernel's own trampolines alone and end
whoever else makes them."""


def attempts(machine: str, *, threads: int) -> Iterator[Attempt]:
    """Everything that is tried on one architecture, with numbers."""
    numbers = NUMBERS[machine]
    for name, arguments in FORBIDDEN:
        if name in numbers:
            yield name, numbers[name], arguments
    for name, flags in (("a fork by clone", 0x11), ("a fork as the C library makes it", 0x1200011)):
        yield name, numbers["clone"], (flags, 0, 0, 0, 0)
    if threads == 1:  # should it come through, the limit on processes refuses it, with another errno
        yield "clone of a thread", numbers["clone"], (THREAD_FLAGS, 0, 0, 0, 0)
    if machine == "x86_64":
        yield "a call of the x32 table", X32_BIT + numbers["getpid"], ()
        yield "execve of the x32 table", X32_BIT + 520, (None, None, None)
    names = {number: name for name, number in numbers.items()}
    for number in range(HIGHEST_NUMBER):
        name = names.get(number, f"system call {number}")
        if name in _NOT_SWEPT or name in ANSWERED or number in _UNFILTERED[machine]:
            continue
        if name == "vfork" and threads > 1:  # its child would return on this stack; with one thread the limit refuses it
            continue
        yield name, number, _WRONG


def prove_refusals(*, threads: int, pid: int) -> int:
    """How many forbidden calls the trial filter refused: all. Raises ``JailError`` (``sandbox.proof``)."""
    count = 0
    for name, nr, arguments in attempts(kernel.machine(), threads=threads):
        errno = kernel.attempt(nr, *arguments)
        if os.getpid() != pid:  # a process was made, and this is it
            os._exit(1)
        if errno != TRIAL_ERRNO:
            raise _unrefused(name, errno)
        count += 1
    return count


def prove_answers() -> int:
    """How many calls the final filter answers with their errno: all. Raises ``JailError`` (``sandbox.proof``)."""
    numbers = NUMBERS[kernel.machine()]
    count = 0
    for name, expected in ANSWERED.items():
        if name in numbers:
            errno = kernel.attempt(numbers[name], -1, None, None, None)
            if errno != expected:
                raise _unrefused(name, errno)
            count += 1
    for path in ("/", "/etc/passwd", "/proc/self/mem"):
        if kernel.attempt(numbers["openat"], _AT_FDCWD, path.encode(), 0, 0) != ANSWERED["openat"]:
            raise _unrefused(f"opening {path}", 0)
    return count


def _unrefused(name: str, errno: int) -> JailError:
    found = os.strerror(errno) if errno else "it went through"
    return JailError(f"{name} was not refused by the filter", code="sandbox.proof", where=name, found=found)
