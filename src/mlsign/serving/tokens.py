"""Bearer tokens: which ones a file holds, and whether a request shows one of them (RFC 6750, section 2.1)."""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, OutsideError, TrustError, shown
from mlsign.limits import KIB
from mlsign.package.read import read_user_file

MAX_TOKENS: Final = 1000
_MAX_FILE_BYTES: Final = 256 * KIB
_MIN_CHARS: Final = 16
"""A token is tried as fast as the network answers: what people make up is too short."""

_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/-]+=*", re.ASCII)
_SCHEME: Final = b"bearer "
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Tokens:
    """The tokens of a file, by their digests: neither a core dump nor a debugger shows them, and all are of one length."""

    def __init__(self, digests: frozenset[bytes]) -> None:
        self._digests = tuple(digests)

    def __len__(self) -> int:
        return len(self._digests)

    def check(self, authorization: bytes | None) -> None:
        """The header shows a token that is known. Raises ``TrustError`` (``serve.token``), the same for every way in which it does not.

        Compares with all of them, each in constant time: how long it takes tells nothing about any.
        """
        given = b""
        if authorization is not None and authorization[: len(_SCHEME)].lower() == _SCHEME:
            given = authorization[len(_SCHEME) :].strip(b" ")
        digest = hashlib.sha256(given).digest()
        found = 0
        for known in self._digests:
            found |= hmac.compare_digest(digest, known)
        if not found or not given:
            raise TrustError(
                "this server asks for a token, and none that it knows was shown",
                code="serve.token",
                hint="send the header Authorization: Bearer TOKEN",
            )


def read_tokens(path: Path) -> Tokens:
    """The tokens in a file: one a line; empty lines and those that begin with # do not count.

    Raises ``InputError`` (``token.missing``, ``token.kind``, ``token.spelling``, ``token.count``) and ``OutsideError``.
    """
    data, _ = read_user_file(path, max_bytes=_MAX_FILE_BYTES, what="token", secret=True)
    digests: set[bytes] = set()
    for number, line in enumerate(data.splitlines(), start=1):
        token = line.strip()
        if not token or token.startswith(b"#"):
            continue
        if len(token) < _MIN_CHARS or _TOKEN.fullmatch(token) is None:
            # The line itself is not shown: it is a secret, if a bad one.
            raise InputError(
                f"line {number} is no token of at least {_MIN_CHARS} characters",
                code="token.spelling",
                where=shown(path),
                expected="letters, digits and -._~+/ (RFC 6750)",
                hint="make one with: openssl rand -hex 32",
            )
        digests.add(hashlib.sha256(token).digest())
    if not 1 <= len(digests) <= MAX_TOKENS:
        message = f"has {len(digests)} tokens, allowed are 1 to {MAX_TOKENS}"
        raise InputError(message, code="token.count", where=shown(path), hint="write one token on each line")
    return Tokens(frozenset(digests))


def is_open_to_others(path: Path) -> bool:
    """Whether others than its owner may do anything with the file. Raises ``OutsideError`` (``file.read``)."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError as err:
        raise OutsideError(f"cannot be looked at: {err.strerror}", code="file.read", where=shown(path)) from err
