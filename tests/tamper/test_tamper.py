"""One fault, one refusal: a good package, one thing changed, the code that must be among the reasons.

Every row of ``CASES`` is a name, what is done to a copy of the good package, and the finding codes that must
be there. Both ``verify`` and ``admit`` must refuse. An exception that is not ``Denied`` fails the test.
"""

import base64
import json
import os
import shutil
import socket
import stat
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from making import (
    bundle_of,
    canonical,
    make_package,
    put_signatures,
    resign,
    statement_over,
    subject_of,
    write_model,
    write_policy,
)

import mlsign
from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.evidence.findings import Outcome
from mlsign.policy.model import Verdict

NOW = datetime(2026, 11, 1, tzinfo=UTC)

FILES = (
    "mlsign.json",
    "model.onnx",
    "fraud.onnx.data",
    "MODEL_CARD.md",
    "golden/test_data_set_0/input_0.pb",
    "golden/test_data_set_0/output_0.pb",
)


@dataclass(frozen=True)
class Case:
    name: str
    do: Callable
    codes: frozenset[str] = field(default_factory=frozenset)


CASES: list[Case] = []


def case(name: str, *codes: str):
    """A row of the table; the function takes the package and, if it wants them, the keys."""

    def add(do: Callable) -> Callable:
        CASES.append(Case(name, do, frozenset(codes)))
        return do

    return add


def row(name: str, do: Callable, *codes: str) -> None:
    CASES.append(Case(name, do, frozenset(codes)))


# --- bytes of files ---------------------------------------------------------------------------------------------------


