"""Evidence as canonical JSON (RFC 8785) and back, exactly: ``encode(decode(b)) == b`` and ``decode(encode(e)) == e``.

Every value of evidence is a frozen dataclass, so one reader and one writer follow the declared types: a new field of a
known type is written and read without another line here. The schema for people is ``schemas/evidence.v1.schema.json``.
Recorded evidence is what somebody wrote down; only ``policy.recorded`` decides over it, and never for a real package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from math import isfinite
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from mlsign.digest import Digest, decode_digest
from mlsign.errors import InputError, shown
from mlsign.formats.golden_run import GoldenRunStatement
from mlsign.formats.manifest import Manifest
from mlsign.formats.manifest_codec import decode_manifest, encode_manifest
from mlsign.formats.slsa import SlsaStatement
from mlsign.formats.verification_summary import VerificationSummary
from mlsign.identity import CertificateIdentity, Identity, KeyIdentity, KeylessIdentity, Method
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.paths import PackagePath, decode_path
from mlsign.strict import MAX_SAFE_INTEGER, JsonValue, decode_json, describe, encode_json
from mlsign.version import Version, decode_version

T = TypeVar("T")

MAX_RECORD_BYTES: Final = 64 * MIB
MAX_VALUES: Final = 2_000_000
"""JSON values of one record. That of a package of 100,000 files has half as many; each value costs far more memory than its bytes."""
MAX_ITEMS: Final = 1_000_000
MAX_TEXT: Final = 1_000_000
_MAX_DIGITS: Final = 400
_LARGE: Final = re.compile(r"-?[1-9][0-9]{15,399}", re.ASCII)
_LARGE_NUMBER: Final = re.compile(r"-?[1-9](?:[0-9]{15}\.0|(?:\.[0-9]{1,16})?e\+[1-9][0-9]{1,2})", re.ASCII)
"""As Python spells doubles above 2^53."""
_RARE: Final = (GoldenRunStatement, SlsaStatement, VerificationSummary)
"""What ``evidence.record`` names without importing it: few packages have any."""
IDENTITIES: Final[MappingProxyType[str, type[Any]]] = MappingProxyType(
    {Method.KEY.value: KeyIdentity, Method.KEYLESS.value: KeylessIdentity, Method.CERTIFICATE.value: CertificateIdentity}
)


def encode_record(value: object) -> bytes:
    """A value of evidence as canonical JSON. Raises ``InputError`` (``evidence.…``) for one that cannot be written down exactly."""
    return encode_json(_encode(value))


def decode_record(data: bytes, kind: type[T], *, where: str, limits: Limits = DEFAULT) -> T:
    """The value of type ``kind`` that ``data`` is the record of. Raises ``InputError`` (``evidence.…``, ``json.…``, …)."""
    value = decode_json(data, where=where, max_bytes=MAX_RECORD_BYTES, max_values=MAX_VALUES, limits=limits)
    out: T = _decode(value, kind, where)
    # One spelling: sorted sets, no second form of a time or a number, nothing that a reader would drop.
    if encode_record(out) != data:
        raise InputError("is not in canonical form", code="evidence.canonical", where=where, hint="record the evidence again")
    return out


def _wrong(message: str, *, code: str, where: str) -> InputError:
    return InputError(message, code=f"evidence.{code}", where=where)


def _encode(value: Any) -> JsonValue:
    for kind, (write, _) in _PLAIN.items():
        if isinstance(value, kind):
            return write(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return _encode_number(value)
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            raise _wrong(f"has {len(value)} characters, allowed are {MAX_TEXT}", code="length", where="")
        return value
    if isinstance(value, int):
        return _encode_integer(value)
    if isinstance(value, tuple | frozenset):
        items = [_encode(item) for item in value]
        return sorted(items, key=encode_json) if isinstance(value, frozenset) else items
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return str(value.value)
    out: dict[str, JsonValue] = {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
    method = next((name for name, kind in IDENTITIES.items() if type(value) is kind), None)
    return out if method is None else {"method": method, **out}


def _encode_number(value: float) -> JsonValue:
    if not isfinite(value):
        raise _wrong("is no number", code="range", where="")
    # As canonical JSON a large one is spelled as an integer of many digits, which readers refuse.
    return value if abs(value) <= MAX_SAFE_INTEGER else {"number": repr(value)}


def _encode_integer(value: int) -> JsonValue:
    if abs(value) <= MAX_SAFE_INTEGER:
        return value
    text = str(value) if value.bit_length() < 4 * _MAX_DIGITS else ""
    if not _LARGE.fullmatch(text):
        raise _wrong(f"is a number of more than {_MAX_DIGITS} digits", code="range", where="")
    return {"integer": text}  # other readers would round a number, and a text would be the name of a dimension


def _decode(value: JsonValue, kind: Any, where: str) -> Any:
    """``value`` as ``kind``; dispatches on the declared type alone, never on what the record looks like."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _decode_union(value, get_args(kind), where)
    if origin in (tuple, frozenset):
        (item, *_) = get_args(kind)
        return origin(_decode(found, item, f"{where}[{i}]") for i, found in enumerate(_items(value, where)))
    if origin is not None:
        return _decode_map(value, get_args(kind)[1], where)
    if kind is Identity:
        return _decode_identity(value, where)
    for known, (_, read) in _PLAIN.items():
        if issubclass(kind, known):
            return read(value, where)
    if issubclass(kind, Enum):
        return _decode_choice(value, kind, where)
    if isinstance(kind, type) and is_dataclass(kind):
        return _decode_fields(value, kind, where)
    return _decode_scalar(value, kind, where)


