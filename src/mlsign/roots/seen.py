"""The newest release of each package that a policy has allowed here: a high-water mark that only rises.

One small file for each policy and package in the state folder, written whole or not at all. Whoever reads a mark holds
the lock until it is raised, so two verifiers cannot each take the other's release for the first one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from mlsign.digest import decode_digest, sha256
from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.evidence.record import Seen
from mlsign.limits import KIB
from mlsign.roots.store import PARTIAL, PrivateFolder, find_state_folder
from mlsign.strict import Fields, decode_json, encode_json
from mlsign.version import decode_version

FOLDER: Final = "seen"
SCHEMA: Final = "mlsign/seen/v1"
MAX_MARK_BYTES: Final = 16 * KIB
LOCK_SECONDS: Final = 30.0


class Marks:
    """The marks of one state folder, locked."""

    def __init__(self, folder: PrivateFolder) -> None:
        self._folder = folder

    def read(self, policy: str, package: str) -> Seen:
        """What was allowed before. Raises ``TrustError`` (``seen.mark``, ``trust.cache.…``) and ``OutsideError``."""
        data = self._folder.read(_name(policy, package), max_bytes=MAX_MARK_BYTES)
        if data is None:
            return Seen(version=None, digest=None)
        try:
            return _decode(data, policy=policy, package=package)
        except InputError as err:
            raise TrustError(
                f"the mark of the newest release cannot be read: {err}",
                code="seen.mark",
                where=f"{self._folder.where}/{_name(policy, package)}",
                hint="find out what changed it; with it removed, the next release that is allowed counts as the newest",
            ) from err

    def write(self, policy: str, package: str, seen: Seen) -> None:
        """Raises the mark to a release. Raises ``OutsideError`` (``trust.cache.write``)."""
        value = {
            "schema": SCHEMA,
            "policy": policy,
            "package": package,
            "version": str(seen.version),
            "digest": str(seen.digest),
        }
        self._folder.write(_name(policy, package), encode_json(dict(value)))


@contextmanager
def open_marks(state: Path | None = None) -> Iterator[Marks]:
    """The marks, for as long as the lock is held. Raises ``OutsideError`` (``trust.busy``, …) and ``TrustError``."""
    root = state if state is not None else find_state_folder(os.environ)
    with PrivateFolder.open(root, FOLDER, create=True) as folder:
        if folder is None:
            raise OutsideError("the state folder is gone", code="trust.state", where=str(root))
        folder.lock(seconds=LOCK_SECONDS)
        sweep(folder)
        yield Marks(folder)


def sweep(folder: PrivateFolder) -> None:
    """Takes away what verifiers left half written when they died; only for whoever holds the lock, as nobody else writes then."""
    for name in folder.names():
        if name.startswith(PARTIAL):
            folder.remove(name)


def _name(policy: str, package: str) -> str:
    # Names of policies and packages are anything, names of files are not.
    # Two spellings of one name in other letters are one package, as they are for revocations.
    return f"{sha256(encode_json([policy, package.casefold()])).hex}.json"


def _decode(data: bytes, *, policy: str, package: str) -> Seen:
    fields = Fields(decode_json(data, max_bytes=MAX_MARK_BYTES), where="", format_name="seen")
    fields.literal("schema", allowed=(SCHEMA,))
    fields.literal("policy", allowed=(policy,))
    if fields.text("package").casefold() != package.casefold():
        raise fields.wrong("is the mark of another package", code="package")
    seen = Seen(version=decode_version(fields.text("version")), digest=decode_digest(fields.text("digest")))
    fields.done()
    return seen