def flip(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda d: flip(d, 0),
    "middle byte": lambda d: flip(d, len(d) // 2),
    "last byte": lambda d: flip(d, len(d) - 1),
    "one byte more": lambda d: d + b"\0",
    "a newline more": lambda d: d + b"\n",
    "one byte less": lambda d: d[:-1],
    "half of it": lambda d: d[: len(d) // 2],
    "empty": lambda _: b"",
    "zeros": lambda d: bytes(len(d)),
}


def change(name: str, edit: Callable[[bytes], bytes]) -> Callable:
    def do(package: Path, keys) -> None:
        place = package / name
        place.write_bytes(edit(place.read_bytes()))

    return do


for _file in FILES:
    for _kind, _edit in BYTES.items():
        row(f"{_file}: {_kind}", change(_file, _edit), "MLS101", "MLS205", "MLS210")


def change_bundle(edit: Callable[[bytes], bytes]) -> Callable:
    def do(package: Path, keys) -> None:
        place = bundle_of(package, keys.release)
        place.write_bytes(edit(place.read_bytes()))

    return do


for _kind, _edit in BYTES.items():
    if _kind == "a newline more":
        continue  # white space around a JSON value says nothing; see below
    row(f"bundle: {_kind}", change_bundle(_edit), "MLS205", *([] if _kind == "middle byte" else ["MLS202"]))


# --- the manifest -----------------------------------------------------------------------------------------------------


def edit_manifest(edit: Callable[[dict], object], *, by: str = "") -> Callable:
    """The manifest re-written canonically after ``edit``; signed again ``by`` somebody or left as it was signed."""

    def do(package: Path, keys) -> None:
        place = package / "mlsign.json"
        manifest = json.loads(place.read_bytes())
        edit(manifest)
        assert canonical(manifest) != place.read_bytes()
        place.write_bytes(canonical(manifest))
        if by:
            resign(package, keys.both if by == "trusted" else (keys.outsider,))

    return do


def rewrite_manifest(edit: Callable[[bytes], bytes]) -> Callable:
    """Other bytes for the manifest, properly signed by both trusted keys."""

    def do(package: Path, keys) -> None:
        place = package / "mlsign.json"
        place.write_bytes(edit(place.read_bytes()))
        resign(package, keys.both)

    return do


def put(*path, value):
    """Sets a field; the last of ``path`` may be new."""

    def edit(manifest: dict) -> None:
        here = manifest
        for part in path[:-1]:
            here = here[part]
        here[path[-1]] = value

    return edit


def drop(*path):
    def edit(manifest: dict) -> None:
        here = manifest
        for part in path[:-1]:
            here = here[part]
        del here[path[-1]]

    return edit


# A value for each field that is not the true one, and what shows when the trusted signers sign the lie.
LIES: dict[tuple, tuple[object, tuple[str, ...]]] = {
    ("schema",): ("mlsign/manifest/v2", ("MLS109",)),
    ("version",): ("0.9.0", ("MLS402",)),
    ("digest",): ("blake3", ("MLS109",)),
    ("model", "path"): ("fraud.onnx.data", ("MLS109",)),
    ("model", "format"): ("pickle", ("MLS109",)),
    ("model", "ir_version"): (9, ("MLS110",)),
    ("model", "opset_imports"): ([{"domain": "ai.onnx", "version": 18}], ("MLS110",)),
    ("model", "inputs"): ([], ("MLS110",)),
    ("model", "inputs", 0, "name"): ("z", ("MLS110",)),
    ("model", "inputs", 0, "type", "element"): ("double", ("MLS110",)),
    ("model", "inputs", 0, "type", "shape", 1): (5, ("MLS110",)),
    ("model", "outputs"): ([], ("MLS110",)),
    ("model", "operators"): ([], ("MLS110",)),
    ("model", "operators", 0, "count"): (2, ("MLS110",)),
    ("model", "operators", 0, "name"): ("MatMul", ("MLS110",)),
    ("model", "functions"): ([{"domain": "acme", "name": "F"}], ("MLS110",)),
    ("model", "parameter_count"): (14, ("MLS110",)),
    ("model", "parameter_bytes"): (61, ("MLS110",)),
    ("allowed_operators",): ({"ai.onnx": ["MatMul"]}, ("MLS308",)),
    ("files", 0, "digest"): ("sha256:" + "00" * 32, ("MLS101",)),
    ("files", 0, "size"): (1, ("MLS101",)),
    ("files", 0, "path"): ("AMODEL_CARD.md", ("MLS102", "MLS103")),
    ("files", 1, "role"): ("document", ("MLS312",)),
    ("files", 4, "role"): ("other", ("MLS109",)),
}
# True or false, nobody can tell from the package: only the signature binds them.
UNTOLD: dict[tuple, object] = {
    ("name",): "other",
    ("license",): "MIT",
    ("description",): "harmless",
    ("golden", 0, "rtol"): 1,
    ("golden", 0, "atol"): 1000,
    ("golden", 0, "path"): "golden",
    ("provenance", "source_repository"): "https://example.com/other",
    ("provenance", "source_commit"): "f" * 40,
    ("provenance", "builder"): "https://example.com/builders/2",
    ("provenance", "training_data", 0, "uri"): "s3://other",
    ("provenance", "training_data", 0, "digest"): "sha256:" + "cd" * 32,
    ("provenance", "tools", "scikit-learn"): "0.1",
    ("provenance", "time"): "2020-01-31T12:00:00Z",
}

for _path, (_value, _codes) in LIES.items():
    _name = "manifest " + ".".join(map(str, _path))
    row(f"{_name}: edited", edit_manifest(put(*_path, value=_value)), "MLS101", "MLS210", "MLS205")
    row(f"{_name}: edited and signed by an outsider", edit_manifest(put(*_path, value=_value), by="outsider"), "MLS204", "MLS205")
    row(f"{_name}: a lie, signed by the trusted", edit_manifest(put(*_path, value=_value), by="trusted"), *_codes)
for _path, _value in UNTOLD.items():
    _name = "manifest " + ".".join(map(str, _path))
    row(f"{_name}: edited", edit_manifest(put(*_path, value=_value)), "MLS101", "MLS210", "MLS205")
    row(f"{_name}: edited and signed by an outsider", edit_manifest(put(*_path, value=_value), by="outsider"), "MLS204", "MLS205")

REQUIRED: tuple[tuple, ...] = (
    *(("schema",), ("name",), ("version",), ("model",), ("allowed_operators",), ("digest",), ("files",)),
    *(("model", name) for name in ("path", "format", "ir_version", "opset_imports", "inputs", "outputs", "operators")),
    *(("model", name) for name in ("functions", "parameter_count", "parameter_bytes")),
    *(("model", "operators", 0, name) for name in ("domain", "name", "count")),
    *(("model", "opset_imports", 0, name) for name in ("domain", "version")),
    *(("model", "inputs", 0, name) for name in ("name", "type")),
    *(("model", "inputs", 0, "type", name) for name in ("kind", "element")),
    *(("files", 0, name) for name in ("path", "size", "digest", "role")),
    *(("golden", 0, name) for name in ("path", "rtol", "atol")),
    ("provenance", "training_data", 0, "uri"),
)
OBJECTS: tuple[tuple, ...] = (
    *((), ("model",), ("model", "operators", 0), ("model", "opset_imports", 0), ("model", "inputs", 0)),
    *(("model", "inputs", 0, "type"), ("files", 0), ("golden", 0), ("provenance",), ("provenance", "training_data", 0)),
)
for _path in REQUIRED:
    _name = "manifest " + ".".join(map(str, _path))
    row(f"{_name}: missing, signed by the trusted", edit_manifest(drop(*_path), by="trusted"), "MLS109", "MLS108")
    for _wrong in (None, True, [[]], {"a": 1}, -1, ""):
        row(f"{_name}: {_wrong!r}, signed by the trusted", edit_manifest(put(*_path, value=_wrong), by="trusted"), "MLS109")
for _path in OBJECTS:
    _name = "manifest " + ".".join(map(str, _path))
    row(f"{_name}: an unknown field, signed by the trusted", edit_manifest(put(*_path, "zz", value=1), by="trusted"), "MLS109")

# One value, another spelling: a reader that is less strict would take it.
SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "an equal key twice": lambda d: d.replace(b'"version":', b'"version":"0.0.1","version":', 1),
    "an equal key twice in a file": lambda d: d.replace(b'"role":', b'"role":"other","role":', 1),
    "an escaped equal key": lambda d: d.replace(b'"version":', b'"\\u0076ersion":"0.0.1","version":', 1),
    "1_0 for 10": lambda d: d.replace(b'"ir_version":8', b'"ir_version":0_8', 1),
    "+8": lambda d: d.replace(b'"ir_version":8', b'"ir_version":+8', 1),
    "08": lambda d: d.replace(b'"ir_version":8', b'"ir_version":08', 1),
    "8.0": lambda d: d.replace(b'"ir_version":8', b'"ir_version":8.0', 1),
    "8e0": lambda d: d.replace(b'"ir_version":8', b'"ir_version":8e0', 1),
    "0x8": lambda d: d.replace(b'"ir_version":8', b'"ir_version":0x8', 1),
    "-0": lambda d: d.replace(b'"ir_version":8', b'"ir_version":-0', 1),
    "NaN": lambda d: d.replace(b'"ir_version":8', b'"ir_version":NaN', 1),
    "Infinity": lambda d: d.replace(b'"atol":', b'"atol":Infinity,"a":', 1),
    "1e999": lambda d: d.replace(b'"atol":0.00001', b'"atol":1e999', 1),
    "twenty digits": lambda d: d.replace(b'"ir_version":8', b'"ir_version":10000000000000000008', 1),
    "beyond 53 bits": lambda d: d.replace(b'["n",4]', b'["n",9007199254740993]', 1),
    "space": lambda d: d.replace(b'"version":', b'"version": ', 1),
    "a newline at the end": lambda d: d + b"\n",
    "a second value": lambda d: d + b"{}",
    "a byte order mark": lambda d: b"\xef\xbb\xbf" + d,
    "UTF-16": lambda d: d.decode().encode("utf-16"),
    "not UTF-8": lambda d: d.replace(b"finds fraud", b"finds \xff\xfe", 1),
    "half a surrogate pair": lambda d: d.replace(b"finds fraud", b"finds \\ud800", 1),
    "an escaped letter": lambda d: d.replace(b"finds fraud", b"finds \\u0066raud", 1),
    "a comment": lambda d: d.replace(b"{", b"{/**/", 1),
    "keys in another order": lambda d: b'{"version":"1.2.0",' + d.replace(b',"version":"1.2.0"', b"", 1)[1:],
    "deep": lambda d: d.replace(b'"finds fraud"', b"[" * 500 + b"]" * 500, 1),
    "a list": lambda _: b"[]",
    "null": lambda _: b"null",
    "empty": lambda _: b"",
    "a zip": lambda _: b"PK\x03\x04" + bytes(60),
}
for _kind, _edit in SPELLINGS.items():
    row(f"manifest: {_kind}, signed by the trusted", rewrite_manifest(_edit), "MLS109", "MLS108")


@case("manifest: files in another order, signed by the trusted", "MLS109")
def _(package, keys):
    edit_manifest(lambda m: m["files"].reverse(), by="trusted")(package, keys)


@case("manifest: two files whose names differ by case only", "MLS109")
def _(package, keys):
    def edit(manifest):
        manifest["files"].insert(0, manifest["files"][0] | {"path": "MODEL_CARD.MD"})

    edit_manifest(edit, by="trusted")(package, keys)


for _path in (
    "../outside",
    "/etc/passwd",
    "a/../b",
    "a//b",
    "./a",
    "a\\b",
    "c:x",
    "nul",
    "a.",
    "signatures/x",
    "MLSIGN.json",
    "x" * 256,
):
    row(
        f"manifest: a file named {_path[:20]!r}, signed by the trusted",
        edit_manifest(lambda m, p=_path: m["files"].append(m["files"][-1] | {"path": p, "role": "other"}), by="trusted"),
        "MLS109",
    )


# --- the bundle -------------------------------------------------------------------------------------------------------


def edit_bundle(edit: Callable[[dict], object]) -> Callable:
    def do(package: Path, keys) -> None:
        place = bundle_of(package, keys.release)
        bundle = json.loads(place.read_bytes())
        edit(bundle)
        place.write_bytes(canonical(bundle))

    return do


def other_payload(edit: Callable[[bytes], bytes]) -> Callable[[dict], None]:
    def do(bundle: dict) -> None:
        envelope = bundle["dsseEnvelope"]
        envelope["payload"] = base64.b64encode(edit(base64.b64decode(envelope["payload"]))).decode()

    return do


def other_sig(edit: Callable[[bytes], bytes]) -> Callable[[dict], None]:
    def do(bundle: dict) -> None:
        signature = bundle["dsseEnvelope"]["signatures"][0]
        signature["sig"] = base64.b64encode(edit(base64.b64decode(signature["sig"]))).decode()

    return do


def loose_base64(text: str) -> str:
    """The same bytes to a careless decoder: one of the unused last bits is set, or white space is in between."""
    return text[:4] + "\n" + text[4:]


BUNDLES: dict[str, tuple[Callable[[dict], object], str]] = {
    "media type of version 0.1": (put("mediaType", value="application/vnd.dev.sigstore.bundle+json;version=0.1"), "MLS202"),
    "media type missing": (drop("mediaType"), "MLS202"),
    "hint of nobody": (put("verificationMaterial", "publicKey", "hint", value="00" * 32), "MLS204"),
    "hint in upper case": (lambda b: b["verificationMaterial"]["publicKey"].update(hint="AB" * 32), "MLS204"),
    "hint a number": (put("verificationMaterial", "publicKey", "hint", value=1), "MLS202"),
    "hint empty, no key": (put("verificationMaterial", "publicKey", "hint", value=""), "MLS202"),
    "no material": (drop("verificationMaterial"), "MLS202"),
    "no public key": (drop("verificationMaterial", "publicKey"), "MLS202"),
    "two kinds of material": (put("verificationMaterial", "certificate", value={"rawBytes": ""}), "MLS202"),
    "material of another method": (
        lambda b: b.update(verificationMaterial={"x509CertificateChain": {"certificates": []}}),
        "MLS202",
    ),
    "keyless without log": (
        lambda b: b.update(verificationMaterial={"certificate": {"rawBytes": ""}, "tlogEntries": []}),
        "MLS202",
    ),
    "keyless with log": (
        lambda b: b.update(verificationMaterial={"certificate": {"rawBytes": ""}, "tlogEntries": [{}]}),
        "MLS202",
    ),
    "unknown field": (put("zz", value=1), "MLS202"),
    "unknown field of the material": (put("verificationMaterial", "zz", value=1), "MLS202"),
    "unknown field of the key": (put("verificationMaterial", "publicKey", "zz", value=1), "MLS202"),
    "unknown field of the envelope": (put("dsseEnvelope", "zz", value=1), "MLS202"),
    "unknown field of the signature": (put("dsseEnvelope", "signatures", 0, "zz", value=1), "MLS202"),
    "message signature beside the envelope": (put("messageSignature", value={}), "MLS202"),
    "no envelope": (drop("dsseEnvelope"), "MLS202"),
    "no payload": (drop("dsseEnvelope", "payload"), "MLS202"),
    "payload null": (put("dsseEnvelope", "payload", value=None), "MLS202"),
    "payload empty": (put("dsseEnvelope", "payload", value=""), "MLS202"),
    "payload byte": (other_payload(lambda d: flip(d, len(d) // 2)), "MLS203"),
    "payload longer": (other_payload(lambda d: d + b" "), "MLS203"),
    "payload shorter": (other_payload(lambda d: d[:-1]), "MLS203"),
    "payload in loose base64": (
        lambda b: b["dsseEnvelope"].update(payload=loose_base64(b["dsseEnvelope"]["payload"])),
        "MLS202",
    ),
    "payload without padding": (other_payload(lambda d: d[: len(d) // 3 * 3 - 2]), "MLS203"),
    "no payload type": (drop("dsseEnvelope", "payloadType"), "MLS202"),
    "other payload type": (put("dsseEnvelope", "payloadType", value="text/plain"), "MLS202"),
    "payload type in upper case": (put("dsseEnvelope", "payloadType", value="application/vnd.in-toto+JSON"), "MLS202"),
    "no signatures": (put("dsseEnvelope", "signatures", value=[]), "MLS202"),
    "signatures missing": (drop("dsseEnvelope", "signatures"), "MLS202"),
    "two signatures, the true one first": (lambda b: b["dsseEnvelope"]["signatures"].append({"sig": "AAAA"}), "MLS202"),
    "two signatures, the true one last": (lambda b: b["dsseEnvelope"]["signatures"].insert(0, {"sig": "AAAA"}), "MLS202"),
    "the same signature twice": (lambda b: b["dsseEnvelope"]["signatures"].extend(b["dsseEnvelope"]["signatures"]), "MLS202"),
    "sig byte": (other_sig(lambda d: flip(d, len(d) - 1)), "MLS203"),
    "sig first byte": (other_sig(lambda d: flip(d, 0)), "MLS203"),
    "sig longer": (other_sig(lambda d: d + b"\0"), "MLS203"),
    "sig shorter": (other_sig(lambda d: d[:-1]), "MLS203"),
    "sig of zeros": (other_sig(lambda _: bytes.fromhex("3006020100020100")), "MLS203"),
    "sig in loose base64": (
        lambda b: b["dsseEnvelope"]["signatures"][0].update(sig=loose_base64(b["dsseEnvelope"]["signatures"][0]["sig"])),
        "MLS202",
    ),
    "sig in url base64": (lambda b: b["dsseEnvelope"]["signatures"][0].update(sig="_-__"), "MLS202"),
    "sig empty": (lambda b: b["dsseEnvelope"]["signatures"][0].update(sig=""), "MLS202"),
    "no sig": (drop("dsseEnvelope", "signatures", 0, "sig"), "MLS202"),
    "keyid a number": (put("dsseEnvelope", "signatures", 0, "keyid", value=1), "MLS202"),
    "keyid an object": (put("dsseEnvelope", "signatures", 0, "keyid", value={}), "MLS202"),
    "keyid endless": (put("dsseEnvelope", "signatures", 0, "keyid", value="a" * 5000), "MLS202"),
    "the envelope a list": (put("dsseEnvelope", value=[]), "MLS202"),
    "deep": (lambda b: b.update(zz=json.loads("[" * 300 + "]" * 300)), "MLS202"),
}
for _kind, (_edit, _code) in BUNDLES.items():
    row(f"bundle: {_kind}", edit_bundle(_edit), _code, "MLS205")

BUNDLE_BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a second value": lambda d: d + b"{}",
    "a byte order mark": lambda d: b"\xef\xbb\xbf" + d,
    "an equal key twice": lambda d: d.replace(b'"payload":', b'"payload":"AAAA","payload":', 1),
    "an equal key twice, escaped": lambda d: d.replace(b'"payload":', b'"p\\u0061yload":"AAAA","payload":', 1),
    "an equal key twice at the top": lambda d: d.replace(b'"mediaType":', b'"mediaType":"x","mediaType":', 1),
    "NaN": lambda d: d.replace(b'"keyid":""', b'"keyid":NaN', 1),
    "1_0": lambda d: d.replace(b'"tlogEntries":[]', b'"tlogEntries":1_0', 1),
    "UTF-16": lambda d: d.decode().encode("utf-16"),
    "not JSON": lambda _: b"hello",
    "a quote that never ends": lambda _: b'{"a":"' + b'\\"' * 200_000,
    "only brackets": lambda _: b"[" * 200_000,
    "a PEM": lambda _: b"-----BEGIN PUBLIC KEY-----\n",
}
for _kind, _edit in BUNDLE_BYTES.items():
    row(f"bundle: {_kind}", change_bundle(_edit), "MLS202", "MLS205")


# --- who signed -------------------------------------------------------------------------------------------------------


@case("unsigned", "MLS201", "MLS205")
def _(package, keys):
    shutil.rmtree(package / "signatures")


@case("an empty signatures folder", "MLS201", "MLS205")
def _(package, keys):
    for file in (package / "signatures").iterdir():
        file.unlink()


@case("signed by one of the two", "MLS205")
def _(package, keys):
    bundle_of(package, keys.review).unlink()


@case("signed by the other of the two", "MLS205")
def _(package, keys):
    bundle_of(package, keys.release).unlink()


@case("signed by an outsider only", "MLS204", "MLS205")
def _(package, keys):
    resign(package, (keys.outsider,))


@case("signed by an outsider in place of the second", "MLS204", "MLS205")
def _(package, keys):
    resign(package, (keys.release, keys.outsider))


@case("an outsider under the hint of a trusted key", "MLS203", "MLS205")
def _(package, keys):
    hint = keys.release.signer.public.hint
    resign(package, (keys.outsider, keys.review))
    place = bundle_of(package, keys.outsider)
    place.write_bytes(place.read_bytes().replace(keys.outsider.signer.public.hint.encode(), hint.encode()))


@case("one key signing twice, for the second", "MLS205")
def _(package, keys):
    statement = statement_over(package)
    put_signatures(package, canonical(statement), (keys.release,))
    statement["subject"][0]["name"] = "again"
    put_signatures(package, canonical(statement), (keys.release,), keep=True)


@case("the bundle of one signer copied under other names", "MLS205")
def _(package, keys):
    bundle_of(package, keys.review).unlink()
    for number in range(3):
        shutil.copy(bundle_of(package, keys.release), package / "signatures" / f"copy-{number}.json")


@case("a bundle still under its name while being written", "MLS205")
def _(package, keys):
    place = bundle_of(package, keys.release)
    place.rename(place.with_name(".partial-0123456789abcdef"))


@case("signatures of another release", "MLS210", "MLS101", "MLS205")
def _(package, keys):
    other = make_package(package.parent / "other", signers=keys.both, scale=2.0)
    shutil.rmtree(package / "signatures")
    shutil.copytree(other / "signatures", package / "signatures")


@case("one signature of another release", "MLS210", "MLS205")
def _(package, keys):
    other = make_package(package.parent / "other", signers=keys.both, scale=2.0)
    bundle_of(package, keys.release).unlink()
    shutil.copy(bundle_of(other, keys.release), package / "signatures")


@case("an older manifest with newer weights", "MLS101", "MLS205")
def _(package, keys):
    newer = make_package(package.parent / "newer", name="fraud-1.3.0", signers=keys.both, scale=2.0)
    shutil.copy(newer / "fraud.onnx.data", package)


@case("newer weights under the newer signatures, with the older manifest", "MLS101", "MLS205")
def _(package, keys):
    newer = make_package(package.parent / "newer", name="fraud-1.3.0", signers=keys.both, scale=2.0)
    shutil.copy(newer / "fraud.onnx.data", package)
    shutil.rmtree(package / "signatures")
    shutil.copytree(newer / "signatures", package / "signatures")


# --- what was signed --------------------------------------------------------------------------------------------------


def signed(edit: Callable[[dict], object] | None = None, **how) -> Callable:
    """A statement about this very folder, changed by ``edit`` and genuinely signed by both trusted keys."""

    def do(package: Path, keys) -> None:
        resign(package, keys.both, edit, **how)

    return do


def signed_bytes(edit: Callable[[bytes], bytes]) -> Callable:
    def do(package: Path, keys) -> None:
        put_signatures(package, edit(canonical(statement_over(package))), keys.both)

    return do


def with_resource(**changes) -> Callable[[dict], None]:
    """One more resource, like the first but for ``changes``, under a subject digest that fits."""

    def edit(statement: dict) -> None:
        resources = statement["predicate"]["resources"]
        resources.append(resources[0] | changes)
        statement["subject"][0]["digest"]["sha256"] = subject_of(resources)

    return edit


S = ("predicate", "serialization")
row("statement: ignores the model", signed(leave_out=("model.onnx",), ignore=("model.onnx",)), "MLS208", "MLS205")
row("statement: ignores the weights", signed(leave_out=("fraud.onnx.data",), ignore=("fraud.onnx.data",)), "MLS208", "MLS205")
row("statement: ignores the manifest", signed(leave_out=("mlsign.json",), ignore=("mlsign.json",)), "MLS208", "MLS205")
row("statement: ignores the manifest as ./mlsign.json", signed(leave_out=("mlsign.json",), ignore=("./mlsign.json",)), "MLS208")
row("statement: ignores the model as model.onnx/", signed(leave_out=("model.onnx",), ignore=("model.onnx/",)), "MLS208")
row("statement: ignores the model and lists it", signed(ignore=("model.onnx",)), "MLS208", "MLS205")
row("statement: ignores everything", signed(leave_out=FILES[1:], ignore=(".",)), "MLS208", "MLS205")
row("statement: ignores everything as ./", signed(leave_out=FILES[1:], ignore=("./",)), "MLS208", "MLS205")
row("statement: ignores everything and lists it", signed(ignore=(".",)), "MLS208", "MLS205")
row("statement: ignores golden data, which the manifest lists", signed(leave_out=FILES[4:], ignore=("golden",)), "MLS102")
row("statement: leaves out the model silently", signed(leave_out=("model.onnx",)), "MLS103", "MLS205")
row("statement: leaves out the weights silently", signed(leave_out=("fraud.onnx.data",)), "MLS103", "MLS205")
row("statement: leaves out the manifest silently", signed(leave_out=("mlsign.json",)), "MLS103", "MLS205")
row("statement: leaves out the document silently", signed(leave_out=("MODEL_CARD.md",)), "MLS103", "MLS205")
row("statement: ../outside", signed(with_resource(name="../outside")), "MLS206", "MLS205")
row("statement: an absolute name", signed(with_resource(name="/etc/passwd")), "MLS206", "MLS205")
row("statement: the same name twice", signed(with_resource()), "MLS206", "MLS205")
row("statement: names that differ by case", signed(with_resource(name="MODEL_card.md")), "MLS206", "MLS205")
row("statement: a name of 300 bytes", signed(with_resource(name="x" * 300)), "MLS206", "MLS205")
row("statement: a name that is too deep", signed(with_resource(name="/".join("d" * 40))), "MLS206", "MLS205")
row("statement: a name not in normal form", signed(with_resource(name=unicodedata.normalize("NFD", "é"))), "MLS206")
row("statement: a name with a backslash", signed(with_resource(name="a\\b")), "MLS206", "MLS205")
row("statement: a name with a dot at its end", signed(with_resource(name="a.")), "MLS206", "MLS205")
row("statement: a name with a control character", signed(with_resource(name="a\x1b[2J")), "MLS206", "MLS205")
row("statement: a name with a bidirectional override", signed(with_resource(name="a\u202egnp.x")), "MLS206", "MLS205")
row("statement: an empty name", signed(with_resource(name="")), "MLS206", "MLS205")
row("statement: a file that is not there", signed(with_resource(name="gone.txt")), "MLS102", "MLS205", "MLS210")
row("statement: another subject digest", signed(put("subject", 0, "digest", "sha256", value="00" * 32)), "MLS207", "MLS205")
row("statement: resources in another order", signed(lambda s: s["predicate"]["resources"].reverse()), "MLS207", "MLS205")
row("statement: no subject", signed(put("subject", value=[])), "MLS206", "MLS205")
row("statement: two subjects", signed(lambda s: s["subject"].append(s["subject"][0])), "MLS206", "MLS205")
row("statement: subject by sha512 only", signed(put("subject", 0, "digest", value={"sha512": "00" * 64})), "MLS206", "MLS205")
row("statement: another _type", signed(put("_type", value="https://in-toto.io/Statement/v0.1")), "MLS206", "MLS205")
row("statement: no _type", signed(drop("_type")), "MLS206", "MLS205")
row("statement: provenance", signed(put("predicateType", value="https://slsa.dev/provenance/v1")), "MLS206", "MLS205")
row("statement: an early predicate type", signed(put("predicateType", value="https://model_signing/Digests/v0.1")), "MLS211")
row("statement: symbolic links allowed", signed(put(*S, "allow_symlinks", value=True)), "MLS206", "MLS205")
row("statement: symbolic links 0", signed(put(*S, "allow_symlinks", value=0)), "MLS206", "MLS205")
row("statement: shards", signed(put(*S, "method", value="shards")), "MLS211", "MLS205")
row("statement: an unknown method", signed(put(*S, "method", value="none")), "MLS206", "MLS205")
row("statement: hash_type of another algorithm", signed(put(*S, "hash_type", value="blake2b")), "MLS206", "MLS205")
row("statement: hash_type md5", signed(put(*S, "hash_type", value="md5")), "MLS206", "MLS205")
row(
    "statement: one resource by another algorithm",
    signed(put("predicate", "resources", 0, "algorithm", value="blake3")),
    "MLS206",
)
row("statement: an upper-case digest", signed(put("predicate", "resources", 0, "digest", value="AB" * 32)), "MLS206", "MLS205")
row("statement: a short digest", signed(put("predicate", "resources", 0, "digest", value="ab" * 20)), "MLS206", "MLS205")
row("statement: an unknown field of the predicate", signed(put("predicate", "zz", value=1)), "MLS206", "MLS205")
row("statement: an unknown field at the top", signed(put("zz", value=1)), "MLS206", "MLS205")
row("statement: an unknown field of the serialization", signed(put(*S, "zz", value=1)), "MLS206", "MLS205")
row("statement: no resources", signed(put("predicate", "resources", value=[])), "MLS206", "MLS205")
row("statement: ignore_paths a string", signed(put(*S, "ignore_paths", value="signatures")), "MLS206", "MLS205")
row(
    "statement: ignores nothing of signatures, one escaping",
    signed(put(*S, "ignore_paths", value=["../x", "/y", "a/../.."]), leave_out=("MODEL_CARD.md",)),
    "MLS103",
)
row("statement: blake2b, which the policy does not accept", signed(algorithm="blake2b"), "MLS112", "MLS205")
row("statement: deep", signed_bytes(lambda d: d[:-1] + b',"zz":' + b"[" * 300 + b"]" * 300 + b"}"), "MLS206", "MLS205")
row("statement: an equal key twice", signed_bytes(lambda d: d.replace(b'"_type"', b'"_type":"x","_type"', 1)), "MLS206", "MLS205")
row(
    "statement: equal keys in a resource",
    signed_bytes(lambda d: d.replace(b'"name":', b'"name":"x","name":', 1)),
    "MLS206",
    "MLS205",
)
row("statement: a byte order mark", signed_bytes(lambda d: b"\xef\xbb\xbf" + d), "MLS206", "MLS205")
row("statement: something behind it", signed_bytes(lambda d: d + b"x"), "MLS206", "MLS205")
row(
    "statement: 0_1", signed_bytes(lambda d: d.replace(b'"allow_symlinks":false', b'"allow_symlinks":0_0', 1)), "MLS206", "MLS205"
)
row("statement: a manifest, not a statement", signed_bytes(lambda _: b'{"schema":"mlsign/manifest/v1"}'), "MLS206", "MLS205")
row("statement: text", signed_bytes(lambda _: b"I agree"), "MLS206", "MLS205")


# --- files ------------------------------------------------------------------------------------------------------------


def added(name: str, content: bytes = b"x") -> Callable:
    def do(package: Path, keys) -> None:
        place = package / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)

    return do


for _name in ("extra.py", ".hidden", ".gitignore", ".git/config", "docs/signatures/x", "Signatures/x.json", "MLSIGN.JSON", "model.onnx.bak", "golden/test_data_set_1/input_0.pb"):  # fmt: skip
    row(f"a file added: {_name}", added(_name), "MLS103", "MLS205", "MLS210")
row("an empty file added", added("extra", b""), "MLS103", "MLS205")
for _name, _code in (
    ("e\u0301.txt", "MLS105"),
    ("a\\b", "MLS105"),
    ("a.", "MLS105"),
    ("a ", "MLS105"),
    ("a\nb", "MLS105"),
    ("a\x1b[2Jb", "MLS105"),
    ("\u202etxt.exe", "MLS105"),
    ("con", "MLS105"),
    ("NUL.txt", "MLS105"),
    ("a:b", "MLS105"),
    ("a?b", "MLS105"),
    ("/".join("d" * 31) + "/f", "MLS103"),
    ("/".join("d" * 32) + "/f", "MLS104"),
    ("/".join(["d" * 200] * 6), "MLS105"),
):
    row(f"a file added: {_name[:12]!r} ({len(_name)})", added(_name), _code)


@case("a file added: a name that is not Unicode", "MLS105")
def _(package, keys):
    Path(os.fsdecode(os.fsencode(package) + b"/\xff\xfe")).write_bytes(b"x")


for _file in FILES[1:]:

    @case(f"{_file}: removed", "MLS102", "MLS205", "MLS210")
    def _(package, keys, file=_file):
        (package / file).unlink()

    @case(f"{_file}: renamed", "MLS102", "MLS103", "MLS205", "MLS210")
    def _(package, keys, file=_file):
        (package / file).rename(package / f"{file}.old")

    @case(f"{_file}: other case of letters", "MLS102", "MLS103", "MLS205")
    def _(package, keys, file=_file):
        place = package / file
        place.rename(place.with_name(place.name.swapcase()))


@case("the manifest removed", "MLS102", "MLS108", "MLS205")
def _(package, keys):
    (package / "mlsign.json").unlink()


@case("the manifest removed, the rest signed by the trusted", "MLS108")
def _(package, keys):
    (package / "mlsign.json").unlink()
    resign(package, keys.both)


@case("two files with each other's names", "MLS101", "MLS205")
def _(package, keys):
    one, two = package / FILES[4], package / FILES[5]
    one.rename(package / "x")
    two.rename(one)
    (package / "x").rename(two)


def replaced(file: str, make: Callable[[Path, Path], object]) -> Callable:
    """Something else under the name of a file; its content stays within reach outside of the package."""

    def do(package: Path, keys) -> None:
        place = package / file
        aside = package.parent / "aside"
        place.rename(aside)
        make(place, aside)

    return do


def make_socket(place: Path, _: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    folder = os.open(place.parent, os.O_RDONLY)
    try:
        server.bind(f"/proc/self/fd/{folder}/{place.name}")
    finally:
        os.close(folder)
        server.close()


for _file in FILES:
    row(f"{_file}: a symbolic link to the same content", replaced(_file, lambda p, a: p.symlink_to(a)), "MLS104", "MLS102")
    row(f"{_file}: a symbolic link to nothing", replaced(_file, lambda p, _: p.symlink_to("nowhere")), "MLS104", "MLS102")
    row(f"{_file}: a symbolic link to itself", replaced(_file, lambda p, _: p.symlink_to(p.name)), "MLS104", "MLS102")
    row(f"{_file}: a hard link", replaced(_file, lambda p, a: p.hardlink_to(a)), "MLS107")
    row(f"{_file}: a directory", replaced(_file, lambda p, _: p.mkdir()), "MLS102", "MLS205")
    row(f"{_file}: a fifo", replaced(_file, lambda p, _: os.mkfifo(p)), "MLS104", "MLS102")
    row(f"{_file}: a socket", replaced(_file, make_socket), "MLS104", "MLS102")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        _node = stat.S_IFCHR | 0o600
        row(f"{_file}: /dev/zero", replaced(_file, lambda p, _, n=_node: os.mknod(p, n, os.makedev(1, 5))), "MLS104", "MLS102")


@case("golden: a symbolic link to a folder of the same content", "MLS104", "MLS102")
def _(package, keys):
    (package / "golden").rename(package.parent / "golden")
    (package / "golden").symlink_to(package.parent / "golden")


@case("a symbolic link added", "MLS104")
def _(package, keys):
    (package / "extra").symlink_to("/etc/passwd")


@case("a link to the folder itself added", "MLS104")
def _(package, keys):
    (package / "loop").symlink_to(".")


@case("a fifo added", "MLS104")
def _(package, keys):
    os.mkfifo(package / "extra")


@case("signatures: a symbolic link to the true ones", "MLS202", "MLS205")
def _(package, keys):
    (package / "signatures").rename(package.parent / "signatures")
    (package / "signatures").symlink_to(package.parent / "signatures")


@case("signatures: a file", "MLS202", "MLS205")
def _(package, keys):
    shutil.rmtree(package / "signatures")
    (package / "signatures").write_text("{}")


@case("signatures: a bundle that is a link to the true one", "MLS202", "MLS205")
def _(package, keys):
    place = bundle_of(package, keys.release)
    place.rename(package.parent / "bundle")
    place.symlink_to(package.parent / "bundle")


@case("signatures: a fifo for a bundle", "MLS202", "MLS205")
def _(package, keys):
    place = bundle_of(package, keys.release)
    place.unlink()
    os.mkfifo(place)


@case("signatures: a directory for a bundle", "MLS202", "MLS205")
def _(package, keys):
    place = bundle_of(package, keys.release)
    place.unlink()
    place.mkdir()


@case("junk of signatures/ under a second name that loaders look for", "MLS103", "MLS107")
def _(package, keys):
    (package / "signatures" / "junk").write_text("import os")
    (package / "tokenizer.py").hardlink_to(package / "signatures" / "junk")


@case("a bundle under a second name in the package", "MLS103", "MLS107")
def _(package, keys):
    (package / "config.json").hardlink_to(bundle_of(package, keys.release))


# --- hostile content that the trusted signed ----------------------------------------------------------------------------


@case("another model, the trusted sign it under the old manifest", "MLS101", "MLS110")
def _(package, keys):
    write_model(package / "model.onnx", operator="Relu")
    resign(package, keys.both)


@case("a model that is a pickle, signed by the trusted", "MLS320")
def _(package, keys):
    data = b"\x80\x04\x95" + bytes(40)
    (package / "model.onnx").write_bytes(data)
    _list_again(package)
    resign(package, keys.both)


@case("weights that are too short, signed by the trusted", "MLS315")
def _(package, keys):
    (package / "fraud.onnx.data").write_bytes(bytes(8))
    _list_again(package)
    resign(package, keys.both)


@case("an operator that the policy does not allow, signed by the trusted", "MLS301")
def _(package, keys):
    other = make_package(package.parent / "other", signers=())
    shutil.rmtree(other)
    source = package.parent / "other" / "fraud-1.2.0.source"
    model = write_model(source / "m.onnx", operator="RandomUniformLike")
    made = mlsign.pack(mlsign.PackRequest(model=model, output=other)).path
    shutil.rmtree(package)
    shutil.copytree(made, package)
    resign(package, keys.both)


def _list_again(package: Path) -> None:
    """Sizes and digests of the manifest as the files are now."""
    import hashlib

    manifest = json.loads((package / "mlsign.json").read_bytes())
    for entry in manifest["files"]:
        data = (package / entry["path"]).read_bytes()
        entry["size"], entry["digest"] = len(data), f"sha256:{hashlib.sha256(data).hexdigest()}"
    (package / "mlsign.json").write_bytes(canonical(manifest))


# --- the test -----------------------------------------------------------------------------------------------------------


def reasons(report: mlsign.Report) -> set[str]:
    return {f.code for f in report.decision.findings if f.outcome is not Outcome.PASS}


def test_the_good_package_is_allowed(package, gate):
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.ALLOW
    assert reasons(report) == set()
    assert [group.name for group in report.decision.met] == ["release", "review"]
    with gate.admit(package) as model:
        assert bytes(model.model.view) == (package / "model.onnx").read_bytes()


@pytest.mark.parametrize("row", CASES, ids=lambda row: row.name)
def test_one_fault_is_refused(row, package, keys, gate, no_hang):
    row.do(package, keys)
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert row.codes <= reasons(report), f"{sorted(reasons(report))} without {sorted(row.codes - reasons(report))}"
    assert reasons(report) <= set(ENTRIES), "a code without a page"
    with pytest.raises(mlsign.Denied) as caught:
        gate.admit(package)
    assert row.codes <= reasons(caught.value.report)


def test_names_are_told_apart():
    names = [row.name for row in CASES]
    assert len(names) == len(set(names))
    assert all(row.codes for row in CASES)


def test_every_byte_of_a_bundle_matters(package, keys):
    """Any flipped bit anywhere in a bundle is a refusal; none is a crash."""
    from mlsign.errors import MlsignError
    from mlsign.formats.bundle import decode_bundle
    from mlsign.trust.authenticate import authenticate
    from mlsign.trust.root import TrustRoot

    root = TrustRoot(keys=(keys.release.signer.public,))
    data = bundle_of(package, keys.release).read_bytes()
    authenticate(decode_bundle(data), root=root, now=NOW)
    for place in range(len(data)):
        for bit in (0, 5, 7):
            changed = data[:place] + bytes([data[place] ^ (1 << bit)]) + data[place + 1 :]
            with pytest.raises(MlsignError):
                authenticate(decode_bundle(changed), root=root, now=NOW)


STRAYS = {
    "text": b"hello",
    "nothing": b"",
    "an endless quote": b'"' + b'\\"' * 100_000,
    "an object": b"{}",
}


@pytest.mark.parametrize("content", STRAYS.values(), ids=STRAYS)
def test_a_stray_file_in_signatures_harms_nobody(package, gate, content):
    (package / "signatures" / "0").write_bytes(content)
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.ALLOW
    assert len([s for s in report.evidence.signatures if s.reasons]) == 1


def test_white_space_around_a_bundle_says_nothing(package, keys, gate):
    """Bundles are a format of others, who end files with a newline."""
    for pair in keys.both:
        place = bundle_of(package, pair)
        place.write_bytes(b" \n" + place.read_bytes() + b"\n")
    assert gate.verify(package).decision.verdict is Verdict.ALLOW


def test_a_stranger_who_signs_as_well_harms_nobody(package, gate, keys):
    put_signatures(package, canonical(statement_over(package)), (keys.outsider,), keep=True)
    assert gate.verify(package).decision.verdict is Verdict.ALLOW


def test_one_key_under_two_names_counts_once(package, keys, tmp_path):
    three = [keys.release.public, b"\n" + keys.release.public, keys.review.public]
    gate = mlsign.Gate.load(write_policy(tmp_path / "p", {"any": (2, three)}))
    assert gate.verify(package).decision.verdict is Verdict.ALLOW
    bundle_of(package, keys.review).unlink()
    report = gate.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS205" in reasons(report)


def test_a_policy_that_one_key_under_two_names_should_meet_is_refused(keys, tmp_path):
    with pytest.raises(mlsign.InputError) as caught:
        mlsign.Gate.load(write_policy(tmp_path / "p", {"any": (2, [keys.release.public, keys.release.public])}))
    assert caught.value.code == "policy.signers.require"


def test_blake2b_is_allowed_where_the_policy_accepts_it(package, keys, tmp_path):
    resign(package, keys.both, algorithm="blake2b")
    groups = {"any": (2, [keys.release.public, keys.review.public])}
    open_gate = mlsign.Gate.load(write_policy(tmp_path / "p", groups, digests="[blake2b]"))
    assert open_gate.verify(package).decision.verdict is Verdict.ALLOW
    resign(package, keys.both)
    report = open_gate.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS112" in reasons(report)


@pytest.mark.parametrize("revoked", ["sha256", "blake3"])
@pytest.mark.parametrize("kept", ["sha256", "blake3", "both"])
def test_a_revoked_package_stays_revoked_when_a_signature_is_removed(package, keys, tmp_path, revoked, kept):
    put_signatures(package, canonical(statement_over(package)), keys.both)
    put_signatures(package, canonical(statement_over(package, algorithm="blake3")), keys.both, keep=True)
    groups = {"any": (2, [keys.release.public, keys.review.public])}
    free = mlsign.Gate.load(write_policy(tmp_path / "free", groups))
    assert free.verify(package).decision.verdict is Verdict.ALLOW
    digest = statement_over(package, algorithm=revoked)["subject"][0]["digest"]["sha256"]
    rest = f'revoked: [{{digest: "sha256:{digest}", reason: leaked}}]\n'
    strict = mlsign.Gate.load(write_policy(tmp_path / "p", groups, rest=rest))
    if kept != "both":
        put_signatures(package, canonical(statement_over(package, algorithm=kept)), keys.both)
    report = strict.verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS401" in reasons(report)


def test_a_revoked_file_is_found_in_any_package(package, keys, gate, tmp_path):
    from making import digest_hex

    digest = digest_hex("sha256", (package / "fraud.onnx.data").read_bytes())
    groups = {"any": (2, [keys.release.public, keys.review.public])}
    rest = f'revoked: [{{file: ["sha256:{digest}"], reason: leaked}}]\n'
    report = mlsign.Gate.load(write_policy(tmp_path / "p", groups, rest=rest)).verify(package)
    assert report.decision.verdict is Verdict.DENY
    assert "MLS401" in reasons(report)
