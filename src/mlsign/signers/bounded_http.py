"""HTTP for a library that asks without a timeout and takes whatever it is sent.

Its ``requests`` sessions get an adapter that ends each exchange in time, all of them together in time as well, and reads no
more of an answer, after decompression, than an honest one has.
"""

from __future__ import annotations

import time
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter

from mlsign.limits import MIB
from mlsign.services import OverdueError, within

MAX_ANSWER_BYTES: Final = MIB
"""Certificates and log entries have some kilobytes."""
_CHUNK_BYTES: Final = 16_384


class AnswerTooLargeError(requests.RequestException):
    """The service sent more than any honest answer has."""


class OverdueAnswerError(requests.Timeout):
    """The service did not finish its answer in time; the message says in what time."""


class BoundedAdapter(HTTPAdapter):
    """Each exchange takes ``each`` seconds at most, and all together ``total`` from now on."""

    def __init__(self, *, each: float, total: float) -> None:
        super().__init__()
        self._each = each
        self._end = time.monotonic() + total

    def send(  # noqa: PLR0917 - the signature is the library's
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - all is read here
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """The answer with its whole body. Raises ``OverdueAnswerError``, ``AnswerTooLargeError``, ``RequestException``."""
        seconds = min(self._each, self._end - time.monotonic())

        def exchange() -> requests.Response:
            pause = timeout or seconds + 1  # longer, so that it only ends what was given up already
            answer = super(BoundedAdapter, self).send(
                request, stream=True, timeout=pause, verify=verify, cert=cert, proxies=proxies
            )
            return _read(answer)

        try:
            return within(seconds, exchange)
        except OverdueError as err:
            raise OverdueAnswerError(f"no answer in {max(seconds, 0):.3g} seconds", request=request) from err


def bound_session(session: requests.Session, adapter: BoundedAdapter) -> None:
    """Whatever the session asks goes by the adapter from now on."""
    session.adapters.clear()
    for scheme in ("https://", "http://"):
        session.mount(scheme, adapter)


def _read(answer: requests.Response) -> requests.Response:
    """The answer with its body in it, so that nobody reads on without a limit."""
    body = bytearray()
    with answer:
        for piece in answer.iter_content(_CHUNK_BYTES):
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise AnswerTooLargeError(f"more than {MAX_ANSWER_BYTES} bytes", request=answer.request)
    answer._content = bytes(body)  # noqa: SLF001 - where the library keeps what was read; there is no public way
    return answer
