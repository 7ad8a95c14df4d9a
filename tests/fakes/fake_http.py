"""One small HTTP server on loopback for services that tests talk to: routes, counters, and services that break on demand."""

import http.client
import json
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

MAX_BODY_BYTES = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return decode_json(self.body)

    def form(self) -> dict[str, str]:
        return {k: v[0] for k, v in parse_qs(self.body.decode(), strict_parsing=True, keep_blank_values=True).items()}


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int = 200
    body: bytes = b""
    type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """What a service answers instead: a status and words that say which check failed."""

    def __init__(self, message: str, *, status: int = 400, headers: Mapping[str, str] = MappingProxyType({})):
        super().__init__(message)
        self.status = status
        self.headers = headers


class Breakage(Enum):
    UNAVAILABLE = "unavailable"  # 503 with a JSON error
    DROP = "drop"  # the connection is closed without an answer
    HANG = "hang"  # no answer until the service is repaired or the server is closed
    GARBAGE = "garbage"  # 201 with bytes that are no answer


@dataclass
class _Broken:
    how: Breakage
    times: int | None
    repaired: threading.Event = field(default_factory=threading.Event)


Handler = Callable[[Request], Reply]


def reply_json(value: Any, *, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode())


def ask(
    url: str,
    body: Any = None,
    *,
    media_type: str = "application/json",
    headers: Mapping[str, str] = MappingProxyType({}),
    timeout: float = 10,
) -> tuple[int, bytes]:
    """Status and body of the answer: to a GET, or to a POST of ``body``, which is sent as JSON unless it is bytes."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        if body is None:
            connection.request("GET", path, headers=dict(headers))
        else:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            connection.request("POST", path, data, {"Content-Type": media_type, **headers})
        answer = connection.getresponse()
        if body is None and answer.status == 302:  # as a browser does
            return ask(answer.headers["Location"], timeout=timeout)
        return answer.status, answer.read()
    finally:
        connection.close()


def decode_json(data: bytes) -> Any:
    """JSON as our clients must send it: UTF-8, no repeated names."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            raise RefusedError("repeated name in JSON")
        return value

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=unique)
    except ValueError as err:
        raise RefusedError(f"not JSON: {err}") from err


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def server_bind(self) -> None:
        socketserver.TCPServer.server_bind(self)  # HTTPServer would ask the resolver for the name of this machine
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class LoopbackServer:
    """Routes are ``(method, path prefix)``; the longest prefix wins. Every route belongs to a named service."""

    def __init__(self, *, port: int = 0):
        self.requests: Counter[str] = Counter()
        self.log: list[tuple[str, str, str]] = []  # (service, method, path), in the order of arrival
        self._routes: dict[tuple[str, str], tuple[str, Handler]] = {}
        self._broken: dict[str, _Broken] = {}
        self._lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def route(self, service: str, method: str, path: str, handler: Handler) -> None:
        self._routes[method, path] = (service, handler)

    @property
    def services(self) -> frozenset[str]:
        return frozenset(service for service, _ in self._routes.values())

    def break_service(self, service: str, how: Breakage | str = Breakage.UNAVAILABLE, *, times: int | None = None) -> None:
        """Makes a service fail from now on, or for the next ``times`` requests."""
        if service not in self.services:
            raise ValueError(f"no such service: {service}")
        self.repair_service(service)
        with self._lock:
            self._broken[service] = _Broken(Breakage(how), times)

    def repair_service(self, service: str) -> None:
        with self._lock:
            broken = self._broken.pop(service, None)
        if broken:
            broken.repaired.set()

    def close(self) -> None:
        for service in tuple(self._broken):
            self.repair_service(service)
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _breakage(self, service: str) -> _Broken | None:
        with self._lock:
            broken = self._broken.get(service)
            if broken and broken.times is not None:
                broken.times -= 1
                if broken.times <= 0:
                    del self._broken[service]
            return broken

    def _find(self, method: str, path: str) -> tuple[str, Handler]:
        fits = [(p, found) for (m, p), found in self._routes.items() if m == method and self._matches(path, p)]
        if not fits:
            raise RefusedError(f"no such resource: {method} {path}", status=404)
        return max(fits, key=lambda fit: len(fit[0]))[1]

    @staticmethod
    def _matches(path: str, prefix: str) -> bool:
        return path.startswith(prefix) if prefix.endswith("/") else path == prefix

    def _answer(self, request: Request) -> Reply | None:
        """The reply, or None where the connection is to be dropped."""
        try:
            service, handler = self._find(request.method, request.path)
            with self._lock:
                self.requests[service] += 1
                self.log.append((service, request.method, request.path))
            broken = self._breakage(service)
            if broken is None:
                return handler(request)
        except RefusedError as err:
            body = json.dumps({"code": err.status, "message": str(err)}).encode()
            return Reply(status=err.status, body=body, headers=err.headers)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as err:
            # A request that is not shaped as the service wants it.
            return reply_json({"code": 400, "message": f"malformed request: {err!r}"}, status=400)
        if broken.how is Breakage.HANG:
            broken.repaired.wait()
        if broken.how is Breakage.UNAVAILABLE:
            return reply_json({"code": 503, "message": f"{service} is unavailable"}, status=503)
        return Reply(status=201, body=b"\x00garbage") if broken.how is Breakage.GARBAGE else None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class _Handler(BaseHTTPRequestHandler):
            timeout = 30

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if not 0 <= length <= MAX_BODY_BYTES:
                    self.send_error(413)
                    return
                parts = urlsplit(self.path)
                reply = outer._answer(
                    Request(
                        method=self.command,
                        path=parts.path,
                        query={k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()},
                        headers={k.lower(): v for k, v in self.headers.items()},
                        body=self.rfile.read(length),
                    )
                )
                if reply is None:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.type)
                self.send_header("Content-Length", str(len(reply.body)))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(reply.body)

        return _Handler
