"""Manifest, statement and bundle: exact, and the same bytes again."""

import base64
import json
import tracemalloc
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import canonical, subject_of

from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError
from mlsign.formats.bundle import Bundle, FileBundle, decode_bundle, decode_sigstore_bundle, encode_bundle
from mlsign.formats.dsse import IN_TOTO_TYPE, Envelope, pre_authentication_encoding
from mlsign.formats.manifest import (
    FileEntry,
    GoldenInputs,
    GoldenSet,
    MadeBy,
    Manifest,
    ModelFacts,
    Previous,
    Provenance,
    Role,
    TrainingData,
)
from mlsign.formats.manifest_codec import decode_manifest, decode_name, decode_time, encode_manifest
from mlsign.formats.statement import Resource, build_statement, decode_statement, encode_statement
from mlsign.identity import Method
from mlsign.interface import OperatorId, OperatorUse, OpsetImport, TypeSpec, ValueKind, ValueSpec
from mlsign.paths import PackagePath
from mlsign.strict import MAX_SAFE_INTEGER
from mlsign.version import decode_version


def refused(call, *args) -> str:
    with pytest.raises(InputError) as caught:
        call(*args)
    return caught.value.code


# --- properties: what is encoded decodes to the same value, and that to the same bytes

words = st.text("abcdefgh", min_size=1, max_size=8)
hashes = st.binary(min_size=32, max_size=32)
operators = st.builds(OperatorId, words, words)
numbers = st.integers(0, MAX_SAFE_INTEGER)
made_by = st.builds(MadeBy, runtime=words, version=words, platform=words, inputs=st.sampled_from(GoldenInputs))
shapes = st.none() | st.lists(st.none() | numbers | words, max_size=4).map(tuple)
tensors = st.builds(
    TypeSpec,
    kind=st.sampled_from([ValueKind.TENSOR, ValueKind.SPARSE_TENSOR]),
    element=st.sampled_from(["float", "int4"]),
    shape=shapes,
)
types = st.recursive(
    tensors,
    lambda inner: (
        st.builds(TypeSpec, kind=st.sampled_from([ValueKind.SEQUENCE, ValueKind.OPTIONAL]), inner=inner)
        | st.builds(TypeSpec, kind=st.just(ValueKind.MAP), element=st.just("int64"), inner=inner)
    ),
    max_leaves=3,
)
specs = st.lists(st.builds(ValueSpec, name=words, type=types), max_size=3).map(tuple)


@st.composite
def manifests(draw) -> Manifest:
    algorithm = draw(st.sampled_from([Algorithm.SHA256, Algorithm.BLAKE3]))
    names = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    names = [name for name in names if name != "signatures"]
    roles = [Role.MODEL] + [draw(st.sampled_from([r for r in Role if r is not Role.MODEL])) for _ in names[1:]]
    files = tuple(
        FileEntry(
            path=PackagePath(n), size=draw(st.integers(0, 2**40)), digest=Digest(algorithm=algorithm, value=draw(hashes)), role=r
        )
        for n, r in zip(names, roles, strict=True)
    )
    provenance = st.builds(
        Provenance,
        source_repository=st.none() | words,
        source_commit=st.none() | st.just("abcdef0"),
        builder=st.none() | words,
        training_data=st.lists(st.builds(TrainingData, uri=words, digest=st.none() | st.just(files[0].digest)), max_size=2).map(
            tuple
        ),
        tools=st.dictionaries(words, words, max_size=2).map(MappingProxyType),
        time=st.none() | st.just("2026-01-31T12:00:00Z"),
    )
    tolerance = st.floats(0, 1)
    unique = {"unique_by": lambda use: use.operator}
    return Manifest(
        name=draw(words),
        version=decode_version("1.2.0"),
        license=draw(st.none() | words),
        description=draw(st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)),
        model=ModelFacts(
            path=files[0].path,
            ir_version=draw(st.integers(0, 2**31)),
            opsets=tuple(sorted(draw(st.frozensets(st.builds(OpsetImport, words, numbers), max_size=3)))),
            inputs=draw(specs),
            outputs=draw(specs),
            operators=tuple(sorted(draw(st.lists(st.builds(OperatorUse, operators, st.integers(1, 9)), max_size=3, **unique)))),
            functions=tuple(sorted(draw(st.frozensets(operators, max_size=2)))),
            parameter_count=draw(numbers),
            parameter_bytes=draw(numbers),
        ),
        allowed_operators=tuple(sorted(draw(st.frozensets(operators, max_size=4)))),
        files=tuple(sorted(files, key=lambda f: f.path)),
        algorithm=algorithm,
        golden=tuple(
            GoldenSet(path=PackagePath(n), rtol=draw(tolerance), atol=draw(tolerance), made_by=draw(st.none() | made_by))
            for n in sorted(names[:1])
            if draw(st.booleans())
        ),
        provenance=draw(st.none() | provenance),
        previous=draw(st.none() | st.just(Previous(version=decode_version("1.2.0-rc.1"), digest=sha256(b"")))),
    )


