"""Statements in the other two formats: read where they are asked for, and no byte of a file outside of a shard."""

import hashlib
from dataclasses import replace

import pytest
from making import canonical, subject_of

from mlsign.digest import Algorithm
from mlsign.errors import InputError
from mlsign.formats.dsse import IN_TOTO_TYPE, old_pre_authentication_encoding, pre_authentication_encoding
from mlsign.formats.statement import (
    ACCEPTED_FORMATS,
    Resource,
    ShardedResource,
    Sharding,
    StatementFormat,
    decode_statement,
    encode_statement,
    subject_digest,
)
from mlsign.limits import Limits
from mlsign.paths import PackagePath

EVERY = frozenset(StatementFormat)
ZEROS = "00" * 32


def refusal(value: dict | bytes, *, formats=EVERY, limits=Limits()) -> InputError:  # noqa: B008 - frozen
    data = value if isinstance(value, bytes) else canonical(value)
    with pytest.raises(InputError) as caught:
        decode_statement(data, formats=formats, limits=limits)
    return caught.value


def shard(name: str, *, size: int = 10, algorithm: str = "sha256", digest: str = "") -> dict:
    length = 128 if algorithm == "blake2b" else 64
    return {
        "name": name,
        "algorithm": f"{algorithm}-sharded-{size}",
        "digest": digest or hashlib.sha512(name.encode()).hexdigest()[:length],
    }


def sharded(*shards: dict | str, size: object = 10.0, algorithm: str = "sha256", **serialization: object) -> dict:
    resources = [shard(item, algorithm=algorithm) if isinstance(item, str) else item for item in shards]
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "net.onnx", "digest": {"sha256": subject_of(resources)}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": resources,
            "serialization": {
                "method": "shards",
                "hash_type": algorithm,
                "shard_size": size,
                "allow_symlinks": False,
                **serialization,
            },
        },
    }


def old(*names: str, **top: object) -> dict:
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": name, "digest": {"sha256": ZEROS}, "annotations": {"actual_hash_algorithm": "file-sha256"}} for name in names
        ],
        "predicateType": "https://model_signing/Digests/v0.1",
        "predicate": {"unused": "Unused, just passed due to API requirements"},
        **top,
    }


GOOD = ("a.bin:0:10", "a.bin:10:20", "a.bin:20:25", "b/c.bin:0:10")


# --- which formats are read


def test_only_the_files_of_oms_1_are_read_unasked():
    assert frozenset({StatementFormat.OMS_1}) == ACCEPTED_FORMATS
    for value in (sharded(*GOOD), old("a", "b")):
        with pytest.raises(InputError) as caught:
            decode_statement(canonical(value))
        assert caught.value.code == "statement.format"


@pytest.mark.parametrize("accepted", list(StatementFormat))
def test_what_is_not_accepted_is_refused_with_the_field_that_would(accepted):
    files = sharded("x:0:1")
    files["predicate"]["serialization"] = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    files["predicate"]["resources"] = [{"name": "x", "algorithm": "sha256", "digest": ZEROS}]
    files["subject"][0]["digest"]["sha256"] = subject_of(files["predicate"]["resources"])
    every = {StatementFormat.OMS_1: files, StatementFormat.OMS_0_2: old("x"), StatementFormat.OMS_1_SHARDS: sharded("x:0:1")}
    for found, value in every.items():
        if found is accepted:
            assert decode_statement(canonical(value), formats=frozenset({accepted})).format is found
            continue
        error = refusal(value, formats=frozenset({accepted}))
        assert (error.code, error.expected, error.found) == ("statement.format", accepted.value, found.value)
        assert f"list {found.value} under formats in the policy" in error.hint


def test_a_format_that_is_not_accepted_is_not_read_any_further():
    for value in (sharded("junk", size=0), old("..", predicate=7)):
        assert refusal(value, formats=ACCEPTED_FORMATS).code == "statement.format"


def test_other_predicates_and_methods_are_none_of_the_three():
    assert refusal(old("a", predicateType="https://model_signing/Digests/v0.2")).code == "statement.value"
    assert refusal(old("a", predicateType="https://model_signing/ShardDigests/v0.1")).code == "statement.value"
    assert refusal(sharded("a:0:1", method="shard")).code == "statement.value"


# --- shards


