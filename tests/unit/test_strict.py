"""One reading of JSON, base64 and integers."""

import base64
import json
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsign.errors import InputError
from mlsign.limits import DEFAULT
from mlsign.strict import MAX_SAFE_INTEGER, Fields, decode_base64, decode_decimal, decode_json, describe, encode_json

MIB = 1 << 20


def refused(call, *args, **how) -> str:
    with pytest.raises(InputError) as caught:
        call(*args, **how)
    return caught.value.code


# --- integers and base64


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("7", 7), ("9223372036854775807", 2**63 - 1)])
def test_decimal(text, value):
    assert decode_decimal(text) == value


@pytest.mark.parametrize("text", ["", "-1", "+1", "01", "1_0", " 1", "1 ", "1.0", "1e3", "0x1", "١", "²", "1\n", "9" * 21])
def test_no_decimal(text):
    assert refused(decode_decimal, text) == "integer.spelling"


def test_decimal_in_range():
    assert refused(decode_decimal, "9223372036854775808") == "integer.range"
    assert refused(decode_decimal, "11", maximum=10) == "integer.range"


@given(st.binary(max_size=100))
def test_base64_there_and_back(data):
    assert decode_base64(base64.b64encode(data).decode()) == data


@pytest.mark.parametrize(
    "text",
    ["A", "AA", "AA=", "AB==", "AAA", "AAB=", "AAAA\n", "AA AA", "AAAA====", "=", "_-__", "ÄÄÄÄ", "AA=A", "AAAA=", "AAAA=="],
)
def test_other_spellings_of_base64(text):
    assert refused(decode_base64, text) == "base64"


# --- JSON


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "json.syntax"),
        (b"{", "json.syntax"),
        (b"[] []", "json.syntax"),
        (b"[1,]", "json.syntax"),
        (b"{'a':1}", "json.syntax"),
        (b"[01]", "json.syntax"),
        (b"[+1]", "json.syntax"),
        (b"[1_0]", "json.syntax"),
        (b"[.5]", "json.syntax"),
        (b'"a\nb"', "json.syntax"),
        (b'"\\x"', "json.syntax"),
        (b'"\\', "json.syntax"),
        (b"[NaN]", "json.number"),
        (b"[-Infinity]", "json.number"),
        (b"[1e999]", "json.number"),
        (b"[-1e999]", "json.number"),
        (b"[-0]", "json.integer"),
        (b"[12345678901234567890]", "json.integer"),
        (b'{"a":1,"a":2}', "json.duplicate_key"),
        (b'{"a":1,"\\u0061":2}', "json.duplicate_key"),
        (b'[{"b":{"a":1,"a":1}}]', "json.duplicate_key"),
        (b"\xef\xbb\xbf[]", "json.encoding"),
        (b'"\xff"', "json.encoding"),
        ("[]".encode("utf-16"), "json.encoding"),
        (b'"\\ud800"', "json.encoding"),
        (b'{"\\udc00":1}', "json.encoding"),
        (b'[["\\ud800\\ud800"]]', "json.encoding"),
        (b"[" * 65 + b"]" * 65, "json.depth"),
        (b'{"a":' * 65, "json.depth"),
    ],
)
def test_json_that_has_another_reading(data, code):
    assert refused(decode_json, data, where="here", max_bytes=MIB) == code


def test_json_that_has_one():
    value = decode_json(b' {"a": [1, -2, 0.5, true, null, "\\ud83d\\ude00[[[\\""], "b": {}} \n', max_bytes=MIB)
    assert value == {"a": [1, -2, 0.5, True, None, '😀[[["'], "b": {}}
    assert decode_json(b"[" * 64 + b"]" * 64, max_bytes=MIB)


def test_json_is_bounded():
    assert refused(decode_json, b"[1,2]", max_bytes=4) == "json.size"
    tight = replace(DEFAULT, max_json_values=10)
    assert decode_json(b"[1,2,3]", max_bytes=MIB, limits=tight)
    assert refused(decode_json, b"[" + b"1," * 10 + b"1]", max_bytes=MIB, limits=tight) == "json.values"
    assert refused(decode_json, b'["' + b'","' * 30 + b'"]', max_bytes=MIB, limits=tight) == "json.values"


