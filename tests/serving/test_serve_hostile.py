"""Requests that nobody sends by accident, over raw connections: each is answered, and the server goes on."""

import json
import socket
import struct

import pytest
from serving_kit import Reply, Server, connect, get, metrics, post, read_reply, send

pytestmark = pytest.mark.linux

INFER = "/v2/models/linear/infer"
ROW = {"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
GOOD = {"inputs": [ROW]}


@pytest.fixture(autouse=True)
def _goes_on(shared: Server):
    yield
    assert infer(shared, GOOD).status == 200
    assert not shared.lines("defect")


def infer(server: Server, document: object, **headers: object) -> Reply:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return post(server, INFER, body, **headers)


def binary(server: Server, inputs: list[dict], raw: bytes, *, header: object = None, path: str = INFER) -> Reply:
    head = json.dumps({"inputs": inputs}).encode()
    return post(server, path, head + raw, Inference_Header_Content_Length=len(head) if header is None else header)


def row(**changes: object) -> dict:
    return {name: given for name, given in (ROW | changes).items() if given is not ...}


def sized(size: object, **changes: object) -> dict:
    return row(data=..., parameters={"binary_data_size": size}, **changes)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "json.syntax"),
        (b"{", "json.syntax"),
        (b"[]", "infer.type"),
        (b"null", "infer.type"),
        (b"\xff\xfe{}", "json.encoding"),
        (b"\xef\xbb\xbf{}", "json.encoding"),
        (b'{"inputs":[],"inputs":[]}', "json.duplicate_key"),
        (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[NaN,1,2,3]}]}', "json.number"),
        (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[Infinity,1,2,3]}]}', "json.number"),
        (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1e999,1,2,3]}]}', "json.number"),
        (b'{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[%s,1,2,3]}]}' % (b"9" * 400), "json.integer"),
        (b'{"inputs":' + b"[" * 50_000 + b"]" * 50_000 + b"}", "json.depth"),
        (b'{"inputs":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}", "json.depth"),
        (b'{"id":"\\ud800","inputs":[]}', "json.encoding"),
        ({}, "infer.missing"),
        ({"inputs": {}}, "infer.type"),
        ({"inputs": [[]]}, "infer.type"),
        ({"Inputs": []}, "infer.missing"),
        ({"inputs": [ROW], "OUTPUTS": []}, "infer.unknown"),
        ({"inputs": [ROW], "id": 7}, "infer.type"),
        ({"inputs": [ROW], "id": "x" * 2000}, "infer.length"),
        ({"inputs": [ROW] * 2000}, "infer.length"),
        ({"inputs": [ROW, ROW]}, "infer.twice"),
        ({"inputs": [ROW], "outputs": [{"name": "y"}, {"name": "y"}]}, "infer.twice"),
        ({"inputs": [ROW], "outputs": [{"name": "z"}]}, "infer.output"),
        ({"inputs": [ROW], "outputs": [{}]}, "infer.missing"),
        ({"inputs": [ROW], "parameters": []}, "infer.type"),
        ({"inputs": [ROW], "parameters": {"binary_data_output": 1}}, "infer.type"),
        ({"inputs": [ROW], "parameters": {"timeout": -1}}, "infer.range"),
        ({"inputs": [ROW], "parameters": {"sequence_id": 1}}, "infer.unsupported"),
        ({"inputs": [row(name=7)]}, "infer.type"),
        ({"inputs": [row(name="")]}, "infer.length"),
        ({"inputs": [row(name="z")]}, "input.name"),
        ({"inputs": [row(shape=...)]}, "infer.missing"),
        ({"inputs": [row(shape=4)]}, "infer.type"),
        ({"inputs": [row(shape=[-1, 4])]}, "infer.shape"),
        ({"inputs": [row(shape=[1, -4])]}, "infer.shape"),
        ({"inputs": [row(shape=[1.0, 4])]}, "infer.shape"),
        ({"inputs": [row(shape=[True, 4])]}, "infer.shape"),
        ({"inputs": [row(shape=["1", 4])]}, "infer.shape"),
        ({"inputs": [row(shape=[2**63, 4])]}, "infer.shape"),
        ({"inputs": [row(shape=[1] * 40)]}, "infer.length"),
        ({"inputs": [row(shape=[2**62, 4])]}, "infer.elements"),
        ({"inputs": [row(shape=[2**32, 2**32])]}, "infer.elements"),
        ({"inputs": [row(shape=[2**62, 0])]}, "infer.elements"),
        ({"inputs": [row(shape=[0, 2**33], data=[])]}, "infer.elements"),
        ({"inputs": [row(shape=[2, 4])]}, "infer.data"),
        ({"inputs": [row(shape=[1, 3])]}, "infer.data"),
        ({"inputs": [row(shape=[])]}, "infer.data"),
        ({"inputs": [row(data=...)]}, "infer.data"),
        ({"inputs": [row(data=None)]}, "infer.type"),
        ({"inputs": [row(data="1234")]}, "infer.type"),
        ({"inputs": [row(data={"0": 1})]}, "infer.type"),
        ({"inputs": [row(data=[1, 2, 3, True])]}, "infer.type"),
        ({"inputs": [row(data=[1, 2, 3, None])]}, "infer.type"),
        ({"inputs": [row(data=[1, 2, 3, "4"])]}, "infer.type"),
        ({"inputs": [row(data=[1, 2, 3, [4]])]}, "infer.type"),
        ({"inputs": [row(data=[[1, 2, 3, 4, 5]])]}, "infer.data"),
        ({"inputs": [row(data=[[1, 2, 3]])]}, "infer.data"),
        ({"inputs": [row(data=[[1, 2], [3, 4]])]}, "infer.data"),
        ({"inputs": [row(data=[[[1, 2, 3, 4]]])]}, "infer.data"),
        ({"inputs": [row(data=[1e39, 0, 0, 0])]}, "infer.value"),
        ({"inputs": [row(datatype="FP64")]}, "infer.datatype"),
        ({"inputs": [row(datatype="fp32")]}, "infer.datatype"),
        ({"inputs": [row(datatype="\u001b[31m")]}, "infer.datatype"),
        ({"inputs": [row(parameters={"binary_data_size": 16})]}, "infer.data"),
        ({"inputs": [row(parameters={"shared_memory_region": "r"}, data=...)]}, "infer.unsupported"),
    ],
)
def test_documents_that_are_wrong(shared: Server, document: object, code: str):
    reply = infer(shared, document)
    assert (reply.status, reply.headers["mlsign-error-code"]) == (400, code)
    assert "\x1b" not in reply.error


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2, 3, 4]], [[1.5, 2, -3, 4e10]]], ids=["flat", "nested", "numbers"])
def test_data_may_be_flat_or_nested(shared: Server, data: list):
    assert infer(shared, {"inputs": [row(data=data)]}).status == 200


