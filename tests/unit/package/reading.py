"""What tests of reading files have in common."""

import hashlib
import os
from pathlib import Path

import pytest
from blake3 import blake3

from mlsign.digest import Algorithm
from mlsign.package.file_source import FileSource

ALL = tuple(Algorithm)


def expected(data: bytes) -> list[bytes]:
    """Digests by all algorithms."""
    return [hashlib.sha256(data).digest(), blake3(data).digest(), hashlib.blake2b(data).digest()]


def refused(kind, call, *args, **how) -> str:
    """The code of the error."""
    with pytest.raises(kind) as caught:
        call(*args, **how)
    return caught.value.code


def source(path: Path) -> FileSource:
    return FileSource(os.open(path, os.O_RDONLY), where=path.name)
