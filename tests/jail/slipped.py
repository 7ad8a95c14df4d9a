"""Confines itself with a filter that lets one call more through, and says what the proof made of it.

    slipped.py THREADS NAME [FLAG...]

A name of a call is added to the allowed ones; ``clone`` and flags make a rule. Prints the code and where.
"""

import os
import socket
import sys

from mlsign.errors import JailError
from mlsign.sandbox import confine as confinement
from mlsign.sandbox import seccomp

threads, name, flags = int(sys.argv[1]), sys.argv[2], [int(text, 0) for text in sys.argv[3:]]
if flags:
    kept = seccomp.rules
    rule = (name, (seccomp.OneOf(0, tuple(flags)),))
    seccomp.rules = lambda **known: (rule, *(other for other in kept(**known) if other[0] != name))
elif name != "nothing":
    seccomp.ALLOWED = (name, *seccomp.ALLOWED)
ours, theirs = socket.socketpair()
status, status_theirs = socket.socketpair()
pid = os.fork()
if pid == 0:
    for sock, number in ((theirs, 100), (status_theirs, 101)):
        os.dup2(sock.fileno(), number)
    os.dup2(100, 3)
    try:
        confinement.confine(confinement.Plan(memory_bytes=1 << 30, threads=threads, status_fd=101))
    except JailError as err:
        os.write(3, f"{err.code} {err.where}".encode())
    else:
        os.write(3, b"passed")
    os._exit(0)
theirs.close()
status_theirs.close()
print(ours.recv(4096).decode())
status.close()
os.waitpid(pid, 0)
