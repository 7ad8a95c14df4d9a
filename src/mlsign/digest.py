"""Digests and how they are spelled: ``sha256:…``.

Owns the algorithms mlsign knows and their lengths; computing a digest of files is ``package.hashing``.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum

from mlsign.errors import InputError, shown


class Algorithm(Enum):
    """A hash algorithm, valued by its name in OMS statements and in ``algorithm:hex`` spellings."""

    SHA256 = "sha256"
    BLAKE3 = "blake3"
    BLAKE2B = "blake2b"

    @property
    def size(self) -> int:
        """Digest length in bytes."""
        return 64 if self is Algorithm.BLAKE2B else 32


_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, order=False)
class Digest:
    """An algorithm and its value; equal only when both are."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) != self.algorithm.size:
            raise InputError(
                f"a {self.algorithm.value} digest has {self.algorithm.size} bytes, this one {len(self.value)}",
                code="digest.length",
            )

    def __str__(self) -> str:
        return f"{self.algorithm.value}:{self.value.hex()}"

    @property
    def hex(self) -> str:
        return self.value.hex()


def decode_algorithm(name: str, *, where: str = "") -> Algorithm:
    """The algorithm of that exact name. Raises ``InputError`` (``digest.algorithm``)."""
    try:
        return Algorithm(name)
    except ValueError as err:
        known = ", ".join(a.value for a in Algorithm)
        raise InputError(
            f"{shown(name)} is not a digest algorithm, use one of {known}",
            code="digest.algorithm",
            where=where,
            expected=known,
            found=shown(name),
        ) from err


def decode_hex(algorithm: Algorithm, text: str, *, where: str = "") -> Digest:
    """A digest from lower-case hex of exactly the right length. Raises ``InputError`` (``digest.hex``)."""
    if len(text) != 2 * algorithm.size or not _HEX.fullmatch(text):
        raise InputError(
            f"{shown(text)} is not a {algorithm.value} digest of {2 * algorithm.size} lower-case hex digits",
            code="digest.hex",
            where=where,
            found=shown(text),
        )
    return Digest(algorithm=algorithm, value=bytes.fromhex(text))


def decode_digest(text: str, *, where: str = "") -> Digest:
    """A digest from ``algorithm:hex``. Raises ``InputError`` (``digest.spelling``, ``digest.…``)."""
    name, colon, value = text.partition(":")
    if not colon:
        raise InputError(
            f"{shown(text)} is not a digest, write it as sha256:… with 64 hex digits",
            code="digest.spelling",
            where=where,
            found=shown(text),
        )
    return decode_hex(decode_algorithm(name, where=where), value, where=where)


def sha256(data: bytes | bytearray | memoryview) -> Digest:
    """The sha256 digest of bytes in memory."""
    return Digest(algorithm=Algorithm.SHA256, value=hashlib.sha256(data).digest())
