"""A model that is an archive for whoever reads from the end is refused; weights that merely look like it are not."""

from __future__ import annotations

import io
import zipfile

import pytest

from mlsign.onnx.archives import ends_as_archive
from mlsign.source import MemorySource

END = b"PK\x05\x06"


def archive(comment: bytes = b"", **members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
        file.comment = comment
    return out.getvalue()


ONE = archive(a=b"x")


@pytest.mark.parametrize(
    "data",
    [
        ONE,
        b"\x08\x08" * 100_000 + ONE,
        ONE + b"\0" * 65535,
        archive(b"c" * 65535, a=b"x"),
        archive(a=b"x" * 200_000),
        archive(**{f"a{n}": b"" for n in range(3000)}),
        b"front" + archive(a=b"x") + END * 10_000,
        bytes(100) + b"PK\x06\x07" + bytes(16) + END + b"\xff" * 18,
    ],
    ids=["alone", "behind a model", "far from the end", "comment", "large", "directory before the tail", "among others", "ZIP64"],
)
def test_an_archive_is_found_from_its_end(data: bytes) -> None:
    assert ends_as_archive(MemorySource(data))
    assert zipfile.is_zipfile(io.BytesIO(data)) or END * 3 in data or b"PK\x06\x07" in data


def test_a_directory_that_is_only_where_the_record_says_is_found() -> None:
    """Some readers go by the size of the directory, others by its offset."""
    end = len(ONE) - 22
    directory = end - int.from_bytes(ONE[end + 12 : end + 16], "little")
    elsewhere = ONE[: end + 12] + (1).to_bytes(4, "little") + directory.to_bytes(4, "little") + ONE[end + 20 :]
    assert ends_as_archive(MemorySource(elsewhere))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        END,
        END + bytes(17),
        END + bytes(18),
        bytes(1000) + END + bytes(18),
        bytes(1000) + END + b"\xff" * 18,
        b"PK\x01\x02" + bytes(200) + END + b"\x07" * 18,
        ONE + bytes(65536),
        END * 20_000,
    ],
    ids=[
        "empty",
        "short",
        "almost",
        "no entries",
        "no entries behind",
        "numbers too large",
        "points elsewhere",
        "too far",
        "many",
    ],
)
def test_what_has_no_entries_is_no_archive(data: bytes) -> None:
    assert not ends_as_archive(MemorySource(data))
