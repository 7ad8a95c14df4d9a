"""What a store writes down of a file that it has hashed: which file it was, in which state, and its digests.

A state is spelled as one text and compared as a whole: two states are the same, or they are not.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_digest, sha256
from mlsign.limits import KIB
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

SCHEMA: Final = "mlsign/store-record/v1"
MAX_RECORD_BYTES: Final = 4 * KIB
SETTLED_NS: Final = 2_000_000_000
"""A state is worth writing down once it is so old: a later write then shows, on file systems with clocks of two seconds (FAT) as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A file in one state, and all that is known of its bytes.

    ``boot`` names the start of the machine after which the bytes may be others, because they need not have been on the disk; nothing
    where they were.
    """

    state: str
    digests: Mapping[Algorithm, Digest]
    boot: str = ""

    def is_of(self, status: os.stat_result) -> bool:
        """Whether the file of this status is in the state that was written down, and the machine did not lose what it had not saved."""
        return self.state == state_of(status) and self.boot in {"", boot_id()}


def state_of(status: os.stat_result) -> str:
    """Which file it is, how long, and when its bytes and what the disk says about it last changed.

    Anybody who may write a file may set its modification time; nobody sets the change time, which moves with that as well.
    """
    return f"{status.st_dev} {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


@cache
def boot_id() -> str:
    """A name for the time since the machine was started; nothing where there is none. A power cut ends what it stands for."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def is_settled(status: os.stat_result, *, before_ns: int) -> bool:
    """Whether the file was left alone long enough before this moment (nanoseconds since 1970) for the next write to show."""
    return max(status.st_mtime_ns, status.st_ctime_ns) < before_ns - SETTLED_NS


def source_name(state: str) -> str:
    """How the record of a file outside the store is called."""
    return sha256(state.encode("ascii")).hex


def known(digests: Iterable[Digest]) -> Mapping[Algorithm, Digest]:
    """Digests of one file by their algorithms."""
    return MappingProxyType({digest.algorithm: digest for digest in digests})


def encode_record(record: Record) -> bytes:
    """The one spelling of a record."""
    digests: list[JsonValue] = [*sorted(map(str, record.digests.values()))]
    return encode_json({"schema": SCHEMA, "state": record.state, "boot": record.boot, "digests": digests})


def decode_record(data: bytes, *, where: str) -> Record:
    """The record. Raises ``InputError`` (``record.…``, ``json.…``, ``digest.…``)."""
    fields = Fields(decode_json(data, where=where, max_bytes=MAX_RECORD_BYTES), where=where, format_name="record")
    fields.literal("schema", allowed=(SCHEMA,))
    state = fields.text("state", maximum=200)
    boot = fields.text("boot", maximum=64, empty=True)
    texts = fields.texts("digests", minimum=1, maximum=len(Algorithm), length=200)
    fields.done()
    return Record(state=state, boot=boot, digests=known(decode_digest(text, where=where) for text in texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An open file just before it is hashed: in which state it is, and whether what is found out then is worth writing down."""

    state: str
    settled: bool


def begin(fd: int) -> Begun:
    """To be called before an open file is hashed; that it was in the same state at the end is for whoever hashes.

    A file that is mapped by somebody is written out first: a later store to its memory then moves its change time, where the file system
    is on a disk. What is in memory only (tmpfs) can change without.
    """
    settled = is_settled(os.fstat(fd), before_ns=time.time_ns())
    if settled:  # else nothing is written down, and there is nothing to wait for
        try:
            os.fsync(fd)
        except OSError:
            settled = False
    return Begun(state=state_of(os.fstat(fd)), settled=settled)
