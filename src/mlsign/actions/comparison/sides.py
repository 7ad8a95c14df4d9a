"""One of two packages or models that are compared: opened once, read as a structure, with the files that its weights are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mlsign.actions._collector import collector_paused
from mlsign.actions.comparison.difference import Side
from mlsign.actions.inspection.inspect import Inspection, inspect_open
from mlsign.actions.inspection.looking import NOT_LOOKED_AT
from mlsign.compare.external import FileKind, external_path
from mlsign.compare.facts import FileChanges, compare_files
from mlsign.compare.interfaces import DEFAULTS_SINCE, Interface
from mlsign.errors import InputError
from mlsign.limits import MIB, Limits
from mlsign.onnx.records import ModelRecord
from mlsign.onnx.structure import read_structure
from mlsign.package.file_source import FileSource
from mlsign.package.neighbours import look_at
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile
from mlsign.package.stream import Advance
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath
from mlsign.source import ByteSource

_CHUNK: Final = 4 * MIB
_NO_CONTENT: Final = NOT_LOOKED_AT - {SIGNATURES_NAME}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSide:
    """One side. ``weights`` are the files of external data that are there, by path; ``outside`` the same by the words of the model."""

    package: OpenPackage
    before: tuple[FoundFile, ...]
    inspection: Inspection
    structure: ModelRecord
    source: FileSource
    weights: Mapping[PackagePath, FileSource]
    outside: Mapping[str, ByteSource]

    @property
    def model_path(self) -> PackagePath:
        return PackagePath(self.inspection.model_path)

    @property
    def is_package(self) -> bool:
        return self.inspection.manifest is not None

    @property
    def interface(self) -> Interface:
        """What callers may and must give, and what they get."""
        graph, required = self.structure.graph, {spec.name for spec in self.inspection.summary.inputs}
        counts = self.structure.ir_version >= DEFAULTS_SINCE
        inputs = tuple(spec for spec in graph.inputs if spec.name in required or counts)
        defaults = frozenset(spec.name for spec in inputs if spec.name not in required)
        return Interface(inputs=inputs, outputs=graph.outputs, defaults=defaults)

    def told(self) -> Side:
        """What reports say of it."""
        found = self.inspection
        return Side(
            path=found.path,
            name=None if found.manifest is None else found.manifest.name,
            version=None if found.manifest is None else found.manifest.version.text,
            model_path=found.model_path,
            model_bytes=sum(source.size for source in (self.source, *self.weights.values())),
            parameters=found.summary.parameter_count,
        )

    def check_unchanged(self, *, limits: Limits) -> None:
        """Returns when everything that was read is still what it was. Raises ``InputError`` (``file.changed``)."""
        for source in (self.source, *self.weights.values()):
            source.check_unchanged()
        self.package.check_unchanged(self.before, limits=limits)


def open_side(path: Path, opened: ExitStack, *, limits: Limits) -> OpenSide:
    """The package or the model at ``path``, open until ``opened`` is closed. Links inside lead nowhere.

    Raises ``InputError`` when there is no model that can be read, and ``OutsideError``.
    """
    package = opened.enter_context(OpenPackage.open(path, follow=True))
    before = package.list_files(skip=frozenset({SIGNATURES_NAME}), limits=limits)
    inspection = inspect_open(package, path, limits=limits)
    model_path = PackagePath(inspection.model_path)
    source = opened.enter_context(package.open_file(model_path))
    with collector_paused():
        structure = read_structure(source, limits=limits)
    weights: dict[PackagePath, FileSource] = {}
    outside: dict[str, ByteSource] = {}
    for location in sorted({tensor.location for tensor in inspection.summary.external}):
        try:
            place = external_path(model_path, location)
            there = look_at(package.fd, place, role=None)
            if there is None or there.kind is not FileKind.REGULAR or _is_no_data(place, model_path):
                continue
            if place not in weights:
                weights[place] = opened.enter_context(package.open_file(place))
            outside[location] = weights[place]
        except InputError:
            continue  # weights that are there are told as not compared
    return OpenSide(
        package=package,
        before=before.files,
        inspection=inspection,
        structure=structure,
        source=source,
        weights=MappingProxyType(weights),
        outside=MappingProxyType(outside),
    )


def _is_no_data(place: PackagePath, model_path: PackagePath) -> bool:
    return place.folded.split("/")[0] == SIGNATURES_NAME or place.folded in (model_path.folded, MANIFEST_NAME)


def same_model(first: OpenSide, second: OpenSide, *, advance: Advance | None) -> bool:
    """Whether model and weights are the same bytes under the same names."""
    if first.outside.keys() != second.outside.keys() or not _same_bytes(first.source, second.source, advance):
        return False
    missing = {tensor.location for tensor in first.inspection.summary.external} - first.outside.keys()
    return not missing and all(_same_bytes(first.outside[name], second.outside[name], advance) for name in first.outside)


def changed_files(first: OpenSide, second: OpenSide, *, limits: Limits, advance: Advance | None) -> FileChanges | None:
    """What became of the files of two packages, signatures included, byte for byte; None where one is no package.

    What is no file of a package, a link for instance, is like nothing in the other one.
    """
    if not (first.is_package and second.is_package):
        return None
    before, after = (_content(side, limits=limits) for side in (first, second))
    for path in [path for path in before if before[path] == after.get(path)]:
        if not _same_files(first, second, PackagePath(path), advance):
            after[path] = (after[path][0], "other bytes")
    return compare_files(before, after)


def _content(side: OpenSide, *, limits: Limits) -> dict[str, tuple[object, str]]:
    listing = side.package.list_files(skip=_NO_CONTENT, limits=limits)
    files: dict[str, tuple[object, str]] = {str(file.path): (file.size, "") for file in listing.files}
    return files | {found.name: (side.package.fd, found.error.message) for found in listing.intruders}


def _same_files(first: OpenSide, second: OpenSide, path: PackagePath, advance: Advance | None) -> bool:
    with first.package.open_file(path) as one, second.package.open_file(path) as other:
        return _same_bytes(one, other, advance)


def _same_bytes(one: ByteSource, other: ByteSource, advance: Advance | None) -> bool:
    if one.size != other.size:
        return False
    for start, length in _chunks(one.size):
        if one.read_at(start, length) != other.read_at(start, length):
            return False
        if advance is not None:
            advance(2 * length)
    return True


def _chunks(size: int) -> Iterator[tuple[int, int]]:
    return ((start, min(_CHUNK, size - start)) for start in range(0, size, _CHUNK))
