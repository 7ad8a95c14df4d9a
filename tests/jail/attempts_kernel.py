"""Attempts at the rest of the kernel: its machines, its tables, its switches."""

import ctypes
import mmap
import os
import struct

from attempt import MACHINE, STAGE, Attempt, closing, has, no_call, reading, syscall

from mlsign.sandbox import kernel
from mlsign.sandbox.syscalls import X32_BIT

KEPT: list[object] = []


def kept(data: bytes) -> int:
    KEPT.append(ctypes.create_string_buffer(data, len(data)))
    return ctypes.addressof(KEPT[-1])


def ring() -> None:
    closing(syscall("io_uring_setup", 1, kept(bytes(120))))


def load_program() -> None:
    """``return 0``, as a socket filter."""
    code = kept(struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0))
    attributes = struct.pack("=IIQQIIQI", 1, 2, code, kept(b"GPL\0"), 0, 0, 0, 0)
    closing(syscall("bpf", 5, kept(attributes + bytes(16)), len(attributes)))


def make_map() -> None:
    closing(syscall("bpf", 0, kept(struct.pack("=IIIII", 2, 4, 4, 1, 0) + bytes(64)), 20))


def count_events() -> None:
    attributes = struct.pack("=IIQQQQQ", 1, 112, 0, 0, 0, 0, 1 | 1 << 5 | 1 << 6) + bytes(64)
    closing(syscall("perf_event_open", kept(attributes), 0, -1, -1, 0))


def add_key() -> None:
    assert syscall("add_key", b"user", b"mlsign-test", b"x", 1, -1) > 0  # into the thread's own keyring


def open_queue() -> None:
    name = b"mlsign-test-%d" % os.getpid()
    os.close(syscall("mq_open", name, os.O_CREAT | os.O_RDWR, 0o600, None))
    syscall("mq_unlink", name)


def make_segment() -> None:
    syscall("shmctl", syscall("shmget", 0, 4096, 0o600), 0, 0)


def allow_all() -> int:
    return kept(struct.pack("=HxxxxxxQ", 1, kept(struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000))))


def another_filter() -> None:
    syscall("seccomp", 1, 0, allow_all())


def filter_by_prctl() -> None:
    kernel.prctl(22, 2, allow_all())


def another_ruleset() -> None:
    closing(syscall("landlock_create_ruleset", struct.pack("=Q", 1), 8, 0))


def read_log() -> None:
    assert syscall("syslog", 10, None, 0) > 0


def adjust_clock() -> None:
    syscall("clock_adjtime", 0, kept(bytes(256)))


def asynchronous_io() -> None:
    syscall("io_setup", 1, kept(bytes(8)))


def local_descriptor_table() -> None:
    entry = struct.pack("=IIII", 0, 0, 0xFFFFF, 0b1010001)
    syscall("modify_ldt", 0x11, kept(entry), 16)


OLD_TABLE: list = []
CODE = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
"""mov eax, 20 (getpid of the 32-bit table); int 0x80; ret"""


def place_code() -> None:
    area = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    area.write(CODE)
    KEPT.append(area)
    OLD_TABLE.append(ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(area))))


def call_old_table() -> None:
    assert OLD_TABLE[-1]() == os.getpid()


def only_x86() -> str:
    return "" if MACHINE == "x86_64" else f"{MACHINE} has no such call"


def no_x32() -> str:
    return only_x86() or ("this kernel has no x32 table" if kernel.attempt(X32_BIT + 39) == 38 else "")


def no_old_table() -> str:
    return only_x86() or ("" if os.path.exists("/proc/sys/abi/vsyscall32") else "this kernel has no 32-bit table")


def no_ring() -> str:
    return "io_uring is switched off in this kernel" if reading("/proc/sys/kernel/io_uring_disabled") == "2" else ""


