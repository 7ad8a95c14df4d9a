"""What goes into a package: the model, the weights it points at and other files, each opened once.

Weights are looked for in the model's own folder and nowhere else, without following links: a model that
somebody sent us must not be able to name ``/etc/shadow`` and have it packed and shipped. What lies beneath that
folder is not all meant for the world either (``.git/config``, ``keys/release.key``), so a file counts as weights
only when nothing about it says that it is private, and when tensors account for every byte of it.

A name that the user gave may be a link to a folder or to the model. No other link is followed: everything below a
named folder is opened beneath one descriptor, so a name swapped between listing and opening leads nowhere.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, Self

from mlsign.actions.packing.foreign_folders import refusal_of_folder
from mlsign.compare.external import external_path
from mlsign.errors import InputError, OutsideError, shown
from mlsign.formats.manifest import Role
from mlsign.limits import DEFAULT, KIB, Limits
from mlsign.onnx.summary import ExternalTensor, ModelSummary
from mlsign.package.file_source import FileSource
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile, found_file
from mlsign.package.write import outside
from mlsign.paths import PackagePath, decode_path

_DOCUMENTS: Final = frozenset({".md", ".txt", ".rst", ".pdf", ".html", ".htm", ".csv", ".json", ".yaml", ".yml", ".png", ".svg"})
MAX_OPEN: Final = 64
"""Small files are opened when their turn comes; only the first ones stay open from the time they were found."""
_MAX_GAP_BYTES: Final = 64 * KIB
"""Writers that align tensors for mapping do it by 4 KiB (pages) or 64 KiB (Windows), so a gap is always smaller."""
_PEM: Final = b"-----BEGIN "
"""How keys and certificates in text begin (RFC 7468, section 2; OpenSSH and OpenPGP write the same)."""
_LOOKED_AT_FOR_PEM: Final = 64 * KIB
_OTHERS: Final = 0o077
"""Permissions of everybody but the owner."""


class Ingredient:
    """A file on its way into the package: as it was found, and how to open it. One that is not as it was found is refused."""

    def __init__(
        self,
        *,
        path: PackagePath,
        origin: str,
        role: Role,
        found: FoundFile | None,
        reopen: Callable[[], FileSource],
        size: int = 0,
    ) -> None:
        self.path = path
        self.origin = origin
        self.role = role
        self.size = size if found is None else found.size
        self.links = 1 if found is None else found.links
        self._found = found
        self._reopen = reopen
        self._source: FileSource | None = None
        self._keep = False

    @classmethod
    def opened(cls, *, path: PackagePath, origin: str, role: Role, fd: int, keep: bool) -> Self:
        """A file that was opened to find it; it stays open with ``keep``. Owns the descriptor."""
        source = FileSource(fd, where=shown(origin))
        item = cls(
            path=path,
            origin=origin,
            role=role,
            found=found_file(path, os.fstat(fd)),
            reopen=lambda: FileSource(_open(Path(origin), follow=False), where=shown(origin)),
        )
        item._source, item._keep = source, keep
        item.rest()
        return item

    @classmethod
    def made(cls, data: bytes, *, path: PackagePath, origin: str, role: Role) -> Self:
        """A file of bytes that packing made. It has no name on a disk, and is written to one only while it is copied."""
        return cls(path=path, origin=origin, role=role, found=None, reopen=lambda: _nameless(data, origin), size=len(data))

    def source(self) -> FileSource:
        """The open file."""
        if self._source is None:
            self._source, found = self._reopen(), self._found
            if found is not None and self._source.state != (*found.inode, found.size, *found.times):
                raise InputError("was replaced while packing", code="file.changed", where=shown(self.origin))
        return self._source

    def rest(self) -> None:
        """Closes the file until it is asked for again, unless it is one of those that stay open."""
        if not self._keep:
            self.close()

    def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()


def _nameless(data: bytes, origin: str) -> FileSource:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.flush()
            return FileSource(os.dup(file.fileno()), where=shown(origin))
    except OSError as err:
        raise outside(err, where=origin) from err


def _open(path: Path, *, follow: bool) -> int:
    """A descriptor of the regular file at ``path``; ``follow`` says whether its last part may be a link."""
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
    try:
        fd = os.open(path, flags)
    except FileNotFoundError as err:
        raise InputError("there is no file of this name", code="file.missing", where=shown(path)) from err
    except OSError as err:
        if err.errno == errno.ELOOP and not follow:
            raise is_link(path) from err
        raise OutsideError(f"cannot be opened: {err.strerror}", code="file.read", where=shown(path)) from err
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError("is no regular file", code="file.kind", where=shown(path), hint="name the file itself")
    return fd


def is_link(path: Path) -> InputError:
    return InputError("is a symbolic link", code="file.kind", where=shown(path), hint="put what it leads to in its place")


def open_model(path: Path) -> tuple[Ingredient, int]:
    """The model file the user named, and its mode; a link to it may be followed, because the user named it."""
    try:
        fd = _open(path, follow=True)
    except InputError as err:
        if err.code == "file.kind" and (known := refusal_of_folder(path)) is not None:
            raise known from err
        raise
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    return Ingredient.opened(path=PackagePath("model.onnx"), origin=str(path), role=Role.MODEL, fd=fd, keep=True), mode


def find_weights(model: Path, summary: ModelSummary, *, model_path: PackagePath, model_mode: int) -> Iterator[Ingredient]:
    """The files that the model keeps weights in, opened beneath the model's own folder.

    Raises ``InputError`` for a location that is not a path inside it, that is missing, or that is a link
    (``path.…``, ``file.…``), and for a file that looks private (``pack.weights.…``). ``check_covered`` is still to come.
    """
    locations = sorted({tensor.location for tensor in summary.external})
    if not locations:
        return
    with OpenPackage.open(model.parent) as folder:
        for index, location in enumerate(locations):
            path = external_path(model_path, location)
            _refuse_hidden(path, model=model)
            try:
                source = folder.open_file(path)
            except InputError as err:
                raise InputError(
                    f"the weights file {shown(location)} that the model points at {err.message}",
                    code=err.code,
                    where=shown(model),
                    hint="put the file beside the model, as a regular file and not a link",
                ) from err
            try:
                _refuse_private(path, model=model, model_mode=model_mode)
                _refuse_secret(path, source, model=model)
            except BaseException:
                source.close()
                raise
            yield Ingredient.opened(
                path=path, origin=str(model.parent / path.text), role=Role.WEIGHTS, fd=source.fd, keep=index < MAX_OPEN
            )


def _refuse_hidden(path: PackagePath, *, model: Path) -> None:
    # `.git/config`, `.ssh/id_ed25519`, `.env`: what tools hide from listings is where they keep credentials.
    if any(part.startswith(".") for part in path.parts):
        raise InputError(
            f"the model takes weights from {shown(path)}, which is a hidden file or in a hidden folder",
            code="pack.weights.hidden",
            where=shown(model),
            expected="a file whose name has no part that starts with a dot",
            found=shown(path),
            hint="if you did not make this model, do not use it; otherwise save it again with weights under another name",
        )


def _refuse_private(path: PackagePath, *, model: Path, model_mode: int) -> None:
    """A package is for others to read; what lies in a folder closed to them, beside a model that is not, was not meant for it.

    The permissions of the file itself say nothing: ``onnx.save`` writes external data with mode 0600 whatever the umask.
    """
    folder = model.parent
    for part in path.parts[:-1]:
        folder /= part
        try:
            closed = not folder.lstat().st_mode & _OTHERS
        except OSError as err:
            raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=shown(folder)) from err
        if closed and model_mode & _OTHERS:
            raise InputError(
                f"the model takes weights from {shown(path)}, in a folder of its owner alone, while others may read the model",
                code="pack.weights.private",
                where=shown(model),
                expected="weights in folders that are as open as the model",
                found=f"{shown(folder)} is closed to everybody but its owner",
                hint="look at the file: if it is weights that you want to ship, open the folder, or close the model as well",
            )


def _refuse_secret(path: PackagePath, source: FileSource, *, model: Path) -> None:
    if _PEM in source.read_at(0, min(source.size, _LOOKED_AT_FOR_PEM)):
        raise InputError(
            f"the model takes weights from {shown(path)}, which holds a key or a certificate",
            code="pack.weights.secret",
            where=shown(model),
            expected="the bytes of tensors",
            found=f"{_PEM.decode()}…",
            hint="do not use this model, and ask who made it why it points at this file",
        )


def check_covered(item: Ingredient, tensors: Iterable[ExternalTensor], *, model: Path) -> None:
    """Every byte of a weights file belongs to a tensor, short gaps of zeros between two tensors aside.

    A tensor of four bytes must not be reason enough to ship a file of any content. The regions themselves have been
    checked (``compare.external``). Raises ``InputError`` (``pack.weights.uncovered``, ``file.changed``).
    """
    source = item.source()
    reach = 0
    for start, end in sorted({(t.offset, t.offset + t.size) for t in tensors if t.size}):
        if start > reach:
            # `onnx.save` packs tensors without gaps or pads with zeros to an alignment, as onnxruntime does.
            known = reach > 0 and start - reach < _MAX_GAP_BYTES and not source.read_at(reach, start - reach).strip(b"\0")
            if not known:
                raise _uncovered(item, reach, start, model=model)
        reach = max(reach, end)
    if reach != source.size:
        raise _uncovered(item, reach, source.size, model=model)
    item.rest()


def _uncovered(item: Ingredient, start: int, end: int, *, model: Path) -> InputError:
    return InputError(
        f"the model takes weights from {shown(item.path)}, of which {end - start} bytes from {start} on belong to no tensor",
        code="pack.weights.uncovered",
        where=shown(model),
        expected=f"tensors that account for all {item.size} bytes, gaps of less than {_MAX_GAP_BYTES} zeros between two aside",
        found=f"nothing for bytes {start} to {end}",
        hint="remove the weights file and save the model again; if you did not make the model, find out what the file is",
    )


def find_included(paths: Iterable[Path], *, opened: ExitStack, limits: Limits = DEFAULT) -> Iterator[Ingredient]:
    """Further files, and folders with everything in them, under their own names; folders stay open until ``opened`` is closed.

    Raises ``InputError`` (``path.…``, ``file.missing``, ``file.kind``).
    """
    seen = 0
    for path in paths:
        top = path.resolve().name if path.name in {"", ".", ".."} else path.name
        if not os.path.isdir(path):  # noqa: PTH112 - which never raises: who opens it says what is wrong
            name = decode_path(top, where=shown(path))
            yield Ingredient.opened(
                path=name, origin=str(path), role=_role(name), fd=_open(path, follow=False), keep=seen < MAX_OPEN
            )
            seen += 1
            continue
        folder = opened.enter_context(OpenPackage.open(path))
        listing = folder.list_files(skip=frozenset(), limits=limits)
        for intruder in listing.intruders:
            raise InputError(
                intruder.error.message,
                code=intruder.error.code,
                where=f"{shown(path)}/{intruder.name}",
                hint="name regular files and folders, no links",
            )
        for found in listing.files:
            name = decode_path(f"{top}/{found.path}", where=shown(path / found.path.text))
            yield Ingredient(
                path=name,
                origin=f"{path}/{found.path}",
                role=_role(name),
                found=found,
                reopen=partial(_reopen, folder, found.path, f"{path}/{found.path}"),
            )


def _reopen(folder: OpenPackage, path: PackagePath, origin: str) -> FileSource:
    """The file beneath the descriptor of its folder, without following any link."""
    try:
        return folder.open_file(path)
    except InputError as err:
        raise InputError(
            err.message, code=err.code, where=shown(origin), hint="name regular files and folders, no links"
        ) from err


def _role(path: PackagePath) -> Role:
    return Role.DOCUMENT if _suffix(path.name) in _DOCUMENTS else Role.OTHER


def _suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{dot}{suffix}".casefold() if stem else ""


def beneath(opened: OpenPackage, file: Path, *, folder: Path, name: str, role: Role, keep: bool) -> Ingredient:
    """``file``, found below ``folder``, opened beneath the descriptor of that folder without following any link."""
    if file.is_symlink():
        raise is_link(file)  # for the message alone: the opening below refuses links that appear after this look
    path = decode_path(name, where=shown(file))
    source = _reopen(opened, decode_path(file.relative_to(folder).as_posix(), where=shown(file)), str(file))
    return Ingredient.opened(path=path, origin=str(file), role=role, fd=source.fd, keep=keep)
