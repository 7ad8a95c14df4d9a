"""The documents of a worker's start: what it is told, and what the parent makes of what it answers.

Nothing that a worker says is believed: a report that cannot be read, a layer that is missing and an interface that
verification did not see end it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mlsign.errors import InputError, JailError, shown
from mlsign.interface import ValueKind, ValueSpec
from mlsign.sandbox import protocol
from mlsign.sandbox.kinds import spelled
from mlsign.sandbox.layers import FULL, Isolation, Layer, Wall, missing_layers
from mlsign.sandbox.protocol import Kind
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile
from mlsign.strict import Fields, JsonValue

_MAX_VERSION_CHARS: Final = 100
_MAX_LAYERS: Final = 100
_SPOKEN: Final = MappingProxyType({RuntimeName.ONNXRUNTIME: "onnxruntime", RuntimeName.REFERENCE: "the reference evaluator"})

_LARGE: Final = "send less at once, or raise sandbox.memory in the policy if the model is honestly large"

SURVIVABLE: Final = frozenset({"sandbox.model.run", "sandbox.memory", "sandbox.output.size", "sandbox.output.kind"})
"""Codes of ERROR frames after which the worker goes on serving."""

ACCEPTED: Final[Mapping[Kind, frozenset[str]]] = MappingProxyType(
    {
        Kind.CONFINED: frozenset(
            {"sandbox.layer", "sandbox.proof", "sandbox.threads", "sandbox.runtime", "sandbox.model.start", "sandbox.memory"}
        ),
        Kind.READY: frozenset({"sandbox.model.load", "sandbox.external", "sandbox.memory"}),
        Kind.RESULT: SURVIVABLE,
    }
)
"""Codes a worker may send instead of each answer; another one is a broken frame. A worker that has seen the model
and says that a layer is missing is no honest one: it asks to be started again without walls."""


def task_document(model: JailedModel, spec: JailSpec, *, confined: bool) -> JsonValue:
    """What the worker is to do. Its descriptors come in the order of ``model`` and ``weights``."""

    def entry(file: SealedFile) -> JsonValue:
        return {"path": file.path, "size": file.size}

    external: list[JsonValue] = []
    for tensor in model.external:
        item: dict[str, JsonValue] = {"name": tensor.name, "location": tensor.location, "offset": tensor.offset}
        if tensor.length is not None:
            item["length"] = tensor.length
        external.append(item)
    return {
        "confined": confined,
        "threads": spec.threads,
        "memory_bytes": spec.memory_bytes,
        "load_bytes": model.load_bytes,
        "max_input_bytes": spec.limits.max_input_bytes,
        "max_output_bytes": spec.limits.max_output_bytes,
        "model": entry(model.model),
        "weights": [entry(file) for file in model.weights],
        "external": external,
    }


def check_layers(layers: tuple[Layer, ...], *, isolation: Isolation, wall: Wall) -> None:
    """Every layer that is asked for is in force. Raises ``JailError`` (``sandbox.layer``)."""
    if missing := missing_layers(layers, isolation=isolation, wall=wall):
        names = ", ".join(f"{layer.name} ({shown(layer.detail)})" for layer in missing)
        raise JailError(f"not in force: {names}", code="sandbox.layer", where=missing[0].name, found=names)


def open_layers() -> tuple[Layer, ...]:
    """The layers of a worker that runs without walls, because that was allowed."""
    return tuple(Layer(name=name, in_force=False, detail="not confined: allowed explicitly") for name in FULL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    """What a worker says of itself before it has seen anything of a model."""

    layers: tuple[Layer, ...]
    version: str
    """Of its runtime."""
    threads: int
    """How many the runtime computes with."""


def decode_confined(body: bytes, *, runtime: RuntimeName) -> Confined:
    """The report of a worker that is to hold ``runtime``. Raises ``JailError`` (``sandbox.frame``)."""

    def layer(value: JsonValue, where: str) -> Layer:
        fields = Fields(value, where=where, format_name="confined")
        return Layer(name=fields.text("name"), in_force=fields.boolean("in_force"), detail=fields.text("detail", empty=True))

    try:
        fields = Fields(protocol.decode_document(body), where="", format_name="confined")
        name, version = fields.text("runtime"), fields.text("version", maximum=_MAX_VERSION_CHARS)
        threads = fields.integer("threads", minimum=1)
        layers = tuple(layer(value, where) for value, where in fields.items("layers", maximum=_MAX_LAYERS))
        fields.done()
    except InputError as err:
        raise JailError(f"the worker's report cannot be read: {err}", code="sandbox.frame", found=err.code) from err
    if name != runtime.value:
        message = f"the worker holds {shown(name)}, asked for was {runtime.value}"
        raise JailError(message, code="sandbox.frame", expected=runtime.value, found=shown(name))
    return Confined(layers=layers, version=version, threads=threads)


def reported(body: bytes, *, accepted: frozenset[str]) -> JailError:
    """The error that a worker reports, its words escaped and cut."""
    try:
        fields = Fields(protocol.decode_document(body), where="", format_name="error")
        code, message = fields.text("code"), fields.text("message")
    except InputError as err:
        return JailError(f"the worker's error cannot be read: {err}", code="sandbox.frame", found=err.code)
    if code not in accepted:
        return JailError(f"the worker reports {shown(code)}: {shown(message)}", code="sandbox.frame", found=shown(code))
    words = shown(message, limit=600)
    if code == "sandbox.memory":
        return JailError("the model wants more memory than it may have", code=code, found=words, hint=_LARGE)
    return JailError(words, code=code)


def check_interface(body: bytes, model: JailedModel, *, runtime: RuntimeName = RuntimeName.ONNXRUNTIME) -> None:
    """The runtime sees the inputs and outputs that verification saw. Raises ``JailError`` (``sandbox.interface``).

    Two readers that disagree about a model are how a reviewed model and a running one come apart.
    """
    try:
        document = protocol.decode_document(body)
        fields = Fields(document, where="", format_name="ready")
        seen = {side: _seen(fields, side) for side in ("inputs", "outputs")}
    except InputError as err:
        raise JailError(f"the worker's report cannot be read: {err}", code="sandbox.frame", found=err.code) from err
    for side, specs in (("inputs", model.inputs), ("outputs", model.outputs)):
        wanted = {spec.name: _runtime_type(spec) for spec in specs}
        if seen[side] != wanted and not _only_unspelled(seen[side], wanted):
            message = f"{_SPOKEN[runtime]} sees the {side} {shown(seen[side])}, verified are {shown(wanted)}"
            raise JailError(message, code="sandbox.interface", where=side, expected=shown(wanted), found=shown(seen[side]))


def _seen(fields: Fields, side: str) -> dict[str, str]:
    out = {}
    for value, where in fields.items(side, maximum=100_000):
        item = Fields(value, where=where, format_name="ready")
        out[item.text("name", maximum=65536, empty=True)] = item.text("type", empty=True)
    return out


def _runtime_type(spec: ValueSpec) -> str:
    """The type as onnxruntime spells it, empty where it says too little: no result can be of such a one."""
    return spelled(spec.type) or (f"tensor({spec.type.element})" if spec.type.kind is ValueKind.TENSOR else "")


def _only_unspelled(seen: dict[str, str], wanted: dict[str, str]) -> bool:
    return seen.keys() == wanted.keys() and all(not text or text == seen[name] for name, text in wanted.items())
