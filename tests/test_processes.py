"""Processes that end while they are looked at: the tests that wait for the end of one must not fail over seeing it."""

import os
import subprocess
import sys
import threading

from processes import children, command_line, descendants, is_running


def test_a_process_that_ends_between_two_looks_is_gone_and_no_error():
    for _ in range(100):
        process = subprocess.Popen(["/bin/true"])
        reaper = threading.Thread(target=process.wait)
        reaper.start()
        while is_running(process.pid):
            assert children(process.pid) == []
            command_line(process.pid)
        reaper.join()
        assert not is_running(process.pid)


def test_one_that_waits_to_be_reaped_has_ended():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert not is_running(pid)
    assert pid in children(os.getpid())
    os.waitpid(pid, 0)


def test_children_and_what_is_below_them():
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'], check=False)"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"1\n"
        (child,) = children(process.pid)
        assert {process.pid, child} <= set(descendants(os.getpid()))
        assert descendants(process.pid) == [child]
        assert is_running(child)
        process.communicate(b"\n")
    assert not is_running(child)
