"""The ground floor: errors, digests, sources, versions, words, names of operators and identities."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlsign
from mlsign.digest import Algorithm, Digest, decode_algorithm, decode_digest, decode_hex, sha256
from mlsign.errors import InputError, JailError, MlsignError, OutsideError, TrustError, naming, shown
from mlsign.identity import KeyIdentity, Method
from mlsign.interface import OperatorId, TypeSpec, ValueKind, decode_operator
from mlsign.source import MemorySource
from mlsign.version import decode_version
from mlsign.words import counted, size

# --- errors


def test_every_error_is_of_one_of_four_families():
    for family in (InputError, TrustError, OutsideError, JailError):
        error = family("went wrong", code="a.b", where="x[3]", expected="1", found="2", hint="mend it")
        assert isinstance(error, MlsignError)
        assert str(error) == "x[3]: went wrong"
        assert (error.code, error.where, error.expected, error.found, error.hint) == ("a.b", "x[3]", "1", "2", "mend it")
    assert str(InputError("went wrong", code="a")) == "went wrong"


def test_what_is_wrong_inside_names_the_file_and_keeps_its_own_hint():
    for where, hint, wanted in (
        ("", "", ("a.json", "look into it")),
        ("files[3]", "leave it out", ("a.json: files[3]", "leave it out")),
    ):
        error = InputError("is wrong", code="c", where=where, hint=hint)
        with pytest.raises(InputError) as caught, naming("a.json", hint="look into it"):
            raise error
        assert caught.value is error
        assert (error.where, error.hint) == wanted
        assert str(error) == f"{wanted[0]}: is wrong"


def test_only_what_is_wrong_with_an_input_is_named():
    error = TrustError("is by nobody", code="c", where="signature")
    with pytest.raises(TrustError), naming("a.json", hint="look into it"):
        raise error
    assert (error.where, error.hint) == ("signature", "")
    with naming("a.json"):
        pass


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain text, ä and 漢字", "plain text, ä and 漢字"),
        ("a\nb", "a\\u{a}b"),
        ("\x1b[31m", "\\u{1b}[31m"),
        ("a\u202eb", "a\\u{202e}b"),
        ("\u2028", "\\u{2028}"),
        ("\u200b", "\\u{200b}"),
        ("loss\u3164\ufe0f", "loss\\u{3164}\\u{fe0f}"),
        ("\xa0", "\\u{a0}"),
        ("\ud800", "\\u{d800}"),
        ("\ue000", "\\u{e000}"),
        (12, "12"),
    ],
)
def test_foreign_text_cannot_move_the_cursor(text, safe):
    assert shown(text) == safe


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("e\u0301", "e\u0301"),
        ("ש\u05bc\u05c1\u05b8", "ש\u05bc\u05c1\u05b8"),
        ("a" + "\u0317" * 6 + "b\u0317", "a" + "\u0317" * 4 + r"\u{317}\u{317}" + "b\u0317"),
        ("\u0336x", r"\u{336}x"),
        ("a" + "\u20dd\u0489" * 4, "a\u20dd\u0489\u20dd\u0489" + r"\u{20dd}\u{489}" * 2),
    ],
)
def test_foreign_text_is_not_drawn_over_what_stands_around_it(text, safe):
    """A letter has few marks, and each stands on a letter of its own text."""
    assert shown(text) == safe
    assert shown(shown(text)) == safe


def test_foreign_text_is_cut():
    assert shown("x" * 160) == "x" * 160
    assert shown("x" * 161) == "x" * 160 + "… (161 characters)"
    assert shown("abcdef", limit=3) == "abc… (6 characters)"


@given(st.text())
def test_what_is_shown_is_printable(text):
    assert all(char == " " or char.isprintable() for char in shown(text))


# --- digests


def test_a_digest_is_spelled_in_one_way():
    digest = sha256(b"abc")
    assert str(digest) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert decode_digest(str(digest)) == digest
    assert decode_hex(Algorithm.SHA256, digest.hex) == digest


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "digest.spelling"),
        ("ab" * 32, "digest.spelling"),
        ("md5:" + "ab" * 16, "digest.algorithm"),
        ("SHA256:" + "ab" * 32, "digest.algorithm"),
        ("sha256:" + "AB" * 32, "digest.hex"),
        ("sha256:" + "ab" * 31, "digest.hex"),
        ("sha256:" + "ab" * 33, "digest.hex"),
        ("sha256: " + "ab" * 31 + "a", "digest.hex"),
        ("sha256:" + "١" * 64, "digest.hex"),
        ("blake2b:" + "ab" * 32, "digest.hex"),
        ("sha256:" + "ab" * 32 + "\n", "digest.hex"),
    ],
)
def test_other_spellings_are_refused(text, code):
    with pytest.raises(InputError) as caught:
        decode_digest(text, where="here")
    assert (caught.value.code, caught.value.where) == (code, "here")


def test_digests_are_equal_only_under_one_algorithm():
    value = bytes(32)
    assert Digest(algorithm=Algorithm.SHA256, value=value) != Digest(algorithm=Algorithm.BLAKE3, value=value)
    with pytest.raises(InputError) as caught:
        Digest(algorithm=Algorithm.BLAKE2B, value=value)
    assert caught.value.code == "digest.length"
    assert [decode_algorithm(a.value).size for a in Algorithm] == [32, 32, 64]


# --- sources


def test_a_source_gives_exactly_what_is_asked_or_raises():
    source = MemorySource(bytearray(b"abcdef"))
    assert source.size == 6
    assert source.read_at(0, 6) == b"abcdef"
    assert source.read_at(6, 0) == b""
    for offset, length in ((0, 7), (6, 1), (7, 0), (-1, 2), (2, -1)):
        with pytest.raises(InputError) as caught:
            source.read_at(offset, length)
        assert caught.value.code == "source.truncated"


def test_a_source_that_lets_go_leaves_the_memory_free_and_gives_nothing_more():
    data = bytearray(b"abcdef")
    source = MemorySource(data)
    with pytest.raises(BufferError):
        data.clear()
    source.release()
    data.clear()
    with pytest.raises(ValueError, match="released"):
        source.read_at(0, 1)


def test_the_public_names_are_those_that_are_listed():
    assert dir(mlsign) == mlsign.__all__
    assert all(getattr(mlsign, name) is not None for name in mlsign.__all__)
    with pytest.raises(AttributeError, match="no attribute 'forge'"):
        mlsign.forge  # noqa: B018 - asking for it is the test


# --- versions

ORDER = (
    *("0.0.1", "0.9.0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta"),
    *("1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "1.10.0", "2.0.0"),
)


def test_versions_are_ordered_as_semver_says():
    versions = [decode_version(text) for text in ORDER]
    assert sorted(set(versions)) == versions
    assert [str(v) for v in versions] == list(ORDER)
    assert len(set(versions)) == len(versions)


def test_build_metadata_does_not_count():
    one, two = decode_version("1.0.0+a"), decode_version("1.0.0+b.2")
    assert one == two
    assert hash(one) == hash(two)
    assert one != "1.0.0+a"


@pytest.mark.parametrize(
    "text",
    ["", "1", "1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0-a..b", "1.0.0+", "1.0.0 ", "١.0.0", "1.0.0-ä", "1.0.0\n", "1.0." + "9" * 10, "1.0.0-" + "a" * 200],
)  # fmt: skip
def test_what_is_no_version_is_refused(text):
    with pytest.raises(InputError) as caught:
        decode_version(text)
    assert caught.value.code == "version.spelling"


# --- words


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (1_500_000_000, "1.5 GB"), (2 * 10**12, "2.0 TB"), (10**16, "10000.0 TB"), (10**400, "more than 1000000 TB")],
)  # fmt: skip
def test_sizes(count, text):
    assert size(count) == text


def test_counts():
    assert [counted(n, "file") for n in (0, 1, 2, 12_345)] == ["0 files", "1 file", "2 files", "12,345 files"]


# --- interface and identity


def test_operators_are_named_by_domain():
    assert decode_operator("ai.onnx:Gemm") == OperatorId("ai.onnx", "Gemm")
    assert str(decode_operator("urn:x:Op")) == "urn:x:Op"
    for text in ("", "Gemm", ":Gemm", "ai.onnx:", "ai.onnx:Gemm ", "ai.onnx:1Gemm", "ai.onnx:*"):
        with pytest.raises(InputError) as caught:
            decode_operator(text)
        assert caught.value.code == "operator.spelling"


def test_types_are_spelled_for_people():
    tensor = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(None, "n", 4))
    assert str(tensor) == "float[?, n, 4]"
    assert str(TypeSpec(kind=ValueKind.TENSOR, element="string")) == "string[…]"
    assert str(TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=())) == "sparse float[]"
    mapping = TypeSpec(kind=ValueKind.MAP, element="int64", inner=tensor)
    assert str(mapping) == "map(int64, float[?, n, 4])"
    assert str(TypeSpec(kind=ValueKind.SEQUENCE, inner=mapping)) == "sequence(map(int64, float[?, n, 4]))"


def test_a_key_is_known_by_its_fingerprint():
    digest = sha256(b"key")
    one = KeyIdentity(spki=digest, kind="EC P-256")
    assert one.method is Method.KEY
    assert one.unique == f"key:{digest}"
    assert one.describe() == {"key": str(digest), "kind": "EC P-256"}
    assert one.unique != KeyIdentity(spki=sha256(b"other"), kind="EC P-256").unique
