"""One connection: the parser of HTTP that uvicorn has, with bounds on what it leaves open.

A head has a size and a time, an idle connection has a time, an answer that nobody reads has a time, and there are only so many
connections and requests in line. Bodies are bounded in ``intake``.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from mlsign.limits import KIB
from mlsign.serving.journal import Journal

MAX_HEAD_BYTES: Final = 32 * KIB
MAX_PIPELINED: Final = 16
HEAD_SECONDS: Final = 10.0
UNREAD_SECONDS: Final = 30.0
UNREAD_BYTES: Final = 256 * KIB
"""Of an answer that has piled up, so much has to be read in that time, or the connection is cut."""


@dataclass(slots=True)
class ConnectionLimits:
    """How many connections there may be, who is told of those that come to nothing, and how many did."""

    most: int
    journal: Journal
    refused: int = 0
    malformed: int = 0


def bounded(limits: ConnectionLimits) -> type[asyncio.Protocol]:
    """A protocol for uvicorn whose connections keep to ``limits`` together."""

    class Bounded(_Connection):
        shared = limits

    return Bounded


class _Connection(HttpToolsProtocol):
    shared: ConnectionLimits

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head: int | None = 0  # bytes of the head so far; None while a body is read
        self._head_timer: asyncio.TimerHandle | None = None
        self._unread_timer: asyncio.TimerHandle | None = None
        self._refusal: tuple[int, str] = (400, "this is not HTTP/1.1 as this server reads it")
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes the connection, or cuts it where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.shared.most:
            self.shared.refused += 1
            self._refused = True
            self._tell("connection.refused", most=self.shared.most)
            transport.abort()
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head_timer()
        super().connection_lost(exc)  # which resumes writing

    def data_received(self, data: bytes) -> None:
        """Feeds the parser; of a head no more than is allowed, however it is cut into pieces."""
        if self._is_over():
            return
        if self._head is None:
            super().data_received(data)
            return
        room = MAX_HEAD_BYTES - self._head
        before = self._latest()
        super().data_received(data[:room])
        if self._is_over():
            return
        if self._latest() is before and self._head is not None:
            self._head += len(data)
            if len(data) > room:
                self._refusal = (431, f"the head of the request has more than {MAX_HEAD_BYTES} bytes")
                self.send_400_response("")
            elif self._head_timer is None:
                self._await_head()
            return
        if rest := data[room:]:
            super().data_received(rest)

    def on_headers_complete(self) -> None:
        """The head is there: a request begins, or joins the line."""
        if len(self.pipeline) >= MAX_PIPELINED:
            # It cannot be refused in its turn, and an answer before that would be taken for one to another request.
            self._refused = True
            self.transport.abort()
            return
        super().on_headers_complete()
        self._forget_head_timer()
        self._head = None

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._head = 0

    def _is_over(self) -> bool:
        """Nothing more is read from this client."""
        return self._refused or self.transport.is_closing()

    def _latest(self) -> RequestResponseCycle | None:
        """The request that came last, None before the first."""
        return self.cycle

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._head:
            self._refusal = (408, f"the head of the request did not come within {HEAD_SECONDS:g} seconds")
            self.send_400_response("")
        elif self._latest() is None:
            self._refused = True
            self.transport.close()  # said nothing at all

    def _unsupported_upgrade_warning(self) -> None:
        """Goes on as if no other protocol had been asked for; but the parser has stopped, so this request is the last one."""
        if (cycle := self._latest()) is not None:
            cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        """Answers what is no request, and ends the connection; requests before it are still answered."""
        del msg  # uvicorn's own words
        self.shared.malformed += 1
        self._refused = True
        self._tell("connection.malformed", status=self._refusal[0])
        cycle = self._latest()
        if cycle is not None and not cycle.response_complete and not cycle.more_body:
            cycle.keep_alive = False
            return
        status, message = self._refusal
        body = json.dumps({"error": message}).encode("ascii")
        head = STATUS_LINE[status] + b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(
            body
        )
        if cycle is None or cycle.response_complete or not cycle.response_started:
            self.transport.write(head + body)
        self.transport.close()

    def _tell(self, event: str, **fields: int) -> None:
        self.shared.journal.info(event, client=self.client[0] if self.client else "", **fields)

    def pause_writing(self) -> None:
        """More lies unread than is good: from here on the client has to read, or the connection is cut."""
        super().pause_writing()
        if self._unread_timer is None:
            self._watch_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread_timer is not None:
            self._unread_timer.cancel()
            self._unread_timer = None

    def _watch_unread(self) -> None:
        size = self.transport.get_write_buffer_size()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self._cut_unread, size)

    def _cut_unread(self, before: int) -> None:
        self._unread_timer = None
        if self.transport.get_write_buffer_size() > before - UNREAD_BYTES:
            self.transport.abort()
        else:
            self._watch_unread()
