"""What one connection may take of the server's time and memory; the server runs in this process, where its patience can be shortened."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import uvicorn
from serving_kit import WAIT_SECONDS, linear, package, policy, read_reply

from mlsign.serving import connection
from mlsign.serving.app import Application
from mlsign.serving.connection import ConnectionLimits, bounded
from mlsign.serving.intake import Intake
from mlsign.serving.journal import Journal, Level
from mlsign.serving.listening import open_socket
from mlsign.serving.loading import admit_model, open_gate, start_model
from mlsign.serving.metrics import Metrics
from mlsign.serving.settings import AdmissionSettings, ListenSettings, ServeRequest
from mlsign.serving.shelf import Shelf

pytestmark = pytest.mark.linux

HEAD_SECONDS = 1.0
UNREAD_SECONDS = 0.4


@dataclass
class Inside:
    """A server in a thread, and what it counts."""

    port: int
    limits: ConnectionLimits
    server: uvicorn.Server

    def connect(self) -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS)
        sock.settimeout(WAIT_SECONDS)
        return sock

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


@pytest.fixture
def inside(tmp_path, release, monkeypatch) -> Iterator[Inside]:
    monkeypatch.setattr(connection, "HEAD_SECONDS", HEAD_SECONDS)
    monkeypatch.setattr(connection, "UNREAD_SECONDS", UNREAD_SECONDS)
    admission = AdmissionSettings(policies=(policy(tmp_path / "policy", release),))
    path = package(tmp_path, "linear-1.0.0", linear(), release)
    model = admit_model(path, open_gate(admission), settings=admission)
    served = start_model(model, path, request=ServeRequest(paths=(path,), admission=admission, workers=1))
    shelf = Shelf()
    shelf.put(served)
    intake = Intake(max_requests=20, max_body=64 << 20, body_seconds=30)
    with (tmp_path / "log").open("w") as log, open_socket(ListenSettings(port=0)) as listener:
        journal = Journal(level=Level.INFO, stream=log)
        limits = ConnectionLimits(most=20, journal=journal)
        metrics = Metrics(models=lambda: shelf.models, in_flight=lambda: intake.requests, connections=limits)
        app = Application(shelf=shelf, intake=intake, metrics=metrics, journal=journal, seconds=30)
        config = uvicorn.Config(app, http=bounded(limits), ws="none", lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        port = listener.getsockname()[1]
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield Inside(port, limits, server)
        finally:
            server.should_exit = server.force_exit = True
            thread.join()
            served.pool.close()


def closes(sock: socket.socket) -> bytes:
    """Everything that comes until the connection ends."""
    data = b""
    try:
        while part := sock.recv(1 << 20):
            data += part
    except ConnectionError:
        pass
    return data


def test_a_head_that_does_not_come(inside: Inside):
    with inside.connect() as sock:
        sock.sendall(b"GET /v2 HTTP/1.1\r\nHost:")
        reply, _ = read_reply(sock)
        assert reply.status == 408
        assert closes(sock) == b""
    assert inside.limits.malformed == 1


def test_a_head_a_drop_at_a_time(inside: Inside):
    with inside.connect() as sock:
        sock.settimeout(0.02)
        sock.sendall(b"GET /v2 HTTP/1.1\r\n")
        data, deadline = b"", time.monotonic() + WAIT_SECONDS
        while not data:
            assert time.monotonic() < deadline
            sock.sendall(b"X-A: b\r\n")
            try:
                data = sock.recv(1000)
            except TimeoutError:
                continue
        assert data.startswith(b"HTTP/1.1 408 ")


def test_a_connection_that_says_nothing(inside: Inside):
    with inside.connect() as sock:
        assert closes(sock) == b""


def test_the_second_head_that_does_not_come(inside: Inside):
    with inside.connect() as sock:
        sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(sock)[0].status == 200
        sock.sendall(b"GET /v2 HTT")
        assert read_reply(sock)[0].status == 408


def test_connections_that_are_idle_between_requests_are_kept(inside: Inside):
    with inside.connect() as sock:
        for _ in range(3):
            sock.sendall(b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_reply(sock)[0].status == 200
            time.sleep(HEAD_SECONDS * 1.2)


def request_for_much(*, close: bool = False) -> tuple[bytes, int]:
    """A request whose answer is larger than what sockets hold, and how large that is."""
    rows = np.ones((1 << 20, 4), np.float32)
    raw = rows.tobytes()
    tensor = {"name": "x", "shape": rows.shape, "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    ending = "Connection: close\r\n" if close else ""
    lines = (
        f"POST /v2/models/linear/infer HTTP/1.1\r\nHost: x\r\n{ending}Inference-Header-Content-Length: {len(head)}\r\n"
        f"Content-Length: {len(head) + len(raw)}\r\n\r\n"
    )
    return lines.encode() + head + raw, len(raw)


@pytest.mark.parametrize("close", [False, True])
def test_an_answer_that_nobody_reads(inside: Inside, close: bool):
    request, size = request_for_much(close=close)
    with inside.connect() as sock:
        sock.sendall(request)
        deadline = time.monotonic() + WAIT_SECONDS
        while inside.connections:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(closes(sock)) < size


def test_an_answer_that_is_read_slowly_but_steadily(inside: Inside, monkeypatch):
    monkeypatch.setattr(connection, "UNREAD_SECONDS", 2.0)  # longer than this thread waits for a processor, less than it reads
    request, size = request_for_much()
    with inside.connect() as sock:
        sock.sendall(request)
        data = b""
        while len(data) < size:
            part = sock.recv(1 << 20)
            assert part, f"cut after {len(data)}"
            data += part
            time.sleep(0.3)
        assert b"200 OK" in data[:100]
