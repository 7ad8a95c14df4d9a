"""What golden data comes to in a package: files to copy, sets to list, and what was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from mlsign.actions.packing.ingredients import Ingredient
from mlsign.digest import Digest
from mlsign.errors import MlsignError, shown
from mlsign.formats.manifest import GoldenSet
from mlsign.package.file_source import changed
from mlsign.paths import PackagePath
from mlsign.sandbox.layers import Layer

if TYPE_CHECKING:
    from mlsign.package.sealed import SealedMemory
    from mlsign.sandbox.golden.variety import PoorOutput


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedSet:
    """A set of the package: what it is from, and whether the model that was packed was seen to answer so."""

    golden: GoldenSet
    origin: str
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedGolden:
    """The sets of a package; ``layers`` are those of the sandbox where the model was run on them.

    ``unchecked`` says why it was not run on data that was given, where this machine cannot confine it; ``poor`` are the outputs that
    were always the same, or never a finite number, for inputs that were drawn.
    """

    sets: tuple[PackedSet, ...] = ()
    unchecked: MlsignError | None = None
    layers: tuple[Layer, ...] = ()
    poor: tuple[PoorOutput, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """What golden data adds to a package: its sets, and files to copy. ``sealed`` is the model that was run."""

    packed: PackedGolden
    files: tuple[Ingredient, ...]
    sealed: Mapping[PackagePath, SealedMemory]

    def check_copied(self, digests: Mapping[PackagePath, Digest]) -> None:
        """Returns when what was copied is what was run. Raises ``InputError`` (``file.changed``)."""
        for path, memory in self.sealed.items():
            if memory.hashed((digests[path].algorithm,)) != (digests[path],):
                raise changed(shown(path))


NO_GOLDEN: Final = Golden(packed=PackedGolden(), files=(), sealed=MappingProxyType({}))
