"""Writes ``schemas/evidence.v1.schema.json`` from the types that recorded evidence is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from mlsign.digest import Digest
from mlsign.evidence.codec import IDENTITIES, types_of
from mlsign.formats.manifest import Manifest
from mlsign.identity import Identity
from mlsign.paths import PackagePath
from mlsign.policy.recorded import SCHEMA, Recording
from mlsign.version import Version

_DIGITS = r"^-?[1-9][0-9]{15,399}$"
_INTEGER = {
    "anyOf": [
        {"type": "integer"},
        {
            "type": "object",
            "description": "A number beyond 2^53, which readers of JSON would round.",
            "additionalProperties": False,
            "required": ["integer"],
            "properties": {"integer": {"type": "string", "pattern": _DIGITS}},
        },
    ]
}
_NUMBER = {
    "anyOf": [
        {"type": "number"},
        {
            "type": "object",
            "description": "A number with a fraction beyond 2^53.",
            "additionalProperties": False,
            "required": ["number"],
            "properties": {"number": {"type": "string"}},
        },
    ]
}
_PLAIN: Mapping[Any, Any] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"$ref": "#/$defs/integer"},
    float: {"$ref": "#/$defs/number"},
    NoneType: {"type": "null"},
    datetime: {"type": "string", "description": "A time in UTC, as 2026-01-31T12:00:00+00:00."},
    Digest: {"type": "string", "pattern": "^(sha256|blake3|blake2b):[0-9a-f]+$"},
    Version: {"type": "string"},
    PackagePath: {"type": "string", "minLength": 1},
    Manifest: {"type": "object", "description": "The manifest as in manifest.v1.schema.json."},
}


def build() -> str:
    """The schema, in the order of the types."""
    definitions: dict[str, Any] = {"integer": _INTEGER, "number": _NUMBER}
    top = _object(Recording, definitions)
    top["properties"]["schema"] = {"const": SCHEMA}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:mlsign:evidence:v1",
        "title": "Recorded evidence of a package",
        "description": "What mlsign verify --record writes and mlsign policy test reads, in canonical form (RFC 8785). Generated.",
        **top,
        "$defs": definitions,
    }
    return json.dumps(schema, indent=2) + "\n"


def _object(kind: Any, definitions: dict[str, Any], **more: Any) -> dict[str, Any]:
    hints = types_of(kind)
    properties = {field.name: _schema(hints[field.name], definitions) for field in fields(kind)}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*more, *properties],
        "properties": {**more, **properties},
    }


def _defined(kind: Any, definitions: dict[str, Any], **more: Any) -> dict[str, Any]:
    if kind.__name__ not in definitions:
        definitions[kind.__name__] = {}  # types of values hold types of values
        definitions[kind.__name__] = _object(kind, definitions, **more)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(argument, definitions) for argument in arguments]}
    if origin in (tuple, frozenset):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is not None:
        return {"type": "object", "additionalProperties": _schema(arguments[1], definitions)}
    if kind is Identity:
        return {"anyOf": [_defined(known, definitions, method={"const": name}) for name, known in IDENTITIES.items()]}
    if kind in _PLAIN:
        return dict(_PLAIN[kind])
    if issubclass(kind, Enum):
        return {"enum": [member.value for member in kind]}
    return _defined(kind, definitions)
