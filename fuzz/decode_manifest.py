"""Fuzz target: ``mlsign.json``. Only ``InputError`` may escape, and what decodes encodes to the very same bytes."""

import json
import random
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
from json_tree import STRINGS, Object, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.formats.manifest import Manifest
from mlsign.formats.manifest_codec import decode_manifest, encode_manifest
from mlsign.limits import Limits

FIELDS = (
    *(
        "allowed_operators",
        "atol",
        "builder",
        "count",
        "description",
        "digest",
        "domain",
        "element",
        "files",
        "format",
        "functions",
    ),
    *("golden", "inner", "inputs", "ir_version", "kind", "license", "model", "name", "operators", "opset_imports", "outputs"),
    *("parameter_bytes", "parameter_count", "path", "provenance", "role", "rtol", "schema", "shape", "size", "source_commit"),
    *("previous", "source_repository", "time", "tools", "training_data", "type", "uri", "version"),
)
VALUES = ("mlsign/manifest/v1", "onnx", "model", "weights", "document", "other", "bfloat16", "complex64", "uint2", "string")
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
TIGHT = Limits(
    max_manifest_bytes=2048,
    max_files=4,
    max_path_bytes=32,
    max_path_depth=2,
    max_file_bytes=1000,
    max_json_depth=8,
    max_json_values=60,
)
_SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "manifest.v1.schema.json"
SCHEMA = jsonschema.Draft202012Validator(json.loads(_SCHEMA.read_bytes()))
_SORTED = (
    (("files",), ("path",)),
    (("golden",), ("path",)),
    (("model", "opset_imports"), ("domain", "version")),
    (("model", "operators"), ("domain", "name", "count")),
    (("model", "functions"), ("domain", "name")),
)


def decoded(data: bytes, *, limits: Limits) -> Manifest | None:
    try:
        return decode_manifest(data, limits=limits)
    except InputError as err:
        check_refusal(err)
        return None


def check(data: bytes) -> None:
    """Decodes ``data`` as a manifest; a manifest has one spelling, and its schema agrees."""
    manifest = decoded(data, limits=Limits())
    tight = decoded(data, limits=TIGHT)
    if manifest is None:
        assert tight is None
        return
    assert tight in (None, manifest)
    assert encode_manifest(manifest) == data
    assert manifest == decode_manifest(data)
    assert SCHEMA.is_valid(plain_json(data))
    for facts in (manifest.model.opsets, manifest.model.operators, manifest.model.functions, manifest.allowed_operators):
        assert len(set(facts)) == len(facts)
    if manifest.provenance is not None and manifest.provenance.time is not None:
        assert datetime.fromisoformat(manifest.provenance.time).tzinfo is not None
    assert manifest.previous is None or manifest.previous.version < manifest.version
    assert len({entry.path.folded for entry in manifest.files}) == len(manifest.files)
    assert [entry.path for entry in manifest.files if entry.role.value == "model"] == [manifest.model.path]


def settle(tree: Any, rng: random.Random) -> None:
    """Sorts what a manifest has sorted, and mostly lets the model be among the files."""
    if not isinstance(tree, Object):
        return
    for (*outer, name), keys in _SORTED:
        place = tree
        for step in outer:
            place = place.get(step) if isinstance(place, Object) else None
        items = place.get(name) if isinstance(place, Object) else None
        if isinstance(items, list) and all(isinstance(item, Object) for item in items):
            items.sort(
                key=lambda item: [(isinstance(v := item.get(key), str), v if isinstance(v, int | str) else 0) for key in keys]
            )
    allowed = tree.get("allowed_operators")
    for _, names in allowed if isinstance(allowed, Object) else ():
        if isinstance(names, list) and all(isinstance(name, str) for name in names):
            names.sort()
    model, files = tree.get("model"), tree.get("files")
    if rng.random() < 0.7 and isinstance(model, Object) and isinstance(files, list):
        models = [item.get("path") for item in files if isinstance(item, Object) and item.get("role") == "model"]
        if models:
            model.put("path", models[0])


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng, words=(*FIELDS, *VALUES, *STRINGS), settle=settle)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("manifest")