@pytest.mark.parametrize(
    "data", [b'"' + b'\\"' * MIB, b'{"a":"' + b"\\" * MIB, b'"' * 4000 + b"\\" * 4000, b"]" * MIB, b'["' + b"[" * MIB + b'"]']
)
def test_no_input_makes_the_reader_slow(data):
    """An endless string once cost the square of its length."""
    begun = time.process_time()
    try:
        decode_json(data, max_bytes=8 * MIB)
    except InputError as err:
        assert err.code
    assert time.process_time() - begun < 2


@pytest.mark.parametrize("data", [b"]" * (16 * MIB), b"}" * (16 * MIB), b"[" + b"]" * (16 * MIB), b"[]" * (8 * MIB)])
def test_closing_brackets_count_as_well(data):
    """Sixteen million of them once cost ten seconds of counting."""
    begun = time.process_time()
    assert refused(decode_json, data, max_bytes=17 * MIB) == "json.values"
    assert time.process_time() - begun < 0.5


def test_the_most_brackets_that_are_allowed_cost_little():
    begun = time.process_time()
    for data in (b'["["' + b',"]"' * MIB, b"[" + b"[]," * MIB, (b"[" * 64 + b"]" * 64) * 30_000):
        assert refused(decode_json, data, max_bytes=16 * MIB) == "json.syntax"
    assert time.process_time() - begun < 6


@pytest.mark.parametrize("data", [b"]", b"[]]", b"}" + b"[" * 65, b'"["]', b"]" * 1000])
def test_more_closing_than_opening_brackets(data):
    assert refused(decode_json, data, max_bytes=MIB) == "json.syntax"
    with pytest.raises(InputError, match="closes more brackets than it opens"):
        decode_json(data, max_bytes=MIB)


@given(st.text(alphabet='[]{}"\\:,a0', max_size=60))
def test_depth_is_what_the_reader_would_reach(text):
    """The count before reading never stands in the way of a value, and never lets a deeper one through."""
    tight = replace(DEFAULT, max_json_depth=3)
    try:
        value = json.loads(text)
    except ValueError:
        assert refused(decode_json, text.encode(), max_bytes=MIB, limits=tight).startswith("json.")
        return

    def depth(item) -> int:
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    if depth(value) > 3:
        assert refused(decode_json, text.encode(), max_bytes=MIB, limits=tight) == "json.depth"
    else:
        try:
            assert decode_json(text.encode(), max_bytes=MIB, limits=tight) == value
        except InputError as err:
            assert err.code == "json.duplicate_key"


@given(st.recursive(st.text(alphabet='[]{}"\\a', max_size=4), lambda inner: st.lists(inner, max_size=3), max_leaves=12))
def test_brackets_in_strings_are_no_depth(value):
    def depth(item) -> int:
        return 1 + max(map(depth, item), default=0) if isinstance(item, list) else 0

    limits = replace(DEFAULT, max_json_depth=depth(value))
    assert decode_json(json.dumps(value).encode(), max_bytes=MIB, limits=limits) == value
    if depth(value):
        assert (
            refused(
                decode_json, json.dumps(value).encode(), max_bytes=MIB, limits=replace(limits, max_json_depth=depth(value) - 1)
            )
            == "json.depth"
        )


def test_surrogates_are_looked_for_at_speed():
    begun = time.process_time()
    assert decode_json(b'"\\u0061' + b"a" * (16 * MIB) + b'"', max_bytes=32 * MIB)
    assert time.process_time() - begun < 0.5


values = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(values)
def test_canonical_json_says_the_same(value):
    data = encode_json(value)
    assert json.loads(data, parse_int=float) == json.loads(json.dumps(value), parse_int=float)
    assert encode_json(value) == data


@given(st.binary(max_size=40))
def test_any_bytes_are_a_value_or_an_error(data):
    try:
        value = decode_json(data, max_bytes=MIB)
    except InputError:
        return
    assert value == json.loads(data)


def test_what_json_cannot_carry_is_not_written():
    for value in (2**53, -(2**53), float("nan"), float("inf"), "\ud800"):
        assert refused(encode_json, {"a": value}) == "json.canonical"


def test_types_have_names():
    assert [describe(v) for v in ({}, [], "", True, 1, 1.5, None, b"")] == [
        *("an object", "a list", "a string", "a boolean", "an integer", "a number", "null", "bytes")
    ]


# --- fields


def fields(value, where="") -> Fields:
    return Fields(value, where=where, format_name="x")


