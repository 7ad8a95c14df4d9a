"""The ONNX reader on any bytes: it returns a summary or raises ``InputError``, and nothing else, in bounded time."""

from __future__ import annotations

import sys

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import ModelSummary
from mlsign.source import MemorySource

LIMITS = Limits(max_nodes=20_000, max_tensors=20_000, max_attributes=50_000, max_fields=200_000, max_functions=1_000)


class Windowed:
    """The same bytes behind a source that claims nothing about memory."""

    def __init__(self, data: bytes) -> None:
        self._inner = MemorySource(data)

    @property
    def size(self) -> int:
        return self._inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        assert length <= 2 * 1024 * 1024, "the reader asked for more than a window"
        return self._inner.read_at(offset, length)


def read(data: bytes) -> ModelSummary | str:
    """The summary, or the code of the refusal."""
    try:
        return read_model(Windowed(data), limits=LIMITS)
    except InputError as err:
        return err.code


def check(data: bytes) -> None:
    """Only ``InputError`` may escape, and reading twice gives the same answer."""
    found = read(data)
    assert found == read(data)
    assert isinstance(found, ModelSummary) or found.startswith("onnx.")


def main() -> None:
    """Runs under atheris where it is installed."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
