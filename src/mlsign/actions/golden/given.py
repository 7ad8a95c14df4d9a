"""Golden data that somebody gave, as values that the model could take and give; anything else is refused, and nothing is run.

The total is bounded by ``max_golden_bytes``: what is beyond it would never be replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from mlsign.actions.golden.found import Pair, read_pair
from mlsign.actions.golden.sets import GoldenData, decode_golden_set
from mlsign.actions.packing.ingredients import Ingredient
from mlsign.errors import InputError, naming, shown
from mlsign.formats.manifest import Role
from mlsign.limits import Limits
from mlsign.onnx.golden_values import GoldenValue
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath

_UNCHECKED: Final = "mend the data, or pack it as it is, unchecked, with --check-golden never"


class GoldenReader:
    """Reads golden data for one model."""

    def __init__(self, summary: ModelSummary, *, limits: Limits) -> None:
        self._summary = summary
        self._most = self._left = limits.max_golden_bytes
        self._limits = replace(limits, max_input_bytes=min(limits.max_input_bytes, limits.max_golden_bytes))

    @property
    def left(self) -> int:
        """How many bytes of golden data there may still be."""
        return self._left

    def spend(self, size: int, *, origin: str) -> None:
        """Accounts for so many bytes in files of the package. Raises ``InputError`` (``golden.size``)."""
        self._left -= size
        if self._left < 0:
            raise InputError(
                "brings the golden data beyond what is ever replayed",
                code="golden.size",
                where=shown(origin),
                expected=f"{self._most} bytes in all sets together",
                hint="give fewer rows, or fewer sets",
            )

    def given(self, files: tuple[Ingredient, ...], *, origin: str) -> GoldenData:
        """What the files of a set in ONNX's layout hold. Raises ``InputError`` (``golden.…``, ``input.…``, ``onnx.…``)."""
        read: list[tuple[PackagePath, bytes]] = []
        for item in files:
            self.spend(item.size, origin=item.origin)
            read.append((item.path, item.source().read_all(max_bytes=self._most)))
            item.rest()
        summary = self._summary
        with _hinting(_UNCHECKED):
            data = decode_golden_set(read, inputs=summary.inputs, outputs=summary.outputs, where=origin, limits=self._limits)
            self._check(data, origin=origin)
        return data

    def pair(self, pair: Pair) -> GoldenData:
        """What a pair of ``.npz`` files holds. Raises ``InputError`` (``golden.…``, ``input.…``, ``file.…``) and ``OutsideError``."""
        from mlsign.sandbox.golden.making import check_expected, golden_values
        from mlsign.sandbox.tensors import check_feeds

        feeds, expected = read_pair(pair, limits=self._limits)
        with naming(shown(pair.folder / pair.inputs)):
            check_feeds(feeds, inputs=self._summary.inputs, limits=self._limits)
            inputs = golden_values(feeds, specs=self._summary.inputs)
        with naming(shown(pair.folder / pair.outputs)):
            check_expected(expected, outputs=self._summary.outputs, max_bytes=self._most)
            data = GoldenData(inputs=inputs, outputs=golden_values(expected, specs=self._summary.outputs))
        self.check_outputs(data, origin=shown(pair.folder / pair.outputs))
        return data

    def inputs(self, path: Path) -> Mapping[str, GoldenValue]:
        """Inputs in a file of any format that ``score`` takes. Raises ``InputError`` (``input.…``) and ``OutsideError``."""
        from mlsign.sandbox.feeds import naming_file, read_feeds
        from mlsign.sandbox.golden.making import golden_values
        from mlsign.sandbox.tensors import check_feeds

        with naming_file(path):
            feeds = read_feeds(path, inputs=self._summary.inputs, limits=self._limits)
            check_feeds(feeds, inputs=self._summary.inputs, limits=self._limits)
            return golden_values(feeds, specs=self._summary.inputs)

    def _check(self, data: GoldenData, *, origin: str) -> None:
        from mlsign.sandbox.golden.golden import feed_of
        from mlsign.sandbox.tensors import check_feeds

        feeds: dict[str, Any] = {name: feed_of(value) for name, value in data.inputs.items()}
        with naming(shown(origin)):
            check_feeds(feeds, inputs=self._summary.inputs, limits=self._limits)
        self.check_outputs(data, origin=origin)

    def check_outputs(self, data: GoldenData, *, origin: str) -> None:
        """Returns when there is something to compare. Raises ``InputError`` (``golden.nothing``)."""
        from mlsign.sandbox.golden.making import show_something

        if not show_something(data.outputs.values()):
            raise InputError(
                "has no output with an element to compare that is a number, so it shows nothing",
                code="golden.nothing",
                where=shown(origin),
                expected="a number, a text or a boolean",
            )


def sets_of(ingredients: Mapping[PackagePath, Ingredient]) -> dict[PackagePath, tuple[Ingredient, ...]]:
    """The sets in ONNX's layout that are among the files of a package, by their folders."""
    sets: dict[PackagePath, tuple[Ingredient, ...]] = {}
    for path, item in sorted(ingredients.items()):
        if item.role is Role.GOLDEN:
            folder = PackagePath(path.text.rpartition("/")[0])
            sets[folder] = (*sets.get(folder, ()), item)
    return sets


@contextmanager
def _hinting(hint: str) -> Iterator[None]:
    """What is wrong inside says what to do, where it says nothing better."""
    try:
        yield
    except InputError as err:
        err.hint = f"{err.hint}; or {hint}" if err.hint else hint
        raise
