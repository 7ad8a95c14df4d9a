"""The model that is about to be packed, run in the sandbox on golden data: what it answers, and whether that is what was expected.

It runs from sealed memory, which is held against what was copied in the end: the bytes that answered are those in the package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from mlsign.actions.golden.request import GoldenRequest
from mlsign.actions.golden.sets import GoldenData, run_golden_set
from mlsign.actions.packing.ingredients import Ingredient
from mlsign.actions.scoring.confinement import Confinement
from mlsign.actions.scoring.jailing import jailed_model
from mlsign.errors import InputError, JailError, OutsideError, shown
from mlsign.evidence.record import MeasuredOutput
from mlsign.formats.manifest import GoldenInputs, MadeBy, Role
from mlsign.limits import GIB, Limits
from mlsign.onnx.golden_values import GoldenValue
from mlsign.onnx.summary import ModelSummary
from mlsign.package.sealed import SealedMemory, seal_file
from mlsign.paths import PackagePath
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.spec import JailSpec

if TYPE_CHECKING:
    from mlsign.sandbox.jail import Jail

_LEAST_MEMORY: Final = 2 * GIB
_PER_BYTE: Final = 4
"""Address space for each byte of a model with its weights inside, which takes three times its size while it loads."""

_PER_GOLDEN_BYTE: Final = 4
"""What answers may take while they are objects, for each byte that golden data may have."""

_START_SECONDS: Final = 60.0
_SUITED: Final = "give inputs that suit the model"
_MORE: Final = "give it more with --golden-memory or --golden-time, or fewer rows"
_OR_UNCHECKED: Final = ", or pack the data unchecked with --check-golden never"

Sealed = Mapping[PackagePath, SealedMemory]


def seal_model(ingredients: Mapping[PackagePath, Ingredient], *, opened: ExitStack) -> Sealed:
    """The model and its weights in memory that nobody can change; it is given back when ``opened`` is closed.

    Raises as ``seal_file``, and ``OutsideError`` (``sealed.memory``) where there is not as much memory.
    """
    from mlsign.sandbox.machine import cgroup_memory, free_memory

    run = {path: item for path, item in ingredients.items() if item.role in (Role.MODEL, Role.WEIGHTS)}
    needed = sum(item.size for item in run.values())
    room = min((size for size in (cgroup_memory(), free_memory()) if size is not None), default=needed)
    if needed > room:  # said here, and not by the kernel, which would end the process
        message = f"the model and its weights are {needed} bytes, and there is memory for {room}"
        raise OutsideError(message, code="sealed.memory", hint="pack it on a larger machine")
    sealed: dict[PackagePath, SealedMemory] = {}
    for path, item in run.items():
        sealed[path] = opened.enter_context(seal_file(item.source()))
        item.rest()
    return sealed


class GoldenRun:
    """One model in one worker. Nothing that it answers is taken before it has answered the same again."""

    def __init__(self, jail: Jail, summary: ModelSummary, *, rtol: float, atol: float) -> None:
        self._jail = jail
        self._summary = summary
        self._rtol, self._atol = rtol, atol

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Each layer of the sandbox and whether it is in force."""
        return self._jail.layers

    @property
    def alive(self) -> bool:
        """The worker takes further calls: what is wrong with one answer can have ended it."""
        return self._jail.alive()

    def made_by(self, inputs: GoldenInputs) -> MadeBy:
        """What the manifest says of sets that are answered here."""
        from mlsign.sandbox.machine import platform_name

        return MadeBy(
            runtime=self._jail.runtime.value, version=self._jail.runtime_version, platform=platform_name(), inputs=inputs
        )

    def check(self, data: GoldenData, *, origin: str) -> None:
        """Returns when the model answers as the set says. Raises ``InputError`` (``golden.contradicted``, …) and ``JailError``."""
        with _told(origin, otherwise=_OR_UNCHECKED):
            odd = self._different(data)
        if odd is not None:
            more = "allow more with --rtol and --atol, " if odd.too_far else ""
            hint = f"{more}look at how the model was exported{_OR_UNCHECKED}"
            raise _differs(
                "the model answers otherwise than its golden data says", odd, code="contradicted", where=origin, hint=hint
            )

    def answer(self, inputs: Mapping[str, GoldenValue], *, origin: str) -> GoldenData:
        """The set of these inputs and of what the model answers to them. Raises ``InputError`` (``golden.random``, …), ``JailError``."""
        from mlsign.sandbox.golden.golden import feed_of
        from mlsign.sandbox.golden.making import golden_values

        with _told(origin):
            answers = self._jail.run({name: feed_of(value) for name, value in inputs.items()})
            data = GoldenData(inputs=inputs, outputs=golden_values(answers, specs=self._summary.outputs))
            odd = self._different(data)
        if odd is not None:
            hint = "a model that draws random numbers has no expected outputs; export it without the operators that draw them"
            raise _differs("the model answers otherwise when it is asked again", odd, code="random", where=origin, hint=hint)
        return data

    def _different(self, data: GoldenData) -> MeasuredOutput | None:
        measured = run_golden_set(data, self._jail, outputs=self._summary.outputs, rtol=self._rtol, atol=self._atol)
        return next((output for output in measured if output.difference is not None), None)