def test_shards_become_files_of_a_size():
    statement = decode_statement(canonical(sharded(*GOOD, ignore_paths=["./x/"])), formats=EVERY)
    assert (statement.format, statement.algorithm) == (StatementFormat.OMS_1_SHARDS, Algorithm.SHA256)
    assert (statement.subject_name, statement.ignore_paths) == ("net.onnx", ("x",))
    sharding = Sharding(algorithm=Algorithm.SHA256, shard_size=10)
    assert [(str(r.path), getattr(r, "size", None), len(r.digests)) for r in statement.resources] == [
        ("a.bin", 25, 3),
        ("b/c.bin", 10, 1),
    ]
    assert all(isinstance(r, ShardedResource) and r.sharding == sharding for r in statement.resources)
    assert statement.resources[0].digests[2].hex == shard("a.bin:20:25")["digest"]
    assert statement.subject_digest.hex == subject_of([shard(name) for name in GOOD])
    assert subject_digest(statement.resources) == statement.subject_digest


@pytest.mark.parametrize("algorithm", [a.value for a in Algorithm])
def test_shards_by_every_algorithm(algorithm):
    statement = decode_statement(canonical(sharded("a:0:10", "a:10:11", algorithm=algorithm)), formats=EVERY)
    assert statement.algorithm.value == algorithm
    assert {d.algorithm for d in statement.resources[0].digests} == {statement.algorithm}
    assert statement.resources[0].sharding.name == f"{algorithm}-sharded-10"


@pytest.mark.parametrize("text", ["10", "10.0", "1e1", "10.00", "1.0e+1"])
def test_a_whole_number_of_bytes_however_it_is_spelled(text):
    data = canonical(sharded(*GOOD, size="SIZE")).replace(b'"SIZE"', text.encode())
    assert decode_statement(data, formats=EVERY).resources[0].sharding.shard_size == 10


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0", "statement.range"),
        ("0.0", "statement.range"),
        ("-0.0", "statement.range"),
        ("-10", "statement.range"),
        ("0.5", "statement.range"),
        ("10.5", "statement.shard_size"),
        ("9007199254740992", "statement.range"),
        ("9007199254740992.0", "statement.range"),
        ("1e308", "statement.range"),
        ("1e309", "json.number"),
        ("NaN", "json.number"),
        ("Infinity", "json.number"),
        ("-0", "json.integer"),
        ("10000000000000000000", "json.integer"),
        ("true", "statement.type"),
        ("null", "statement.type"),
        ('"10"', "statement.type"),
        ("[10]", "statement.type"),
    ],
)
def test_sizes_of_shards_that_are_none(text, code):
    data = canonical(sharded(*GOOD, size="SIZE")).replace(b'"SIZE"', text.encode())
    assert refusal(data).code == code


def test_the_size_of_shards_belongs_to_shards():
    value = sharded(*GOOD)
    del value["predicate"]["serialization"]["shard_size"]
    assert refusal(value).code == "statement.missing"
    assert refusal(sharded("a:0:1", method="files")).code == "statement.unknown"
    assert refusal(sharded("a:0:1", SHARD_SIZE=10)).code == "statement.unknown"