_ONLY_X86 = (
    Attempt(
        name="old_table",
        tries="a call of the 32-bit table (`int 0x80`)",
        do=call_old_table,
        prepare=place_code,
        impossible=no_old_table,
    ),
    Attempt(name="x32_table", tries="a call of the x32 table", do=lambda: kernel.syscall(X32_BIT + 39), impossible=no_x32),
    Attempt(name="descriptor_table", tries="write the local descriptor table (`modify_ldt`)", do=local_descriptor_table),
    Attempt(
        name="ports", tries="reach hardware ports (`iopl`)", do=lambda: syscall("iopl", 3), impossible=lambda: no_call("iopl")
    ),
    Attempt(name="arch_prctl", tries="`arch_prctl`", do=lambda: syscall("arch_prctl", 0x1003, STAGE.address)),
    Attempt(
        name="shadow_stack",
        tries="map a shadow stack",
        do=lambda: syscall("map_shadow_stack", 0, 4096, 0),
        impossible=lambda: "" if "user_shstk" in reading("/proc/cpuinfo") else "this machine has no shadow stacks",
    ),
)

ATTEMPTS = (
    Attempt(name="io_uring", tries="make an io_uring", do=ring, impossible=no_ring, takes_slot=True),
    Attempt(name="bpf_program", tries="load a BPF program", do=load_program, takes_slot=True),
    Attempt(name="bpf_map", tries="make a BPF map", do=make_map, takes_slot=True),
    Attempt(
        name="userfaultfd",
        tries="handle its own page faults (`userfaultfd`)",
        do=lambda: closing(syscall("userfaultfd", 1)),
        takes_slot=True,
    ),
    Attempt(name="perf", tries="count events of the processor (`perf_event_open`)", do=count_events, takes_slot=True),
    Attempt(name="keyring", tries="look a keyring up (`keyctl`)", do=lambda: syscall("keyctl", 0, -3, 1)),
    Attempt(name="add_key", tries="add a key", do=add_key),
    Attempt(name="message_queue", tries="make a message queue", do=open_queue, takes_slot=True),
    Attempt(name="shared_segment", tries="make System V shared memory", do=make_segment),
    Attempt(
        name="another_filter",
        tries="install another filter",
        do=another_filter,
        harmless=lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
    ),
    Attempt(
        name="filter_by_prctl",
        tries="install it by `prctl`",
        do=filter_by_prctl,
        harmless=lambda: kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1),
        denied="EPERM",
    ),
    Attempt(name="another_ruleset", tries="make another Landlock ruleset", do=another_ruleset, takes_slot=True),
    Attempt(
        name="personality", tries="make readable memory executable (`personality`)", do=lambda: syscall("personality", 0x0400000)
    ),
    Attempt(name="kernel_log", tries="read the kernel's log", do=read_log),
    Attempt(name="machine_name", tries="ask for the kernel's release", do=os.uname, denied="EPERM"),
    Attempt(name="set_time", tries="set the time", do=lambda: syscall("settimeofday", None, None)),
    Attempt(name="adjust_clock", tries="adjust the clock", do=adjust_clock),
    Attempt(
        name="quota",
        tries="`quotactl`",
        do=lambda: syscall("quotactl", 0x80000100, None, 0, None),
        impossible=lambda: no_call("quotactl"),
    ),
    Attempt(name="async_io", tries="asynchronous I/O (`io_setup`)", do=asynchronous_io),
    Attempt(
        name="kernel_module",
        tries="load a kernel module",
        do=lambda: syscall("init_module", kept(bytes(64)), 64, b""),
        impossible=lambda: no_call("init_module") or "no module for this kernel is at hand",
    ),
    Attempt(
        name="seal_memory",
        tries="seal memory (`mseal`)",
        do=lambda: syscall("mseal", STAGE.address & ~4095, 4096, 0),
        impossible=lambda: no_call("mseal"),
    ),
    *(_ONLY_X86 if has("arch_prctl") else ()),
)
