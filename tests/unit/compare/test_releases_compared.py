"""What changed between two releases, from their manifests alone."""

from dataclasses import replace

import pytest
from making import plain_facts

from mlsign.compare.releases import Bytes, compare_releases
from mlsign.digest import Algorithm, Digest, sha256
from mlsign.formats.manifest import FileEntry, Manifest, Role
from mlsign.interface import OperatorId, OperatorUse, OpsetImport, TypeSpec, ValueKind, ValueSpec
from mlsign.paths import PackagePath
from mlsign.version import decode_version

GEMM, RELU, ADD = (OperatorId("ai.onnx", name) for name in ("Gemm", "Relu", "Add"))


def entry(path, role, text, *, algorithm=Algorithm.SHA256, size=None):
    digest = Digest(algorithm=algorithm, value=sha256(text.encode()).value)
    return FileEntry(path=PackagePath(path), size=len(text) if size is None else size, digest=digest, role=role)


def value(name, *shape):
    return ValueSpec(name=name, type=TypeSpec(kind=ValueKind.TENSOR, element="float", shape=shape))


def manifest(*more, algorithm=Algorithm.SHA256, model="model", weights="weights", **facts):
    files = (
        entry("model.onnx", Role.MODEL, model, algorithm=algorithm),
        entry("w.bin", Role.WEIGHTS, weights, algorithm=algorithm),
        *more,
    )
    return Manifest(
        name="m",
        version=decode_version("1.0.0"),
        license=None,
        description=None,
        model=replace(
            plain_facts(PackagePath("model.onnx")),
            operators=(OperatorUse(GEMM, 2), OperatorUse(RELU, 1)),
            opsets=(OpsetImport("ai.onnx", 17),),
            inputs=(value("x", "n", 4),),
            outputs=(value("y", "n", 3),),
            **facts,
        ),
        allowed_operators=(GEMM, RELU),
        files=files,
        algorithm=algorithm,
        golden=(),
        provenance=None,
    )


def test_nothing_changed():
    found = compare_releases(manifest(), manifest())
    assert (found.model, found.weights) == (Bytes.SAME, Bytes.SAME)
    assert (found.added, found.removed, found.counts, found.opsets, found.breaking, found.compatible) == ((), (), 0, (), 0, 0)
    assert (found.parameters, found.allowed, found.disallowed) == ((1, 1), (), ())
    assert (found.files.added, found.files.removed, found.files.changed) == ((), (), ())


def test_everything_changed():
    before = manifest(entry("card.md", Role.DOCUMENT, "old"), entry("a.txt", Role.OTHER, "x"))
    after = manifest(entry("card.md", Role.DOCUMENT, "new"), entry("b.txt", Role.OTHER, "x"), model="other", weights="others!")
    after = replace(
        after,
        model=replace(
            after.model,
            operators=(OperatorUse(ADD, 1), OperatorUse(GEMM, 3)),
            opsets=(OpsetImport("ai.onnx", 18), OpsetImport("ai.onnx.ml", 3)),
            inputs=(value("x", "n", 5),),
            outputs=(value("y", "n", 3), value("z")),
            parameter_count=7,
        ),
        allowed_operators=(GEMM, ADD),
    )
    found = compare_releases(before, after)
    assert (found.model, found.weights) == (Bytes.CHANGED, Bytes.CHANGED)
    assert (found.added, found.removed, found.counts) == ((ADD,), (RELU,), 1)
    assert [(o.field, o.before, o.after) for o in found.opsets] == [("ai.onnx", "17", "18"), ("ai.onnx.ml", None, "3")]
    assert (found.breaking, found.compatible, found.parameters) == (1, 1, (1, 7))
    assert (found.files.added, found.files.removed, found.files.changed) == (("b.txt",), ("a.txt",), ("card.md",))
    assert (found.allowed, found.disallowed) == ((ADD,), (RELU,))


@pytest.mark.parametrize("role", [Role.MODEL, Role.WEIGHTS])
def test_digests_of_different_algorithms_tell_nothing_but_sizes_do(role):
    name = {Role.MODEL: "model", Role.WEIGHTS: "weights"}[role]
    same = compare_releases(manifest(), manifest(algorithm=Algorithm.BLAKE3))
    assert getattr(same, name) is Bytes.UNKNOWN
    longer = compare_releases(manifest(), manifest(algorithm=Algorithm.BLAKE3, **{name: "longer than before"}))
    assert getattr(longer, name) is Bytes.CHANGED
    document = compare_releases(
        manifest(entry("card.md", Role.DOCUMENT, "old")),
        manifest(entry("card.md", Role.DOCUMENT, "new", algorithm=Algorithm.BLAKE3), algorithm=Algorithm.BLAKE3),
    )
    assert document.files.changed == ()


def test_no_weights_in_other_files():
    before, after = manifest(), manifest(algorithm=Algorithm.BLAKE3)
    before, after = (replace(each, files=each.files[:1]) for each in (before, after))
    assert compare_releases(before, after).weights is Bytes.NONE
    assert compare_releases(before, manifest()).weights is Bytes.CHANGED
