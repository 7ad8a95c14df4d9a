"""Golden sets: what the files of one hold by the names of the model, and how a running model answers to it.

Everything here comes from somebody else and may be wrong; nothing is read from a disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mlsign.errors import InputError, shown
from mlsign.evidence.record import Difference, MeasuredOutput
from mlsign.formats.manifest import Manifest, Role
from mlsign.interface import ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.onnx.golden_values import GoldenValue, decode_golden_value
from mlsign.paths import PackagePath

if TYPE_CHECKING:
    from mlsign.sandbox.jail import Jail

_FILE: Final = re.compile(r"(input|output)_(0|[1-9][0-9]{0,3})\.pb", re.ASCII)

Specs = tuple[ValueSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenData:
    """One set: what to feed and what to expect, by the names of the model."""

    inputs: Mapping[str, GoldenValue]
    outputs: Mapping[str, GoldenValue]


def golden_files(manifest: Manifest) -> Mapping[PackagePath, tuple[PackagePath, ...]]:
    """The files of each set that the manifest lists, in one pass: there may be as many sets as files. Those of folders below are not its."""
    found: dict[tuple[str, ...], list[PackagePath]] = {golden.path.parts: [] for golden in manifest.golden}
    for entry in manifest.files:
        if entry.role is Role.GOLDEN and (files := found.get(entry.path.parts[:-1])) is not None:
            files.append(entry.path)
    return {golden.path: tuple(found[golden.path.parts]) for golden in manifest.golden}


def decode_golden_set(
    files: Iterable[tuple[PackagePath, bytes]], *, inputs: Specs, outputs: Specs, where: str, limits: Limits
) -> GoldenData:
    """The set in these files, ``input_N.pb`` and ``output_N.pb``. Raises ``InputError`` (``golden.…``, ``onnx.…``)."""
    sides: dict[str, dict[int, tuple[PackagePath, bytes]]] = {"input": {}, "output": {}}
    for path, data in files:
        match = _FILE.fullmatch(path.name)
        if match is None:
            raise InputError("is neither input_N.pb nor output_N.pb", code="golden.file", where=shown(path))
        sides[match[1]][int(match[2])] = (path, data)
    return GoldenData(
        inputs=_decode(sides["input"], inputs, what="input", where=where, limits=limits),
        outputs=_decode(sides["output"], outputs, what="output", where=where, limits=limits),
    )


def run_golden_set(data: GoldenData, jail: Jail, *, outputs: Specs, rtol: float, atol: float) -> tuple[MeasuredOutput, ...]:
    """How far each answer of the model is from what the set says. Raises as ``Jail.run``."""
    return measure_set(data, jail.run(feeds_of(data)), outputs=outputs, rtol=rtol, atol=atol)


def feeds_of(data: GoldenData) -> dict[str, Any]:
    """What a jail is fed with for this set."""
    from mlsign.sandbox.golden.golden import feed_of

    return {name: feed_of(value) for name, value in data.inputs.items()}


def measure_set(
    data: GoldenData, answers: Mapping[str, Any], *, outputs: Specs, rtol: float, atol: float
) -> tuple[MeasuredOutput, ...]:
    """How far each of these answers is from what the set says; one too many or too few is a difference."""
    from mlsign.sandbox.golden.golden import measure_golden

    types = {spec.name: spec.type for spec in outputs}
    measured = [
        _without_answer(name, "no golden data says what it should be", "an output_N.pb for it")
        for name in answers
        if name not in data.outputs
    ]
    for name, expected in data.outputs.items():
        if name in answers:
            measured.append(measure_golden(name, expected, answers[name], type_=types[name], rtol=rtol, atol=atol))
        else:
            measured.append(_without_answer(name, "there is no such answer", "an answer"))
    return tuple(measured)


def _without_answer(name: str, message: str, expected: str) -> MeasuredOutput:
    return MeasuredOutput(output=name, compared=0, difference=Difference(message=message, expected=expected, found="none"))


def _decode(
    files: Mapping[int, tuple[PackagePath, bytes]], specs: Specs, *, what: str, where: str, limits: Limits
) -> dict[str, GoldenValue]:
    """The values by the names of the model. The kind of each is that of the input or output of its number."""
    if sorted(files) != list(range(len(files))):
        raise InputError(f"the numbers of its {what} files have gaps", code="golden.file", where=shown(where))
    if len(files) > len(specs):
        message = f"there are {len(files)} {what} files, and the model has {len(specs)}"
        raise InputError(message, code="golden.file", where=shown(where), expected=str(len(specs)), found=str(len(files)))
    ordered = []
    for number, spec in zip(range(len(files)), specs, strict=False):
        if spec.type.kind is ValueKind.SPARSE_TENSOR:
            message = f"{what} {shown(spec.name)} of the model is {shown(spec.type)}, which is not replayed"
            raise InputError(message, code="golden.kind", where=shown(where), found=shown(spec.type))
        path, data = files[number]
        ordered.append(decode_golden_value(data, kind=spec.type.kind, where=str(path), limits=limits))
    return _named(ordered, specs, what=what, where=where)


def _named(ordered: Sequence[GoldenValue], specs: Specs, *, what: str, where: str) -> dict[str, GoldenValue]:
    """The values by the names of the model: their own where all have such, their numbers where no name says otherwise.

    ONNX counts files; many writers give values names of their own, or none.
    """
    kinds = {spec.name: spec.type.kind for spec in specs}
    names = [value.name for value in ordered if value.name in kinds]
    if all(value.name not in kinds or value.name == spec.name for value, spec in zip(ordered, specs, strict=False)):
        return {spec.name: value for spec, value in zip(specs, ordered, strict=False)}
    # A value that is named as one of another kind was read as what it is not.
    strange = any(kinds[name] is not spec.type.kind for name, spec in zip(names, specs, strict=False))
    if len(set(names)) != len(ordered) or strange:
        message = f"which {what} of the model each file is for cannot be told: some are named as one, and some are not"
        raise InputError(message, code="golden.names", where=shown(where), found=shown(", ".join(names)))
    return dict(zip(names, ordered, strict=True))
