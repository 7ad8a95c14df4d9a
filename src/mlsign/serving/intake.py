"""What the server takes in at once: how many requests, how many bytes of bodies, and how long it waits for one.

Every byte of a body is paid for as it comes, out of one budget for all: as many clients as may connect cannot fill the memory
together, and one that only announces much keeps nobody else out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Final

from mlsign.errors import InputError, OutsideError
from mlsign.strict import decode_decimal

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BUDGET_BODIES: Final = 4
"""How many bodies of the largest size are held at once."""

_ALIGNMENT: Final = 64


class ClientGoneError(Exception):
    """The client closed the connection before its request was there: nobody is left to answer."""


class Intake:
    """Counts what is in flight. Belongs to one event loop."""

    def __init__(self, *, max_requests: int, max_body: int, body_seconds: float) -> None:
        self.max_body = max_body
        self.body_seconds = body_seconds
        self.requests = 0
        self._max_requests = max_requests
        self._left = BUDGET_BODIES * max_body

    @contextmanager
    def request(self) -> Iterator[None]:
        """Room for one more request. Raises ``OutsideError`` (``serve.busy``) where there is none."""
        if self.requests >= self._max_requests:
            message = f"{self._max_requests} requests are being answered, and no more are taken at once"
            raise OutsideError(message, code="serve.busy", hint="send it again later")
        self.requests += 1
        try:
            yield
        finally:
            self.requests -= 1

    @contextmanager
    def body(self, announced: bytes | None) -> Iterator[Body]:
        """A body to read, of the length that was announced; what it took is free again afterwards.

        Raises ``InputError`` (``serve.body.size``, ``serve.header``) before anything is read.
        """
        length = None if announced is None else decode_length(announced, "content-length")
        body = Body(self, length)
        if length is not None and length > self.max_body:
            raise body.too_large(length)
        try:
            yield body
        finally:
            self._left += body.paid

    def pay(self, count: int) -> None:
        """Raises ``OutsideError`` (``serve.busy``) where so many bytes more are too many."""
        if count > self._left:
            message = "the bodies of other requests take the memory that there is for them"
            raise OutsideError(message, code="serve.busy", hint="send it again later")
        self._left -= count


class Body:
    """The body of one request."""

    def __init__(self, intake: Intake, length: int | None) -> None:
        self.paid = 0
        self.is_read = length == 0
        self._intake = intake
        self._length = length

    async def read(self, receive: Receive, *, header: int) -> memoryview:
        """All of it. ``header`` is how long its JSON part is: what follows that lies aligned in memory.

        Raises ``InputError`` (``serve.body.size``, ``serve.body.length``), ``OutsideError`` (``serve.body.slow``, ``serve.busy``),
        ``ClientGoneError``.
        """
        seconds = self._intake.body_seconds
        try:
            async with asyncio.timeout(seconds):
                body = await self._collect(receive, pad=-header % _ALIGNMENT)
        except TimeoutError as err:
            message = f"the body of the request did not come within {seconds:g} seconds"
            raise OutsideError(message, code="serve.body.slow", hint="send it faster, or less of it") from err
        self.is_read = True
        if self._length is not None and len(body) != self._length:
            # The parser of HTTP counts as well; this holds whatever stands before us.
            message = f"a body of {len(body)} bytes, announced were {self._length}"
            raise InputError(message, code="serve.body.length", expected=str(self._length), found=str(len(body)))
        return body

    async def _collect(self, receive: Receive, *, pad: int) -> memoryview:
        part, more = await self._part(receive)
        if not more:
            return memoryview(part)
        body = bytearray(pad)
        body += part
        while more:
            part, more = await self._part(receive)
            body += part
        return memoryview(body)[pad:]

    async def _part(self, receive: Receive) -> tuple[bytes, bool]:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        part: bytes = message.get("body", b"")
        total = self.paid + len(part)
        if total > self._intake.max_body:
            raise self.too_large(total)
        self._intake.pay(len(part))
        self.paid = total
        return part, message.get("more_body", False)

    def too_large(self, length: int) -> InputError:
        most = self._intake.max_body
        return InputError(
            f"a body of {length} bytes, this server takes at most {most}",
            code="serve.body.size",
            expected=f"at most {most}",
            found=str(length),
        )


def decode_length(value: bytes, name: str) -> int:
    """The number in a header that holds a length. Raises ``InputError`` (``serve.header``)."""
    try:
        return decode_decimal(value.decode("ascii"), where=name)
    except (UnicodeDecodeError, InputError) as err:
        message = f"the header {name} is not a decimal number"
        raise InputError(message, code="serve.header", where=name) from err
