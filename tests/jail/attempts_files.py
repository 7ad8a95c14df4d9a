"""Attempts at files and descriptors."""

import array
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import termios

from attempt import STAGE, Attempt, closing, syscall
from surroundings import own_namespace

AT_FDCWD = -100
NEWNS = 0x00020000
CONTROL: list[socket.socket] = []  # kept, or closing the object would close the descriptor


def read_file() -> None:
    with open(STAGE.file) as file:
        assert file.read() == "a file\n"


def read_memory_file(pid: int | str) -> None:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        file.seek(STAGE.address)
        assert len(file.read(6)) == 6


def write_file() -> None:
    with open(STAGE.file, "a") as file:
        file.write("more")


def open_with_openat2() -> None:
    how = ctypes.create_string_buffer(struct.pack("=QQQ", 0, 0, 0))
    closing(syscall("openat2", AT_FDCWD, STAGE.file.encode(), ctypes.addressof(how), 24))


def open_by_handle() -> None:
    closing(syscall("open_by_handle_at", AT_FDCWD, STAGE.handle, 0))


def map_descriptor() -> None:
    syscall("mmap", 0, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE, STAGE.memory, 0)


def map_descriptor_to_run() -> None:
    syscall("mmap", 0, 4096, mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, STAGE.memory, 0)


def read_left_descriptor() -> None:
    assert os.read(STAGE.memory, 6) == b"secret"


def resize_left_descriptor() -> None:
    syscall("ftruncate", STAGE.memory, 100)


def pass_descriptor() -> None:
    CONTROL.append(socket.socket(fileno=3))
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [2]))]
    CONTROL[0].sendmsg([b"passed;"], rights)


def vector(address: int, length: int) -> int:
    """The address of an ``iovec`` that lives as long as this process."""
    KEPT.append(ctypes.create_string_buffer(struct.pack("=QQ", address, length)))
    return ctypes.addressof(KEPT[-1])


KEPT: list[object] = []


def receive_descriptor() -> None:
    iov, space = vector(STAGE.address, 16), ctypes.create_string_buffer(64)
    head = ctypes.create_string_buffer(struct.pack("=QIiQQQQi", 0, 0, 0, iov, 1, ctypes.addressof(space), 64, 0) + bytes(4))
    assert syscall("recvmsg", 3, ctypes.addressof(head), 0) > 0


def read_by_vector() -> None:
    assert syscall("readv", 3, vector(STAGE.address, 16), 1) > 0


def write_by_vector() -> None:
    KEPT.append(ctypes.create_string_buffer(b"passed;"))
    assert syscall("writev", 3, vector(ctypes.addressof(KEPT[-1]), 7), 1) == 7


def gift_pages() -> None:
    assert syscall("vmsplice", 2, vector(STAGE.address, 6), 1, 0) == 6


def splice() -> None:
    assert syscall("splice", 3, None, 2, None, 4, 0) > 0


def mount_tmpfs() -> None:
    syscall("mount", b"none", STAGE.folder.encode(), b"tmpfs", 0, 0)


def mounted() -> None:
    own_namespace(NEWNS)
    mount_tmpfs()


def inside_a_mount() -> None:
    mounted()
    os.chdir(STAGE.folder)


def list_mounts() -> None:
    request = ctypes.create_string_buffer(struct.pack("=IIQQ", 24, 0, 2**64 - 1, 0))
    assert syscall("listmount", ctypes.addressof(request), STAGE.address, 16, 0) > 0


def look_into_page_cache() -> None:
    span, out = ctypes.create_string_buffer(struct.pack("=QQ", 0, 4096)), ctypes.create_string_buffer(40)
    syscall("cachestat", STAGE.memory, ctypes.addressof(span), ctypes.addressof(out), 0)


def in_folder(name: str) -> str:
    return os.path.join(STAGE.folder, f"{name}-{os.getpid()}")