def test_fields_that_the_protocol_may_grow_are_let_through(shared: Server):
    document = {"inputs": [row(later=1, parameters={"hint": "x"})], "later": {}, "parameters": {"priority": 3, "mine": "x"}}
    assert infer(shared, document).status == 200


@pytest.mark.parametrize(
    ("inputs", "raw", "header", "code"),
    [
        ([sized(16)], b"", None, "infer.length"),
        ([sized(16)], bytes(15), None, "infer.length"),
        ([sized(16)], bytes(17), None, "infer.length"),
        ([sized(12)], bytes(12), None, "infer.bytes"),
        ([sized(20)], bytes(20), None, "infer.bytes"),
        ([sized(0)], b"", None, "infer.bytes"),
        ([sized(-16)], bytes(16), None, "infer.range"),
        ([sized(2**63)], bytes(16), None, "json.integer"),
        ([sized(2**53)], bytes(16), None, "infer.range"),
        ([sized(2**52)], bytes(16), None, "infer.length"),
        ([sized(16.0)], bytes(16), None, "infer.type"),
        ([sized("16")], bytes(16), None, "infer.type"),
        ([sized(True)], bytes(16), None, "infer.type"),
        ([sized(16, shape=[2**61, 4])], bytes(16), None, "infer.elements"),
        ([sized(16), sized(16, name="y")], bytes(32), None, "input.name"),
        ([ROW], bytes(16), None, "infer.length"),
        ([sized(16)], bytes(16), 0, "json.syntax"),
        ([sized(16)], bytes(16), 1, "json.syntax"),
        ([sized(16)], bytes(16), 10**6, "infer.length"),
        ([sized(16)], bytes(16), 10**18, "infer.length"),
        ([sized(16)], bytes(16), 10**30, "serve.header"),
        ([sized(16)], bytes(16), -1, "serve.header"),
        ([sized(16)], bytes(16), "+10", "serve.header"),
        ([sized(16)], bytes(16), "0x10", "serve.header"),
        ([sized(16)], bytes(16), "1_0", "serve.header"),
        ([sized(16)], bytes(16), "", "serve.header"),
    ],
)
def test_binary_data_that_is_not_what_was_announced(shared: Server, inputs: list, raw: bytes, header: object, code: str):
    reply = binary(shared, inputs, raw, header=header)
    assert (reply.status, reply.headers["mlsign-error-code"]) == (400, code if code != "json.integer" else "infer.range")


