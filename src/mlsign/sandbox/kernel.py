"""Raw Linux calls that Python's standard library does not offer: the one module of the sandbox that uses ctypes.

Every function does what its name says or raises ``OSError``. Numbers are of the kernel's stable interface
(``include/uapi``); system call numbers of both architectures stand in ``syscalls``.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

from mlsign.sandbox.syscalls import ARCHITECTURES, NUMBERS

_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_KEEPCAPS: Final = 8
PR_CAPBSET_READ: Final = 23
PR_CAPBSET_DROP: Final = 24
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
PR_SET_THP_DISABLE: Final = 41
PR_CAP_AMBIENT: Final = 47
PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_CAPABILITY_V3: Final = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3: two 32-bit words for each of the three sets."""


_ALL_BITS: Final = 2**64 - 1
_word, _long = ctypes.c_ulong, ctypes.c_long


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


_MACHINE: Final = os.uname().machine if hasattr(os, "uname") else ""  # asked once: under the filter uname is refused


def machine() -> str:
    """The machine's architecture as the kernel names it. Raises ``OSError`` where no filter table exists for it."""
    if _MACHINE not in ARCHITECTURES:
        raise OSError(0, f"no system call table for {_MACHINE}")
    return _MACHINE


def number(name: str) -> int:
    """The number of a system call on this machine."""
    return NUMBERS[machine()][name]


def _checked(result: int, what: str) -> int:
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def syscall(nr: int, *arguments: int | bytes | None) -> int:
    """One system call by number, for those that have no wrapper. Raises ``OSError``."""
    converted = [_word(a & _ALL_BITS) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc.syscall(ctypes.c_long(nr), *converted), f"system call {nr}")


def prctl(option: int, *arguments: int) -> int:
    """``prctl(2)``. Raises ``OSError``."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_libc.prctl(option, *(ctypes.c_ulong(a) for a in padded)), f"prctl {option}")


def unshare(flag: int) -> None:
    """``unshare(2)``. Raises ``OSError``."""
    _checked(_libc.unshare(ctypes.c_int(flag)), "unshare")


def mount(target: str, *, fstype: str | None, flags: int, options: str | None) -> None:
    """``mount(2)`` of a file system that has no source. Raises ``OSError``."""
    kind = fstype.encode() if fstype is not None else None
    data = options.encode() if options is not None else None
    _checked(_libc.mount(b"none", target.encode(), kind, ctypes.c_ulong(flags), data), f"mount on {target}")


def pivot_root_here() -> None:
    """The working directory becomes the root, and the old root is detached (``pivot_root(2)``, the ``.``, ``.`` form)."""
    syscall(number("pivot_root"), b".", b".")
    _checked(_libc.umount2(b".", ctypes.c_int(2)), "umount of the old root")  # MNT_DETACH


def set_capabilities(*, effective: int, permitted: int, inheritable: int) -> None:
    """``capset(2)`` for this thread. Raises ``OSError``."""
    words = [word for shift in (0, 32) for word in (effective >> shift, permitted >> shift, inheritable >> shift)]
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_V3, 0)
    data = (ctypes.c_uint32 * 6)(*(word & 0xFFFFFFFF for word in words))
    _checked(_libc.syscall(ctypes.c_long(number("capset")), header, data), "capset")


def capabilities() -> tuple[int, int, int]:
    """The effective, permitted and inheritable sets of this thread."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_V3, 0)
    data = (ctypes.c_uint32 * 6)()
    _checked(_libc.syscall(ctypes.c_long(number("capget")), header, data), "capget")
    low, high = data[:3], data[3:]
    effective, permitted, inheritable = (a | b << 32 for a, b in zip(low, high, strict=True))
    return effective, permitted, inheritable


def install_filter(program: bytes) -> None:
    """A seccomp filter for every thread of this process (``SECCOMP_SET_MODE_FILTER``, ``TSYNC``). Raises ``OSError``."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = _SockFprog(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p).value)
    result = _libc.syscall(ctypes.c_long(number("seccomp")), ctypes.c_ulong(1), ctypes.c_ulong(1), ctypes.byref(fprog))
    if result > 0:  # with TSYNC the id of a thread that could not be brought in line
        raise OSError(0, f"thread {result} could not take the filter")
    _checked(result, "seccomp")


def close_descriptors(first: int, last: int = 2**31 - 1) -> None:
    """No descriptor from ``first`` to ``last`` is open. Raises ``OSError`` (kernels before 5.9 cannot)."""
    if first <= last:
        syscall(number("close_range"), first, last, 0)


def attempt(nr: int, *arguments: int | bytes | None) -> int:
    """The errno with which a system call was refused, 0 where it was not. Made some seven hundred times at each start."""
    converted = [_word(a & _ALL_BITS) if isinstance(a, int) else a for a in arguments]
    return ctypes.get_errno() if _libc.syscall(_long(nr), *converted) < 0 else 0


def limit_arenas(count: int) -> None:
    """At most so many arenas of the C library's allocator (``mallopt(3)``, ``M_ARENA_MAX``); others have no such setting."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(ctypes.c_int(-8), ctypes.c_int(count))
