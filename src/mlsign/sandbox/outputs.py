"""The body of a RESULT frame to the results of a call, held against what the model declares.

The bytes may come from a worker that a hostile model has taken over: what comes out has the declared names,
kinds and element types, was built within the caps, and under the deadline of the call.
"""

from __future__ import annotations

from collections.abc import Callable

from mlsign.errors import InputError, JailError, shown
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.limits import Limits
from mlsign.sandbox.arrays import Result, build_map, decode_array, decode_result
from mlsign.sandbox.values import Absent, Buffer, Map, Sequence, Strings, Tensor, Value, decode_values
from mlsign.tensors.dtypes import DTYPES


def decode_outputs(
    body: Buffer, *, outputs: tuple[ValueSpec, ...], limits: Limits, tick: Callable[[], object]
) -> dict[str, Result]:
    """The results of a call by name: exactly the declared outputs. ``tick`` is called while it takes time and may raise.

    Raises ``JailError`` (``sandbox.frame``, ``sandbox.output``, ``sandbox.output.name``, ``sandbox.output.size``), and what ``tick`` raises.
    """
    declared = {spec.name: spec.type for spec in outputs}
    try:
        values = decode_values(body, limits=limits, declared=declared, tick=tick)
    except InputError as err:
        raise _refusal(err) from err
    if missing := declared.keys() - values.keys():
        raise _other_names(shown(", ".join(sorted(missing))))
    out: dict[str, Result] = {}
    while values:
        name, value = values.popitem()
        if found := mismatch(value, declared[name], tick=tick):
            message = f"output {shown(name)} is {shown(found)}, declared is {shown(declared[name])}"
            raise JailError(message, code="sandbox.output", where=shown(name), found=shown(found))
        out[name] = decode_result(value, tick=tick)
    return {name: out[name] for name in declared}


def _refusal(err: InputError) -> JailError:
    """What is no broken frame, but another output than was declared, is called that."""
    if err.code == "frame.name":
        return _other_names(err.found)
    if err.code == "frame.undeclared":
        return JailError(f"output {err.where} {err.message}", code="sandbox.output", where=err.where, found=err.found)
    if err.code == "frame.objects":
        hint = "score fewer rows in one call"
        return JailError(f"the outputs hold more objects than may be built: {err}", code="sandbox.output.size", hint=hint)
    return JailError(f"the worker's result cannot be read: {err}", code="sandbox.frame", found=err.code)


def _other_names(odd: str) -> JailError:
    return JailError(f"the worker's outputs are not the declared ones: {odd}", code="sandbox.output.name", found=odd)


def mismatch(value: Value, spec: TypeSpec, *, tick: Callable[[], object] = lambda: None) -> str:
    """How a result differs from its declared type, empty where it does not.

    The first dimension is not held against the declaration: some exporters declare one row and mean any
    number of them, and onnxruntime only warns. Neither is the width of numbers within a map: Python's float
    is a double, and its integer 64 bits wide.
    """
    if spec.kind is ValueKind.OPTIONAL and spec.inner is not None and not isinstance(value, Absent):
        spec = spec.inner
    match value:
        case Absent():
            return "" if spec.kind is ValueKind.OPTIONAL else "nothing where a value was declared"
        case Sequence(items):
            inner = spec.inner if spec.kind is ValueKind.SEQUENCE else None
            if inner is None:
                return "a sequence"
            for item in items:
                tick()
                if text := mismatch(item, inner, tick=tick):
                    return text
            return ""
        case Map():
            return _map_mismatch(value, spec, tick=tick)
        case Tensor() | Strings():
            return _tensor_mismatch(value, spec)


def _element(value: Tensor | Strings) -> str:
    return "string" if isinstance(value, Strings) else value.element


def _map_mismatch(value: Map, spec: TypeSpec, *, tick: Callable[[], object]) -> str:
    """Writers and callers take the keys and values of a map for what is declared, so both are held to it."""
    keys, values = _element(value.keys), _element(value.values)
    actual = f"map({keys}, {values})"
    if spec.kind is not ValueKind.MAP or spec.inner is None:
        return actual
    if value.keys.shape == (0,):
        return ""  # an empty dictionary has no types
    if (
        spec.inner.kind is not ValueKind.TENSOR
        or not _same_kind(keys, spec.element)
        or not _same_kind(values, spec.inner.element)
    ):
        return actual
    items = decode_array(value.keys).tolist()
    return f"{actual} with a key that stands twice" if len(build_map(items, items, tick=tick)) != len(items) else ""


def _same_kind(found: str, declared: str) -> bool:
    """Equal, or the type that Python's numbers have where a narrower one of the same kind is declared."""
    if found == declared or found not in ("double", "int64") or declared not in DTYPES:
        return found == declared
    return DTYPES[declared].kind in ("f" if found == "double" else "iu")


def _tensor_mismatch(value: Tensor | Strings, spec: TypeSpec) -> str:
    element = _element(value)
    actual = f"{element}{list(value.shape)}"
    if spec.kind is not ValueKind.TENSOR or spec.element != element:
        return actual
    if spec.shape is None:
        return ""
    if len(spec.shape) != len(value.shape):
        return actual
    pairs = zip(spec.shape[1:], value.shape[1:], strict=True)
    return actual if any(isinstance(dim, int) and dim != size for dim, size in pairs) else ""
