"""What golden data comes to in a package: files to copy, sets to list, and what was run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from mlsign.actions._ingredients import Ingredient
from mlsign.digest import Digest
from mlsign.errors import JailError, OutsideError, shown
from mlsign.formats.manifest import GoldenSet
from mlsign.package.file_source import changed
from mlsign.paths import PackagePath

if TYPE_CHECKING:
    from mlsign.package.sealed import SealedMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedSet:
    """A set of the package: what it is from, and whether the model that was packed was seen to answer so."""

    golden: GoldenSet
    origin: str
    checked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """What golden data adds to a package.

    ``unchecked`` says why the model was not run, where this machine cannot confine it. ``sealed`` is the model that was run.
    """

    files: tuple[Ingredient, ...]
    sets: tuple[PackedSet, ...]
    unchecked: JailError | OutsideError | None
    sealed: Mapping[PackagePath, SealedMemory]

    def check_copied(self, digests: Mapping[PackagePath, Digest]) -> None:
        """Returns when what was copied is what was run. Raises ``InputError`` (``file.changed``)."""
        for path, memory in self.sealed.items():
            if memory.hashed((digests[path].algorithm,)) != (digests[path],):
                raise changed(shown(path))


NO_GOLDEN: Final = Golden(files=(), sets=(), unchecked=None, sealed={})