def test_what_is_no_object():
    for value in ([], "a", None, 1, True):
        assert refused(fields, value) == "x.type"


@pytest.mark.parametrize(
    ("call", "value", "code"),
    [
        (lambda f: f.text("a"), {}, "x.missing"),
        (lambda f: f.text("a"), {"a": 1}, "x.type"),
        (lambda f: f.text("a"), {"a": None}, "x.type"),
        (lambda f: f.text("a"), {"a": ""}, "x.length"),
        (lambda f: f.text("a", maximum=2), {"a": "abc"}, "x.length"),
        (lambda f: f.literal("a", allowed=("b", "c")), {"a": "d"}, "x.value"),
        (lambda f: f.integer("a"), {"a": True}, "x.type"),
        (lambda f: f.integer("a"), {"a": 1.0}, "x.type"),
        (lambda f: f.integer("a"), {"a": "1"}, "x.type"),
        (lambda f: f.integer("a"), {"a": -1}, "x.range"),
        (lambda f: f.integer("a"), {"a": 2**53}, "x.range"),
        (lambda f: f.number("a"), {"a": True}, "x.type"),
        (lambda f: f.number("a"), {"a": "1"}, "x.type"),
        (lambda f: f.number("a"), {"a": -0.5}, "x.range"),
        (lambda f: f.number("a", maximum=1.0), {"a": 1.5}, "x.range"),
        (lambda f: f.boolean("a"), {"a": 0}, "x.type"),
        (lambda f: f.items("a", maximum=1), {"a": {}}, "x.type"),
        (lambda f: f.items("a", maximum=1), {"a": [1, 2]}, "x.length"),
        (lambda f: f.items("a", maximum=1, minimum=1), {"a": []}, "x.length"),
        (lambda f: f.texts("a", maximum=2), {"a": ["b", 1]}, "x.type"),
        (lambda f: f.texts("a", maximum=2), {"a": [""]}, "x.type"),
        (lambda f: f.texts("a", maximum=2, length=2), {"a": ["abc"]}, "x.type"),
        (lambda f: f.fields("a"), {"a": []}, "x.type"),
        (lambda f: f.each("a", lambda item: item.text("b"), maximum=3), {"a": [{"b": "c", "d": 1}]}, "x.unknown"),
        (lambda f: f.entries("a", maximum=1), {"a": []}, "x.type"),
        (lambda f: f.entries("a", maximum=1), {"a": {"b": 1, "c": 2}}, "x.length"),
        (lambda f: f.done(), {"a": 1}, "x.unknown"),
    ],
)
def test_fields_are_exact(call, value, code):
    assert refused(call, fields(value)) == code


def test_fields_are_taken():
    f = fields(
        {"a": "x", "b": 3, "c": 0.5, "d": True, "e": ["p", "q"], "f": {"g": 1}, "h": [{"i": "j"}], "k": {"l": 1}, "m": "", "n": 2}
    )
    assert f.has("a")
    assert f.text("a") == "x"
    assert not f.has("a")
    assert f.integer("b") == 3
    assert f.number("c") == 0.5
    assert f.number("n") == 2.0
    assert f.boolean("d") is True
    assert f.texts("e", maximum=2) == ("p", "q")
    inner = f.fields("f")
    assert inner.where == "f"
    assert inner.rest() == ("g",)
    assert f.each("h", lambda item: item.text("i"), maximum=1) == ("j",)
    assert list(f.entries("k", maximum=1)) == [("l", 1, "k[l]")]
    assert f.text("m", empty=True) == ""
    assert f.optional("z", f.text) is None
    f.done()


def test_errors_say_where():
    with pytest.raises(InputError) as caught:
        fields({"a": [{"b": 1}]}, where="top").each("a", lambda item: item.text("b"), maximum=9)
    assert caught.value.where == "top.a[0].b"


def test_keys_of_others_move_no_cursor():
    """A key of a free map stands in the place of an error."""
    evil = "\x1b[2J\n\u202e"
    table = fields({"tools": {evil: 1}}).fields("tools")
    with pytest.raises(InputError) as caught:
        table.text(evil)
    assert caught.value.where == "tools.\\u{1b}[2J\\u{a}\\u{202e}"
    with pytest.raises(InputError) as caught:
        fields({evil * 100: 1}).done()
    assert caught.value.where.isprintable()
