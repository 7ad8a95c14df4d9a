"""Where the escape suite runs: as root, as an ordinary user, and in containers that can make no user namespace.

Each function changes this process for good, as the one that starts a container or logs a user in would. The container's
filter and capabilities are those that container runtimes give by default: what needs CAP_SYS_ADMIN is refused by both.
"""

import errno
import os
import struct

from mlsign.sandbox import kernel
from mlsign.sandbox.syscalls import ARCHITECTURES

USER = 1000
CLONE_NEWUSER = 0x10000000
NEW_NAMESPACES = 0x7E020000
"""Every CLONE_NEW… flag of ``clone``."""

ORDINARY = (
    "setpriv",
    "--reuid=1000",
    "--regid=1000",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
)
"""An ordinary user who may read where the interpreter lives, which in a test environment can be root's home: for what starts
programs in this setting."""

# name: (number on x86-64, number on aarch64); None where the architecture has no such call
_REFUSED = {
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "listmount": (458, 458), "statmount": (457, 457),
    "bpf": (321, 280), "perf_event_open": (298, 241), "fanotify_init": (300, 262), "open_by_handle_at": (304, 265),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "move_pages": (279, 239),
    "sethostname": (170, 161), "settimeofday": (164, 170), "syslog": (103, 116), "quotactl": (179, 60), "acct": (163, 89),
    "init_module": (175, 105), "kexec_load": (246, 104), "reboot": (169, 142), "swapon": (167, 224),
    "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
}  # fmt: skip
_CONTAINER_CAPABILITIES = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
"""CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD,
AUDIT_WRITE and SETFCAP."""
_SYS_ADMIN = 21


def _op(code: int, k: int, true: int = 0, false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, true, false, k)


_ALLOW = _op(0x06, 0x7FFF0000)


def refusing(*numbers: int) -> bytes:
    """The beginning of a filter that refuses these calls with EPERM."""
    refuse = _op(0x06, 0x00050000 | errno.EPERM)
    return _op(0x20, 0) + b"".join(_op(0x15, number, 0, 1) + refuse for number in numbers)


def container_filter() -> bytes:
    """Refuses with EPERM what container runtimes refuse by default, ``clone`` into namespaces, and ``clone3`` with ENOSYS."""
    at = list(ARCHITECTURES).index(kernel.machine())
    program = refusing(*(numbers[at] for numbers in _REFUSED.values() if numbers[at] is not None))
    program += _op(0x15, 435, 0, 1) + _op(0x06, 0x00050000 | errno.ENOSYS)
    program += _op(0x15, kernel.number("clone"), 0, 3) + _op(0x20, 16)
    program += _op(0x45, NEW_NAMESPACES, 0, 1) + _op(0x06, 0x00050000 | errno.EPERM)
    return program + _ALLOW


def keep_capabilities(kept: int) -> None:
    for capability in range(64):
        try:
            kernel.prctl(kernel.PR_CAPBSET_READ, capability)
        except OSError:
            break
        if not kept >> capability & 1:
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
    _, permitted, _ = kernel.capabilities()
    kernel.set_capabilities(effective=permitted & kept, permitted=permitted & kept, inheritable=0)


def become_user() -> None:
    """An ordinary user, without groups. The interpreter is loaded already, so that nothing of root's has to be read."""
    if not SYSTEM_ROOT:
        return
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # as after a login, where an exec sets it


def enter_container() -> None:
    """Root of a container with default settings: the filter, and no capability beyond the usual fourteen."""
    kernel.install_filter(container_filter())
    keep_capabilities(sum(1 << capability for capability in _CONTAINER_CAPABILITIES))


def enter_nested() -> None:
    """Root of a user namespace of its own, in which the system allows no further one, without CAP_SYS_ADMIN.

    The limit is of this namespace and what lies below it; the machine's own is left alone.
    """
    parent = os.getpid()
    ready, gone = os.pipe(), os.pipe()
    outside = os.fork()
    if outside == 0:
        os.read(ready[0], 1)
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{parent}/{name}", "w") as file:
                file.write("0 0 65536")
        os.write(gone[1], b"x")
        os._exit(0)
    kernel.unshare(CLONE_NEWUSER)
    os.write(ready[1], b"x")
    os.read(gone[0], 1)
    os.waitpid(outside, 0)
    for fd in (*ready, *gone):
        os.close(fd)
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    keep_capabilities((1 << 64) - 1 & ~(1 << _SYS_ADMIN))
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


SETTINGS = {
    "root": (),
    "user": (become_user,),
    "container": (enter_container,),
    "container_user": (enter_container, become_user),
    "nested": (enter_nested,),
}
"""What is done, in this order, to be in each setting. All but ``user`` are entered by root alone."""


SYSTEM_ROOT = os.geteuid() == 0 and bool(kernel.capabilities()[0] >> _SYS_ADMIN & 1)
"""Root with its privileges, as on a machine of one's own and not in a container: who may enter every setting."""


def enter(setting: str) -> None:
    """Nothing is done for ``here``: the process was started in its setting."""
    for step in SETTINGS[setting] if setting != "here" else ():
        step()


def forbid_filters() -> None:
    """As on a kernel that filters no system calls: nothing can be confined."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.install_filter(refusing(kernel.number("seccomp")) + _ALLOW)


def forbid_landlock() -> None:
    """As on a kernel without Landlock."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.install_filter(refusing(kernel.number("landlock_create_ruleset")) + _ALLOW)


def forbid_mounts() -> None:
    """As under an AppArmor profile of a container that may make namespaces."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.install_filter(refusing(kernel.number("mount")) + _ALLOW)


def own_namespace(flag: int) -> None:
    """A namespace of this kind of its own: for whoever may, by a user namespace first for whoever may not."""
    if kernel.attempt(kernel.number("unshare"), flag) != 0:
        kernel.unshare(CLONE_NEWUSER | flag)
