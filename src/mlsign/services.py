"""Talking to services that nobody here controls: one deadline for a whole exchange, and libraries that stay silent.

What a library calls a timeout is mostly the longest pause between two bytes. Headers that drip, answers of "100 Continue"
and chunks whose length never ends are all in time by that measure, for ever.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from typing import TypeVar

_T = TypeVar("_T")


class OverdueError(Exception):
    """There was no result in time. Whoever asked says of which service."""


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """What ``work`` gives or raises, waiting for it no longer than ``seconds``.

    Work that is given up goes on in its thread until its socket is closed, and does not keep the process from ending; so
    it must write nothing, and hold no more than it is allowed to hold. Raises ``OverdueError``.
    """
    outcome: Future[_T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as err:  # noqa: BLE001 - not swallowed: it is raised where the result is waited for
            outcome.set_exception(err)

    if seconds > 0:
        threading.Thread(target=run, name="mlsign-exchange", daemon=True).start()
        wait_for((outcome,), timeout=seconds)
    if not outcome.done():
        raise OverdueError
    return outcome.result()


@contextmanager
def overheard(*libraries: str) -> Iterator[list[str]]:
    """The warnings of the libraries meanwhile, in a list instead of on the terminal.

    They quote what a service sent as it came, and nobody asked for them under ``--quiet``. What is said of them is to be
    said in an error, escaped.
    """
    heard: list[str] = []
    handler = _Listener(heard)
    loggers = [logging.getLogger(name) for name in libraries]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield heard
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate


class _Listener(logging.Handler):
    """Keeps what is said, without a word of its own."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage())
