"""Manifests, files, operators and metadata field by field."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import onnx
from graph_kit import chain, parsed, record
from making import make_package

from mlsign.compare.facts import (
    FieldChange,
    changed_fields,
    compare_files,
    compare_manifests,
    compare_metadata,
    compare_names,
    compare_operators,
    compare_opsets,
    unread_problems,
)
from mlsign.digest import decode_digest
from mlsign.formats.manifest import GoldenInputs, GoldenSet, MadeBy, Manifest, Previous, Provenance, TrainingData
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.interface import OperatorId, OpsetImport
from mlsign.limits import DEFAULT
from mlsign.onnx.inspect import read_model
from mlsign.paths import PackagePath
from mlsign.source import MemorySource


def summary(model: onnx.ModelProto):
    return read_model(MemorySource(model.SerializeToString()))


def manifest(tmp_path: Path) -> Manifest:
    package = make_package(tmp_path)
    return decode_manifest((package / "mlsign.json").read_bytes(), limits=DEFAULT)


def test_fields_that_are_not_the_same() -> None:
    assert changed_fields({"a": "1", "b": "2"}, {"a": "1", "b": "3", "c": "4"}) == (
        FieldChange(field="b", before="2", after="3"),
        FieldChange(field="c", before=None, after="4"),
    )


def test_manifests(tmp_path: Path) -> None:
    first = replace(manifest(tmp_path), description=None, provenance=None, golden=())
    assert compare_manifests(first, first) == compare_manifests(None, None) == ()
    digest = decode_digest("sha256:" + "0" * 64)
    provenance = Provenance(
        source_repository="https://example.com/r",
        builder="b",
        training_data=(TrainingData(uri="s3://data", digest=digest), TrainingData(uri="s3://more", digest=None)),
        tools=MappingProxyType({"onnx": "1.20"}),
    )
    made = MadeBy(runtime="onnxruntime", version="1.22", platform="linux/amd64", inputs=GoldenInputs.DRAWN)
    sets = (
        GoldenSet(path=PackagePath("golden/a"), rtol=0.001, atol=0.0),
        GoldenSet(path=PackagePath("golden/b"), rtol=0.001, atol=0.0, made_by=made),
    )
    second = replace(
        first,
        description="better",
        previous=Previous(version=first.version, digest=digest),
        provenance=replace(provenance, source_commit="c", time="2026-01-01T00:00:00Z"),
        golden=sets,
        allowed_operators=(*first.allowed_operators, OperatorId("ai.onnx", "Tanh")),
    )
    changes = {change.field: (change.before, change.after) for change in compare_manifests(first, second)}
    assert changes == {
        "description": (None, "better"),
        "previous": (None, f"1.2.0 {digest}"),
        "allowed_operators ai.onnx:Tanh": (None, "allowed"),
        "golden golden/a": (None, "rtol 0.001, atol 0"),
        "golden golden/b": (None, "rtol 0.001, atol 0, made by onnxruntime 1.22 on linux/amd64 from drawn inputs"),
        "provenance.source_repository": (None, "https://example.com/r"),
        "provenance.source_commit": (None, "c"),
        "provenance.builder": (None, "b"),
        "provenance.time": (None, "2026-01-01T00:00:00Z"),
        "provenance.training_data s3://data": (None, str(digest)),
        "provenance.training_data s3://more": (None, "no digest"),
        "provenance.tools onnx": (None, "1.20"),
    }
    assert compare_manifests(first, None)[0] == FieldChange(field="manifest", before="present", after=None)


def test_files_and_names() -> None:
    found = compare_files({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 5})
    assert (found.added, found.removed, found.changed) == (("d",), ("a",), ("c",))
    names = compare_names(["a", "b"], ["b", "c"])
    assert (names.both, names.removed, names.added) == (("b",), ("a",), ("c",))


def test_operators_added_removed_and_counted() -> None:
    before, after = chain(["Relu", "Relu", "Tanh", "Neg"]), chain(["Relu", "Exp", "Neg"])
    changes = [(c.operator.name, c.before, c.after) for c in compare_operators(summary(before), summary(after))]
    assert changes == [("Exp", 0, 1), ("Tanh", 1, 0), ("Relu", 2, 1)]
    calls = 'g (float[2] x) => (float[2] y) { y = local.f(x) }\n<opset_import: ["" : 21], domain: "local"> f (p) => (q) { q = Neg(p) }'
    assert ("f", 0, 1) in [
        (c.operator.name, c.before, c.after) for c in compare_operators(summary(before), summary(parsed(calls)))
    ]


def test_opsets() -> None:
    before, after = [OpsetImport("ai.onnx", 17), OpsetImport("a", 1)], [OpsetImport("ai.onnx", 18), OpsetImport("a", 1)]
    assert compare_opsets(before, after) == (FieldChange(field="ai.onnx", before="17", after="18"),)


def test_what_models_say_of_themselves() -> None:
    before, after = chain(["Relu"]), chain(["Relu"])
    after.producer_name, after.doc_string, after.model_version = "torch", "words", 3
    after.metadata_props.add(key="author", value="me")
    after.training_info.add()
    changes = {change.field: (change.before, change.after) for change in compare_metadata(record(before), record(after))}
    assert changes == {
        "producer_name": (None, "torch"),
        "model_version": ("0", "3"),
        "doc_string": (None, "words"),
        "training_info": (None, "present"),
        "metadata author": (None, "me"),
    }


def test_problems_of_both_behind_which_something_is_not_compared():
    hiding, told = "MLS330 field 60 is not a field of NodeProto", "MLS371 there is no operator Nonsense"
    both = compare_names([hiding, told], [told, hiding])
    assert [(each.field, each.before, each.after) for each in unread_problems(both)] == [
        (hiding, "present", "present, and not compared")
    ]
    assert unread_problems(compare_names([hiding], [told])) == ()
