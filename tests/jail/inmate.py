"""A process that confines itself and then tries to get out: one attempt per child, outcomes as JSON on stdout.

    inmate.py [--free | --without-filter] [--user]

``--free`` runs the same attempts without confinement: what is denied inside has to work outside, or the
denial proves nothing. ``--without-filter`` leaves out seccomp: the walls behind the wall.
``--user`` does everything as an ordinary user; needs root to become one.
"""

import ctypes
import errno
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading

from mlsign.sandbox import confine as confinement
from mlsign.sandbox import kernel
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.syscalls import NUMBERS, X32_BIT

NR = NUMBERS[os.uname().machine]
LISTENER = socket.create_server(("127.0.0.1", 0))
PORT = LISTENER.getsockname()[1]
ABSTRACT = socket.socket(socket.AF_UNIX)
ABSTRACT.bind(f"\0mlsign-test-{os.getpid()}")
ABSTRACT.listen()
KEEPER_PID = os.getpid()
FOLDER = tempfile.mkdtemp()
os.chmod(FOLDER, 0o777)  # noqa: S103  also for the ordinary user
MEMORY_FD = os.memfd_create("readable")
os.write(MEMORY_FD, b"secret" * 1000)


def call(name, *arguments):
    return lambda: kernel.syscall(NR[name], *arguments)


def start_thread():
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def connect():
    with socket.socket(socket.AF_INET) as sock:
        sock.connect(("127.0.0.1", PORT))


def connect_abstract():
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(f"\0mlsign-test-{KEEPER_PID}")


CONTROL: list[socket.socket] = []  # kept, or closing the object would close the descriptor


def pass_descriptor():
    CONTROL.append(socket.socket(fileno=3))
    socket.send_fds(CONTROL[0], [b"passed;"], [2])


def map_executable():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def make_executable():
    libc = ctypes.CDLL(None, use_errno=True)
    area = mmap.mmap(-1, 4096)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    if libc.mprotect(ctypes.c_void_p(address), 4096, 5) != 0:
        raise OSError(ctypes.get_errno(), "mprotect")


def write_file():
    with open(os.path.join(FOLDER, f"out-{os.getpid()}"), "w") as file:
        file.write("x")


def map_descriptor():
    kernel.syscall(NR["mmap"], 0, 4096, mmap.PROT_READ, mmap.MAP_PRIVATE, MEMORY_FD, 0)


def io_uring():
    try:
        os.close(kernel.syscall(NR["io_uring_setup"], 1, bytes(120)))
    except OSError as err:
        if err.errno not in (errno.EFAULT, errno.EINVAL, errno.ENOSYS, errno.EPERM):
            raise


def reaches(name, *arguments):
    """A call that is wrong in itself: the kernel's own complaint means that it got through."""

    def attempt():
        try:
            kernel.syscall(NR[name], *arguments)
        except OSError as err:
            if err.errno not in (
                errno.EINVAL,
                errno.EFAULT,
                errno.EBADF,
                errno.ESRCH,
                errno.ENOENT,
                errno.EPERM,
                errno.ENOSYS,
                errno.EOPNOTSUPP,
            ):
                raise

    return attempt


