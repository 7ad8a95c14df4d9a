"""The worker's side of the area of results: a body goes in whole, or not at all."""

from __future__ import annotations

from mlsign.errors import JailError
from mlsign.limits import Limits
from mlsign.sandbox.protocol import ROOM_BYTES
from mlsign.sandbox.values import Buffer


def fill_results(area: memoryview, parts: list[Buffer], *, limits: Limits) -> int:
    """The parts lie in the area; their length. Raises ``JailError`` (``sandbox.output.size``) before anything is written."""
    length = sum(len(part) for part in parts)
    if length > min(limits.max_output_bytes + ROOM_BYTES, len(area)):
        raise JailError(f"the outputs have more than {limits.max_output_bytes} bytes", code="sandbox.output.size")
    at = 0
    for part in parts:
        area[at : at + len(part)] = part
        at += len(part)
    return length
