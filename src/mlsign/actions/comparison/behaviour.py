"""What two models answer to the same inputs: both run in the sandbox, one after the other, from sealed memory, and nothing is run elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from mlsign.actions.comparison.difference import Behaviour, Ran
from mlsign.actions.comparison.sides import OpenSide
from mlsign.actions.golden.sets import decode_golden_set, feeds_of, golden_files
from mlsign.actions.scoring.jailing import jailed_model
from mlsign.errors import InputError, JailError, MlsignError, OutsideError, shown
from mlsign.evidence.record import Difference, MeasuredOutput
from mlsign.interface import TypeSpec, ValueSpec
from mlsign.limits import GIB, MIB, Limits
from mlsign.package.sealed import SealedMemory, seal_file
from mlsign.paths import PackagePath
from mlsign.sandbox.spec import JailSpec

if TYPE_CHECKING:
    from mlsign.sandbox.jail import Jail

_LEAST_MEMORY: Final = 2 * GIB
_PER_BYTE: Final = 4
"""Address space for each byte of a model with its weights inside, which takes three times its size while it loads."""
_MAX_PROBLEMS: Final = 20
_SECONDS: Final = 120.0
"""For all runs of one model; a stranger says how many there are."""
_MAX_ANSWER: Final = 256 * MIB
_MAX_KEPT: Final = GIB
_PER_TEXT: Final = 64

Clock: TypeAlias = Callable[[], float]
Answer: TypeAlias = "Mapping[str, Any] | MlsignError"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    """What both models are fed with, and where it comes from."""

    name: str
    feeds: Mapping[str, Any]


def compare_behaviour(
    first: OpenSide, second: OpenSide, *, given: tuple[Path, ...], limits: Limits, clock: Clock = time.monotonic
) -> Behaviour:
    """How far the answers of the second are from those of the first, on the golden inputs of both and on the files ``given``.

    Whatever keeps answers from being compared is in ``problems``. Raises ``InputError`` for a file among ``given`` that the first
    model cannot be fed with, and ``OutsideError``.
    """
    inputs = read_given(given, first, limits=limits)
    problems: list[str] = []
    seen: set[tuple[bytes, ...]] = set()
    for label, side in (("first", first), ("second", second)):
        found, wrong = _golden(side, label, seen, limits=limits)
        inputs += found
        problems += wrong
    if not inputs and not problems:
        return Behaviour(ran=Ran.NO_DATA)
    answers: list[list[Answer]] = []
    for label, side in (("first", first), ("second", second)):
        told, reason = _answers(side, inputs, limits=limits, clock=clock)
        if reason:
            return Behaviour(
                ran=Ran.FAILED, inputs=tuple(each.name for each in inputs), problems=(f"{label} model: {reason}", *problems)
            )
        answers.append(told)
    return _held(first, second, inputs, answers, problems)


def read_given(given: tuple[Path, ...], side: OpenSide, *, limits: Limits) -> list[_Inputs]:
    """The files that were given, for this model. Raises ``InputError`` for one that it cannot be fed with, and ``OutsideError``."""
    return [_given(path, side.inspection.summary.inputs, limits=limits) for path in given]


def _given(path: Path, specs: tuple[ValueSpec, ...], *, limits: Limits) -> _Inputs:
    from mlsign.sandbox.feeds import naming_file, read_feeds
    from mlsign.sandbox.tensors import check_feeds

    with naming_file(path):
        feeds = read_feeds(path, inputs=specs, limits=limits)
        check_feeds(feeds, inputs=specs, limits=limits)
    return _Inputs(name=str(path), feeds=feeds)


def _golden(side: OpenSide, label: str, seen: set[tuple[bytes, ...]], *, limits: Limits) -> tuple[list[_Inputs], list[str]]:
    """The inputs of every golden set that nobody has ``seen`` yet, and what is wrong with sets that cannot be read."""
    manifest, summary = side.inspection.manifest, side.inspection.summary
    inputs, problems = [], []
    left = limits.max_golden_bytes
    for golden, paths in golden_files(manifest).items() if manifest is not None else ():
        name = f"{golden} of the {label}"
        files: list[tuple[PackagePath, bytes]] = []
        try:
            for path in paths:
                with side.package.open_file(path) as source:
                    files.append((path, source.read_all(max_bytes=left)))
                left -= len(files[-1][1])
            data = decode_golden_set(files, inputs=summary.inputs, outputs=summary.outputs, where=str(golden), limits=limits)
            key = tuple(sorted(sha256(content).digest() for path, content in files if path.name.startswith("input_")))
            if key not in seen:
                seen.add(key)
                inputs.append(_Inputs(name=name, feeds=feeds_of(data)))
        except InputError as err:
            problems.append(f"{name}: {err}")
    return inputs, problems


def _answers(side: OpenSide, inputs: list[_Inputs], *, limits: Limits, clock: Clock) -> tuple[list[Answer], str]:
    """What a model answers to each of the inputs, or why it was not run."""
    from mlsign.sandbox.jail import Jail

    with ExitStack() as opened:
        sealed: dict[PackagePath, SealedMemory] = {}
        try:
            for path, source in {**side.weights, side.model_path: side.source}.items():
                sealed[path] = opened.enter_context(seal_file(source))
            model = jailed_model(sealed, model_path=side.model_path, summary=side.inspection.summary)
            size = sum(memory.size for memory in sealed.values())
            most = replace(limits, max_output_bytes=min(limits.max_output_bytes, _MAX_ANSWER))
            spec = JailSpec(memory_bytes=max(_LEAST_MEMORY, _PER_BYTE * size), limits=most)
            jail = opened.enter_context(Jail.start(model, spec=spec))
        except (JailError, InputError, OutsideError) as err:
            if err.code == "file.changed":
                raise
            return [], str(err)
        return list(_all_answers(jail, inputs, clock=clock)), ""


def _all_answers(jail: Jail, inputs: list[_Inputs], *, clock: Clock) -> Iterator[Answer]:
    """The answers, as long as there is time, and room to keep them until the other model has answered as well."""
    end, room = clock() + _SECONDS, _MAX_KEPT
    for each in inputs:
        left = end - clock()
        if left <= 0 or room <= 0:
            what = "time for running the model" if left <= 0 else "room for its answers"
            yield JailError(f"there was no {what} left", code="sandbox.timeout")
            continue
        try:
            answers: Mapping[str, Any] = jail.run(each.feeds, seconds=left)
        except MlsignError as err:
            yield err
            continue
        room -= sum(map(_bytes_of, answers.values()))
        yield answers


def _bytes_of(answer: Any) -> int:
    """About how much memory an answer takes: an array, a text, or a sequence or map of such."""
    if isinstance(answer, dict):
        return sum(map(_bytes_of, answer.values()))
    if isinstance(answer, list):
        return sum(map(_bytes_of, answer))
    if str(getattr(answer, "dtype", "")) == "object":
        return sum(len(str(text)) + _PER_TEXT for text in answer.flat)
    return int(getattr(answer, "nbytes", _PER_TEXT))


def _held(
    first: OpenSide, second: OpenSide, inputs: list[_Inputs], answers: list[list[Answer]], problems: list[str]
) -> Behaviour:
    types = [{spec.name: spec.type for spec in side.inspection.summary.outputs} for side in (first, second)]
    outputs: dict[str, MeasuredOutput] = {}
    for each, before, after in zip(inputs, *answers, strict=True):
        wrong = [
            f"{label} model: {answer}"
            for label, answer in (("first", before), ("second", after))
            if isinstance(answer, MlsignError)
        ]
        if isinstance(before, MlsignError) or isinstance(after, MlsignError):
            problems.append(f"{each.name}: {'; '.join(wrong)}")
            continue
        for name in (name for name in before if name in after):
            found = _measured(name, before[name], after[name], types)
            outputs[name] = found if name not in outputs else _together(outputs[name], found)
    if not outputs and not problems:
        problems.append("the models have no output of one name")
    more = len(problems) - _MAX_PROBLEMS
    told = (*problems[:_MAX_PROBLEMS], *((f"and {more} more",) if more > 0 else ()))
    return Behaviour(
        ran=Ran.YES, inputs=tuple(each.name for each in inputs), outputs=tuple(outputs.values()), problems=tuple(told)
    )


def _measured(name: str, before: Any, after: Any, types: list[dict[str, TypeSpec]]) -> MeasuredOutput:
    from mlsign.sandbox.golden.golden import measure

    old, new = types[0][name], types[1][name]
    if _kind(old) != _kind(new):
        difference = Difference(message="it is of another type", expected=shown(old), found=shown(new))
        return MeasuredOutput(output=name, compared=0, difference=difference)
    return measure(name, before, after, type_=old, rtol=0.0, atol=0.0)


def _kind(spec: TypeSpec) -> tuple[object, ...]:
    return (spec.kind, spec.element, None if spec.inner is None else _kind(spec.inner))


def _together(one: MeasuredOutput, other: MeasuredOutput) -> MeasuredOutput:
    """Two measures of one output as one of both."""

    def largest(name: str) -> Any:
        return max((value for value in (getattr(one, name), getattr(other, name)) if value is not None), default=None)

    return MeasuredOutput(
        output=one.output,
        compared=one.compared + other.compared,
        unequal=one.unequal + other.unequal,
        too_far=one.too_far + other.too_far,
        absolute=largest("absolute"),
        relative=largest("relative"),
        ulps=largest("ulps"),
        difference=one.difference or other.difference,
    )
