"""PEM files (RFC 7468): the DER inside, in its one spelling."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Final

from mlsign.errors import InputError
from mlsign.strict import decode_base64

MAX_BLOCKS: Final = 256
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n]+?)\r?\n-----END \1-----")


def decode_pem(data: bytes, *, label: str, where: str) -> tuple[bytes, ...]:
    """The DER of every block with that label, at least one; text around blocks is a comment, other blocks are refused.

    Raises ``InputError`` (``pem.label``, ``pem.blocks``, ``base64``).
    """
    found: list[bytes] = []
    for match in _BLOCK.finditer(data):
        name = match[1].decode("ascii")
        if name != label:
            raise InputError(f"holds a {name}, expected {label}", code="pem.label", where=where, expected=label, found=name)
        found.append(decode_base64(b"".join(match[2].split()).decode("ascii"), where=where))
    if not 0 < len(found) <= MAX_BLOCKS or data.count(b"-----BEGIN ") != len(found):
        raise InputError(
            f"has {data.count(b'-----BEGIN ')} blocks, {len(found)} of them a readable {label}",
            code="pem.blocks",
            where=where,
            expected=f"1 to {MAX_BLOCKS} times {label}",
        )
    return tuple(found)


def decode_pem_or_der(data: bytes, *, label: str, where: str) -> tuple[bytes, ...]:
    """As ``decode_pem``, where a file may also be the DER of one such thing."""
    return (data,) if data[:1] == b"\x30" and b"-----BEGIN" not in data[:64] else decode_pem(data, label=label, where=where)


def encode_pem(der: bytes, *, label: str) -> bytes:
    """The one strict spelling of a block (RFC 7468, section 3): lines of 64 characters."""
    text = b64encode(der).decode("ascii")
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode("ascii")