ATTEMPTS = {
    "open_file": lambda: open("/etc/passwd").close(),
    "open_memory_of_itself": lambda: open("/proc/self/mem").close(),
    "write_file": write_file,
    "list_root": lambda: [os.listdir("/"), os.stat("/etc")],
    "read_left_descriptor": lambda: os.read(MEMORY_FD, 6),
    "map_descriptor": map_descriptor,
    "make_folder": lambda: os.mkdir(os.path.join(FOLDER, f"made-{os.getpid()}")),
    "connect": connect,
    "connect_abstract": connect_abstract,
    "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
    "socketpair": lambda: [s.close() for s in socket.socketpair()],
    "pass_descriptor": pass_descriptor,
    "fork": fork,
    "start_thread": start_thread,
    "exec": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606  that is the attempt
    "ptrace": call("ptrace", 0, 0, 0, 0),
    "map_executable": map_executable,
    "make_executable": make_executable,
    "signal_outside": lambda: os.kill(KEEPER_PID, 0),
    "signal_everybody": lambda: os.kill(0, 0),
    "pidfd_of_outside": lambda: os.close(os.pidfd_open(KEEPER_PID)),
    "read_other_memory": reaches("process_vm_readv", KEEPER_PID, None, 0, None, 0, 0),
    "memfd": lambda: os.close(os.memfd_create("x")),
    "duplicate": lambda: os.close(kernel.syscall(NR["dup"], 2)),
    "duplicate_by_fcntl": lambda: os.close(os.dup(2)),
    "pipe": lambda: [os.close(fd) for fd in os.pipe()],
    "io_uring": io_uring,
    "bpf": reaches("bpf", 0, None, 0),
    "userfaultfd": reaches("userfaultfd", 1 << 30),
    "perf": reaches("perf_event_open", None, 0, 0, -1, 0),
    "keyctl": reaches("keyctl", -1, 0, 0, 0, 0),
    "mount": reaches("mount", None, None, None, 0, None),
    "chroot": reaches("chroot", b"/nowhere"),
    "unshare": call("unshare", 0),
    "setns": reaches("setns", -1, 0),
    "set_user": lambda: os.setuid(os.getuid()),
    "prctl": lambda: kernel.prctl(kernel.PR_SET_DUMPABLE, 1),
    "set_limit": call("prlimit64", 0, resource.RLIMIT_CORE, struct.pack("QQ", 0, 0), None),
    "personality": call("personality", 0xFFFFFFFF),
    "shared_memory": reaches("shmget", 0, 0, 0),
    "splice": reaches("splice", -1, None, -1, None, 0, 0),
    "handle": reaches("open_by_handle_at", -1, None, 0),
    "write_stdout": lambda: os.write(1, b"x"),
    "abort": os.abort,
    "another_filter": reaches("seccomp", 99, 0, None),
}
if os.uname().machine == "x86_64":
    ATTEMPTS["x32"] = lambda: kernel.attempt(X32_BIT + NR["getpid"])


def report(text: str) -> None:
    os.write(3, text.encode())


def child(attempt, *, free: bool, status_fd: int, without_filter: bool) -> None:
    if not free:
        if without_filter:
            confinement._filter = lambda _: Layer(name="seccomp", in_force=False, detail="left out")
        confinement.confine(confinement.Plan(memory_bytes=1 << 30, threads=1, status_fd=status_fd))
    report("ready;")
    try:
        attempt()
    except OSError as err:
        report(errno.errorcode.get(err.errno, str(err.errno)))
    except BaseException as err:  # noqa: BLE001  every end is an outcome
        report(type(err).__name__ + str(err)[:80])
    else:
        report("went through")
    os._exit(0)


def run(attempt, *, free: bool, without_filter: bool) -> str:
    mine, theirs = socket.socketpair()
    status, status_theirs = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        high = [os.dup2(sock.fileno(), number) for sock, number in ((theirs, 100), (status_theirs, 101))]
        os.dup2(high[0], 3)
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1):
            os.dup2(null, fd)
        mine.close()
        status.close()
        child(attempt, free=free, status_fd=high[1], without_filter=without_filter)
    theirs.close()
    status_theirs.close()
    said = b""
    while data := mine.recv(4096):
        said += data
    if free:
        _, how = os.waitpid(pid, 0)
    else:
        status.recv(4)
        how_data = status.recv(4)
        os.waitpid(pid, 0)
        if len(how_data) != 4:
            return f"no status; {said.decode()}"
        (how,) = struct.unpack("=i", how_data)
    text = said.decode().partition(";")
    if not text[1]:
        return f"never ready: {text[0]}"
    if os.WIFSIGNALED(how):
        return signal.Signals(os.WTERMSIG(how)).name
    return text[2].removeprefix("passed;") or ("went through" if how == 0 else f"status {how}")


def main() -> None:
    free, without_filter = "--free" in sys.argv, "--without-filter" in sys.argv
    if "--user" in sys.argv:
        os.setgroups([])
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
    print(json.dumps({name: run(attempt, free=free, without_filter=without_filter) for name, attempt in ATTEMPTS.items()}))


if __name__ == "__main__":
    main()
