"""What goes into a package: the model, the weights it points at, golden data and other files, each opened once.

Weights are looked for in the model's own folder and nowhere else, without following links: a model that
somebody sent us must not be able to name ``/etc/shadow`` and have it packed and shipped.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mlsign.compare.external import external_path
from mlsign.errors import InputError, OutsideError, shown
from mlsign.formats.manifest import Role
from mlsign.onnx.summary import ModelSummary
from mlsign.package.file_source import FileSource
from mlsign.package.read import OpenPackage
from mlsign.paths import PackagePath, decode_path

_DOCUMENTS: Final = frozenset({".md", ".txt", ".rst", ".pdf", ".html", ".htm", ".csv", ".json", ".yaml", ".yml", ".png", ".svg"})
_GOLDEN_FILE: Final = re.compile(r"(input|output)_[0-9]{1,6}\.pb", re.ASCII)
_GOLDEN_SET: Final = re.compile(r"test_data_set_[0-9A-Za-z_.-]{1,64}", re.ASCII)
_MAX_OPEN: Final = 64
"""Small files are opened when their turn comes; only the first ones stay open from the time they were found."""


class Ingredient:
    """A file on its way into the package. Reopening is refused when the file is not the one that was found."""

    def __init__(self, *, path: PackagePath, origin: str, role: Role, fd: int, keep: bool) -> None:
        self.path = path
        self.origin = origin
        self.role = role
        self._source: FileSource | None = FileSource(fd, where=shown(origin))
        self.size = self._source.size
        status = os.fstat(fd)
        self.links = status.st_nlink
        self._identity = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns)
        if not keep:
            self._source.close()
            self._source = None

    def source(self) -> FileSource:
        """The open file."""
        if self._source is None:
            self._source = FileSource(_open(Path(self.origin)), where=shown(self.origin))
            status = os.fstat(self._source.fd)
            if (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns) != self._identity:
                raise InputError("was replaced while packing", code="file.changed", where=shown(self.origin))
        return self._source

    def close(self) -> None:
        if self._source is not None:
            self._source.close()


def _open(path: Path) -> int:
    flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, flags)
    except FileNotFoundError as err:
        raise InputError("there is no file of this name", code="file.missing", where=shown(path)) from err
    except OSError as err:
        raise OutsideError(f"cannot be opened: {err.strerror}", code="file.read", where=shown(path)) from err
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError("is no regular file", code="file.kind", where=shown(path), hint="name the model file itself")
    return fd


def open_model(path: Path) -> Ingredient:
    """The model file the user named; a link to it may be followed, because the user named it."""
    return Ingredient(path=PackagePath("model.onnx"), origin=str(path), role=Role.MODEL, fd=_open(path), keep=True)


def find_weights(model: Path, summary: ModelSummary, *, model_path: PackagePath) -> Iterator[Ingredient]:
    """The files that the model keeps weights in, opened beneath the model's own folder.

    Raises ``InputError`` for a location that is not a path inside it, that is missing, or that is a link.
    """
    locations = sorted({tensor.location for tensor in summary.external})
    if not locations:
        return
    with OpenPackage.open(model.parent) as folder:
        for index, location in enumerate(locations):
            path = external_path(model_path, location)
            try:
                source = folder.open_file(path)
            except InputError as err:
                raise InputError(
                    f"the weights file {shown(location)} that the model points at {err.message}",
                    code=err.code,
                    where=shown(model),
                    hint="put the file beside the model, as a regular file and not a link",
                ) from err
            yield Ingredient(
                path=path, origin=str(model.parent / path.text), role=Role.WEIGHTS, fd=source.fd, keep=index < _MAX_OPEN
            )


def find_golden(folders: Iterable[Path]) -> Iterator[Ingredient]:
    """Test data in ONNX's layout: ``test_data_set_*`` folders of ``input_N.pb`` and ``output_N.pb``."""
    seen = 0
    for folder in folders:
        sets = [folder] if _GOLDEN_SET.fullmatch(folder.name) else sorted(_children(folder, _GOLDEN_SET))
        for data_set in sets:
            files = sorted(_children(data_set, _GOLDEN_FILE))
            if not any(f.name.startswith("output_") for f in files):
                raise InputError(
                    "has no output_0.pb", code="pack.golden", where=shown(data_set), hint="golden data needs expected outputs"
                )
            for file in files:
                yield _file(file, f"golden/{data_set.name}/{file.name}", role=Role.GOLDEN, keep=seen < _MAX_OPEN)
                seen += 1
        if not sets:
            raise InputError(
                "is no folder of golden data",
                code="pack.golden",
                where=shown(folder),
                expected="test_data_set_0 with input_0.pb and output_0.pb",
                hint="this is ONNX's own layout for test data",
            )


def _children(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        return [child for child in folder.iterdir() if pattern.fullmatch(child.name)]
    except OSError as err:
        raise InputError(f"cannot be listed: {err.strerror}", code="file.missing", where=shown(folder)) from err


def find_included(paths: Iterable[Path]) -> Iterator[Ingredient]:
    """Further files, and folders with everything in them, under their own names."""
    seen = 0
    for path in paths:
        top = path.resolve().name if path.name in {"", ".", ".."} else path.name
        for file in [path] if not path.is_dir() else sorted(_walk(path)):
            name = top if file == path else f"{top}/{file.relative_to(path).as_posix()}"
            role = Role.DOCUMENT if file.suffix.casefold() in _DOCUMENTS else Role.OTHER
            yield _file(file, name, role=role, keep=seen < _MAX_OPEN)
            seen += 1


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=False):
        for name in (*files, *(d for d in folders if os.path.islink(os.path.join(root, d)))):  # noqa: PTH114, PTH118 - os.walk gives strings
            yield Path(root, name)


def _file(file: Path, name: str, *, role: Role, keep: bool) -> Ingredient:
    if file.is_symlink():
        raise InputError("is a symbolic link", code="file.kind", where=shown(file), hint="include the file it leads to instead")
    return Ingredient(path=decode_path(name, where=shown(file)), origin=str(file), role=role, fd=_open(file), keep=keep)
