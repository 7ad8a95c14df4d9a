"""A list of files that is read all at once is read as it would be one by one, and refused with the same words."""

import json
from dataclasses import replace
from random import Random

import pytest
import rfc8785
from making import plain_facts

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError
from mlsign.formats import manifest_files, statement
from mlsign.formats.manifest import FileEntry, Manifest, Role
from mlsign.formats.manifest_codec import decode_manifest, encode_manifest
from mlsign.formats.statement import Resource, build_statement, decode_statement, encode_statement
from mlsign.limits import Limits
from mlsign.paths import PackagePath
from mlsign.version import decode_version

DIGEST = Digest(algorithm=Algorithm.SHA256, value=b"d" * 32)
MODEL = FileEntry(path=PackagePath("model.onnx"), size=1, digest=DIGEST, role=Role.MODEL)
MANIFEST = Manifest(
    name="fraud",
    version=decode_version("1.0.0"),
    license=None,
    description=None,
    model=plain_facts(MODEL.path),
    allowed_operators=(),
    files=(MODEL,),
    algorithm=Algorithm.SHA256,
    golden=(),
    provenance=None,
)
NAMES = ("a", "A", "b/c", "b/C", "d.bin", "e f", "ß", "ss", "straße/x", "STRASSE/x", "data/0001.bin", "con1", "K\u030c", "Ǩ", "k")
ODD_NAMES = (
    "",
    "/a",
    "a/",
    "a//b",
    ".",
    "../a",
    "a\n",
    "a\nb",
    "con",
    "b/NUL.txt",
    "x.",
    "x ",
    " x",
    "a\\b",
    "é",
    "e\u0301",
    "\x7f",
)
LONG_NAMES = ("x" * 255, "x" * 256, "x/" * 31 + "x", "x/" * 32 + "x", "y" * 200 + "/" + "y" * 200, "mlsign.json", "signatures/x")
VALUES = (
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    [],
    {},
    2**40,
    2**40 + 1,
    2**53,
    10**18,
    "model",
    "weights",
    "sha256",
    "blake3",
    "blake2b",
)
HEXES = ("ab" * 32, "AB" * 32, "ab" * 31, "ab" * 33, "a " * 32, "zz" * 32, "ab" * 31 + "a\n", "\u0661" * 64, "ab" * 64)
LIMITS = (Limits(), Limits(max_path_bytes=3), Limits(max_path_depth=1), Limits(max_file_bytes=5))


def answer(decode, data, limits):
    try:
        return decode(data, limits=limits)
    except InputError as err:
        return (err.code, err.where, err.message, err.expected, err.found)


def changed(rng: Random, items: list[dict], strange: tuple) -> list:
    """The items with none, one or a few things about them changed."""
    out = [dict(item) for item in items]
    for _ in range(rng.choice((0, 1, 1, 1, 3))):
        item = rng.choice(out)
        match rng.randrange(6):
            case 0:
                item[rng.choice(sorted(item))] = rng.choice(VALUES)
            case 1:
                item["path" if "path" in item else "name"] = rng.choice((*NAMES, *ODD_NAMES, *LONG_NAMES))
            case 2:
                item["digest"] = rng.choice(strange)
            case 3:
                item.pop(rng.choice(sorted(item)))
                item.update({"name": "x", "path": "x"} if not item else {})
            case 4:
                item[rng.choice(("Name", "more", "role"))] = rng.choice(VALUES)
            case _:
                out.append(rng.choice((dict(item), "text", None, 7, [])))
                out = [x for x in out if isinstance(x, dict)] if rng.random() < 0.5 else out
                if not all(isinstance(x, dict) for x in out):
                    return out
    return out


@pytest.mark.parametrize("seed", range(40))
def test_manifests(seed, monkeypatch):
    rng = Random(seed)  # noqa: S311
    value = json.loads(encode_manifest(MANIFEST))
    spelled = value["files"][0]["digest"]
    strange = (
        *(f"sha256:{text}" for text in HEXES),
        "blake3:" + "ab" * 32,
        "sha256",
        "sha512:" + "ab" * 64,
        "SHA256:" + "ab" * 32,
    )
    for _ in range(40):
        names = sorted(rng.sample(NAMES, rng.randrange(1, 8)))
        files = [{"path": name, "size": rng.randrange(9), "digest": spelled, "role": "other"} for name in names]
        files = changed(rng, [*files, *value["files"]], strange)
        if all(isinstance(f, dict) and isinstance(f.get("path"), str) for f in files):
            files.sort(key=lambda f: f["path"])
        try:
            data = rfc8785.dumps(value | {"files": files})
        except rfc8785.CanonicalizationError:  # an integer that is none to JSON
            data = json.dumps(value | {"files": files}, sort_keys=True).encode()
        limits = rng.choice(LIMITS)
        quick = answer(decode_manifest, data, limits)
        with monkeypatch.context() as patched:
            patched.setattr(manifest_files, "_entries_in_order", lambda *_, **__: None)
            assert quick == answer(decode_manifest, data, limits)
        if not isinstance(quick, tuple):
            assert encode_manifest(quick) == data


@pytest.mark.parametrize("seed", range(40))
def test_statements(seed, monkeypatch):
    rng = Random(seed)  # noqa: S311
    for _ in range(40):
        found = tuple(PackagePath(name) for name in rng.sample(NAMES, rng.randrange(1, 8)))
        built = build_statement(
            name="n",
            algorithm=Algorithm.SHA256,
            resources=tuple(Resource(path=path, digest=DIGEST) for path in found),
            ignore_paths=("signatures",),
        )
        value = json.loads(encode_statement(built))
        value["predicate"]["resources"] = changed(rng, value["predicate"]["resources"], HEXES)
        data = json.dumps(value).encode()
        limits = rng.choice(LIMITS)
        quick = answer(decode_statement, data, limits)
        with monkeypatch.context() as patched:
            patched.setattr(statement, "_resources_in_order", lambda *_, **__: None)
            assert quick == answer(decode_statement, data, limits)


def test_lists_are_written_as_the_canonical_writer_does():
    names = [*NAMES, 'a"b', "a\\b", "a\x00b", "\x1f", "\x7f", "\u2028", "😀", "\ue000", "\t\n\r\b\f"]
    resources = tuple(Resource(path=PackagePath(name), digest=DIGEST) for name in names)
    built = build_statement(name="n", algorithm=Algorithm.SHA256, resources=resources, ignore_paths=())
    data = encode_statement(built)
    assert rfc8785.dumps(json.loads(data)) == data
    data = encode_manifest(replace(MANIFEST, files=tuple(MODEL._replace(path=PackagePath(name)) for name in names)))
    assert rfc8785.dumps(json.loads(data)) == data