HOSTILE = {
    "ranges swapped": (("a:10:20", "a:0:10"), "statement.shard"),
    "a gap at the start": (("a:10:20",), "statement.shard"),
    "a gap in the middle": (("a:0:10", "a:20:30"), "statement.shard"),
    "one byte missing between": (("a:0:10", "a:11:20"), "statement.shard"),
    "an overlap": (("a:0:10", "a:9:19"), "statement.shard"),
    "the same shard twice": (("a:0:10", "a:0:10"), "statement.shard"),
    "the last shard twice": (("a:0:10", "a:10:12", "a:10:12"), "statement.shard"),
    "one more after the last": (("a:0:10", "a:10:12", "a:12:22"), "statement.shard"),
    "a short shard first": (("a:0:5", "a:5:15"), "statement.shard"),
    "an empty shard": (("a:0:10", "a:10:10"), "statement.shard"),
    "an empty file": (("a:0:0",), "statement.shard"),
    "an end before its start": (("a:10:0",), "statement.shard"),
    "longer than a shard": (("a:0:11",), "statement.shard"),
    "longer than any file": (("a:0:1099511627777",), "integer.range"),
    "beyond 63 bits": (("a:0:9223372036854775808",), "integer.range"),
    "more digits than any number": (("a:0:" + "9" * 30,), "integer.spelling"),
    "a negative start": (("a:-1:9",), "integer.spelling"),
    "a negative end": (("a:0:-10",), "integer.spelling"),
    "a sign": (("a:+0:10",), "integer.spelling"),
    "a leading zero": (("a:00:10",), "integer.spelling"),
    "a fraction": (("a:0:10.0",), "integer.spelling"),
    "an exponent": (("a:0:1e1",), "integer.spelling"),
    "an underscore": (("a:0:1_0",), "integer.spelling"),
    "a space": (("a:0: 10",), "integer.spelling"),
    "digits of another script": (("a:0:\u0661\u0660",), "integer.spelling"),
    "no end": (("a:0",), "statement.shard"),
    "no numbers": (("a",), "statement.shard"),
    "no start": (("a::10",), "integer.spelling"),
    "a colon in the path": (("a:b:0:10",), "statement.shard"),
    "a drive": (("c:/a:0:10",), "statement.shard"),
    "no path": ((":0:10",), "path.length"),
    "a path that leads out": (("../a:0:10",), "path.escapes"),
    "an absolute path": (("/a:0:10",), "path.absolute"),
    "a dot before": (("./a:0:10",), "path.part"),
    "two spellings of a path": (("a:0:10", "./a:10:20"), "path.part"),
    "two spellings by case": (("a:0:10", "A:0:10"), "statement.duplicate"),
    "shards of a file that stand apart": (("a:0:10", "b:0:10", "a:10:20"), "statement.duplicate"),
    "two files without a name": ((".:0:10", "a:0:10"), "path.part"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_shards(name):
    shards, code = HOSTILE[name]
    assert refusal(sharded(*shards)).code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"algorithm": "sha256"}, "statement.value"),
        ({"algorithm": "sha256-sharded-11"}, "statement.value"),
        ({"algorithm": "sha256-sharded-10.0"}, "statement.value"),
        ({"algorithm": "SHA256-sharded-10"}, "statement.value"),
        ({"algorithm": "blake3-sharded-10"}, "statement.value"),
        ({"algorithm": 7}, "statement.type"),
        ({"digest": "00" * 31}, "digest.hex"),
        ({"digest": "AB" * 32}, "digest.hex"),
        ({"Name": "b:0:10"}, "statement.unknown"),
        ({"name": 7}, "statement.type"),
    ],
)
def test_hostile_fields_of_a_shard(changes, code):
    value = sharded(*GOOD)
    value["predicate"]["resources"][1] |= changes
    assert refusal(value).code == code


def test_a_shard_is_an_object():
    value = sharded(*GOOD)
    value["predicate"]["resources"][1] = "a.bin:10:20"
    assert refusal(value).code == "statement.type"


def test_fields_that_others_may_add_to_a_shard():
    plain, more = sharded(*GOOD), sharded(*GOOD)
    more["predicate"]["resources"][0]["size"] = 10
    assert decode_statement(canonical(more), formats=EVERY) == decode_statement(canonical(plain), formats=EVERY)


def test_the_subject_is_over_the_shards_in_their_order():
    value = sharded(*GOOD)
    value["predicate"]["resources"][1]["digest"] = ZEROS
    assert refusal(value).code == "statement.subject"
    value = sharded("a:0:10", "b:0:10")
    value["predicate"]["resources"].reverse()
    assert refusal(value).code == "statement.subject"


def test_the_one_file_without_a_name():
    (resource,) = decode_statement(canonical(sharded(".:0:10", ".:10:13")), formats=EVERY).resources
    assert (resource.path, resource.size) == (PackagePath("net.onnx"), 13)
    value = sharded(".:0:10")
    for name, code in (("a/net.onnx", "statement.single"), ("..", "path.escapes"), ("net:onnx", "path.character")):
        value["subject"][0]["name"] = name
        assert refusal(value).code == code


def test_more_shards_than_the_limits_allow():
    limits = replace(Limits(), max_files=3, max_path_bytes=4)
    assert decode_statement(canonical(sharded(*(f"f{i}:0:10" for i in range(4)))), formats=EVERY, limits=limits)
    assert refusal(sharded(*(f"f{i}:0:10" for i in range(5))), limits=limits).code == "statement.length"
    assert refusal(sharded("abcde:0:10"), limits=limits).code == "path.length"
    assert refusal(sharded("a" * 60 + ":0:10"), limits=limits).code == "statement.length"
    assert refusal(sharded("a:0:10"), limits=replace(limits, max_file_bytes=9)).code == "integer.range"
    item = b'{"algorithm":"sha256-sharded-1","digest":"' + b"0" * 64 + b'","name":"a:0:1"}'
    before, _, after = canonical(sharded("x:0:1")).partition(b'"resources":[')
    for count, code in ((200_002, "statement.length"), (1_000_000, "json.size")):
        data = before + b'"resources":[' + b",".join([item] * count) + b"]" + after.partition(b"]")[2]
        assert refusal(data).code == code


# --- OMS 0.2