@given(manifests())
def test_a_manifest_has_one_spelling(manifest):
    data = encode_manifest(manifest)
    again = decode_manifest(data)
    assert encode_manifest(again) == data
    assert again.files == manifest.files
    assert again.model == manifest.model
    assert again.allowed_operators == manifest.allowed_operators
    assert again.golden == manifest.golden
    assert again.previous == manifest.previous
    # Other spellings of the very same value are refused.
    assert refused(decode_manifest, json.dumps(json.loads(data)).encode() + b" ") in {"manifest.canonical", "json.integer"}


@st.composite
def statements(draw):
    algorithm = draw(st.sampled_from(list(Algorithm)))
    names = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    value = st.binary(min_size=algorithm.size, max_size=algorithm.size)
    resources = tuple(Resource(path=PackagePath(n), digest=Digest(algorithm=algorithm, value=draw(value))) for n in names)
    ignored = tuple(draw(st.lists(words, max_size=3)))
    return build_statement(name=draw(words), algorithm=algorithm, resources=resources, ignore_paths=ignored)


@given(statements())
def test_a_statement_of_ours_has_one_spelling(statement):
    data = encode_statement(statement)
    assert decode_statement(data) == statement
    assert encode_statement(decode_statement(data)) == data
    assert list(statement.resources) == sorted(statement.resources, key=lambda r: r.path)


@given(payload=st.binary(min_size=1, max_size=50), signature=st.binary(min_size=1, max_size=80), hint=words)
def test_a_bundle_of_ours_has_one_spelling(payload, signature, hint):
    envelope = Envelope(payload_type=IN_TOTO_TYPE, unauthenticated_payload=payload, signature=signature)
    bundle = Bundle(method=Method.KEY, key_hint=hint, envelope=envelope)
    data = encode_bundle(bundle)
    assert decode_bundle(data) == bundle
    assert encode_bundle(decode_bundle(data)) == data


# --- single faults that the tamper table has no place for


def test_names_and_times():
    assert decode_name("a.b_c-D9") == "a.b_c-D9"
    for name in ("", "-a", ".a", "a b", "ä", "a/b", "a" * 129, "a\n"):
        assert refused(decode_name, name) == "manifest.name"
    assert decode_time("2026-01-31T12:00:00Z")
    for text in (
        "",
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00+00:00",
        "2026-01-31t12:00:00z",
        "٢026-01-31T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-01-31T24:00:01Z",
        "0000-01-31T12:00:00Z",
    ):
        assert refused(decode_time, text) == "manifest.time"


@pytest.fixture(scope="module")
def manifest(good_package) -> dict:
    return json.loads((good_package / "mlsign.json").read_bytes())


def test_manifests_by_blake2b_are_refused(manifest):
    assert refused(decode_manifest, canonical(manifest | {"digest": "blake2b"})) == "manifest.value"


def test_two_models_are_refused(manifest):
    files = [f | {"role": "model"} if f["role"] == "weights" else f for f in manifest["files"]]
    assert refused(decode_manifest, canonical(manifest | {"files": files})) == "manifest.model"


def test_an_error_about_many_models_stays_short(manifest):
    files = [manifest["files"][0] | {"path": f"{n:04}.onnx", "role": "model"} for n in range(1000)]
    with pytest.raises(InputError) as caught:
        decode_manifest(canonical(manifest | {"files": files}))
    assert caught.value.code == "manifest.model"
    assert len(caught.value.found) < 200


@pytest.mark.parametrize("name", ["opset_imports", "operators", "functions"])
def test_facts_that_stand_twice_are_refused(manifest, name):
    facts = manifest["model"][name] or [{"domain": "d", "name": "f"}]
    once = manifest | {"model": manifest["model"] | {name: facts}}
    twice = manifest | {"model": manifest["model"] | {name: [facts[0], *facts]}}
    assert decode_manifest(canonical(once))
    assert refused(decode_manifest, canonical(twice)) == "manifest.canonical"


