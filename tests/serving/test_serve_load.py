"""The server when there is too much to do, when workers end, and when it is told to end itself."""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import is_running, standing_still
from serving_kit import (
    WAIT_SECONDS,
    Reply,
    Server,
    connect,
    get,
    hang_up,
    linear,
    metrics,
    package,
    policy,
    post,
    read_reply,
    serving,
    slow,
    workers_of,
)

pytestmark = pytest.mark.linux

LINEAR = json.dumps({"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}).encode()


def slow_body(rows: int, **parameters: object) -> bytes:
    given = {"name": "x", "shape": [rows, 1], "datatype": "FP32", "data": [2] * rows}
    return json.dumps({"inputs": [given], "parameters": parameters}).encode()


SLOW, ENDLESS = slow_body(400), slow_body(40_000)


@pytest.fixture(scope="module")
def fast_package(tmp_path_factory, release) -> Path:
    return package(tmp_path_factory.mktemp("fast"), "linear-1.0.0", linear(), release)


@pytest.fixture(scope="module")
def slow_package(tmp_path_factory, release) -> Path:
    return package(tmp_path_factory.mktemp("slow"), "slow-1.0.0", slow(), release)


def ask_slow(server: Server, **headers: object) -> Reply:
    return post(server, "/v2/models/slow/infer", SLOW, **headers)


def ask_fast(server: Server) -> Reply:
    return post(server, "/v2/models/linear/infer", LINEAR)


def at_once(count: int, ask: Callable[[], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(count) as threads:
        return [job.result() for job in [threads.submit(ask) for _ in range(count)]]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def is_busy(server: Server) -> bool:
    """Whether a call of the slow model is with a worker."""
    return metrics(server)['mlsign_pool_workers{model="slow",state="busy",version="1.0.0"}'] > 0


@pytest.fixture
def patient_policy(tmp_path, release) -> Path:
    """Ends no call for its time within a test, however slow the machine is."""
    return policy(tmp_path / "patient", release, rest="sandbox: {wall: 300s, cpu: 300s}\n")


def test_too_many_calls_are_told_to_come_back(tmp_path, slow_package, patient_policy):
    options = ("--workers", 1, "--max-waiting", 2)
    with serving(slow_package, policy=patient_policy, log=tmp_path / "log", options=options) as server:
        with ThreadPoolExecutor(12) as threads, standing_still(workers_of(server, count=1)):
            jobs = [threads.submit(ask_slow, server) for _ in range(12)]
            until(lambda: sum(job.done() for job in jobs) == 9)
        replies = [job.result() for job in jobs]
        found = Counter(reply.status for reply in replies)
        assert found == {200: 3, 503: 9}
        for reply in replies:
            if reply.status == 503:
                assert reply.headers["mlsign-error-code"] == "sandbox.pool.full"
                assert int(reply.headers["retry-after"]) > 0
        assert ask_slow(server).status == 200
        assert metrics(server)['mlsign_errors_total{error="sandbox.pool.full"}'] == found[503]


def test_a_call_that_takes_too_long(tmp_path, slow_package, policy_of_release):
    with serving(slow_package, policy=policy_of_release, log=tmp_path / "log", options=("--timeout", "1")) as server:
        reply = post(server, "/v2/models/slow/infer", ENDLESS)
        assert (reply.status, reply.headers["mlsign-error-code"]) == (504, "sandbox.deadline")


def test_the_time_that_a_client_grants(tmp_path, slow_package, patient_policy):
    with serving(slow_package, policy=patient_policy, log=tmp_path / "log", options=("--workers", 1)) as server:
        reply = post(server, "/v2/models/slow/infer", slow_body(40_000, timeout=200_000))
        assert (reply.status, reply.headers["mlsign-error-code"]) == (504, "sandbox.deadline")
        # The worker was ended with the call; the next one has another.
        assert ask_slow(server).status == 200
        # One that waits in vain is told so before it gets a worker.
        with ThreadPoolExecutor(2) as threads:
            with standing_still(workers_of(server, count=1)):
                first = threads.submit(ask_slow, server)
                until(lambda: is_busy(server))
                reply = post(server, "/v2/models/slow/infer", slow_body(1, timeout=200_000))
                assert (reply.status, reply.headers["mlsign-error-code"]) == (504, "sandbox.pool.deadline")
            assert first.result().status == 200


@pytest.mark.parametrize(
    ("limit", "code"), [("wall: 3s", "sandbox.deadline"), ("cpu: 500ms, wall: 300s", "sandbox.cpu")], ids=["wall", "cpu"]
)
def test_the_limits_of_the_policy_hold(tmp_path, slow_package, release, limit, code):
    rules = policy(tmp_path / "policy", release, rest=f"sandbox: {{{limit}}}\n")
    with serving(slow_package, policy=rules, log=tmp_path / "log") as server:
        reply = post(server, "/v2/models/slow/infer", ENDLESS)
        assert (reply.status, reply.headers["mlsign-error-code"]) == (504, code)
        assert post(server, "/v2/models/slow/infer", slow_body(1)).status == 200


def test_workers_that_are_killed_under_load(tmp_path, fast_package, policy_of_release):
    """Whoever was in one gets a typed error, everybody else an answer, and the server goes on."""
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log") as server:
        stop, replies = threading.Event(), []

        def ask() -> None:
            while not stop.is_set():
                replies.append(ask_fast(server))

        def answered() -> int:
            return sum(reply.status == 200 for reply in list(replies))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        killed = 0
        for turn in range(30):
            for pid in workers_of(server, count=None):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed += 1
            time.sleep(0.05)
            if turn % 2:  # every other time they come to answer before they are killed again
                seen = answered()
                until(lambda seen=seen: answered() >= seen + 10)
        stop.set()
        for thread in threads:
            thread.join()
        codes = Counter((reply.status, reply.headers.get("mlsign-error-code")) for reply in replies)
        assert killed > 20
        assert codes[200, None] > 100
        assert {code for status, code in codes if status != 200} <= {"sandbox.worker.died", "sandbox.pool.unavailable"}
        for reply in replies:
            if reply.status == 200:
                assert json.loads(reply.body)["outputs"][0]["data"] == [1, 2, 3, 4]
        assert at_once(20, lambda: ask_fast(server))[-1].status == 200
        assert len(workers_of(server)) == 2
        assert metrics(server)['mlsign_pool_restarts_total{model="linear",version="1.0.0"}'] > 10


def test_a_dead_worker_while_it_is_at_a_call(tmp_path, slow_package, patient_policy):
    with serving(slow_package, policy=patient_policy, log=tmp_path / "log", options=("--workers", 1)) as server:
        (worker,) = workers_of(server, count=1)
        with ThreadPoolExecutor(1) as threads:
            job = threads.submit(post, server, "/v2/models/slow/infer", ENDLESS, X_Request_Id="the-victim")
            until(lambda: is_busy(server))
            os.kill(worker, signal.SIGKILL)
            reply = job.result()
        assert (reply.status, reply.headers["mlsign-error-code"]) == (500, "sandbox.worker.died")
        line = server.wait_for("request", request_id="the-victim")
        assert (line["level"], line["code"]) == ("error", "sandbox.worker.died")
        assert ask_slow(server).status == 200


def test_a_short_delay_ends_by_itself(tmp_path, fast_package, policy_of_release):
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=("--shutdown-delay", "0.5")) as server:
        server.signal(signal.SIGTERM)
        assert server.process.wait(WAIT_SECONDS) == 0


def test_an_orderly_end_under_load(tmp_path, slow_package, fast_package, patient_policy):
    """Everything that was taken is answered, nothing is taken after that, and no process is left."""
    with serving(slow_package, fast_package, policy=patient_policy, log=tmp_path / "log", options=("--workers", 1)) as server:
        workers = workers_of(server)
        with connect(server) as idle, ThreadPoolExecutor(6) as threads:
            with standing_still(workers):
                jobs = [threads.submit(ask_slow, server) for _ in range(6)]
                until(lambda: metrics(server)["mlsign_requests_in_flight"] == 6)
                server.signal(signal.SIGTERM)
                server.wait_for("stopping")
            replies = [job.result() for job in jobs]
            assert [reply.status for reply in replies] == [200] * 6
            assert idle.recv(1) == b""
        assert server.process.wait(WAIT_SECONDS) == 0
        assert server.lines()[-1]["event"] == "stopped"
        assert not any(map(is_running, workers))
        with pytest.raises(ConnectionRefusedError):
            connect(server)


def test_it_says_that_it_is_not_ready_before_it_closes(tmp_path, fast_package, policy_of_release):
    options = ("--shutdown-delay", "600")
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=options) as server:
        server.signal(signal.SIGTERM)
        server.wait_for("stopping")
        assert get(server, "/v2/health/ready").status == 503
        assert get(server, "/v2/models/linear/ready").status == 503
        assert get(server, "/v2/health/live").status == 200
        assert ask_fast(server).status == 200
        index = json.loads(post(server, "/v2/repository/index", b"{}").body)
        assert [each["state"] for each in index] == ["UNAVAILABLE"]
        assert json.loads(post(server, "/v2/repository/index", b'{"ready": true}').body) == []
        server.signal(signal.SIGTERM)  # the second one does not wait
        assert server.process.wait(WAIT_SECONDS) == 0


def test_the_grace_for_open_requests_has_an_end(tmp_path, fast_package, policy_of_release):
    options = ("--shutdown-grace", "1", "--body-timeout", "600")
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=options) as server:
        with connect(server) as sock:
            sock.sendall(b"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            until(lambda: metrics(server)["mlsign_requests_in_flight"] == 1)
            server.signal(signal.SIGINT)
            assert server.process.wait(WAIT_SECONDS) == 0


def test_a_server_that_is_killed_leaves_no_worker(tmp_path, fast_package, policy_of_release):
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", check=False) as server:
        workers = workers_of(server)
        server.process.kill()
        server.process.wait(WAIT_SECONDS)
        until(lambda: not any(map(is_running, workers)))


def test_bodies_that_do_not_come(tmp_path, fast_package, policy_of_release):
    options = ("--body-timeout", "3", "--max-concurrent", 3)
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=options) as server:
        head = b"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
        held = [connect(server) for _ in range(3)]
        try:
            for sock in held:
                sock.sendall(head + b'{"in')
            until(lambda: metrics(server)["mlsign_requests_in_flight"] == 3)
            # All places are taken: told at once, and the health of the server is still told.
            reply = ask_fast(server)
            assert (reply.status, reply.headers["mlsign-error-code"]) == (503, "serve.busy")
            assert "retry-after" in reply.headers
            assert get(server, "/v2/health/live").status == 200
            for sock in held:
                reply, _ = read_reply(sock)
                assert (reply.status, reply.headers["mlsign-error-code"]) == (408, "serve.body.slow")
                assert reply.headers["connection"] == "close"
        finally:
            for sock in held:
                sock.close()
        assert ask_fast(server).status == 200
        assert metrics(server)["mlsign_requests_in_flight"] == 0


def test_a_drop_at_a_time_is_too_slow_as_well(tmp_path, fast_package, policy_of_release):
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=("--body-timeout", "0.5")) as server:
        with connect(server) as sock:
            sock.sendall(b"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            sock.settimeout(0.01)
            data = b""
            deadline = time.monotonic() + WAIT_SECONDS
            while not data:
                assert time.monotonic() < deadline
                sock.sendall(b" ")
                try:
                    data = sock.recv(1000)
                except TimeoutError:
                    continue
            assert data.startswith(b"HTTP/1.1 408 ")


def test_bodies_share_one_budget(tmp_path, fast_package, policy_of_release):
    """Four bodies of the largest size at once; whoever only announces much takes nothing away from others."""
    size = 1 << 20
    options = ("--max-request", size, "--max-concurrent", 100)
    head = f"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=options) as server:
        held = [connect(server) for _ in range(24)]
        try:
            for sock in held:
                sock.sendall(head)
            assert ask_fast(server).status == 200
            for sock in held:
                sock.sendall(bytes(size - 1))
            waiting = set(held)
            while len(waiting) > 4:
                told, _, _ = select.select(waiting, [], [], WAIT_SECONDS)
                assert told
                for sock in told:
                    assert read_reply(sock)[0].status == 503
                waiting.difference_update(told)
        finally:
            for sock in held:
                sock.close()
        until(lambda: metrics(server)["mlsign_requests_in_flight"] == 0)
        assert ask_fast(server).status == 200


def test_connections_have_a_limit(tmp_path, fast_package, policy_of_release):
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=("--max-connections", 5)) as server:
        held = [connect(server) for _ in range(5)]
        for sock in held:
            sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_reply(sock)[0].status == 200
        with connect(server) as sixth:
            with contextlib.suppress(ConnectionError):
                assert sixth.recv(1) == b""
        held.pop().close()
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                found = metrics(server)
                break
            except (AssertionError, ConnectionError):
                assert time.monotonic() < deadline
        assert found["mlsign_connections_refused_total"] >= 1
        for sock in held:
            sock.close()


