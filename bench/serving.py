"""``mlsign serve`` beside a server of the same shape that protects nothing, under the same load, as ratios.

Both are uvicorn with the same application, the same parser and the same tensors; the other one calls onnxruntime in its own process,
on as many threads as the first has workers. Rounds alternate between them, and medians are compared: what else the machine does then
hurts both alike. The load is made by wrk, over kept connections, in the binary protocol.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

import numpy as np
import onnx
from contenders import BIN, environment
from goals import at_least
from onnx import TensorProto, helper, numpy_helper
from page import LeftOut, heading, progress, row

START_SECONDS = 60
GOALS = {"mlp 1x64": at_least(0.7, ""), "convolutional 1x3x224x224": at_least(0.9, "")}
LUA = """
local file = io.open(os.getenv("BENCH_BODY"), "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
file:close()
wrk.headers["Content-Type"] = "application/octet-stream"
wrk.headers["Inference-Header-Content-Length"] = os.getenv("BENCH_HEADER")
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\\nDONE %f %f %f %d\\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, failed))
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What is served, and one request for it."""

    name: str
    slug: str
    proto: onnx.ModelProto
    shape: tuple[int, ...]

    def request(self) -> tuple[bytes, int]:
        raw = np.random.default_rng(7).standard_normal(self.shape).astype(np.float32).tobytes()
        tensor = {"name": "x", "shape": self.shape, "datatype": "FP32", "parameters": {"binary_data_size": len(raw)}}
        head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        return head + raw, len(head)


@dataclass(slots=True)
class Samples:
    """Requests a second, and milliseconds."""

    rate: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)


def _model(nodes: list[Any], shape: list[Any], out: list[Any], weights: Mapping[str, np.ndarray]) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def models() -> tuple[Model, ...]:
    random = np.random.default_rng(1)

    def weight(*shape: int) -> np.ndarray:
        return (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    mlp = _model(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("Gemm", ["r", "w2", "b2"], ["y"]),
        ],
        ["n", 64],
        ["n", 10],
        {"w1": weight(64, 64), "b1": weight(64), "w2": weight(64, 10), "b2": weight(10)},
    )
    nodes, last, weights = [], "x", {}
    for number, (channels, before) in enumerate(((24, 3), (48, 24), (96, 48), (128, 96))):
        weights[f"w{number}"], weights[f"b{number}"] = weight(channels, before, 3, 3), weight(channels)
        nodes += [
            helper.make_node("Conv", [last, f"w{number}", f"b{number}"], [f"c{number}"], strides=[2, 2], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", [f"c{number}"], [f"r{number}"]),
        ]
        last = f"r{number}"
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["y"]),
    ]
    weights |= {"w": weight(128, 100), "b": weight(100)}
    conv = _model(nodes, ["n", 3, 224, 224], ["n", 100], weights)
    return (
        Model(name="mlp 1x64", slug="mlp", proto=mlp, shape=(1, 64)),
        Model(name="convolutional 1x3x224x224", slug="conv", proto=conv, shape=(1, 3, 224, 224)),
    )


def prepare(folder: Path, model: Model) -> tuple[Path, Path]:
    """A signed package and its policy."""

    def run(*argv: object) -> None:
        subprocess.run([BIN / "mlsign", *map(str, argv)], check=True, capture_output=True, env=environment())

    source = folder / f"{model.slug}.onnx"
    onnx.save(model.proto, source)
    package, key = folder / f"{model.slug}-1.0.0", folder / f"{model.slug}-key"
    run("pack", source, "-o", package)
    run("keygen", "-o", key, "--no-password")
    run("sign", package, "--key", f"{key}.key")
    policy = folder / f"{model.slug}.yaml"
    policy.write_text(
        f"apiVersion: mlsign/v1\nkind: Policy\nname: bench\nmanifest: required\nsigners:\n  - name: release\n    require: 1\n"
        f"    any: [{{key: {key.name}.pub}}]\ndigests: [sha256, blake3]\noperators: {{allow: [inference-v1]}}\nsandbox: {{threads: 1}}\n"
    )
    return package, policy


class InProcess:
    """The same interface as a pool of workers, and no walls: onnxruntime on threads of this process."""

    def __init__(self, path: Path, *, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        self._names = [value.name for value in self._session.get_outputs()]
        self._threads = ThreadPoolExecutor(threads)
        self._workers = threads

    def _run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        return dict(zip(self._names, self._session.run(self._names, inputs), strict=True))

    async def run_async(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109
        del timeout
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._run, inputs)

    def health(self) -> Any:
        count = self._workers
        return SimpleNamespace(workers=count, ready=count, busy=0, waiting=0, calls=0, failures=0, restarts=0)

    def close(self, drain_seconds: float = 0.0) -> None:
        del drain_seconds
        self._threads.shutdown()


def serve_unprotected(path: Path, *, threads: int) -> None:
    """The other server: our application over ``InProcess``; nothing is verified, confined or watched."""
    import uvicorn

    from mlsign.interface import TypeSpec, ValueKind, ValueSpec
    from mlsign.serving.app import Application
    from mlsign.serving.carriage import carried
    from mlsign.serving.connection import ConnectionLimits, bounded
    from mlsign.serving.intake import Intake
    from mlsign.serving.journal import Journal, Level
    from mlsign.serving.listening import open_socket
    from mlsign.serving.metrics import Metrics
    from mlsign.serving.settings import ListenSettings
    from mlsign.serving.shelf import Origin, Served, Shelf, opening_of
    from mlsign.version import decode_version

    spec = TypeSpec(kind=ValueKind.TENSOR, element="float")
    interface = carried((ValueSpec(name="x", type=spec),), (ValueSpec(name="y", type=spec),))
    shelf, journal = Shelf(), Journal(level=Level.INFO)
    limits = ConnectionLimits(most=1024, journal=journal)
    origin = Origin(path=path, digest="", policy="", policy_digest="")
    pool = InProcess(path, threads=threads)
    version, model = decode_version("1.0.0"), SimpleNamespace(close=lambda: None)
    opening = opening_of("m", version)
    shelf.put(Served(name="m", version=version, interface=interface, origin=origin, pool=pool, model=model, opening=opening))
    intake = Intake(max_requests=256, max_body=64 << 20, body_seconds=30)
    metrics = Metrics(models=lambda: shelf.models, in_flight=lambda: intake.requests, connections=limits)
    app = Application(shelf=shelf, intake=intake, metrics=metrics, journal=journal, seconds=30)
    listener = open_socket(ListenSettings(port=0))
    journal.info("listening", port=listener.getsockname()[1])
    config = uvicorn.Config(
        app,
        http=bounded(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


@contextmanager
def running(command: list[object], log: Path) -> Iterator[int]:
    """A server, and the port it listens on."""
    with log.open("w") as file:
        process = subprocess.Popen(list(map(str, command)), stderr=file, stdout=file, env=environment())
    try:
        yield _port(process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found = json.loads(line)
                if found.get("event") == "listening":
                    return int(found["port"])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"the server did not start:\n{log.read_text()}")


def load(port: int, name: str, body: Path, header: int, script: Path, *, connections: int, seconds: float) -> list[float]:
    """Requests a second, p50 and p99 in milliseconds. No request may fail."""
    url = f"http://127.0.0.1:{port}/v2/models/{name}/infer"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(script), url]
    environment_of_load = os.environ | {"BENCH_BODY": str(body), "BENCH_HEADER": str(header)}
    done = subprocess.run(command, env=environment_of_load, capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("DONE "))
    rate, p50, p99, failed = map(float, line.split()[1:])
    if failed:
        raise SystemExit(f"{failed:g} requests failed:\n{done.stdout}")
    return [rate, p50, p99]


def measure(folder: Path, model: Model, *, workers: int, connections: int, rounds: int, seconds: float) -> dict[str, Samples]:
    package, policy = prepare(folder, model)
    body, script = folder / f"{model.slug}.body", folder / "load.lua"
    data, header = model.request()
    body.write_bytes(data)
    script.write_text(LUA)
    ours = [BIN / "mlsign", "serve", package, "--policy", policy, "--port", 0, "--workers", workers]
    theirs = [sys.executable, __file__, "--unprotected", folder / f"{model.slug}.onnx", "--workers", workers]
    out = {"mlsign serve": Samples(), "unprotected": Samples()}
    with running(ours, folder / "ours.log") as port, running(theirs, folder / "theirs.log") as other:
        targets = {"mlsign serve": (port, model.slug), "unprotected": (other, "m")}
        for turn in range(-1, rounds):  # the first warms up
            for who, (where, name) in targets.items():
                found = load(where, name, body, header, script, connections=connections, seconds=1 if turn < 0 else seconds)
                if turn >= 0:
                    for values, value in zip((out[who].rate, out[who].p50, out[who].p99), found, strict=True):
                        values.append(value)
    return out


def print_serving(
    *, quick: bool = False, workers: int = os.cpu_count() or 1, connections: int = 8, rounds: int = 5, seconds: int = 3
) -> None:
    """One table. Raises ``LeftOut`` where there is no load generator."""
    if shutil.which("wrk") is None:
        raise LeftOut("wrk is not installed, apt-get install wrk")
    rounds, seconds = (1, 1) if quick else (rounds, seconds)
    print(f"{workers} workers, {connections} connections, {rounds} rounds of {seconds} s each")
    heading("model", "server", "requests/s", "ratio", "goal", "p50", "p99", "ratio of p99")
    with tempfile.TemporaryDirectory() as folder:
        for model in models():
            progress(f"serving {model.name}")
            found = measure(Path(folder), model, workers=workers, connections=connections, rounds=rounds, seconds=seconds)
            base = found["unprotected"]
            for who, samples in found.items():
                rate, p50, p99 = map(statistics.median, (samples.rate, samples.p50, samples.p99))
                ratio = statistics.median(a / b for a, b in zip(samples.rate, base.rate, strict=True))
                goal = GOALS[model.name].judged(ratio) if who != "unprotected" else ""
                times = f"{p50:.2f} ms", f"{p99:.2f} ms", f"{p99 / statistics.median(base.p99):.2f}"
                row(model.name, who, f"{rate:.0f}", f"{ratio:.2f}", goal, *times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of a second: to see that it works")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--unprotected", type=Path, help=argparse.SUPPRESS)
    given = vars(parser.parse_args())
    unprotected = given.pop("unprotected")
    if unprotected is not None:
        serve_unprotected(unprotected, threads=given["workers"])
    else:
        print_serving(**given)


if __name__ == "__main__":
    main()