@contextmanager
def start_golden_run(
    sealed: Sealed,
    summary: ModelSummary,
    *,
    model_path: PackagePath,
    request: GoldenRequest,
    limits: Limits,
    rtol: float,
    atol: float,
) -> Iterator[GoldenRun]:
    """The model, confined as the request says. Raises ``JailError`` and ``OutsideError`` as ``Jail.start``."""
    from mlsign.sandbox.jail import Jail

    most = limits.max_golden_bytes
    own = _LEAST_MEMORY + _PER_BYTE * sealed[model_path].size
    spec = JailSpec(
        memory_bytes=own if request.memory_bytes is None else request.memory_bytes,
        cpu_seconds=request.seconds,
        wall_seconds=request.seconds,
        start_seconds=max(_START_SECONDS, request.seconds),
        wall=request.confinement.wall,
        limits=replace(limits, max_input_bytes=most, max_output_bytes=min(limits.max_output_bytes, _PER_GOLDEN_BYTE * most)),
    )
    model = jailed_model(sealed, model_path=model_path, summary=summary)
    waived = request.confinement is Confinement.WAIVED
    with Jail.start(model, spec=spec, allow_unsandboxed=waived) as jail:
        yield GoldenRun(jail, summary, rtol=rtol, atol=atol)


@contextmanager
def _told(origin: str, *, otherwise: str = "") -> Iterator[None]:
    """What goes wrong inside says for which data, and in the words of packing what to do, or else ``otherwise``."""
    try:
        yield
    except JailError as err:
        if err.code in {"sandbox.model.run", "sandbox.output"}:
            what = "fails on these inputs" if err.code == "sandbox.model.run" else "does not answer these inputs as it declares"
            message = f"the model {what}: {err.message}"
            raise InputError(message, code="golden.failed", where=shown(origin), hint=f"{_SUITED}{otherwise}") from err
        raise JailError(
            err.message, code=err.code, where=shown(origin), expected=err.expected, found=err.found, hint=f"{_MORE}{otherwise}"
        ) from err
    except InputError as err:
        err.where = f"{shown(origin)}: {err.where}" if err.where else shown(origin)
        raise


def _differs(words: str, output: MeasuredOutput, *, code: str, where: str, hint: str) -> InputError:
    difference = output.difference
    assert difference is not None  # noqa: S101 - such outputs alone come here
    far = "" if output.absolute is None else f"; the largest error is {output.absolute:g}, relatively {output.relative or 0:g}"
    return InputError(
        f"{words}: output {shown(output.output)}: {difference.message}{far}",
        code=f"golden.{code}",
        where=shown(where),
        expected=difference.expected,
        found=difference.found,
        hint=hint,
    )
