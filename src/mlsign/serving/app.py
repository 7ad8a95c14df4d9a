"""The server as an ASGI application: the Open Inference Protocol over HTTP, and metrics.

Owns the order in which a request is looked at; what it says is ``request``, what is answered ``answers``. Listening is ``server``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from importlib.metadata import version as version_of
from typing import Any, Final, TypeVar

from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError, shown
from mlsign.serving.answers import Answer, answer_defect, answer_error, answer_inference, answer_json, answer_text
from mlsign.serving.carriage import TensorSpec
from mlsign.serving.described import describe_index, describe_model, describe_server
from mlsign.serving.intake import Body, ClientGoneError, Intake, Receive, decode_length
from mlsign.serving.journal import Journal, Level
from mlsign.serving.metrics import CONTENT_TYPE, Metrics
from mlsign.serving.request import (
    LONG_BYTES,
    InferRequest,
    KeptRequests,
    WantedOutput,
    check_json_size,
    decode_request,
    is_long_work,
)
from mlsign.serving.routes import OPEN, Kind, Route, decode_route
from mlsign.serving.shelf import Served, Shelf
from mlsign.serving.tensors import decode_inputs, encode_output, is_long_result
from mlsign.serving.tokens import Tokens

T = TypeVar("T")
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)
_ONCE: Final = frozenset(
    {b"authorization", b"content-encoding", b"content-length", b"inference-header-content-length", b"x-request-id"}
)
_JOINED_BYTES: Final = 65536
_LINGER_SECONDS: Final = 2.0
"""How long a client that is still sending is listened to after it was refused: a connection that is cut takes the answer with it."""


class Call:
    """One request, and what is known of it so far."""

    __slots__ = ("body_is_read", "headers", "id", "received", "route", "served", "started")

    def __init__(self, headers: dict[bytes, bytes], identifier: bytes) -> None:
        self.headers = headers
        self.id = identifier
        self.route: Route | None = None
        self.served: Served | None = None
        self.started = time.perf_counter()
        self.received = 0
        self.body_is_read = headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers


class Application:
    """Answers requests.

    ``tokens`` may be replaced while it runs, ``is_closing`` says that it will not be there for long, and ``expected`` is how many
    models there are when all are.
    """

    def __init__(self, *, shelf: Shelf, intake: Intake, metrics: Metrics, journal: Journal, seconds: float) -> None:
        self.tokens: Tokens | None = None
        self.is_closing = False
        self.expected = 0
        self._shelf = shelf
        self._intake = intake
        self._metrics = metrics
        self._journal = journal
        self._seconds = seconds
        self._requests = KeptRequests()
        self._prefix = os.urandom(8).hex()
        self._numbers = itertools.count(1)
        self._server = describe_server(version_of("mlsign"))

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request is answered, counted and logged, whatever comes."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is spoken here")  # lifespan and websockets are switched off where this is run
        call = self._call(scope["headers"])
        try:
            answer = await self._answer(call, scope, receive)
        except MlsignError as err:
            answer = answer_error(err, close=not call.body_is_read)
        except ClientGoneError:
            self._finish(call, scope, Answer(status=499, headers=(), chunks=(), code="serve.gone"))
            return
        except Exception as err:  # noqa: BLE001 - the outermost catch: no request may take others down with it
            self._journal.error("defect", request_id=call.id.decode("ascii"), error=type(err).__name__, place=place_of(err))
            answer = answer_defect()
        await self._send(call, answer, receive, send)
        self._finish(call, scope, answer)

    def _call(self, headers: list[tuple[bytes, bytes]]) -> Call:
        found = dict(headers)
        given = found.get(b"x-request-id")
        if given is None or _REQUEST_ID.fullmatch(given) is None:
            given = f"{self._prefix}-{next(self._numbers):x}".encode("ascii")
        return Call(found, given)

    async def _answer(self, call: Call, scope: MutableMapping[str, Any], receive: Receive) -> Answer:
        # 1. Nothing has two meanings: a header that decides is there once, and what follows the head is a body of HTTP/1.1.
        _check_once(scope["headers"], call.headers)
        if b"upgrade" in call.headers and not call.body_is_read:
            raise InputError(
                "no other protocol is spoken here", code="serve.header", where="upgrade", hint="send it without Upgrade"
            )
        # 2. Who may ask; what is open tells nothing of any model.
        path: bytes = scope["raw_path"]
        route = None
        with contextlib.suppress(InputError):
            route = decode_route(scope["method"], path)
        if route is None or route.kind not in OPEN:
            self._check_access(call)
        # 3. What is asked for.
        route = call.route = route or decode_route(scope["method"], path)
        match route.kind:
            case Kind.INFER:
                return await self._infer(call, route, receive)
            case Kind.INDEX:
                return await self._index(call, receive)
            case _:
                return self._tell(route)

    def _check_access(self, call: Call) -> None:
        """Raises ``TrustError``: ``serve.token``, and ``serve.origin`` for a page that a browser has opened where nobody needs a token.

        Any page may have its reader's browser send requests to loopback, and by a name that changes its address even read the answers.
        """
        if self.tokens is not None:
            self.tokens.check(call.headers.get(b"authorization"))
        elif b"origin" in call.headers:
            raise TrustError(
                "a page in a browser asks, and this server has no tokens to tell one page from another",
                code="serve.origin",
                hint="start it with --token-file, or ask from a program",
            )

    def _tell(self, route: Route) -> Answer:
        match route.kind:
            case Kind.LIVE:
                return answer_json({"live": True})
            case Kind.READY:
                models = self._shelf.models
                ready = not self.is_closing and len(models) >= self.expected and all(m.pool.health().ready for m in models)
                return answer_json({"live": True, "ready": ready}, status=200 if ready else 503)
            case Kind.SERVER:
                return answer_json(self._server)
            case Kind.METRICS:
                return answer_text(self._metrics.render(), content_type=CONTENT_TYPE)
            case Kind.MODEL_READY:
                served = self._shelf.find(route.model, route.version)
                ready = not self.is_closing and served.pool.health().ready > 0
                return answer_json({"name": served.name, "ready": ready}, status=200 if ready else 503)
            case _:
                served = self._shelf.find(route.model, route.version)
                return answer_json(describe_model(served, versions=self._shelf.versions(route.model)))

    async def _index(self, call: Call, receive: Receive) -> Answer:
        with self._intake.body(call.headers.get(b"content-length")) as body:
            payload = await self._read(call, body, receive, header=0)
            return answer_json(describe_index(self._shelf.models, asked=bytes(payload), is_closing=self.is_closing))

    async def _read(self, call: Call, body: Body, receive: Receive, *, header: int) -> memoryview:
        payload = await body.read(receive, header=header)
        call.body_is_read = body.is_read
        call.received = len(payload)
        return payload

    async def _infer(self, call: Call, route: Route, receive: Receive) -> Answer:
        call.served = self._shelf.find(route.model, route.version)
        if call.headers.get(b"content-encoding", b"identity") != b"identity":
            message = "compressed bodies are not taken: what a few bytes unpack to is known too late"
            raise InputError(message, code="serve.encoding", hint="send it without Content-Encoding")
        announced = call.headers.get(b"inference-header-content-length")
        header = 0 if announced is None else decode_length(announced, "inference-header-content-length")
        with self._intake.request(), self._intake.body(call.headers.get(b"content-length")) as body:
            payload = await self._read(call, body, receive, header=header)
            json_bytes = len(payload) if announced is None else header
            if json_bytes > len(payload):
                message = f"a JSON part of {json_bytes} bytes was announced, the body has {len(payload)}"
                raise InputError(message, code="infer.length", found=str(json_bytes))
            check_json_size(json_bytes)
            is_long = json_bytes > LONG_BYTES
            read = decode_request if is_long else self._requests.read
            request = await _aside(read, bytes(payload[:json_bytes]), when=is_long)
            rest = payload[json_bytes:]
            if request.binary_bytes != len(rest):
                message = f"{len(rest)} bytes follow the JSON, its inputs announce {request.binary_bytes}"
                raise InputError(message, code="infer.length", expected=str(request.binary_bytes), found=str(len(rest)))
            return await self._score(call, route, request, rest)

    async def _score(self, call: Call, route: Route, request: InferRequest, rest: memoryview) -> Answer:
        deadline = time.monotonic() + min(self._seconds, request.seconds or self._seconds)
        while True:
            served = call.served = self._shelf.find(route.model, route.version)
            wanted = _wanted(request, served)
            feeds = await _aside(partial(decode_inputs, interface=served.interface), request, rest, when=is_long_work(request))
            left = deadline - time.monotonic()
            if left <= 0:
                raise OutsideError("the time for this call is over before it began", code="serve.timeout", hint="grant it more")
            try:
                results = await served.pool.run_async(feeds, timeout=left)
            except JailError as err:
                # Replaced between our look and the call: whatever serves now is asked. Each turn needs another replacement.
                if err.code == "sandbox.pool.closed" and served not in self._shelf.models and not self.is_closing:
                    continue
                raise
            is_long = any(is_long_result(results[spec.name], binary=binary) for spec, binary in wanted)
            return await _aside(_told, served, request, wanted, results, when=is_long)

    async def _send(self, call: Call, answer: Answer, receive: Receive, send: Send) -> None:
        length = answer.length
        headers = [*answer.headers, (b"content-length", b"%d" % length), (b"x-request-id", call.id)]
        if answer.close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        chunks = answer.chunks if length > _JOINED_BYTES or len(answer.chunks) == 1 else (b"".join(answer.chunks),)
        for chunk in chunks[:-1]:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if answer.close and not call.body_is_read and b"expect" not in call.headers:
            await send({"type": "http.response.body", "body": chunks[-1], "more_body": True})
            await _linger(receive)
            chunks = (b"",)
        await send({"type": "http.response.body", "body": chunks[-1], "more_body": False})

    def _finish(self, call: Call, scope: Mapping[str, Any], answer: Answer) -> None:
        seconds = time.perf_counter() - call.started
        model, version = ("", "") if call.served is None else (call.served.name, call.served.version.text)
        self._metrics.counts(model, version, answer.status).add(seconds=seconds, received=call.received, sent=answer.length)
        if answer.code:
            self._metrics.error(answer.code)
        kind = call.route.kind if call.route is not None else None
        level = Level.ERROR if answer.status >= 500 else Level.DEBUG if kind in OPEN or kind is Kind.METRICS else Level.INFO
        if self._journal.says(level):
            client = scope.get("client")
            self._journal.write(
                level,
                "request",
                request_id=call.id.decode("ascii"),
                client=client[0] if client else "",
                method=shown(scope["method"]),
                route="" if kind is None else kind.value,
                model=model,
                version=version,
                status=answer.status,
                code=answer.code,
                seconds=round(seconds, 6),
                received=call.received,
                sent=answer.length,
            )


def _check_once(listed: list[tuple[bytes, bytes]], found: Mapping[bytes, bytes]) -> None:
    """Raises ``InputError`` (``serve.header``) for a header that decides something and stands there twice."""
    if len(listed) == len(found):
        return
    names = [name for name, _ in listed if name in _ONCE]
    for name in names:
        if names.count(name) > 1:
            where = name.decode("ascii")
            raise InputError(f"the header {where} stands there twice", code="serve.header", where=where)


def _wanted(request: InferRequest, served: Served) -> list[tuple[TensorSpec, bool]]:
    """The outputs to send and whether in binary. Raises ``InputError`` (``infer.output``)."""
    known = served.interface.outputs
    if request.outputs is None:
        return [(spec, request.binary_output) for spec in known]
    by_name = {spec.name: spec for spec in known}
    return [(_known(by_name, each), each.binary) for each in request.outputs]


def _known(by_name: Mapping[str, TensorSpec], each: WantedOutput) -> TensorSpec:
    spec = by_name.get(each.name)
    if spec is None:
        names = ", ".join(map(shown, by_name))
        raise InputError(f"the model has no output {shown(each.name)}, it gives {names}", code="infer.output", expected=names)
    return spec


def _told(served: Served, request: InferRequest, wanted: list[tuple[TensorSpec, bool]], results: Mapping[str, Any]) -> Answer:
    outputs = (encode_output(spec, results[spec.name], binary=binary) for spec, binary in wanted)
    return answer_inference(outputs, opening=served.opening, identifier=request.id)


async def _aside(work: Callable[..., T], *given: Any, when: bool) -> T:
    """What ``work`` makes of it; in a thread of its own where it takes long, so that others are answered meanwhile."""
    return await asyncio.to_thread(work, *given) if when else work(*given)


async def _linger(receive: Receive) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while True:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def place_of(err: Exception) -> str:
    """Where it went wrong, without what was there: neither messages nor values of variables."""
    trace = err.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"  # noqa: PTH119 - a name in a code object
