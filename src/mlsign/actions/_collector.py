"""Python's search for cycles, put off while a document is read: of many objects it finds none, and that takes most of the time."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps Python from looking for cycles, for work that makes none and takes no longer than its input is long.

    Of two threads here at once the first to end switches it on again for both, which costs the other its time and no more.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
