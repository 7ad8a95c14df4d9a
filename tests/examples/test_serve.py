"""The service of the examples, run by a real server and asked by a real client over loopback."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import children

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.linux

ROW = [5.1, 3.5, 1.4, 0.2]
START_SECONDS = 60


def _command(port: int) -> list[str]:
    return [sys.executable, "-m", "uvicorn", "--app-dir", str(ROOT / "examples"), "serve:app", "--port", str(port)]


def _environment(demo: Any, package: str) -> dict[str, str]:
    return os.environ | {"MLSIGN_POLICY": str(demo.folder / "policy.yaml"), "MLSIGN_PACKAGE": str(demo.folder / package)}


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def _serving(demo: Any, log: Path) -> Iterator[tuple[httpx.Client, int]]:
    port = _free_port()
    with log.open("w") as file:
        server = subprocess.Popen(_command(port), env=_environment(demo, "iris-1.0.0"), stdout=file, stderr=file)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    client.get("/")
                    break
                except httpx.TransportError:
                    assert server.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, log.read_text()
                    time.sleep(0.05)
            yield client, server.pid
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def service(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with _serving(demo, tmp_path_factory.mktemp("serve") / "log") as (client, _):
        yield client


def test_rows_are_scored(service: httpx.Client) -> None:
    answer = service.post("/score", json={"inputs": {"measurements": [ROW, [6.3, 2.7, 4.9, 1.8]]}})
    assert answer.status_code == 200
    outputs = answer.json()["outputs"]
    assert outputs["label"] == ["setosa", "virginica"]
    assert [len(row) for row in outputs["probabilities"]] == [3, 3]
    assert [sum(row) for row in outputs["probabilities"]] == pytest.approx([1, 1])


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({"measurements": [ROW[:3]]}, id="too few columns"),
        pytest.param({"measurements": ROW}, id="no rows"),
        pytest.param({"measurments": [ROW]}, id="no such input"),
        pytest.param({}, id="nothing"),
        pytest.param({"measurements": [["5.1", *ROW[1:]]]}, id="text"),
        pytest.param({"measurements": [[None, *ROW[1:]]]}, id="null"),
        pytest.param({"measurements": [ROW, ROW[1:]]}, id="ragged"),
        pytest.param({"measurements": [[1e300, *ROW[1:]]]}, id="beyond a float"),
    ],
)
def test_what_the_model_does_not_take_is_answered_with_what_it_takes(service: httpx.Client, inputs: dict) -> None:
    answer = service.post("/score", json={"inputs": inputs})
    assert answer.status_code == 422
    assert "measurements: float[?, 4]" in answer.json()["detail"]


def test_a_bad_request_does_not_end_the_service(service: httpx.Client) -> None:
    service.post("/score", content=b"{", headers={"content-type": "application/json"})
    assert service.post("/score", json={"inputs": {"measurements": [ROW]}}).status_code == 200


def test_a_denied_package_is_never_served(demo: Any) -> None:
    done = subprocess.run(
        _command(_free_port()), env=_environment(demo, "tampered-1.0.0"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert "denied by the policy baseline: MLS101 model.onnx is not the file that was signed" in done.stderr


def test_a_dead_worker_is_an_error_and_not_an_answer(demo: Any, tmp_path: Path) -> None:
    with _serving(demo, tmp_path / "log") as (client, server):
        (keeper,) = children(server)
        (worker,) = children(keeper)
        os.kill(worker, signal.SIGKILL)
        for _ in range(2):
            answer = client.post("/score", json={"inputs": {"measurements": [ROW]}})
            assert answer.status_code == 503
            assert answer.json()["detail"]
