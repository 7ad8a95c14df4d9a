"""Landlock: a ruleset that handles every right the running kernel knows and grants none of them."""

from __future__ import annotations

import os
import struct
from typing import Final

from mlsign.sandbox import kernel

_VERSION: Final = 1
"""``LANDLOCK_CREATE_RULESET_VERSION``."""

_FS_RIGHTS: Final = ((1, 13), (2, 14), (3, 15), (5, 16))
"""From which ABI on how many file system rights exist (``include/uapi/linux/landlock.h``)."""

_NET_SINCE: Final = 4
_SCOPES_SINCE: Final = 6


def abi() -> int:
    """The Landlock version of the running kernel. Raises ``OSError`` where there is none."""
    return kernel.syscall(kernel.number("landlock_create_ruleset"), None, 0, _VERSION)


def ruleset(version: int) -> bytes:
    """``struct landlock_ruleset_attr`` for an ABI version: all file rights, TCP bind and connect, both scopes."""
    count = max(bits for since, bits in _FS_RIGHTS if since <= version)
    words = [(1 << count) - 1]
    if version >= _NET_SINCE:
        words.append(0b11)
    if version >= _SCOPES_SINCE:
        words.append(0b11)
    return struct.pack(f"={len(words)}Q", *words)


def deny_all() -> int:
    """Puts this thread and its children into an empty ruleset; its ABI version. Raises ``OSError``.

    Needs ``no_new_privs``. Descriptors that are open already are not affected.
    """
    version = abi()
    attributes = ruleset(version)
    fd = kernel.syscall(kernel.number("landlock_create_ruleset"), attributes, len(attributes), 0)
    try:
        kernel.syscall(kernel.number("landlock_restrict_self"), fd, 0)
    finally:
        os.close(fd)
    return version