@pytest.mark.parametrize(
    ("raw", "shape", "code"),
    [
        (struct.pack("<I", 1) + b"a", [1, 2], "infer.bytes"),
        (struct.pack("<I", 2) + b"a" + struct.pack("<I", 0), [1, 2], "infer.bytes"),
        (struct.pack("<I", 0xFFFFFFFF) + bytes(4), [1, 2], "infer.bytes"),
        (struct.pack("<III", 0, 0, 0), [1, 2], "infer.bytes"),
        (struct.pack("<II", 0, 0) + b"\0", [1, 2], "infer.bytes"),
        (struct.pack("<I", 1) + b"\xff" + struct.pack("<I", 0), [1, 2], "infer.encoding"),
        (bytes(8), [2**20, 2], "infer.texts"),
        (bytes(8), [2**19, 1], "infer.bytes"),
        (b"", [1, 2], "infer.bytes"),
    ],
)
def test_texts_in_binary(shared: Server, raw: bytes, shape: list, code: str):
    given = {"name": "x", "shape": shape, "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    reply = binary(shared, [given], raw, path="/v2/models/words/infer")
    assert (reply.status, reply.headers["mlsign-error-code"]) == (400, code)


def test_a_boolean_that_is_neither(shared: Server):
    given = {"name": "bool", "shape": [3], "datatype": "BOOL", "parameters": {"binary_data_size": 3}}
    reply = binary(shared, [given], b"\0\1\2", path="/v2/models/echo/infer")
    assert (reply.status, reply.headers["mlsign-error-code"]) == (400, "infer.value")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999999\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n", 413),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n", 413),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (b"POST %s HTTP/9.9\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"\0\0\0\0\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n{}", 400),
        (b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}", 415),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 10_000 + b"\r\n", 431),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"a" * 100_000, 400),
    ],
)
def test_heads_that_are_wrong(shared: Server, head: bytes, status: int):
    reply = send(shared, head.replace(b"%s", INFER.encode()))
    assert reply.status == status
    assert reply.error
    assert reply.headers["connection"] == "close"


def test_what_is_no_request_is_counted_and_logged(shared: Server):
    before = metrics(shared)["mlsign_malformed_requests_total"]
    send(shared, b"\0\r\n\r\n")
    shared.wait_for("connection.malformed", client="127.0.0.1", status=400)
    assert metrics(shared)["mlsign_malformed_requests_total"] == before + 1


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v2/models", 404),
        ("GET", "/v2/models/", 404),
        ("GET", "/v2/models//ready", 404),
        ("GET", "/v2/models/linear/", 404),
        ("GET", "/v2/models/linear/config", 404),
        ("GET", "/v2/models/linear/versions", 404),
        ("GET", "/v2/models/linear/versions/", 404),
        ("GET", "/v2/models/linear/versions/1.0.0/ready/x", 404),
        ("GET", "/v2/models/linear/versions/9.9.9", 404),
        ("GET", "/v2/models/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v2/models/%ff", 404),
        ("GET", "/v2/models/%00", 404),
        ("GET", "//v2/health/live", 404),
        ("GET", INFER, 405),
        ("PUT", INFER, 405),
        ("DELETE", "/v2/models/linear", 405),
        ("OPTIONS", "/v2", 405),
        ("POST", "/v2/repository/models/linear/load", 404),
        ("POST", "/metrics", 405),
        ("GET", "/v2/models/%6Cinear", 200),
        ("GET", "/v2/models/linear?x=%00", 200),
    ],
)
def test_paths_and_methods(shared: Server, method: str, path: str, status: int):
    reply = send(shared, f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert reply.status == status
    if status == 405:
        assert reply.headers["allow"] in ("get", "post")
    if status >= 400:
        assert reply.error


def test_no_head_of_a_request_is_answered_with_a_body(shared: Server):
    with connect(shared) as sock:
        sock.sendall(b"HEAD /v2/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while part := sock.recv(65536):
            data += part
    assert data.startswith(b"HTTP/1.1 405 ")
    assert data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("given", ["x" * 200, "a b", "ü", "", "../x", "-x", "a\tb", '"'])
def test_a_request_id_that_is_none_is_replaced(shared: Server, given: str):
    reply = get(shared, "/v2", X_Request_Id=given)
    assert reply.headers["x-request-id"] not in (given, "")


def test_a_request_id_is_in_the_answer_and_the_log(shared: Server):
    reply = infer(shared, GOOD, X_Request_Id="Trace-7.a_b")
    assert reply.headers["x-request-id"] == "trace-7.a_b"
    line = shared.wait_for("request", request_id="Trace-7.a_b")
    assert (line["status"], line["model"], line["version"], line["route"]) == (200, "linear", "1.10.0", "infer")


def test_the_log_never_has_what_was_sent(shared: Server):
    secret = "geheim-4711"
    documents: list[object] = [
        {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "BYTES", "data": [secret, secret]}]},
        {"inputs": [{"name": secret, "shape": [1], "datatype": secret, "data": [secret]}], "id": secret},
        f'{{"{secret}": '.encode(),
    ]
    for document in documents:
        for model in ("words", "linear", secret):
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            post(shared, f"/v2/models/{model}/infer?{secret}", body, X_Secret=secret)
    get(shared, f"/v2/models/{secret}", X_Request_Id="the-last-one")
    shared.wait_for("request", request_id="the-last-one")
    assert secret not in shared.log.read_text()
    assert secret not in "".join(metrics(shared))


