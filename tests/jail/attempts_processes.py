"""Attempts at other processes: making them, reading them, signalling them."""

import ctypes
import fcntl
import os
import resource
import signal
import socket
import struct
import threading

from attempt import STAGE, Attempt, closing, no_call, syscall
from attempts_files import KEPT, NEWNS, read_memory_file, vector
from surroundings import CLONE_NEWUSER, own_namespace

from mlsign.sandbox import kernel

NEWUTS, NEWNET = 0x04000000, 0x40000000
PTRACE_SEIZE = 0x4206
MADV_COLD = 20
F_SETOWN_EX = 15


def start_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def clone(flags: int):
    def attempt() -> None:
        pid = syscall("clone", flags | signal.SIGCHLD, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)

    return attempt


def clone3() -> None:
    arguments = ctypes.create_string_buffer(struct.pack("=8Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0))
    pid = kernel.syscall(435, ctypes.addressof(arguments), 64)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def spawn() -> None:
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def execute_at() -> None:
    KEPT.append((ctypes.c_char_p * 2)(b"true", None))
    syscall("execveat", -100, b"/bin/true", ctypes.addressof(KEPT[-1]), 0, 0)


def attach() -> None:
    syscall("ptrace", PTRACE_SEIZE, STAGE.victim, 0, 0)


def read_memory() -> None:
    local = vector(STAGE.address, 12)
    remote = vector(ctypes.addressof(STAGE.secret), 12)
    assert syscall("process_vm_readv", STAGE.victim, local, 1, remote, 1, 0) == 12
    assert STAGE.area[:12] == b"the victim's"


def write_memory() -> None:
    local = vector(STAGE.address, 6)
    remote = vector(ctypes.addressof(STAGE.secret), 6)
    assert syscall("process_vm_writev", STAGE.victim, local, 1, remote, 1, 0) == 6


def read_secret_file() -> None:
    with open(f"/proc/{STAGE.victim}/mem", "rb", buffering=0) as file:
        file.seek(ctypes.addressof(STAGE.secret))
        assert len(file.read(6)) == 6


def advise_other() -> None:
    syscall("process_madvise", STAGE.pidfd, vector(STAGE.address & ~4095, 4096), 1, MADV_COLD, 0)


def queue_signal() -> None:
    info = ctypes.create_string_buffer(struct.pack("=iii", signal.SIGCONT, 0, -1) + bytes(116))
    syscall("rt_sigqueueinfo", STAGE.victim, signal.SIGCONT, ctypes.addressof(info))


def own_by_fcntl() -> None:
    fcntl.fcntl(3, fcntl.F_SETOWN, STAGE.victim)


def set_timer() -> None:
    syscall("setitimer", 0, struct.pack("=4q", 1000, 0, 1000, 0), None)


def create_timer() -> None:
    out = ctypes.c_long()
    syscall("timer_create", 1, None, ctypes.addressof(out))


def robust_list_of_other() -> None:
    head, length = ctypes.c_void_p(), ctypes.c_size_t()
    syscall("get_robust_list", STAGE.victim, ctypes.addressof(head), ctypes.addressof(length))


WORD = ctypes.c_int(0)


def futex(operation: int):
    return lambda: syscall("futex", ctypes.addressof(WORD), operation, 1, None, None, 0)


def wait_for_many() -> None:
    KEPT.append(ctypes.create_string_buffer(struct.pack("=QQII", 1, ctypes.addressof(WORD), 2 | 128, 0)))
    try:  # the word is 0, not 1: the kernel looks, and does not wait
        syscall("futex_waitv", ctypes.addressof(KEPT[-1]), 1, 0, None, 1)
    except BlockingIOError:
        return


def limit_of_other() -> None:
    resource.prlimit(STAGE.victim, resource.RLIMIT_CORE)


def raise_own_limit() -> None:
    syscall("prlimit64", 0, resource.RLIMIT_CORE, struct.pack("=QQ", 0, 0), None)


def outlive_keeper() -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)


def signal_to(pid, number_: int = 0):
    return lambda: os.kill(pid(), number_)


def signal_everybody() -> None:
    """The kernel tells success even when nobody could be signalled, so one of them is asked for."""
    os.kill(-1, 0)
    os.kill(STAGE.victim, 0)


ATTEMPTS = (
    Attempt(name="fork", tries="fork", do=fork),
    Attempt(name="clone", tries="fork by a bare `clone`", do=clone(0)),
    Attempt(name="clone3", tries="fork by `clone3`, whose flags a filter cannot see", do=clone3, denied="ENOSYS"),
    Attempt(name="spawn", tries="`posix_spawn`", do=spawn),
    Attempt(name="fork_bomb", tries="fork a hundred times", do=lambda: [fork() for _ in range(100)]),
    Attempt(name="start_thread", tries="start a thread, where one is allowed", do=start_thread),
    Attempt(name="execute", tries="execute a program", do=lambda: os.execv("/bin/true", ["true"])),  # noqa: S606
    Attempt(name="execute_at", tries="execute it by `execveat`", do=execute_at),
    Attempt(name="attach", tries="attach to another process (`ptrace`)", do=attach),
    Attempt(name="trace_me", tries="have itself traced", do=lambda: syscall("ptrace", 0, 0, 0, 0)),
    Attempt(name="read_memory", tries="read another process's memory (`process_vm_readv`)", do=read_memory),
    Attempt(name="write_memory", tries="write to it (`process_vm_writev`)", do=write_memory),
    Attempt(name="memory_file", tries="open its `/proc/PID/mem`", do=read_secret_file, denied="EACCES", takes_slot=True),
    Attempt(
        name="memory_file_of_keeper",
        tries="open the keeper's `/proc/PID/mem`",
        do=lambda: read_memory_file(STAGE.keeper),
        denied="EACCES",
        takes_slot=True,
    ),
    Attempt(
        name="take_descriptor",
        tries="take another process's descriptor (`pidfd_getfd`)",
        do=lambda: closing(syscall("pidfd_getfd", STAGE.pidfd, 0, 0)),
        takes_slot=True,
    ),
    Attempt(
        name="pidfd", tries="`pidfd_open` of another process", do=lambda: closing(os.pidfd_open(STAGE.victim)), takes_slot=True
    ),
    Attempt(name="advise_other", tries="advise on another's memory (`process_madvise`)", do=advise_other),
    Attempt(
        name="compare",
        tries="compare kernel objects of two processes (`kcmp`)",
        do=lambda: syscall("kcmp", STAGE.victim, STAGE.victim, 0, 0, 0),
    ),
    Attempt(name="robust_list", tries="ask for another's list of robust futexes", do=robust_list_of_other),
    Attempt(name="signal_keeper", tries="signal its keeper", do=signal_to(lambda: STAGE.keeper)),
    Attempt(name="signal_parent", tries="signal the parent", do=signal_to(lambda: STAGE.main)),
    Attempt(name="signal_group", tries="signal its process group", do=signal_to(lambda: 0)),
    Attempt(name="signal_everybody", tries="signal everybody", do=signal_everybody),
    Attempt(name="signal_other", tries="signal another process", do=signal_to(lambda: STAGE.victim, signal.SIGCONT)),
    Attempt(name="signal_thread", tries="signal another's thread (`tkill`)", do=lambda: syscall("tkill", STAGE.victim, 0)),
    Attempt(
        name="signal_thread_of",
        tries="signal another's thread (`tgkill`)",
        do=lambda: syscall("tgkill", STAGE.victim, STAGE.victim, 0),
    ),
    Attempt(name="queue_signal", tries="queue a signal with a value", do=queue_signal),
    Attempt(name="signal_by_pidfd", tries="signal by a pidfd", do=lambda: signal.pidfd_send_signal(STAGE.pidfd, 0)),
    Attempt(name="signal_by_owner", tries="have the kernel signal another (`F_SETOWN`)", do=own_by_fcntl, denied="EPERM"),
    Attempt(
        name="catch_signals", tries="catch a signal", do=lambda: signal.signal(signal.SIGSYS, signal.SIG_IGN), denied="EPERM"
    ),
    Attempt(name="interval_timer", tries="set an interval timer", do=set_timer),
    Attempt(name="posix_timer", tries="make a timer", do=create_timer),
    Attempt(name="wake_others", tries="wake a futex that other processes may wait on", do=futex(1)),
    Attempt(name="inherit_priority", tries="take a futex with priority inheritance", do=futex(128 + 6)),
    Attempt(name="wait_for_many", tries="wait for several futexes (`futex_waitv`)", do=wait_for_many),
    Attempt(
        name="wake_by_new_call",
        tries="wake by `futex_wake`",
        do=lambda: syscall("futex_wake", ctypes.addressof(WORD), 1, 1, 2),
        impossible=lambda: no_call("futex_wake"),
    ),
    Attempt(name="limit_of_other", tries="read or set another's limits", do=limit_of_other, denied="EPERM"),
    Attempt(name="own_limit", tries="set its own limits", do=raise_own_limit, denied="EPERM"),
    Attempt(name="priority", tries="raise its priority", do=lambda: os.setpriority(os.PRIO_PROCESS, 0, -5)),
    Attempt(name="io_priority", tries="set its I/O priority", do=lambda: syscall("ioprio_set", 1, 0, 2 << 13)),
    Attempt(name="choose_cores", tries="choose its cores", do=lambda: os.sched_setaffinity(0, {0}), denied="EPERM"),
    Attempt(
        name="schedule", tries="choose its scheduling", do=lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    ),
    Attempt(name="new_session", tries="begin a session of its own", do=os.setsid),
    Attempt(name="outlive_keeper", tries="outlive its keeper (`PR_SET_PDEATHSIG`)", do=outlive_keeper, denied="EPERM"),
    Attempt(
        name="dumpable",
        tries="let others attach (`PR_SET_DUMPABLE`)",
        do=lambda: kernel.prctl(kernel.PR_SET_DUMPABLE, 1),
        denied="EPERM",
    ),
    Attempt(
        name="user_dispatch",
        tries="dispatch its own calls (`PR_SET_SYSCALL_USER_DISPATCH`)",
        do=lambda: kernel.prctl(59, 0),
        denied="EPERM",
    ),
    Attempt(name="user_namespace", tries="make a user namespace", do=lambda: kernel.unshare(CLONE_NEWUSER)),
    Attempt(name="mount_namespace", tries="make a mount namespace", do=lambda: kernel.unshare(NEWNS)),
    Attempt(name="network_namespace", tries="make a network namespace", do=lambda: kernel.unshare(NEWNET)),
    Attempt(name="fork_into_namespace", tries="fork into a user namespace", do=clone(CLONE_NEWUSER)),
    Attempt(name="join_namespace", tries="join a namespace (`setns`)", do=lambda: syscall("setns", STAGE.namespace, NEWUTS)),
    Attempt(
        name="host_name",
        tries="set the host name",
        do=lambda: socket.sethostname("changed"),
        harmless=lambda: own_namespace(NEWUTS),
    ),
    Attempt(name="become_root", tries="become root", do=lambda: os.setuid(0)),
    Attempt(name="take_groups", tries="take groups", do=lambda: os.setgroups([0])),
    Attempt(
        name="take_capabilities",
        tries="take capabilities",
        do=lambda: kernel.set_capabilities(effective=1, permitted=1, inheritable=0),
    ),
)
