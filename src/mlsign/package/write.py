"""Writing packages and signatures so that a name either shows something whole or nothing at all.

A package is built in a hidden folder beside its place and moved there by one rename; a signature likewise.
A process killed at any moment leaves at most a hidden ``.NAME.partial-…`` behind, which nobody reads.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError, OutsideError, shown
from mlsign.limits import KIB, MIB
from mlsign.package.crew import Worker
from mlsign.package.file_source import FileSource, changed
from mlsign.package.hashing import hash_source
from mlsign.package.read import PARTIAL_PREFIX, OpenPackage
from mlsign.package.scan import DIRECTORY_FLAGS
from mlsign.package.stream import Advance, writer
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath

if sys.platform == "linux":
    import fcntl

_FICLONE: Final = 0x40049409
"""``FICLONE`` (``linux/fs.h``)."""
_WORTH_CLONING_BYTES: Final = 64 * KIB
_RESERVE: Final = 0x4030582A
"""``FS_IOC_RESVSP64`` (``linux/falloc.h``)."""
_RESERVATION: Final = "=hh4xqqiI16x"
"""``struct space_resv``: type, whence, start, length, and what is ignored."""
_WORTH_RESERVING_BYTES: Final = 1 * MIB
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


def outside(err: OSError, *, where: object) -> OutsideError:
    if err.errno in _FULL:
        return OutsideError(
            "the disk is full, nothing was written under this name",
            code="disk.full",
            where=shown(where),
            hint="free some space or choose another place, and run the command again",
        )
    return OutsideError(f"cannot be written: {err.strerror}", code="disk.write", where=shown(where))


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A hidden folder to fill, which becomes ``target`` at the end, or vanishes when the block raises.

    Raises ``InputError`` (``output.exists``) when ``target`` is already there: nothing is ever overwritten; ``output.within`` when
    it would lie in a package; and ``OutsideError`` (``disk.full``, ``disk.write``).
    """
    if os.path.lexists(target):
        raise _exists(target)
    _check_outside_packages(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as err:
        raise outside(err, where=target) from err
    try:
        yield partial
        partial.chmod(0o755)
        # rename(2) replaces an empty folder and nothing else, so a package that appeared meanwhile stays.
        partial.rename(target)
    except OSError as err:
        shutil.rmtree(partial, ignore_errors=True)
        if err.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise _exists(target) from err
        raise outside(err, where=target) from err
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _check_outside_packages(target: Path) -> None:
    """Whatever lies in a package is part of it: a new one in there would be files that nobody signed."""
    parent = Path(os.path.realpath(target.parent))
    for folder in (parent, *parent.parents):
        if os.path.lexists(folder / MANIFEST_NAME):
            raise InputError(
                "would lie within a package, which would no longer be what was signed",
                code="output.within",
                where=shown(target),
                found=shown(folder),
                hint="choose a place outside of it with -o",
            )


def _exists(target: Path) -> InputError:
    return InputError(
        "is already there and packing never overwrites",
        code="output.exists",
        where=shown(target),
        hint="choose another name with -o, or remove the old package first",
    )


def write_file(folder: Path, path: PackagePath, data: bytes) -> None:
    """Creates one file with these bytes. Raises ``OutsideError``."""
    try:
        with os.fdopen(_create(folder, path), "wb") as file:
            file.write(data)
    except OSError as err:
        raise outside(err, where=path) from err


def copy_file(
    folder: Path,
    path: PackagePath,
    source: FileSource,
    *,
    algorithm: Algorithm,
    worker: Worker | None = None,
    advance: Advance | None = None,
) -> Digest:
    """Copies an open file into the folder and returns the digest of the bytes that were written.

    Raises ``InputError`` (``file.changed``), ``OutsideError`` and ``Stopped``.
    """
    try:
        fd = _create(folder, path)
        try:
            return copy_into(fd, source, algorithm=algorithm, worker=worker, advance=advance)
        finally:
            os.close(fd)
    except OSError as err:
        raise outside(err, where=path) from err


def copy_into(
    fd: int, source: FileSource, *, algorithm: Algorithm, worker: Worker | None = None, advance: Advance | None = None
) -> Digest:
    """As ``copy_file``, into an open file that is empty. ``OSError`` passes."""
    if _cloned(source, fd):
        return _clone_digest(source, fd, algorithm=algorithm, worker=worker, advance=advance)
    _reserve(fd, source.size)
    (digest,) = hash_source(source, algorithms=(algorithm,), consumers=(writer(fd),), worker=worker, advance=advance)
    return digest


def _cloned(source: FileSource, fd: int) -> bool:
    """Whether the file system could let both files share their blocks (``ioctl_ficlone(2)``), which takes no time."""
    if sys.platform != "linux" or source.size < _WORTH_CLONING_BYTES:
        return False
    try:
        fcntl.ioctl(fd, _FICLONE, source.fd)
    except OSError:  # most file systems cannot, and none can across devices
        return False
    return True


def _reserve(fd: int, size: int) -> None:
    """Asks for all the room at once, where the file system can: writing then takes a quarter less of the processor.

    Not ``posix_fallocate``, which writes every block where the file system cannot. Raises ``OSError`` for a full disk.
    """
    if sys.platform != "linux" or size < _WORTH_RESERVING_BYTES:
        return
    try:
        fcntl.ioctl(fd, _RESERVE, struct.pack(_RESERVATION, 0, os.SEEK_SET, 0, size, 0, 0))
    except OSError as err:
        if err.errno in _FULL:
            raise


def _clone_digest(source: FileSource, fd: int, *, algorithm: Algorithm, worker: Worker | None, advance: Advance | None) -> Digest:
    """The digest of what lies in the package now. Raises ``InputError`` (``file.changed``) where it is not what was opened."""
    with FileSource(os.dup(fd), where=source.where) as clone:
        if clone.size != source.size:
            raise changed(source.where)
        (digest,) = hash_source(clone, algorithms=(algorithm,), worker=worker, advance=advance)
    source.check_unchanged()
    return digest


def _create(folder: Path, path: PackagePath) -> int:
    """A new file in the folder, open for reading and writing. Raises ``OSError``."""
    place = f"{folder}/{path}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(place, flags, 0o666)
    except FileNotFoundError:
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        return os.open(place, flags, 0o666)


def signature_name(digest: Digest) -> str:
    """How a bundle with this sha256 is called under ``signatures/``."""
    return f"sha256-{digest.hex}.sigstore.json"


def add_signature(package: OpenPackage, bundle: bytes) -> str:
    """Puts a bundle under ``signatures/``, named by its digest, and returns the path within the package.

    It lands in the folder that was opened, wherever the name of that leads by now. The same bundle twice is one file; two
    signers at once do not disturb each other. Raises ``OutsideError``.
    """
    name = signature_name(sha256(bundle))
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(SIGNATURES_NAME, dir_fd=package.fd)
        fd = os.open(SIGNATURES_NAME, DIRECTORY_FLAGS, dir_fd=package.fd)
        try:
            _write_beneath(fd, name, bundle)
        finally:
            os.close(fd)
    except OSError as err:
        raise outside(err, where=f"{package.where}/{SIGNATURES_NAME}/{name}") from err
    return f"{SIGNATURES_NAME}/{name}"


def _write_beneath(folder: int, name: str, data: bytes) -> None:
    partial = f"{PARTIAL_PREFIX}{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(partial, flags, 0o644, dir_fd=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial, dir_fd=folder)
        raise


def replace_file(path: Path, data: bytes) -> None:
    """The file with these bytes, in place of one that is there, in one step. Raises ``OutsideError`` (``disk.full``, ``disk.write``)."""
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_CLOEXEC", 0))
        try:
            _write_beneath(folder, path.name, data)
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as err:
        raise outside(err, where=path) from err


def write_new_files(files: Iterable[tuple[Path, bytes, int]]) -> None:
    """Creates files that must not exist yet, each with its mode. Raises ``InputError`` (``output.exists``), ``OutsideError``.

    When a later one cannot be written the earlier ones are removed: a private key without its public half
    helps nobody.
    """
    made: list[Path] = []
    try:
        for path, data, mode in files:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), mode)
            made.append(path)
            with os.fdopen(fd, "wb") as file:
                os.fchmod(file.fileno(), mode)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
    except OSError as err:
        for path in made:
            path.unlink(missing_ok=True)
        if isinstance(err, FileExistsError):
            raise InputError(
                "is already there, and is never overwritten",
                code="output.exists",
                where=shown(path),
                hint="choose another name, or move the old file away first",
            ) from err
        raise outside(err, where=path) from err
