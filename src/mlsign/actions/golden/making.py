"""The golden data of a package: what was given is checked, pairs of ``.npz`` files are written in ONNX's layout, and sets are made.

Values that the model could never take are refused here, and not by whoever verifies the package a year later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from mlsign.actions.golden.found import Pair
from mlsign.actions.golden.given import GoldenReader, sets_of
from mlsign.actions.golden.packed import Golden, PackedGolden, PackedSet
from mlsign.actions.golden.request import GoldenCheck, GoldenRequest
from mlsign.actions.golden.running import GoldenRun, Sealed, seal_model, start_golden_run
from mlsign.actions.golden.sets import GoldenData
from mlsign.actions.packing.ingredients import Ingredient
from mlsign.actions.scoring.confinement import Confinement
from mlsign.errors import InputError, JailError, OutsideError, shown
from mlsign.formats.manifest import GoldenInputs, GoldenSet, MadeBy, Role
from mlsign.limits import Limits
from mlsign.onnx.golden_encoding import encode_golden_value
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath

if TYPE_CHECKING:
    from mlsign.sandbox.golden.variety import PoorOutput

_NO_SANDBOX: Final = frozenset({"sandbox.unavailable", "sandbox.layer", "sealed.unavailable"})
"""What says that this machine cannot confine a model, before a worker has seen anything of it."""

_UNCHECKED: Final = "pack the data as it is, unchecked, with --check-golden never"
_GIVE: Final = "give inputs that suit the model with --golden-from FILE"
_MOST_FILES: Final = 10_000
"""Of one set: the number in ``input_N.pb`` has four digits where it is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A set on its way: in files at ``path``, or in ``encoded`` ones that are still to get a place. Without ``data`` it is not checked."""

    origin: str
    path: PackagePath | None = None
    encoded: tuple[tuple[str, bytes], ...] = ()
    data: GoldenData | None = None
    made_by: MadeBy | None = None


class GoldenMaking:
    """The golden data for one model, whose files are among ``ingredients``."""

    def __init__(
        self,
        summary: ModelSummary,
        ingredients: Mapping[PackagePath, Ingredient],
        *,
        request: GoldenRequest,
        rtol: float,
        atol: float,
        limits: Limits,
    ) -> None:
        self._summary = summary
        self._ingredients = ingredients
        self._request = request
        self._rtol, self._atol = rtol, atol
        self._limits = limits
        self._reader = GoldenReader(summary, limits=limits)
        self._model = next(item for item in ingredients.values() if item.role is Role.MODEL)
        self._poor: tuple[PoorOutput, ...] = ()

    def make(self, pairs: tuple[Pair, ...], *, opened: ExitStack) -> Golden:
        """All that was asked for; nothing is run where nothing asks for it. Memory is given back when ``opened`` is closed.

        Raises ``InputError`` (``golden.…``, ``input.…``, ``onnx.…``, ``file.…``), ``JailError`` (``sandbox.…``) and ``OutsideError``.
        """
        if self._makes or pairs:
            self._check_counts()
        found = [*self._given(), *(self._paired(pair) for pair in pairs)]
        checks = bool(found) and self._request.check is not GoldenCheck.NEVER
        sealed: Sealed = {}
        run, unchecked = None, None
        with ExitStack() as running:
            if checks or self._makes:
                try:
                    sealed = seal_model(self._ingredients, opened=opened)
                    run = running.enter_context(self._start(sealed))
                except (JailError, OutsideError) as err:
                    unchecked = self._excused(err)
            if run is not None:
                for each in found if checks else ():
                    if each.data is not None:
                        run.check(each.data, origin=each.origin)
                found += self._answered(run)
        files, sets = self._placed(found, checked=run is not None and checks)
        packed = PackedGolden(sets=sets, unchecked=unchecked, layers=() if run is None else run.layers, poor=self._poor)
        return Golden(packed=packed, files=files, sealed=sealed)

    def _check_counts(self) -> None:
        """Returns where there is a name for each file of a set. Raises ``InputError`` (``golden.size``)."""
        for what, specs in (("inputs", self._summary.inputs), ("outputs", self._summary.outputs)):
            if len(specs) > _MOST_FILES:
                message = f"has {len(specs)} {what}, and golden data at most {_MOST_FILES}"
                raise InputError(message, code="golden.size", where=shown(self._model.origin))

    @property
    def _makes(self) -> bool:
        return bool(self._request.inputs or self._request.drawn)

    def _given(self) -> Iterator[_Found]:
        looked_at = self._request.check is not GoldenCheck.NEVER
        for path, files in sets_of(self._ingredients).items():
            origin = files[0].origin.rpartition("/")[0]
            yield _Found(origin=origin, path=path, data=self._reader.given(files, origin=origin) if looked_at else None)

    def _paired(self, pair: Pair) -> _Found:
        data = self._reader.pair(pair)
        return _Found(origin=pair.origin, data=data, encoded=self._encoded(data, origin=pair.origin))

    def _start(self, sealed: Sealed) -> AbstractContextManager[GoldenRun]:
        return start_golden_run(
            sealed,
            self._summary,
            model_path=self._model.path,
            request=self._request,
            limits=self._limits,
            rtol=self._rtol,
            atol=self._atol,
        )

    def _excused(self, err: JailError | OutsideError) -> JailError | OutsideError:
        """The error, where data may be packed although the model was not run on it. Raises it where it may not."""
        named = self._request.check is GoldenCheck.ALWAYS or self._request.confinement is Confinement.GVISOR
        needed = self._makes or named
        if not needed and err.code in _NO_SANDBOX:
            return err
        raise type(err)(
            f"cannot be run for its golden data: {err.message}",
            code=err.code,
            where=err.where or shown(self._model.origin),
            expected=err.expected,
            found=err.found,
            hint=err.hint if self._makes else f"{err.hint}; or {_UNCHECKED}" if err.hint else _UNCHECKED,
        ) from err

    def _answered(self, run: GoldenRun) -> Iterator[_Found]:
        """The sets that are made: of inputs that were given, then of inputs that are drawn."""
        given, drawn = run.made_by(GoldenInputs.GIVEN), run.made_by(GoldenInputs.DRAWN)
        for path in self._request.inputs:
            origin = str(path)
            data = run.answer(self._reader.inputs(path), origin=origin)
            self._reader.check_outputs(data, origin=origin)
            yield _Found(origin=origin, encoded=self._encoded(data, origin=origin), made_by=given)
        if self._request.drawn:
            from mlsign.sandbox.golden.variety import Variety

            variety = Variety(self._summary.outputs)
            for number in range(self._request.drawn):
                origin = f"drawn inputs {number}"
                data = self._drawn(run, number, origin=origin)
                variety.add(data.outputs)
                yield _Found(origin=origin, encoded=self._encoded(data, origin=origin), made_by=drawn)
            self._poor = variety.poor()

    def _drawn(self, run: GoldenRun, number: int, *, origin: str) -> GoldenData:
        """A set of drawn inputs, of a narrower kind where the model fails on the wider one or answers with no finite number."""
        from mlsign.sandbox.golden.variety import has_finite
        from mlsign.tensors.draws import breadths, draw_inputs

        why, infinite = "", None
        for breadth in breadths(number):
            inputs = draw_inputs(self._summary.inputs, number=number, breadth=breadth, max_bytes=self._reader.left)
            try:
                data = run.answer(inputs, origin=origin)
                self._reader.check_outputs(data, origin=origin)
            except InputError as err:
                if err.code not in {"golden.failed", "golden.nothing"}:
                    raise
                why = err.message
                if not run.alive:
                    break
            else:
                if any(map(has_finite, data.outputs.values())):
                    return data
                infinite = infinite or data
        if infinite is not None:
            return infinite
        raise InputError(
            f"no drawn inputs suit the model; the last try: {why}", code="golden.draw", where=shown(origin), hint=_GIVE
        )

    def _placed(self, found: list[_Found], *, checked: bool) -> tuple[tuple[Ingredient, ...], tuple[PackedSet, ...]]:
        """The files of the sets that are still to be written, under the next numbers that are free, and all sets."""
        taken = {str(each.path).casefold() for each in found}
        names = (name for number in count() if (name := f"golden/test_data_set_{number}") not in taken)
        files: list[Ingredient] = []
        sets: list[PackedSet] = []
        for each in found:
            path = each.path
            if path is None:
                path = PackagePath(next(names))
                files += (
                    Ingredient.made(data, path=PackagePath(f"{path}/{name}"), origin=each.origin, role=Role.GOLDEN)
                    for name, data in each.encoded
                )
            golden = GoldenSet(path=path, rtol=self._rtol, atol=self._atol, made_by=each.made_by)
            sets.append(PackedSet(golden=golden, origin=each.origin, checked=checked or each.made_by is not None))
        return tuple(files), tuple(sets)

    def _encoded(self, data: GoldenData, *, origin: str) -> tuple[tuple[str, bytes], ...]:
        """The files of a set by name, accounted for. Raises ``InputError`` (``golden.size``, ``golden.value``)."""
        encoded: list[tuple[str, bytes]] = []
        for side, values in (("input", data.inputs), ("output", data.outputs)):
            for number, value in enumerate(values.values()):
                encoded.append((f"{side}_{number}.pb", encode_golden_value(value)))
                self._reader.spend(len(encoded[-1][1]), origin=origin)
        return tuple(encoded)
