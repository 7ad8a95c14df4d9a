"""The options of golden data while packing: what is given, what is made, and how the model is run for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlsign.actions.golden.request import MAX_ATOL, MAX_DRAWN, MIN_MEMORY_BYTES, GoldenCheck, GoldenRequest
from mlsign.cli.console import complain, detail, say
from mlsign.cli.sandbox_options import Sandbox, confinement_of
from mlsign.errors import InputError, shown
from mlsign.limits import MIB
from mlsign.sandbox.layers import REQUIRED, Wall
from mlsign.words import counted

if TYPE_CHECKING:
    from mlsign.actions.golden.packed import PackedGolden

_MAX_SHOWN: Final = 20
_SUITED: Final = (
    "give inputs such as the model was trained on with --golden-from FILE, or with what they should give with --golden"
)
_RTOL: Final = 1e-4
_ATOL: Final = 1e-5
_NOTHING: Final = {
    "--check-golden": "there is no --golden to check",
    "--rtol": "there is no golden data",
    "--atol": "there is no golden data",
}

GoldenPlaces = Annotated[
    list[Path] | None,
    typer.Option(
        "--golden",
        metavar="DIR|NPZ",
        help="Test data with expected outputs: folders test_data_set_N in ONNX's layout, or NAME.inputs.npz with NAME.outputs.npz.",
    ),
]
GoldenFrom = Annotated[
    list[Path] | None,
    typer.Option(
        "--golden-from",
        metavar="FILE",
        help="Inputs (.npz, .npy, .json, .csv); the model itself computes what is expected, confined.",
    ),
]
GoldenAuto = Annotated[
    int,
    typer.Option(
        "--golden-auto", metavar="N", help="So many sets of inputs drawn from the types that the model declares.", max=MAX_DRAWN
    ),
]
CheckGolden = Annotated[
    GoldenCheck,
    typer.Option(
        "--check-golden",
        help="Run the model on golden data that is given, and refuse what it contradicts. auto: where it can be confined.",
    ),
]
Rtol = Annotated[float, typer.Option(metavar="NUMBER", help="Relative tolerance of golden data.", min=0.0, max=1.0)]
Atol = Annotated[float, typer.Option(metavar="NUMBER", help="Absolute tolerance of golden data.", min=0.0, max=MAX_ATOL)]
GoldenTime = Annotated[
    int | None,
    typer.Option(
        "--golden-time", metavar="SECONDS", help="How long one run of the model may take. Default: 60.", min=1, max=86_400
    ),
]
GoldenMemory = Annotated[
    int | None,
    typer.Option(
        "--golden-memory",
        metavar="MIB",
        help="Memory that a run may take. Default: 2048, and four times the ONNX file.",
        min=MIN_MEMORY_BYTES // MIB,
    ),
]
Unsandboxed = Annotated[
    bool, typer.Option("--allow-unsandboxed", help="Run the model even where it cannot be confined. Dangerous.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenOptions:
    """What was said of golden data: a field is an option, in the order of ``--help``."""

    golden: GoldenPlaces = None
    golden_from: GoldenFrom = None
    golden_auto: GoldenAuto = 0
    check_golden: CheckGolden = GoldenCheck.AUTO
    rtol: Rtol = _RTOL
    atol: Atol = _ATOL
    golden_time: GoldenTime = None
    golden_memory: GoldenMemory = None
    sandbox: Sandbox = Wall.PROCESS
    allow_unsandboxed: Unsandboxed = False

    def request(self) -> GoldenRequest:
        """What is asked for. Raises ``InputError`` (``usage.golden``, ``usage.sandbox``)."""
        makes = bool(self.golden_from) or self.golden_auto > 0
        checks = bool(self.golden) and self.check_golden is not GoldenCheck.NEVER
        idle = {
            "--check-golden": self.check_golden is not GoldenCheck.AUTO and not self.golden,
            "--rtol": self.rtol != _RTOL and not (self.golden or makes),
            "--atol": self.atol != _ATOL and not (self.golden or makes),
            "--golden-time": self.golden_time is not None and not (makes or checks),
            "--golden-memory": self.golden_memory is not None and not (makes or checks),
            "--sandbox": self.sandbox is not Wall.PROCESS and not (makes or checks),
            "--allow-unsandboxed": self.allow_unsandboxed and not (makes or checks),
        }
        if name := next((name for name, is_idle in idle.items() if is_idle), ""):
            nothing = _NOTHING.get(name, "the model is not run")
            hint = "leave it out, or add --golden, --golden-from or --golden-auto"
            raise InputError(f"{name} does nothing: {nothing}", code="usage.golden", hint=hint)
        if self.golden_auto < 0:
            raise InputError("--golden-auto is a number of sets", code="usage.golden", found=str(self.golden_auto))
        default = GoldenRequest()
        return GoldenRequest(
            inputs=tuple(self.golden_from or ()),
            drawn=self.golden_auto,
            check=self.check_golden,
            confinement=confinement_of(self.sandbox, allow_unsandboxed=self.allow_unsandboxed),
            seconds=default.seconds if self.golden_time is None else float(self.golden_time),
            memory_bytes=None if self.golden_memory is None else self.golden_memory * MIB,
        )


NO_GOLDEN: Final = GoldenOptions()


def say_golden(packed: PackedGolden) -> None:
    """Words about each set: what it is from, and who says that the model answers so."""
    for each in packed.sets[:_MAX_SHOWN]:
        made = each.golden.made_by
        if made is not None:
            words = f"computed by {shown(made.runtime)} {shown(made.version)} on {shown(made.platform)}"
        else:
            words = "the model answers so" if each.checked else "not checked against the model"
        say(f"golden: {each.golden.path.name} from {shown(each.origin)}, {words}")
    if len(packed.sets) > _MAX_SHOWN:
        say(f"golden: {len(packed.sets) - _MAX_SHOWN} more sets")
    if packed.unchecked is not None:
        complain(f"golden data was not checked, the model could not be run: {shown(packed.unchecked)}")
    for poor in packed.poor[:_MAX_SHOWN]:
        always = "is always the same" if poor.finite else "has not one finite number"
        complain(
            f"output {shown(poor.name)} {always} in {counted(poor.answers, 'answer')} to drawn inputs, which shows little: {_SUITED}"
        )
    if len(packed.poor) > _MAX_SHOWN:
        complain(f"so it is with {counted(len(packed.poor) - _MAX_SHOWN, 'more output')}")
    if any(layer.name in REQUIRED and not layer.in_force for layer in packed.layers):
        complain("the model was run for its golden data without a sandbox, because that was allowed")
    for layer in packed.layers:
        detail(f"  {layer.name}: {shown(layer.detail)}")
