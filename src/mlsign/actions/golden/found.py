"""Golden data on a disk: folders in ONNX's layout, as they are, and pairs of ``.npz`` files, which are still to be written in it.

A name that the user gave may be a link to a folder. No other link is followed: a folder that somebody sent us must not be able to have
other files of this machine packed and shipped.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.actions.packing.ingredients import MAX_OPEN, Ingredient, beneath, is_link
from mlsign.errors import InputError, naming, shown
from mlsign.formats.manifest import Role
from mlsign.limits import Limits
from mlsign.package.read import OpenPackage
from mlsign.paths import decode_path

if TYPE_CHECKING:
    from mlsign.sandbox.arrays import Result

_FILE: Final = re.compile(r"(input|output)_[0-9]{1,6}\.pb", re.ASCII)
_SET: Final = re.compile(r"test_data_set_[0-9A-Za-z_.-]{1,64}", re.ASCII)
_HALF: Final = re.compile(r"(?:(.+)\.)?(inputs|outputs)\.npz", re.DOTALL)
_LAYOUTS: Final = "test_data_set_0 with input_0.pb and output_0.pb, or NAME.inputs.npz with NAME.outputs.npz"
_HINT: Final = (
    "the first is ONNX's own layout for test data; the second holds arrays by the names of the model's inputs and outputs"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two ``.npz`` files in one folder: what to feed, and what to expect."""

    folder: Path
    inputs: str
    outputs: str

    @property
    def origin(self) -> str:
        """What it is called in messages."""
        return str(self.folder / self.inputs)


def find_golden(places: Iterable[Path]) -> tuple[tuple[Path, ...], tuple[Pair, ...]]:
    """The folders in ONNX's layout, and the pairs, each once. Raises ``InputError`` (``pack.golden``, ``file.missing``)."""
    folders: list[Path] = []
    pairs: dict[tuple[str, str], Pair] = {}
    for place in places:
        if os.path.isdir(place):  # noqa: PTH112 - which never raises: who opens it says what is wrong
            halves = [] if _SET.fullmatch(place.name) else sorted(child.name for child in _children(place, _HALF))
            if not halves or _children(place, _SET):
                folders.append(place)
            folder = place
        else:
            halves, folder = [place.name], place.parent
        for name in halves:
            pair = _pair(folder, name)
            pairs.setdefault((os.path.realpath(folder), pair.inputs), pair)
    return tuple(folders), tuple(pairs.values())


def _pair(folder: Path, name: str) -> Pair:
    """The pair that the file is one half of, both of which are there."""
    match = _HALF.fullmatch(name)
    place = folder / name
    if not os.path.lexists(place):
        raise InputError("there is no file of this name", code="file.missing", where=shown(place))
    if match is None:
        raise InputError("is no golden data", code="pack.golden", where=shown(place), expected=_LAYOUTS, hint=_HINT)
    stem = "" if match[1] is None else f"{match[1]}."
    pair = Pair(folder=folder, inputs=f"{stem}inputs.npz", outputs=f"{stem}outputs.npz")
    other = pair.outputs if name == pair.inputs else pair.inputs
    if not os.path.lexists(folder / other):
        hint = "golden data needs inputs and expected outputs; to have the outputs computed, give the inputs to --golden-from"
        message = f"is one half of golden data, and there is no {shown(other)} beside it"
        raise InputError(message, code="pack.golden", where=shown(place), expected=shown(other), hint=hint)
    return pair


def read_pair(pair: Pair, *, limits: Limits) -> tuple[Mapping[str, Result], Mapping[str, Result]]:
    """The arrays of both halves, by name. Raises ``InputError`` (``input.…``, ``file.…``, ``path.…``) and ``OutsideError``."""
    from mlsign.sandbox.feeds import decode_npz

    def read(folder: OpenPackage, name: str) -> Mapping[str, Result]:
        where = shown(pair.folder / name)
        if (pair.folder / name).is_symlink():
            raise is_link(
                pair.folder / name
            )  # for the message alone: the opening below refuses links that appear after this look
        with naming(where):
            with folder.open_file(decode_path(name)) as source:
                data = source.read_all(max_bytes=limits.max_golden_bytes)
            return decode_npz(data, limits=limits)

    with OpenPackage.open(pair.folder) as folder:
        return read(folder, pair.inputs), read(folder, pair.outputs)


def open_golden(folders: Iterable[Path]) -> Iterator[Ingredient]:
    """Test data in ONNX's layout: ``test_data_set_*`` folders of ``input_N.pb`` and ``output_N.pb``.

    Raises ``InputError`` (``pack.golden``, ``file.missing``, ``file.kind``).
    """
    seen = 0
    for folder in folders:
        itself = _SET.fullmatch(folder.name) is not None
        sets = [folder] if itself else sorted(_children(folder, _SET))
        for data_set in sets:
            if data_set.is_symlink() and not itself:
                raise is_link(data_set)
            files = sorted(_children(data_set, _FILE))
            if not any(f.name.startswith("output_") for f in files):
                raise InputError(
                    "has no output_0.pb", code="pack.golden", where=shown(data_set), hint="golden data needs expected outputs"
                )
            with OpenPackage.open(folder) as top:
                for file in files:
                    name = f"golden/{data_set.name}/{file.name}"
                    yield beneath(top, file, folder=folder, name=name, role=Role.GOLDEN, keep=seen < MAX_OPEN)
                    seen += 1
        if not sets:
            raise InputError(
                "is no folder of golden data", code="pack.golden", where=shown(folder), expected=_LAYOUTS, hint=_HINT
            )


def _children(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        return [child for child in folder.iterdir() if pattern.fullmatch(child.name)]
    except OSError as err:
        raise InputError(f"cannot be listed: {err.strerror}", code="file.missing", where=shown(folder)) from err
