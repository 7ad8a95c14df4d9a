"""Attempts with memory: code in it, sharing it, and taking more of it than there may be."""

import ctypes
import errno
import os

from attempt import STAGE, Attempt, no_call, syscall

RWX = 7
PRIVATE, SHARED, FIXED, ANONYMOUS, DROPPABLE, LOCKED = 0x02, 0x01, 0x10, 0x20, 0x08, 0x2000
GIB = 1 << 30
MADV_HUGEPAGE = 14
SHM_EXEC = 0o100000
_libc = ctypes.CDLL(None)
_libc.sbrk.restype = ctypes.c_void_p


def mapping(length: int, protection: int, flags: int, *, at: int = 0):
    return lambda: syscall("mmap", at, length, protection, flags, -1, 0)


def protect() -> None:
    syscall("mprotect", STAGE.address & ~4095, 4096, 5)


def protect_with_key() -> None:
    syscall("pkey_mprotect", STAGE.address & ~4095, 4096, 5, -1)


def many_small() -> None:
    for _ in range(GIB >> 20):
        syscall("mmap", 0, 1 << 20, 3, PRIVATE | ANONYMOUS, -1, 0)


def fill() -> None:
    """Not only addresses: pages."""
    blocks = [bytearray(8 << 20) for _ in range(32)]
    assert len(blocks) == 32


def grow_break() -> None:
    here = syscall("brk", 0)
    if syscall("brk", here + GIB) != here + GIB:  # the call itself has no errors: it says where the end is now
        raise OSError(errno.ENOMEM, "brk")


def grow_mapping() -> None:
    syscall("mremap", syscall("mmap", 0, 4096, 3, PRIVATE | ANONYMOUS, -1, 0), 4096, GIB, 1, 0)


def look_into_memory() -> None:
    out = ctypes.create_string_buffer(16)
    syscall("mincore", STAGE.address & ~4095, 4096, ctypes.addressof(out))


def where_is_memory() -> None:
    page, status = ctypes.c_void_p(STAGE.address & ~4095), ctypes.c_int(-1)
    syscall("move_pages", 0, 1, ctypes.addressof(page), None, ctypes.addressof(status), 0)


LIMIT = {"denied": "ENOMEM", "layer": "limits"}

ATTEMPTS = (
    Attempt(name="map_executable", tries="map memory to write and execute", do=mapping(4096, RWX, PRIVATE | ANONYMOUS)),
    Attempt(name="make_executable", tries="make memory executable (`mprotect`)", do=protect),
    Attempt(name="make_executable_by_key", tries="make memory executable (`pkey_mprotect`)", do=protect_with_key),
    Attempt(
        name="attach_executable",
        tries="attach System V memory to execute",
        do=lambda: syscall("shmat", STAGE.segment, 0, SHM_EXEC),
    ),
    Attempt(name="map_shared", tries="map shared memory, which no limit counts", do=mapping(4096, 3, SHARED | ANONYMOUS)),
    Attempt(
        name="map_droppable",
        tries="map droppable memory, which no limit counts",
        do=mapping(4096, 3, DROPPABLE | ANONYMOUS),
        impossible=lambda: (
            "this kernel has no such memory" if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 11) else ""
        ),
    ),
    Attempt(
        name="map_page_zero",
        tries="map the page at address 0",
        do=mapping(4096, 3, PRIVATE | ANONYMOUS | FIXED),
        denied="EPERM",
        layer="capabilities",
    ),
    Attempt(
        name="map_locked",
        tries="map memory that cannot be swapped",
        do=mapping(1 << 16, 3, PRIVATE | ANONYMOUS | LOCKED),
        denied="EPERM",
        layer="limits",
    ),
    Attempt(name="lock_memory", tries="lock memory (`mlock`)", do=lambda: syscall("mlock", STAGE.address & ~4095, 4096)),
    Attempt(
        name="huge_pages", tries="ask for huge pages", do=lambda: syscall("madvise", STAGE.address & ~4095, 4096, MADV_HUGEPAGE)
    ),
    Attempt(name="look_into_memory", tries="ask what is in memory (`mincore`)", do=look_into_memory),
    Attempt(
        name="where_is_memory",
        tries="ask on which node memory lies (`move_pages`)",
        do=where_is_memory,
        impossible=lambda: no_call("move_pages"),
    ),
    Attempt(
        name="fill_at_once",
        tries="take 1 GiB at once, where 64 MiB are allowed",
        do=mapping(GIB, 3, PRIVATE | ANONYMOUS),
        **LIMIT,
    ),
    Attempt(name="fill_bit_by_bit", tries="take it in pieces of 1 MiB", do=many_small, **LIMIT),
    Attempt(name="fill_pages", tries="write to 256 MiB", do=fill, denied="MemoryError", layer="limits"),
    Attempt(name="reserve", tries="reserve 1 TiB of addresses", do=mapping(1 << 40, 0, PRIVATE | ANONYMOUS), **LIMIT),
    Attempt(name="grow_break", tries="grow the heap by `brk`", do=grow_break, **LIMIT),
    Attempt(name="grow_mapping", tries="grow a mapping by `mremap`", do=grow_mapping, **LIMIT),
)