def test_chunks_are_a_body_like_any_other(shared: Server):
    body = json.dumps(GOOD).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[i : i + 7] for i in range(0, len(body), 7)))
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    assert send(shared, head + chunks + b"0\r\n\r\n").status == 200


def test_chunks_beyond_the_limit(shared: Server):
    head = f"POST {INFER} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"%x\r\n%s\r\n" % (65536, b" " * 65536)
    assert send(shared, head + chunk * 17 + b"0\r\n\r\n").status == 413


def test_a_client_that_sends_too_much_still_hears_why(shared: Server):
    """Although it never stops to listen: a connection that is cut at once would take the answer with it."""
    with connect(shared) as sock:
        size = 8 << 20
        sock.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))
        assert read_reply(sock)[0].status == 413


def test_requests_in_line_are_answered_in_their_order(shared: Server):
    def one(factor: int) -> bytes:
        body = json.dumps({"id": str(factor), "inputs": [row(data=[factor] * 4)]}).encode()
        return f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    with connect(shared) as sock:
        sock.sendall(b"".join(map(one, range(8))))
        rest = b""
        for factor in range(8):
            reply, rest = read_reply(sock, rest)
            document = json.loads(reply.body)
            assert document["id"] == str(factor)
            assert document["outputs"][0]["data"] == [factor * 10] * 4


def test_too_many_requests_in_line_end_the_connection(shared: Server):
    one = b"GET /v2 HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(shared) as sock:
        sock.sendall(one * 500)
        data = b""
        try:
            while part := sock.recv(65536):
                data += part
        except ConnectionError:
            pass
    assert data.count(b"HTTP/1.1 ") < 100


def test_garbage_after_a_request_does_not_cost_its_answer(shared: Server):
    body = json.dumps(GOOD).encode()
    with connect(shared) as sock:
        sock.sendall(
            f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body + b"\0\1\2 garbage\r\n\r\n"
        )
        reply, _rest = read_reply(sock)
        assert reply.status == 200
        assert json.loads(reply.body)["outputs"][0]["data"] == [10, 20, 30, 40]


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_another_protocol_is_not_spoken(shared: Server, protocol: str):
    asks = f"Connection: Upgrade\r\nUpgrade: {protocol}\r\n"
    reply = send(shared, f"GET /v2 HTTP/1.1\r\nHost: x\r\n{asks}\r\n".encode())
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    body = json.dumps(GOOD).encode()
    reply = send(shared, f"POST {INFER} HTTP/1.1\r\nHost: x\r\n{asks}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert (reply.status, reply.headers["mlsign-error-code"]) == (400, "serve.header")


def test_a_client_that_leaves_in_the_midst(shared: Server):
    for cut in (b"POST", f"POST {INFER} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{".encode()):
        with connect(shared) as sock:
            sock.sendall(cut)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    shared.wait_for("request", code="serve.gone")


def test_one_that_asks_first_is_told_before_it_sends(shared: Server):
    with connect(shared) as sock:
        sock.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n".encode())
        assert read_reply(sock)[0].status == 413
    body = json.dumps(GOOD).encode()
    with connect(shared) as sock:
        sock.sendall(f"POST {INFER} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        assert sock.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(body)
        assert read_reply(sock)[0].status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:8080"])
def test_a_page_in_a_browser_gets_nothing(shared: Server, origin: str):
    for reply in (
        infer(shared, GOOD, Origin=origin),
        get(shared, "/v2/models/linear", Origin=origin),
        get(shared, "/metrics", Origin=origin),
    ):
        assert (reply.status, reply.headers["mlsign-error-code"]) == (403, "serve.origin")
        assert "access-control-allow-origin" not in reply.headers
    assert get(shared, "/v2/health/live", Origin=origin).status == 200