def test_allowed_operators_and_golden_data_that_stand_twice_are_refused(manifest):
    allowed = {domain: [names[0], *names] for domain, names in manifest["allowed_operators"].items()}
    assert refused(decode_manifest, canonical(manifest | {"allowed_operators": allowed})) == "manifest.canonical"
    golden = {"path": "golden/test_data_set_0", "rtol": 0, "atol": 0}
    assert decode_manifest(canonical(manifest | {"golden": [golden]}))
    # Two tolerances of one set are as bad: either could be the one that answers are held to.
    for other in (golden, golden | {"atol": 1}):
        assert refused(decode_manifest, canonical(manifest | {"golden": [golden, other]})) == "manifest.golden"


@pytest.mark.parametrize("commit", ["main", "", "v1.0", "a" * 6, "A" * 40, "a" * 65, "\u0661" * 40])
def test_a_commit_is_a_hash_and_no_name(manifest, commit):
    """A branch or a tag names other code tomorrow."""
    good = canonical(manifest | {"provenance": {"source_commit": "a" * 40}})
    assert decode_manifest(good).provenance.source_commit == "a" * 40
    assert refused(decode_manifest, canonical(manifest | {"provenance": {"source_commit": commit}})) == (
        "manifest.commit" if commit else "manifest.length"
    )


@pytest.mark.parametrize(
    ("version", "digest", "code"),
    [
        ("1.2.0", "sha256:" + "0" * 64, "manifest.previous"),
        ("1.2.0+later", "sha256:" + "0" * 64, "manifest.previous"),  # build metadata makes no version higher
        ("1.10.0", "sha256:" + "0" * 64, "manifest.previous"),
        ("999999999.0.0", "sha256:" + "0" * 64, "manifest.previous"),
        ("1.1", "sha256:" + "0" * 64, "version.spelling"),
        ("1.1.0", "blake3:" + "0" * 64, "manifest.previous"),
        ("1.1.0", "sha256:" + "0" * 63, "digest.hex"),
    ],
)
def test_the_release_before_is_lower_and_has_the_digest_of_a_package(manifest, version, digest, code):
    changed = manifest | {"version": "1.2.0", "previous": {"version": version, "digest": digest}}
    assert refused(decode_manifest, canonical(changed)) == code


def test_the_release_before_has_a_version_and_a_digest_and_nothing_else(manifest):
    good = {"version": "0.0.1-alpha", "digest": "sha256:" + "0" * 64}
    assert decode_manifest(canonical(manifest | {"previous": good})).previous.version.text == "0.0.1-alpha"
    for wrong, code in (
        ({"version": "0.0.1"}, "manifest.missing"),
        (good | {"name": "x"}, "manifest.unknown"),
        (None, "manifest.type"),
        ([good], "manifest.type"),
    ):
        assert refused(decode_manifest, canonical(manifest | {"previous": wrong})) == code


@pytest.mark.parametrize("dim", [True, -1, 1.5, 2**53, "", [], {}])
def test_dimensions_are_sizes_symbols_or_nothing(manifest, dim):
    value = {"name": "x", "type": {"kind": "tensor", "element": "float", "shape": [dim]}}
    text = json.dumps(manifest | {"model": manifest["model"] | {"inputs": [value]}})
    assert refused(decode_manifest, text.encode()) == "manifest.shape"


def statement_of(**changes) -> dict:
    resources = changes.pop("resources", [{"name": "a", "algorithm": "sha256", "digest": "00" * 32}])
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False} | changes.pop("serialization", {})
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": changes.pop("name", "n"), "digest": {"sha256": subject_of(resources)}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"resources": resources, "serialization": serialization},
    }


def test_foreign_statements():
    assert decode_statement(canonical(statement_of())).ignore_paths == ()
    ignored = ["./a/", "a//b", "../x", "/y", "a/../b", ".", "./", "", "c"]
    assert refused(decode_statement, canonical(statement_of(serialization={"ignore_paths": ignored}))) == "statement.type"
    ignored.remove("")
    paths = decode_statement(canonical(statement_of(serialization={"ignore_paths": ignored}))).ignore_paths
    assert paths == ("a", "a/b", ".", ".", "c")