def test_an_old_statement_is_its_files():
    statement = decode_statement(canonical(old("b", "a/c")), formats=EVERY)
    assert statement.format is StatementFormat.OMS_0_2
    assert (statement.subject_name, statement.algorithm, statement.ignore_paths) == ("", Algorithm.SHA256, ())
    assert [str(r.path) for r in statement.resources] == ["b", "a/c"]
    assert statement.subject_digest.hex == hashlib.sha256(bytes(64)).hexdigest()


def edited(path: str, value: object) -> dict:
    out = old("a", "b")
    *steps, last = path.split(".")
    place: object = out
    for step in steps:
        place = place[int(step)] if step.isdigit() else place[step]
    if value is None:
        del place[int(last) if last.isdigit() else last]
    else:
        place[int(last) if last.isdigit() else last] = value
    return out


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("_type", "https://in-toto.io/Statement/v0.1", "statement.value"),
        ("subject", [], "statement.length"),
        ("subject", {}, "statement.type"),
        ("subject.0", "a", "statement.type"),
        ("subject.0.name", None, "statement.missing"),
        ("subject.0.name", "", "statement.length"),
        ("subject.0.name", ".", "path.part"),
        ("subject.0.name", "../a", "path.escapes"),
        ("subject.0.name", "a:0:10", "path.character"),
        ("subject.0.name", "B", "statement.duplicate"),
        ("subject.0.name", "b", "statement.duplicate"),
        ("subject.0.NAME", "c", "statement.unknown"),
        ("subject.0.digest", None, "statement.missing"),
        ("subject.0.digest", ZEROS, "statement.type"),
        ("subject.0.digest", {"sha512": ZEROS}, "statement.missing"),
        ("subject.0.digest.sha256", "AB" * 32, "digest.hex"),
        ("subject.0.digest.SHA256", ZEROS, "statement.unknown"),
        ("subject.0.annotations", None, "statement.missing"),
        ("subject.0.annotations", {}, "statement.missing"),
        ("subject.0.annotations.actual_hash_algorithm", "file-sha256-1000000", "statement.value"),
        ("subject.0.annotations.actual_hash_algorithm", "file-blake2b", "statement.value"),
        ("subject.0.annotations.Actual_Hash_Algorithm", "x", "statement.unknown"),
        ("predicate", None, "statement.missing"),
        ("predicate", [], "statement.type"),
        ("predicate.unused", None, "statement.missing"),
        ("predicate.unused", {}, "statement.type"),
        ("predicate.resources", [], "statement.unknown"),
        ("predicate.serialization", {"method": "files"}, "statement.unknown"),
        ("more", 1, "statement.unknown"),
    ],
)
def test_old_statements_that_are_none(path, value, code):
    assert refusal(edited(path, value)).code == code


def test_more_files_than_the_limits_allow():
    limits = replace(Limits(), max_files=2)
    assert decode_statement(canonical(old("a", "b", "c")), formats=EVERY, limits=limits)
    assert refusal(old("a", "b", "c", "d"), limits=limits).code == "statement.length"


def test_what_is_only_read_is_not_written():
    for value in (sharded(*GOOD), old("a")):
        statement = decode_statement(canonical(value), formats=EVERY)
        with pytest.raises(InputError) as caught:
            encode_statement(statement)
        assert caught.value.code == "statement.encode"
    mixed = replace(decode_statement(canonical(sharded(*GOOD)), formats=EVERY), format=StatementFormat.OMS_1)
    with pytest.raises(InputError) as caught:
        encode_statement(mixed)
    assert caught.value.code == "statement.encode"


# --- what old signers signed


def test_the_encoding_of_old_signers_is_the_one_that_they_had():
    """Held against the compatibility code of the reference verifier, where that is installed."""
    theirs = pytest.importorskip("model_signing._signing.sign_sigstore_pb").pae_compat
    for payload in (b"", b"{}", b'{"a": "b\\n"}', b"it's", b'"it\'s"', bytes(range(256)), "ä".encode(), b"b'x'"):
        assert old_pre_authentication_encoding(IN_TOTO_TYPE, payload) == theirs(payload)


def test_the_two_encodings_never_agree():
    payloads = [b"", b"x", b"'", b'"', b"\\", b"\\x00", b"\x00", b"b''", b"DSSEv1"]
    old_ones = {old_pre_authentication_encoding(IN_TOTO_TYPE, payload) for payload in payloads}
    assert len(old_ones) == len(payloads)
    assert not any(pre_authentication_encoding(IN_TOTO_TYPE, payload) in old_ones for payload in payloads)


def test_resources_of_both_kinds_have_digests():
    statement = decode_statement(canonical(old("a")), formats=EVERY)
    assert all(isinstance(r, Resource) and r.digests == (r.digest,) for r in statement.resources)
