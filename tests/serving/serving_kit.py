"""What tests of the server are made of: real packages of small models, the server as a process, and raw connections to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from making import Pair, write_policy
from onnx import TensorProto, helper, numpy_helper
from processes import workers_below

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.signing.sign import sign

START_SECONDS = 240
WAIT_SECONDS = 60
"""For what must happen, and how soon says only what else the machine does."""

ELEMENTS = {
    "BOOL": TensorProto.BOOL,
    "INT8": TensorProto.INT8,
    "INT16": TensorProto.INT16,
    "INT32": TensorProto.INT32,
    "INT64": TensorProto.INT64,
    "UINT8": TensorProto.UINT8,
    "UINT16": TensorProto.UINT16,
    "UINT32": TensorProto.UINT32,
    "UINT64": TensorProto.UINT64,
    "FP16": TensorProto.FLOAT16,
    "FP32": TensorProto.FLOAT,
    "FP64": TensorProto.DOUBLE,
    "BF16": TensorProto.BFLOAT16,
    "BYTES": TensorProto.STRING,
}


def model_of(nodes, inputs, outputs, *, weights=(), ml=False, opset=17) -> onnx.ModelProto:
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])
    return helper.make_model(helper.make_graph(nodes, "g", inputs, outputs, list(weights)), opset_imports=imports, ir_version=8)


def value(name: str, element: int = TensorProto.FLOAT, shape: Any = ("n",)):
    return helper.make_tensor_value_info(name, element, shape)


def linear(*, scale: float = 1.0) -> onnx.ModelProto:
    """``y = scale * x`` over rows of four."""
    weight = numpy_helper.from_array(np.array([scale], dtype=np.float32), "k")
    return model_of(
        [helper.make_node("Mul", ["x", "k"], ["y"])], [value("x", shape=("n", 4))], [value("y", shape=("n", 4))], weights=[weight]
    )


def echo() -> onnx.ModelProto:
    """Gives back what it is given, of every type that the protocol has, but for BF16, which onnxruntime does not take beside texts."""
    types = {datatype.lower(): element for datatype, element in ELEMENTS.items() if datatype != "BF16"}
    return model_of(
        [helper.make_node("Identity", [name], [f"{name}_out"]) for name in types],
        [value(name, element, ("n",)) for name, element in types.items()],
        [value(f"{name}_out", element, ("n",)) for name, element in types.items()],
    )


def one_type(datatype: str, shape: Any = ("n", 2)) -> onnx.ModelProto:
    element = ELEMENTS[datatype]
    return model_of([helper.make_node("Identity", ["x"], ["y"])], [value("x", element, shape)], [value("y", element, shape)])


def classifier() -> onnx.ModelProto:
    """Three classes named by texts, with a ZipMap at the end, as exporters make them."""
    nodes = [
        helper.make_node(
            "LinearClassifier",
            ["x"],
            ["label", "scores"],
            domain="ai.onnx.ml",
            classlabels_strings=["ham", "eggs", "spam"],
            coefficients=[1.0, 0.0, 0.0, 1.0, 1.0, 1.0],
            intercepts=[0.0, 0.0, -1.0],
            post_transform="SOFTMAX",
        ),
        helper.make_node("ZipMap", ["scores"], ["chances"], domain="ai.onnx.ml", classlabels_strings=["ham", "eggs", "spam"]),
    ]
    inner = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, ()))
    chances = helper.make_value_info("chances", helper.make_sequence_type_proto(inner))
    return model_of(nodes, [value("x", shape=("n", 2))], [value("label", TensorProto.STRING), chances], ml=True)


def gatherer() -> onnx.ModelProto:
    """Fails for an index beyond three: an error of the model, and not of its worker."""
    table = numpy_helper.from_array(np.arange(4, dtype=np.float32), "table")
    return model_of(
        [helper.make_node("Gather", ["table", "i"], ["y"])], [value("i", TensorProto.INT64)], [value("y")], weights=[table]
    )


def slow(*, turns: int = 60) -> onnx.ModelProto:
    """Matrix products in a row: takes no time for one row, and with some hundred tenths of a second."""
    nodes = [helper.make_node("Mul", ["x", "ones"], ["h0"])]
    nodes += [helper.make_node("MatMul", [f"h{i}", "w"], [f"h{i + 1}"]) for i in range(turns)]
    nodes += [helper.make_node("ReduceMean", [f"h{turns}"], ["y"], axes=[1], keepdims=1)]
    weights = {"w": np.full((512, 512), 1 / 512, dtype=np.float32), "ones": np.ones((1, 512), dtype=np.float32)}
    made = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    return model_of(nodes, [value("x", shape=("n", 1))], [value("y", shape=("n", 1))], weights=made)


def sequence_of_tensors() -> onnx.ModelProto:
    nodes = [helper.make_node("SplitToSequence", ["x"], ["y"], axis=0)]
    out = helper.make_value_info("y", helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None)))
    return model_of(nodes, [value("x", shape=("n", 2))], [out])


def package(folder: Path, name: str, model: onnx.ModelProto, *signers: Pair) -> Path:
    """A signed package; ``name`` is name-version."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / f"{name}.onnx"
    source.write_bytes(model.SerializeToString())
    path = pack(PackRequest(model=source, output=folder / name)).path
    for pair in signers:
        sign(path, pair.signer)
    return path


