"""Cached trust roots: one folder for each instance, in the state folder of this user.

Every file lies under its digest and the record names them, so replacing the record replaces all of it at once. A
cache that is not what its record says is refused; nothing else takes its place behind the user's back. How trust
roots are fetched is for ``refresh``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, OutsideError, TrustError, shown
from mlsign.limits import DEFAULT, Limits
from mlsign.roots.record import (
    MAX_PIN_BYTES,
    MAX_RECORD_BYTES,
    Record,
    Stored,
    check_name,
    decode_pin,
    decode_record,
    encode_pin,
    encode_record,
)
from mlsign.roots.store import PrivateFolder, find_state_folder

_TRUST: Final = "trust"
_FILES: Final = "files"
_RECORD: Final = "record.json"
_PIN: Final = "pin.json"
_RETRIES: Final = 4
"""A reader takes no lock; so often the cache may be replaced twice between its record and its files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """A cache that is what its record says."""

    record: Record
    trusted_root: bytes
    signing_config: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What this machine has of an instance: a cache, a pin, both or neither."""

    name: str
    cached: Cached | None
    pin: Digest | None


def read_instance(name: str, *, state: Path | None = None, limits: Limits = DEFAULT) -> Instance:
    """What there is under this name. Reads only, and creates nothing.

    Raises ``InputError`` (``usage.name``), ``TrustError`` (``trust.cache.…``) and ``OutsideError``.
    """
    tried: list[Record] = []
    while True:
        record, pin = _read_head(name, state, limits=limits)
        if record is None:
            return Instance(name=name, cached=None, pin=pin)
        try:
            return Instance(name=name, cached=_read_cached(record, state), pin=pin)
        except TrustError as err:
            # Only where the record is another one by now are the files gone for a good reason.
            if err.code != "trust.cache.missing" or record in tried or len(tried) == _RETRIES:
                raise
            tried.append(record)


def _read_head(name: str, state: Path | None, *, limits: Limits) -> tuple[Record | None, Digest | None]:
    """The record and the pin."""
    with _open(name, state, create=False) as folder:
        if folder is None:
            return None, None
        return _read_record(folder, name=name, limits=limits), _read_pin(folder)


def _read_cached(record: Record, state: Path | None) -> Cached:
    """The files that decide, as the record names them."""
    with _open(record.name, state, _FILES, create=False) as files:
        return Cached(
            record=record,
            trusted_root=_read_stored(files, record.trusted_root, name=record.name),
            signing_config=_read_stored(files, record.signing_config, name=record.name) if record.signing_config else None,
        )


def read_repository(record: Record, *, state: Path | None = None) -> dict[str, bytes]:
    """Every file of the cache, by its path in the repository. Raises as ``read_instance``."""
    with _open(record.name, state, _FILES, create=False) as files:
        return {file.path: _read_stored(files, file, name=record.name) for file in record.files}


class OpenInstance:
    """An instance that this process alone may change. ``record`` and ``pin`` are as they were when it was opened."""

    def __init__(self, folder: PrivateFolder, files: PrivateFolder, *, record: Record | None, pin: Digest | None) -> None:
        self._folder = folder
        self._files = files
        self.record = record
        self.pin = pin

    @classmethod
    @contextlib.contextmanager
    def open(cls, name: str, *, state: Path | None = None, limits: Limits = DEFAULT) -> Iterator[OpenInstance]:
        """The instance of this name, created where there is none. Raises as ``read_instance``, and ``trust.busy``."""
        with _open(name, state, create=True) as folder, _open(name, state, _FILES, create=True) as files:
            if folder is None or files is None:
                raise OutsideError("vanished while it was opened", code="trust.cache.access", where=name)
            folder.lock()
            yield cls(folder, files, record=_read_record(folder, name=name, limits=limits), pin=_read_pin(folder))

    def read_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """The TUF metadata of the last update that is still as it was written; what is not is left out.

        It only saves downloads: what must not be forgotten is in the record.
        """
        found = []
        for file in self.record.metadata if self.record else ():
            data = self._files.read(_name(file.digest), max_bytes=file.size)
            if data is not None and sha256(data) == file.digest:
                found.append((file.path, data))
        return tuple(found)

    def read_file(self, digest: Digest, *, max_bytes: int) -> bytes | None:
        """The file of this digest, or None where it is missing or is not what it was."""
        data = self._files.read(_name(digest), max_bytes=max_bytes)
        return data if data is not None and sha256(data) == digest else None

    def check_pin(self, found: Digest) -> None:
        """Nothing, when no other root is pinned. Raises ``TrustError`` (``trust.pin``)."""
        check_pin(self.pin, found, name=self._folder.where)

    def replace(self, record: Record, contents: Iterable[bytes]) -> None:
        """The cache is this record and its files, all at once.

        Raises ``TrustError`` (``trust.pin``, ``trust.record``) before anything is written, and ``OutsideError``.
        """
        self.check_pin(record.trusted_root.digest)
        written = _encode_readable(record)
        for data in contents:
            self._files.write(_name(sha256(data)), data)
        self._folder.write(_RECORD, written)
        # Whoever read the record that was there a moment ago still finds its files.
        kept = {_name(file.digest) for one in (record, self.record) if one is not None for file in one.files}
        for name in self._files.names():
            if name not in kept:
                self._files.remove(name)
        self.record = record

    def set_pin(self, digest: Digest | None) -> None:
        """The root is fixed to this digest, or free. Raises ``OutsideError``."""
        if digest is None:
            self._folder.remove(_PIN)
        else:
            self._folder.write(_PIN, encode_pin(digest))
        self.pin = digest


def check_pin(pin: Digest | None, found: Digest, *, name: str) -> None:
    """Nothing, when there is no pin or it is on ``found``. Raises ``TrustError`` (``trust.pin``)."""
    if pin is not None and pin != found:
        raise TrustError(
            f"the trust root is {found}, pinned is {pin}",
            code="trust.pin",
            where=shown(name),
            expected=str(pin),
            found=str(found),
            hint="look at what changed; if the new one is right, pin it: mlsign trust pin --sha256 DIGEST",
        )


@contextlib.contextmanager
def _open(name: str, state: Path | None, *parts: str, create: bool) -> Iterator[PrivateFolder | None]:
    place = state or find_state_folder(os.environ)
    with PrivateFolder.open(place, _TRUST, check_name(name), *parts, create=create) as folder:
        yield folder


def _name(digest: Digest) -> str:
    return f"sha256-{digest.hex}"


def _read_record(folder: PrivateFolder, *, name: str, limits: Limits) -> Record | None:
    data = folder.read(_RECORD, max_bytes=MAX_RECORD_BYTES)
    if data is None:
        return None
    where = f"{folder.where}/{_RECORD}"
    try:
        record = decode_record(data, limits=limits)
    except InputError as err:
        raise _damaged(f"is no record of a trust root: {err}", where=where) from err
    if record.name != name:
        raise _damaged(f"is the record of {record.name}", where=where)
    return record


def _encode_readable(record: Record) -> bytes:
    """The bytes of a record that can be read again: what nobody can read would take the place of what somebody could."""
    try:
        data = encode_record(record)
        decode_record(data)
    except InputError as err:
        raise TrustError(
            f"cannot be kept, as its record could not be read again: {err}",
            code="trust.record",
            where=record.name,
            hint="nothing was changed; ask whoever runs the repository what changed there",
        ) from err
    return data


def _read_pin(folder: PrivateFolder) -> Digest | None:
    data = folder.read(_PIN, max_bytes=MAX_PIN_BYTES)
    if data is None:
        return None
    try:
        return decode_pin(data)
    except InputError as err:
        raise _damaged(f"is no pin: {err}", where=f"{folder.where}/{_PIN}") from err


def _damaged(message: str, *, where: str) -> TrustError:
    return TrustError(
        message,
        code="trust.cache.format",
        where=shown(where),
        hint="find out what changed it; to start over, remove the folder it lies in and run mlsign trust update",
    )


def _read_stored(files: PrivateFolder | None, file: Stored, *, name: str) -> bytes:
    data = files.read(_name(file.digest), max_bytes=file.size) if files is not None else None
    where = f"{name}/{file.path}"
    hint = "find out what changed it, then run mlsign trust update (or import) again"
    if data is None:
        raise TrustError("is in the record of the cache and not in the cache", code="trust.cache.missing", where=where, hint=hint)
    found = sha256(data)
    if found != file.digest:
        raise TrustError(
            f"digest is {found}, the record of the cache says {file.digest}",
            code="trust.cache.changed",
            where=where,
            expected=str(file.digest),
            found=str(found),
            hint=hint,
        )
    return data