def test_a_statement_that_allows_links_is_refused():
    assert refused(decode_statement, canonical(statement_of(serialization={"allow_symlinks": True}))) == "statement.symlinks"


@pytest.mark.parametrize("name", ["Name", "NAME", "DIGEST", "Digest", "algorithm ", "size", "annotations"])
def test_fields_that_others_may_add_are_no_second_spelling_of_ours(name):
    """``Name`` beside ``name`` is the same field to readers that ignore case."""
    value = statement_of()
    for place in (value["subject"][0], value["predicate"]["resources"][0]):
        place[name] = "b"
        if name.casefold() in {"name", "digest"}:
            with pytest.raises(InputError) as caught:
                decode_statement(canonical(value))
            assert caught.value.code == "statement.unknown"
            assert caught.value.where.endswith(f".{name}")
        else:
            assert decode_statement(canonical(value)) == decode_statement(canonical(statement_of()))
        del place[name]


def test_other_spellings_that_only_case_folding_finds():
    value = statement_of()
    value["predicate"]["resources"][0]["Algorithm"] = "blake3"
    assert refused(decode_statement, canonical(value)) == "statement.unknown"
    for spelling in ("SHA256", "\u017fha256"):
        value = statement_of()
        value["subject"][0]["digest"][spelling] = "00" * 32
        assert refused(decode_statement, canonical(value)) == "statement.unknown"
    value = statement_of()
    value["subject"][0]["digest"]["sha512"] = "00" * 64
    assert decode_statement(canonical(value))


def test_the_one_file_of_early_signers():
    dot = [{"name": ".", "algorithm": "sha256", "digest": "00" * 32}]
    (resource,) = decode_statement(canonical(statement_of(resources=dot, name="net.onnx"))).resources
    assert resource.path == PackagePath("net.onnx")
    assert refused(decode_statement, canonical(statement_of(resources=dot, name="a/net.onnx"))) == "statement.single"
    assert refused(decode_statement, canonical(statement_of(resources=dot, name=".."))) == "path.escapes"
    two = [*dot, {"name": "b", "algorithm": "sha256", "digest": "00" * 32}]
    assert refused(decode_statement, canonical(statement_of(resources=two))) == "path.part"


def bundle_of(**material) -> dict:
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "dsseEnvelope": {"payload": "AAAA", "payloadType": IN_TOTO_TYPE, "signatures": [{"sig": "AAAA"}]},
    }


def test_methods_are_told_apart():
    key = decode_bundle(canonical(bundle_of(publicKey={"hint": "ab"})))
    assert (key.method, key.key_hint) == (Method.KEY, "ab")
    raw = base64.b64encode(b"key").decode()
    old = decode_bundle(canonical(bundle_of(publicKey={"rawBytes": raw, "keyDetails": "X"}, timestampVerificationData={})))
    assert (old.method, old.key_hint) == (Method.KEY, "")
    assert refused(decode_bundle, canonical(bundle_of(publicKey={"rawBytes": "A"}))) == "base64"
    one = {"rawBytes": raw}
    certificate = decode_bundle(canonical(bundle_of(x509CertificateChain={"certificates": [one, one]})))
    assert (certificate.method, certificate.material.certificates) == (Method.CERTIFICATE, (b"key", b"key"))
    entry = {
        "logId": {"keyId": raw},
        "logIndex": "7",
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": "9",
        "inclusionPromise": {"signedEntryTimestamp": raw},
        "inclusionProof": {"logIndex": "7", "rootHash": raw, "treeSize": "8", "hashes": [raw], "checkpoint": {"envelope": "x"}},
        "canonicalizedBody": raw,
    }
    stamp = {"rfc3161Timestamps": [{"signedTimestamp": raw}]}
    keyless = decode_bundle(canonical(bundle_of(certificate=one, tlogEntries=[entry], timestampVerificationData=stamp)))
    assert keyless.method is Method.KEYLESS
    assert (keyless.material.entries[0].log_index, keyless.material.entries[0].body) == (7, b"key")
    assert keyless.material.timestamps == (b"key",)
    assert refused(decode_bundle, canonical(bundle_of(certificate=one))) == "bundle.tlog"
    assert (
        refused(decode_bundle, canonical(bundle_of(x509CertificateChain={"certificates": [one, one]}, tlogEntries=[entry])))
        == "bundle.chain"
    )
    for bundle in (key, certificate, keyless):
        assert decode_bundle(encode_bundle(bundle)) == bundle