def _decode_union(value: JsonValue, kinds: tuple[Any, ...], where: str) -> Any:
    """None, or one of the others; numbers and texts are told apart by what they are (dimensions of shapes, parameters of builds)."""
    if value is None and NoneType in kinds:
        return None
    others = [kind for kind in kinds if kind is not NoneType]
    spelled_out = float if isinstance(value, dict) and "number" in value else int
    as_it_is = (kind for kind in others if kind is (spelled_out if isinstance(value, dict) else type(value)))
    return _decode(value, next(as_it_is, others[0]), where)


def _items(value: JsonValue, where: str) -> list[JsonValue]:
    if not isinstance(value, list):
        raise _wrong(f"is {describe(value)}, expected a list", code="type", where=where)
    if len(value) > MAX_ITEMS:
        raise _wrong(f"has {len(value)} elements, allowed are {MAX_ITEMS}", code="length", where=where)
    return value


def _object(value: JsonValue, where: str) -> dict[str, JsonValue]:
    if not isinstance(value, dict):
        raise _wrong(f"is {describe(value)}, expected an object", code="type", where=where)
    return value


def _decode_map(value: JsonValue, item: Any, where: str) -> Mapping[str, Any]:
    found = _object(value, where)
    return MappingProxyType({key: _decode(inner, item, f"{where}[{shown(key)}]") for key, inner in found.items()})


def _decode_identity(value: JsonValue, where: str) -> Any:
    found = dict(_object(value, where))
    kind = IDENTITIES.get(str(found.pop("method", "")))
    if kind is None:
        raise _wrong("has no method that is known", code="value", where=f"{where}.method")
    return _decode_fields(found, kind, where)


def _decode_choice(value: JsonValue, kind: type[Enum], where: str) -> Enum:
    known = {str(member.value): member for member in kind}
    if not isinstance(value, str) or value not in known:
        raise _wrong(f"is {shown(value)}, expected {' or '.join(known)}", code="value", where=where)
    return known[value]


@cache
def types_of(kind: Any) -> Mapping[str, Any]:
    """The types of the fields of a value of evidence."""
    return get_type_hints(kind, localns={each.__name__: each for each in _RARE})


def _decode_fields(value: JsonValue, kind: type[Any], where: str) -> Any:
    found, hints = _object(value, where), types_of(kind)  # type: ignore[arg-type]  # a class has a hash
    names = {field.name for field in fields(kind)}
    if odd := names ^ found.keys():
        name = min(odd)
        word = "is missing" if name in names else "is not a field of this format"
        raise _wrong(word, code="missing" if name in names else "unknown", where=f"{where}.{shown(name)}")
    return kind(**{name: _decode(found[name], hints[name], f"{where}.{name}") for name in names})


def _decode_scalar(value: JsonValue, kind: type[Any], where: str) -> Any:
    if kind is int and isinstance(value, dict) and value.keys() == {"integer"}:
        text = _text(value["integer"], where)
        if not _LARGE.fullmatch(text):
            raise _wrong(f"is {shown(text)}, expected a large integer", code="range", where=where)
        return int(text)
    if kind is float:
        return _decode_number(value, where)
    if type(value) is not kind:
        raise _wrong(f"is {describe(value)}, expected {kind.__name__}", code="type", where=where)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise _wrong(f"has {len(value)} characters, allowed are {MAX_TEXT}", code="length", where=where)
    return value


def _decode_number(value: JsonValue, where: str) -> float:
    if isinstance(value, dict) and value.keys() == {"number"}:
        text = _text(value["number"], where)
        if not _LARGE_NUMBER.fullmatch(text):
            raise _wrong(f"is {shown(text)}, expected a large number", code="range", where=where)
        return float(text)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(f"is {describe(value)}, expected a number", code="type", where=where)
    return float(value)


def _text(value: JsonValue, where: str) -> str:
    if not isinstance(value, str):
        raise _wrong(f"is {describe(value)}, expected a string", code="type", where=where)
    return value


def _decode_time(value: JsonValue, where: str) -> datetime:
    try:
        time = datetime.fromisoformat(_text(value, where))
        moment = time.astimezone(UTC)
    except (ValueError, OverflowError) as err:  # no time at all, or one that only its own zone has a year for
        raise _wrong(f"is {shown(value)}, expected a time", code="time", where=where) from err
    if time.utcoffset() is None:
        raise _wrong("has no time zone", code="time", where=where)
    return moment


def _decode_whole_manifest(value: JsonValue, where: str) -> Manifest:
    try:
        return decode_manifest(encode_json(_object(value, where)))
    except InputError as err:
        raise _wrong(f"is no manifest: {shown(err)}", code="manifest", where=where) from err


_Both = tuple[Callable[[Any], JsonValue], Callable[[JsonValue, str], Any]]
_PLAIN: Final[MappingProxyType[type[Any], _Both]] = MappingProxyType(
    {
        Digest: (str, lambda value, where: decode_digest(_text(value, where), where=where)),
        Version: (str, lambda value, where: decode_version(_text(value, where), where=where)),
        PackagePath: (str, lambda value, where: decode_path(_text(value, where), where=where)),
        datetime: (lambda time: time.astimezone(UTC).isoformat(), _decode_time),
        Manifest: (
            lambda manifest: decode_json(encode_manifest(manifest), max_bytes=MAX_RECORD_BYTES),
            _decode_whole_manifest,
        ),
    }
)
"""Types with one spelling of their own: how it is written, and read."""