def policy(folder: Path, *signers: Pair, rest: str = "") -> Path:
    return write_policy(folder, {"release": (1, [pair.public for pair in signers])}, rest=rest)


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    scheme: str = "http"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    def lines(self, event: str | None = None) -> list[dict]:
        """The log as it is now: every line of it is one JSON object."""
        text = self.log.read_text()
        found = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in found if event is None or line["event"] == event]

    def wait_for(self, event: str, *, count: int = 1, seconds: float = WAIT_SECONDS, **fields: Any) -> dict:
        """The line of the log that says so, once it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            found = [line for line in self.lines(event) if all(line[key] == wanted for key, wanted in fields.items())]
            if len(found) >= count:
                return found[-1]
            time.sleep(0.02)
        raise AssertionError(f"no {event} {fields} in\n{self.log.read_text()}")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def stop(self) -> int:
        """Ends it in order; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(WAIT_SECONDS)


@contextmanager
def serving(*packages: Path, policy: Path, log: Path, options: tuple[object, ...] = (), check: bool = True) -> Iterator[Server]:
    """``mlsign serve`` as a process, on a port of its own, ready; ended and gone when this is over."""
    command = [sys.executable, "-m", "mlsign", "serve", *packages, "--policy", policy, "--port", "0", "--workers", "2", *options]
    with log.open("wb") as file:
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=file)
    server = Server(process, log)
    try:
        line = server.wait_for("listening", seconds=START_SECONDS)
        server.port, server.scheme = line["port"], "https" if line["tls"] else "http"
        yield server
        if check:
            assert server.stop() == 0, log.read_text()
            assert not server.lines("defect")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def refused(*packages: Path, policy: Path, options: tuple[object, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A server that does not start."""
    command = [sys.executable, "-m", "mlsign", "serve", *packages, "--policy", policy, "--port", "0", *options]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=START_SECONDS)


@dataclass(frozen=True)
class Reply:
    """What came back over a raw connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        document = json.loads(self.body)
        assert document.keys() == {"error"}
        return document["error"]


def read_reply(sock: socket.socket, rest: bytes = b"") -> tuple[Reply, bytes]:
    """One response, and what came after it."""
    data = rest
    while b"\r\n\r\n" not in data:
        part = sock.recv(65536)
        assert part, f"closed after {data!r}"
        data += part
    head, _, data = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers["content-length"])
    while len(data) < length:
        part = sock.recv(65536)
        assert part, f"cut after {data!r}"
        data += part
    return Reply(int(lines[0].split()[1]), headers, data[:length]), data[length:]


def connect(server: Server) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_SECONDS)
    sock.settimeout(WAIT_SECONDS)
    return sock


def send(server: Server, data: bytes) -> Reply:
    """What is answered to these bytes on a connection of their own."""
    with connect(server) as sock:
        sock.sendall(data)
        return read_reply(sock)[0]


def post(server: Server, path: str, body: bytes = b"", **headers: object) -> Reply:
    given = {"Host": "x", "Content-Length": len(body)} | {name.replace("_", "-"): text for name, text in headers.items()}
    head = "".join(f"{name}: {text}\r\n" for name, text in given.items() if text is not None)
    return send(server, f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body)


def get(server: Server, path: str, **headers: object) -> Reply:
    head = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
    return send(server, f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())


def metrics(server: Server, **headers: object) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = get(server, "/metrics", **headers).body.decode()
    return {
        key: float(number) for key, _, number in (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    }


def workers_of(server: Server, *, count: int | None = 2) -> list[int]:
    """The processes that models run in, once there are so many: the server has a zygote, that has keepers, and each of them has one."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found = sorted(workers_below(server.process.pid))
        if count is None or len(found) == count:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def hang_up(server: Server) -> None:
    os.kill(server.process.pid, signal.SIGHUP)