def test_timestamps_are_none_or_different_ones():
    raw = base64.b64encode(b"stamp").decode()
    none = decode_bundle(canonical(bundle_of(publicKey={"hint": "ab"}, timestampVerificationData=None)))
    assert none.material.timestamps == ()
    twice = {"rfc3161Timestamps": [{"signedTimestamp": raw}, {"signedTimestamp": raw}]}
    assert (
        refused(decode_bundle, canonical(bundle_of(publicKey={"hint": "ab"}, timestampVerificationData=twice)))
        == "bundle.timestamps"
    )


def test_a_signature_over_a_file_is_no_signature_over_a_package():
    value = bundle_of(publicKey={"hint": "ab"})
    del value["dsseEnvelope"]
    value["messageSignature"] = {"signature": base64.b64encode(b"x").decode()}
    assert isinstance(decode_sigstore_bundle(canonical(value)), FileBundle)
    assert refused(decode_bundle, canonical(value)) == "bundle.missing"


def test_junk_costs_less_than_its_own_size():
    """Millions of small values in place of a bundle once took a gigabyte."""
    junk = b"[" + b'{"":0},' * 1_900_000 + b"0]"
    tracemalloc.start()
    with pytest.raises(InputError) as caught:
        decode_bundle(junk)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "json.values"
    assert peak < 50_000_000


def test_what_a_signature_over_a_file_says_of_the_file_is_a_claim_of_one_kind():
    value = bundle_of(publicKey={"hint": "ab"})
    del value["dsseEnvelope"]
    signature = {"signature": base64.b64encode(b"x").decode()}
    claim = {"algorithm": "SHA2_256", "digest": base64.b64encode(b"d" * 32).decode()}
    found = decode_sigstore_bundle(canonical(value | {"messageSignature": signature}))
    assert (found.content.digest, found.content.signature) == (None, b"x")
    found = decode_sigstore_bundle(canonical(value | {"messageSignature": signature | {"messageDigest": claim}}))
    assert found.content.digest == Digest(algorithm=Algorithm.SHA256, value=b"d" * 32)
    for wrong, code in (
        ({"algorithm": "SHA2_512"}, "bundle.value"),
        ({"digest": "?"}, "base64"),
        ({"size": 1}, "bundle.unknown"),
    ):
        content = signature | {"messageDigest": claim | wrong}
        assert refused(decode_sigstore_bundle, canonical(value | {"messageSignature": content})) == code


def test_a_bundle_is_signed_in_one_way():
    """Two ways in one bundle, and a reader that prefers the other one sees another signer."""
    one = {"rawBytes": base64.b64encode(b"key").decode()}
    for material in (
        {},
        {"publicKey": {"hint": "ab"}, "certificate": one},
        {"publicKey": {"hint": "ab"}, "x509CertificateChain": {"certificates": [one]}},
        {"certificate": one, "x509CertificateChain": {"certificates": [one]}},
        {"publicKey": {}},
        {"publicKey": {"hint": ""}},
    ):
        assert refused(decode_bundle, canonical(bundle_of(**material))) == "bundle.material"


@pytest.mark.parametrize("count", [0, 2])
def test_an_envelope_has_one_signature(count):
    """A second one would go along unchecked."""
    value = bundle_of(publicKey={"hint": "ab"})
    value["dsseEnvelope"]["signatures"] *= count
    assert refused(decode_bundle, canonical(value)) == "bundle.signatures"


@pytest.mark.parametrize("keyid", [1, True, ["abc"], {}, "x" * 1025])
def test_a_keyid_is_a_short_text_or_null(keyid):
    value = bundle_of(publicKey={"hint": "ab"})
    value["dsseEnvelope"]["signatures"][0]["keyid"] = keyid
    assert refused(decode_bundle, canonical(value)) == "bundle.type"


@pytest.mark.parametrize("keyid", [None, "", "abc"])
def test_a_keyid_is_a_hint_and_nothing_else(keyid):
    value = bundle_of(publicKey={"hint": "ab"})
    value["dsseEnvelope"]["signatures"][0]["keyid"] = keyid
    assert decode_bundle(canonical(value)) == decode_bundle(canonical(bundle_of(publicKey={"hint": "ab"})))


def test_type_and_payload_cannot_slide_into_each_other():
    """The example of the DSSE protocol, and two pairs that a plain join would make equal."""
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pre_authentication_encoding("a b", b"c") != pre_authentication_encoding("a", b"b c")
