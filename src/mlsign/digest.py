"""Digests and how they are spelled: ``sha256:…``.

Owns the algorithms mlsign knows and their lengths; computing a digest of files is ``package.hashing``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from enum import Enum
from itertools import repeat
from typing import NamedTuple, Self

from mlsign.errors import InputError, shown


class Algorithm(Enum):
    """A hash algorithm, valued by its name in OMS statements and in ``algorithm:hex`` spellings."""

    SHA256 = "sha256"
    BLAKE3 = "blake3"
    BLAKE2B = "blake2b"

    __hash__ = object.__hash__  # members are one of a kind, and there are digests by the hundred thousand

    @property
    def size(self) -> int:
        """Digest length in bytes."""
        return 64 if self is Algorithm.BLAKE2B else 32


_NAMES = {algorithm: algorithm.value for algorithm in Algorithm}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


class _Pair(NamedTuple):
    algorithm: Algorithm
    value: bytes


class Digest(_Pair):
    """An algorithm and its value; equal only when both are.

    A tuple, unlike most values: a package has several for each file, and tuples are made, compared and hashed without a
    line of Python.
    """

    __slots__ = ()

    def __new__(cls, algorithm: Algorithm, value: bytes) -> Self:  # by position, too, as copies of tuples are made
        if len(value) != algorithm.size:
            raise InputError(
                f"a {algorithm.value} digest has {algorithm.size} bytes, this one {len(value)}", code="digest.length"
            )
        return super().__new__(cls, algorithm, value)

    def __str__(self) -> str:
        return f"{_NAMES[self.algorithm]}:{self.value.hex()}"

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


def decode_hexes(algorithm: Algorithm, texts: Sequence[str]) -> list[Digest] | None:
    """What ``decode_hex`` gives for each of many texts, or None where it would refuse one of them."""
    together = "".join(texts)
    try:
        data = bytes.fromhex(together)
    except ValueError:
        return None
    # Capitals and white space, which Python takes, would not come back.
    if set(map(len, texts)) != {2 * algorithm.size} or data.hex() != together:
        return None
    return list(map(tuple.__new__, repeat(Digest), zip(repeat(algorithm), map(bytes.fromhex, texts))))


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