ATTEMPTS = (
    Attempt(name="open_file", tries="open a file to read", do=read_file, denied="EACCES", takes_slot=True),
    Attempt(name="openat2", tries="open it by `openat2`, whose flags a filter cannot see", do=open_with_openat2, takes_slot=True),
    Attempt(name="open_by_handle", tries="open it by its handle, past all folders", do=open_by_handle, takes_slot=True),
    Attempt(
        name="own_memory_file",
        tries="open `/proc/self/mem`",
        do=lambda: read_memory_file("self"),
        denied="EACCES",
        takes_slot=True,
    ),
    Attempt(name="write_file", tries="open a file to write", do=write_file, denied="EACCES", takes_slot=True),
    Attempt(name="list_folder", tries="list a folder", do=lambda: os.listdir("/etc"), denied="EACCES", takes_slot=True),
    Attempt(name="stat_file", tries="ask about a file", do=lambda: os.stat(STAGE.file), denied="EACCES"),
    Attempt(
        name="make_folder", tries="make a folder", do=lambda: os.rmdir(os.mkdir(p := in_folder("made")) or p), denied="EACCES"
    ),
    Attempt(
        name="make_device",
        tries="make a device file (`mknod`)",
        do=lambda: os.mknod(in_folder("device"), 0o020600, os.makedev(1, 3)),
    ),
    Attempt(name="link_file", tries="make a symbolic link", do=lambda: os.symlink("/etc/passwd", in_folder("link"))),
    Attempt(
        name="rename_file",
        tries="rename a file",
        do=lambda: os.rename(STAGE.file, STAGE.file),
    ),
    Attempt(name="change_mode", tries="change a file's mode", do=lambda: os.chmod(STAGE.file, 0o666)),  # noqa: S103
    Attempt(name="change_folder", tries="change the folder", do=lambda: os.chdir("/etc")),
    Attempt(name="read_left_descriptor", tries="read a descriptor that was open before", do=read_left_descriptor),
    Attempt(name="map_descriptor", tries="map a descriptor that was open before", do=map_descriptor),
    Attempt(name="map_descriptor_to_run", tries="map it to execute", do=map_descriptor_to_run),
    Attempt(name="resize_descriptor", tries="resize shared memory by `ftruncate`", do=resize_left_descriptor),
    Attempt(name="page_cache", tries="ask what of a file is in memory (`cachestat`)", do=look_into_page_cache),
    Attempt(name="pass_descriptor", tries="pass a descriptor over the control socket", do=pass_descriptor),
    Attempt(name="receive_descriptor", tries="take a descriptor from the control socket", do=receive_descriptor),
    Attempt(name="read_by_vector", tries="read the control socket by `readv`", do=read_by_vector),
    Attempt(name="write_by_vector", tries="write to the control socket by `writev`", do=write_by_vector),
    Attempt(
        name="send_by_address", tries="`sendto` on the control socket", do=lambda: syscall("sendto", 3, b"passed;", 7, 0, 0, 0)
    ),
    Attempt(name="shut_down", tries="`shutdown` of the control socket", do=lambda: syscall("shutdown", 3, 0)),
    Attempt(
        name="socket_option",
        tries="enlarge the control socket's buffer",
        do=lambda: syscall("setsockopt", 3, socket.SOL_SOCKET, socket.SO_SNDBUF, struct.pack("i", 1 << 20), 4),
    ),
    Attempt(
        name="device_control",
        tries="`ioctl` on the control socket",
        do=lambda: fcntl.ioctl(3, termios.FIONREAD, bytes(4)),
        denied="ENOTTY",
    ),
    Attempt(name="write_elsewhere", tries="write to a descriptor that is not its own", do=lambda: os.write(1, b"x")),
    Attempt(name="gift_pages", tries="put pages of memory into a pipe (`vmsplice`)", do=gift_pages),
    Attempt(name="splice", tries="`splice` from the socket into a pipe", do=splice),
    Attempt(name="duplicate", tries="`dup`", do=lambda: closing(syscall("dup", 2)), takes_slot=True),
    Attempt(
        name="duplicate_by_fcntl", tries="duplicate by `fcntl`", do=lambda: closing(os.dup(2)), denied="EPERM", takes_slot=True
    ),
    Attempt(name="exhaust_descriptors", tries="`dup` a thousand times", do=lambda: [syscall("dup", 2) for _ in range(1000)]),
    Attempt(name="pipe", tries="`pipe`", do=lambda: [closing(fd) for fd in os.pipe()]),
    Attempt(name="memfd", tries="`memfd_create`", do=lambda: closing(os.memfd_create("x")), takes_slot=True),
    Attempt(name="memfd_secret", tries="`memfd_secret`", do=lambda: closing(syscall("memfd_secret", 0)), takes_slot=True),
    Attempt(name="eventfd", tries="`eventfd`", do=lambda: closing(syscall("eventfd2", 0, 0)), takes_slot=True),
    Attempt(name="epoll", tries="`epoll_create`", do=lambda: closing(syscall("epoll_create1", 0)), takes_slot=True),
    Attempt(name="timerfd", tries="`timerfd_create`", do=lambda: closing(syscall("timerfd_create", 1, 0)), takes_slot=True),
    Attempt(name="signalfd", tries="`signalfd`", do=lambda: closing(syscall("signalfd4", -1, bytes(8), 8, 0)), takes_slot=True),
    Attempt(name="inotify", tries="watch files (`inotify`)", do=lambda: closing(syscall("inotify_init1", 0)), takes_slot=True),
    Attempt(
        name="fanotify", tries="watch all files (`fanotify`)", do=lambda: closing(syscall("fanotify_init", 0, 0)), takes_slot=True
    ),
    Attempt(name="mount", tries="mount a tmpfs", do=mount_tmpfs, harmless=lambda: own_namespace(NEWNS)),
    Attempt(name="unmount", tries="unmount", do=lambda: syscall("umount2", STAGE.folder.encode(), 0), harmless=mounted),
    Attempt(
        name="new_mount",
        tries="make a file system by `fsopen`",
        do=lambda: closing(syscall("fsopen", b"tmpfs", 0)),
        harmless=lambda: own_namespace(NEWNS),
        takes_slot=True,
    ),
    Attempt(
        name="clone_mount",
        tries="copy a mount by `open_tree`",
        do=lambda: closing(syscall("open_tree", AT_FDCWD, STAGE.folder.encode(), 1)),
        harmless=lambda: own_namespace(NEWNS),
        takes_slot=True,
    ),
    Attempt(name="pivot_root", tries="`pivot_root`", do=lambda: syscall("pivot_root", b".", b"."), harmless=inside_a_mount),
    Attempt(name="chroot", tries="`chroot`", do=lambda: os.chroot(STAGE.folder)),
    Attempt(name="list_mounts", tries="list mounts by `listmount`", do=list_mounts),
)
