"""System call numbers of the two supported architectures, from ``arch/x86/entry/syscalls/syscall_64.tbl`` and
``include/uapi/asm-generic/unistd.h``.

Only calls that the filter allows, answers politely or proves to be forbidden are listed; all others fall to
the filter's default. Calls that an architecture never had (``open`` on aarch64) are absent from its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

ARCHITECTURES: Final[Mapping[str, int]] = MappingProxyType({"x86_64": 0xC000003E, "aarch64": 0xC00000B7})
"""``AUDIT_ARCH_…`` of each machine, as ``seccomp_data.arch`` holds it."""

X32_BIT: Final = 0x40000000
"""On x86-64 a number with this bit is the x32 ABI's: a second table that an allowlist must not let in."""

_COMMON: Final = {
    "clone3": 435,
    "close_range": 436,
    "openat2": 437,
    "faccessat2": 439,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_restrict_self": 446,
    "memfd_secret": 447,
    "futex_waitv": 449,
}

_X86_64: Final = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mmap": 9,
    "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16,
    "pread64": 17, "readv": 19, "writev": 20, "access": 21, "pipe": 22, "sched_yield": 24, "mremap": 25, "madvise": 28,
    "shmget": 29, "dup": 32, "dup2": 33, "nanosleep": 35, "getpid": 39, "socket": 41, "connect": 42, "sendto": 44,
    "recvfrom": 45, "sendmsg": 46, "recvmsg": 47, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56, "fork": 57,
    "vfork": 58, "execve": 59, "exit": 60, "kill": 62, "uname": 63, "fcntl": 72, "ftruncate": 77, "getcwd": 79, "chdir": 80,
    "mkdir": 83, "unlink": 87, "symlink": 88, "readlink": 89, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98,
    "sysinfo": 99, "ptrace": 101, "setuid": 105, "capget": 125, "capset": 126, "sigaltstack": 131, "personality": 135,
    "pivot_root": 155, "prctl": 157, "arch_prctl": 158, "setrlimit": 160, "chroot": 161, "mount": 165, "umount2": 166,
    "init_module": 175, "gettid": 186, "tkill": 200, "futex": 202, "sched_setaffinity": 203, "sched_getaffinity": 204,
    "getdents64": 217, "set_tid_address": 218, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "epoll_create1": 291, "tgkill": 234, "add_key": 248, "keyctl": 250, "inotify_init1": 294,
    "openat": 257, "mkdirat": 258, "newfstatat": 262, "unlinkat": 263, "readlinkat": 267, "faccessat": 269, "ppoll": 271,
    "unshare": 272, "set_robust_list": 273, "splice": 275, "vmsplice": 278, "perf_event_open": 298, "prlimit64": 302,
    "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "sched_setattr": 314,
    "seccomp": 317, "getrandom": 318, "memfd_create": 319, "bpf": 321, "execveat": 322, "userfaultfd": 323, "membarrier": 324,
    "pkey_mprotect": 329, "statx": 332, "rseq": 334,
}  # fmt: skip

_AARCH64: Final = {
    "getcwd": 17, "epoll_create1": 20, "dup": 23, "fcntl": 25, "inotify_init1": 26, "ioctl": 29, "mkdirat": 34,
    "unlinkat": 35, "umount2": 39, "mount": 40, "pivot_root": 41, "ftruncate": 46, "faccessat": 48, "chdir": 49, "chroot": 51,
    "openat": 56, "close": 57, "getdents64": 61, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pread64": 67,
    "ppoll": 73, "vmsplice": 75, "splice": 76, "readlinkat": 78, "newfstatat": 79, "fstat": 80, "capget": 90, "capset": 91,
    "personality": 92, "exit": 93, "exit_group": 94, "set_tid_address": 96, "unshare": 97, "futex": 98, "set_robust_list": 99,
    "nanosleep": 101, "init_module": 105, "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "ptrace": 117,
    "sched_setaffinity": 122, "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128, "kill": 129, "tkill": 130,
    "tgkill": 131, "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "setuid": 146,
    "uname": 160, "getrlimit": 163, "setrlimit": 164, "getrusage": 165, "prctl": 167, "gettimeofday": 169, "getpid": 172,
    "gettid": 178, "sysinfo": 179, "shmget": 194, "socket": 198, "socketpair": 199, "bind": 200, "listen": 201,
    "connect": 203, "sendto": 206, "recvfrom": 207, "sendmsg": 211, "recvmsg": 212, "brk": 214, "munmap": 215, "mremap": 216,
    "add_key": 217, "keyctl": 219, "clone": 220, "execve": 221, "mmap": 222, "mprotect": 226, "madvise": 233,
    "perf_event_open": 241, "prlimit64": 261, "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270,
    "process_vm_writev": 271, "kcmp": 272, "sched_setattr": 274, "seccomp": 277, "getrandom": 278, "memfd_create": 279,
    "bpf": 280, "execveat": 281, "userfaultfd": 282, "membarrier": 283, "pkey_mprotect": 288, "statx": 291, "rseq": 293,
}  # fmt: skip

NUMBERS: Final[Mapping[str, Mapping[str, int]]] = MappingProxyType(
    {"x86_64": MappingProxyType(_X86_64 | _COMMON), "aarch64": MappingProxyType(_AARCH64 | _COMMON)}
)
