"""Schemas, decoders and real documents say the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mlsign.errors import InputError
from mlsign.formats.manifest import Role
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.interface import ValueKind
from mlsign.strict import encode_json

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def _manifest() -> dict:
    return {
        "schema": "mlsign/manifest/v1",
        "name": "fraud",
        "version": "1.2.0",
        "model": {
            "path": "model.onnx",
            "format": "onnx",
            "ir_version": 8,
            "opset_imports": [{"domain": "ai.onnx", "version": 17}],
            "inputs": [{"name": "x", "type": {"kind": "tensor", "element": "float", "shape": [None, "n", 4]}}],
            "outputs": [
                {
                    "name": "y",
                    "type": {
                        "kind": "sequence",
                        "inner": {
                            "kind": "map",
                            "element": "int64",
                            "inner": {"kind": "tensor", "element": "float", "shape": []},
                        },
                    },
                }
            ],
            "operators": [{"domain": "ai.onnx", "name": "Gemm", "count": 1}],
            "functions": [],
            "parameter_count": 4,
            "parameter_bytes": 16,
        },
        "allowed_operators": {"ai.onnx": ["Gemm"]},
        "digest": "sha256",
        "files": [{"path": "model.onnx", "size": 1, "digest": "sha256:" + "0" * 64, "role": "model"}],
        "license": "MIT",
        "description": "a model",
        "golden": [
            {"path": "golden/test_data_set_0", "rtol": 0.001, "atol": 0},
            {
                "path": "golden/test_data_set_1",
                "rtol": 0.001,
                "atol": 0,
                "made_by": {"runtime": "onnxruntime", "version": "1.22.0", "platform": "linux/amd64", "inputs": "drawn"},
            },
        ],
        "previous": {"version": "1.1.0", "digest": "sha256:" + "2" * 64},
        "provenance": {
            "source_repository": "https://example.invalid/repo",
            "source_commit": "0123abc",
            "builder": "b",
            "training_data": [{"uri": "u"}, {"uri": "v", "digest": "sha256:" + "1" * 64}],
            "tools": {"sklearn": "1.6"},
            "time": "2026-01-01T00:00:00Z",
        },
    }


VALIDATOR = Draft202012Validator(json.loads((SCHEMAS / "manifest.v1.schema.json").read_text()))


def test_every_schema_is_a_schema() -> None:
    for path in SCHEMAS.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text()))


def test_a_full_manifest_is_fine_by_schema_and_decoder() -> None:
    document = _manifest()
    VALIDATOR.validate(document)
    decode_manifest(encode_json(document))


def _places(value: object, path: tuple = ()) -> list[tuple]:
    out = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            out += _places(item, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(value):
            out += _places(item, (*path, index))
    return out


def _at(document: object, path: tuple) -> object:
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize("place", [p for p in _places(_manifest()) if p], ids=lambda p: ".".join(map(str, p)))
@pytest.mark.parametrize("wrong", [{"x": [1]}, 1.5, True], ids=["object", "fraction", "boolean"])
def test_schema_and_decoder_refuse_the_same_wrong_types(place: tuple, wrong: object) -> None:
    document = _manifest()
    _at(document, place[:-1])[place[-1]] = wrong
    # A map with free keys takes an object, and a tolerance a fraction: what both accept is no disagreement.
    accepted = VALIDATOR.is_valid(document)
    if accepted:
        decode_manifest(encode_json(document))
    else:
        with pytest.raises(InputError):
            decode_manifest(encode_json(document))


@pytest.mark.parametrize(
    "place",
    [p for p in _places(_manifest()) if isinstance(_at(_manifest(), p), dict)],
    ids=lambda p: ".".join(map(str, p)) or "top",
)
def test_schema_and_decoder_refuse_unknown_fields(place: tuple) -> None:
    document = _manifest()
    _at(document, place)["surprise"] = 1
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(InputError):
        decode_manifest(encode_json(document))


@pytest.mark.parametrize("name", ["schema", "name", "version", "model", "allowed_operators", "digest", "files"])
def test_schema_and_decoder_want_the_same_fields(name: str) -> None:
    document = _manifest()
    del document[name]
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(InputError, match=name):
        decode_manifest(encode_json(document))


def test_the_words_of_the_schema_are_the_words_of_the_code() -> None:
    schema = VALIDATOR.schema
    assert schema["properties"]["files"]["items"]["properties"]["role"]["enum"] == [r.value for r in Role]
    assert schema["$defs"]["type"]["properties"]["kind"]["enum"] == [k.value for k in ValueKind]