def test_descriptors_are_there_for_as_many_connections_as_are_allowed(tmp_path, fast_package, policy_of_release):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(600, before[1]), before[1]))
    try:
        with serving(fast_package, policy=policy_of_release, log=tmp_path / "log", options=("--max-connections", 700)) as server:
            soft, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
            told = server.lines("descriptors.few")
            assert soft >= 700 + 512 or (soft == before[1] and told)
            assert ask_fast(server).status == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_signal_to_reload_while_it_loads_is_kept(tmp_path, fast_package, policy_of_release):
    """Not only that it does not end the process: what was changed meanwhile is looked at."""
    import subprocess
    import sys

    log = tmp_path / "log"
    command = [sys.executable, "-m", "mlsign", "serve", fast_package, "--policy", policy_of_release, "--port", "0"]
    with log.open("wb") as file:
        process = subprocess.Popen(list(map(str, command)), stderr=file)
    server = Server(process, log)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        # The first moment at which it is heard: whether Python has its handler in place is in /proc.
        while True:
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), 16)
            if caught >> (signal.SIGHUP - 1) & 1:
                break
            assert time.monotonic() < deadline
            assert process.poll() is None
        hang_up(server)
        server.wait_for("listening")
        server.wait_for("package.verified", cause="signal")
        assert server.stop() == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_nothing_piles_up(tmp_path, fast_package, policy_of_release):
    """Descriptors and memory after many connections, errors and answers are what they were."""
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log") as server:

        def rounds(count: int) -> None:
            for _ in range(count):
                assert ask_fast(server).status == 200
                assert post(server, "/v2/models/linear/infer", b"{").status == 400
                assert get(server, "/nothing").status == 404
                with connect(server) as sock:
                    sock.sendall(b"\0\r\n\r\n")
                    assert read_reply(sock)[0].status == 400

        def descriptors() -> int:
            return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))

        def resident() -> int:
            return int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]) * 4096

        rounds(200)
        before, memory = descriptors(), resident()
        rounds(1500)
        until(lambda: descriptors() <= before + 3)
        assert resident() - memory < 8 << 20


def test_loopback_only_by_default(tmp_path, fast_package, policy_of_release):
    with serving(fast_package, policy=policy_of_release, log=tmp_path / "log") as server:
        try:
            named = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
        except socket.gaierror:  # a machine that does not know its own name
            named = set()
        for address in {"127.0.0.2"} | {each for each in named if not each.startswith(("127.", "::1"))}:
            with pytest.raises(OSError, match="refused"):
                socket.create_connection((address, server.port), timeout=5)
        assert server.lines("listening")[0]["host"] == "127.0.0.1"
