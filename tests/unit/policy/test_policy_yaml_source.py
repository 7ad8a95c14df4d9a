"""The YAML reader: one reading, places for everything, and hostile text refused before it costs anything."""

import time

import pytest

from mlsign.errors import InputError
from mlsign.limits import Limits
from mlsign.policy.decoding.yaml_source import (
    MAX_DEPTH,
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_NODES,
    Mapping,
    Scalar,
    Sequence,
    decode_yaml,
    scalar_kind,
)

MIB = 1024 * 1024


def refusal(data: bytes | str) -> InputError:
    raw = data.encode() if isinstance(data, str) else data
    with pytest.raises(InputError) as caught:
        decode_yaml(raw, source="p.yaml")
    return caught.value


def test_nodes_know_their_places() -> None:
    node = decode_yaml(b"a: 1\nb:\n  - 'x'\n  - {c: y}\n", source="p.yaml")
    assert isinstance(node, Mapping)
    (_, one), (key, items) = node.entries
    assert isinstance(one, Scalar)
    assert isinstance(items, Sequence)
    assert (one.text, one.plain, str(one.place)) == ("1", True, "p.yaml:1:4")
    assert str(key.place) == "p.yaml:2:1"
    quoted, inner = items.items
    assert isinstance(quoted, Scalar)
    assert isinstance(inner, Mapping)
    assert (quoted.text, quoted.plain, str(quoted.place)) == ("x", False, "p.yaml:3:5")
    assert inner.entries[0][0].text == "c"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("true", "a boolean"),
        ("FALSE", "a boolean"),
        ("yes", "a string"),
        ("on", "a string"),
        ("null", "null"),
        ("~", "null"),
        ("12", "an integer"),
        ("-3", "an integer"),
        ("0o17", "an integer"),
        ("0x1F", "an integer"),
        ("1_0", "a string"),
        ("1.5", "a number"),
        ("1e3", "a number"),
        (".inf", "a number"),
        (".nan", "a number"),
        ("1.2.0", "a string"),
        ("2026-01-01", "a string"),
        ("12:30:00", "a string"),
        ("'12'", "a string"),
    ],
)
def test_scalars_are_read_by_the_core_schema(text: str, kind: str) -> None:
    node = decode_yaml(text.encode(), source="p.yaml")
    assert isinstance(node, Scalar)
    assert scalar_kind(node) == kind


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("a: 1\na: 2", "policy.duplicate", "p.yaml:2:1"),
        ("a: 1\n'a': 2", "policy.duplicate", "p.yaml:2:1"),
        ('a: 1\n"\\x61": 2', "policy.duplicate", "p.yaml:2:1"),
        ("a:\n  b: {c: 1, c: 2}", "policy.duplicate", "p.yaml:2:13"),
        ("a: &x 1\nb: 2", "policy.anchor", "p.yaml:1:4"),
        ("a: *x", "policy.anchor", "p.yaml:1:4"),
        ("&x a: 1", "policy.anchor", "p.yaml:1:1"),
        ("a: &x [1]", "policy.anchor", "p.yaml:1:4"),
        ("<<: {a: 1}", "policy.key", "p.yaml:1:1"),
        ("a: !!int 3", "policy.tag", "p.yaml:1:4"),
        ("a: ! 3", "policy.tag", "p.yaml:1:4"),
        ("--- !x {a: 1}", "policy.tag", "p.yaml:1:5"),
        ("a: !!python/object/apply:os.system [id]", "policy.tag", "p.yaml:1:4"),
        ("a: !!binary eA==", "policy.tag", "p.yaml:1:4"),
        ("a: 1\n---\nb: 2", "policy.documents", "p.yaml:2:1"),
        ("%YAML 1.1\n---\na: yes", "policy.directive", "p.yaml:1:1"),
        ("a: 1\n...\n%YAML 1.11\n---\n", "policy.directive", "p.yaml:3:1"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "policy.directive", "p.yaml:1:1"),
        ("1: a", "policy.key", "p.yaml:1:1"),
        ("true: a", "policy.key", "p.yaml:1:1"),
        ("? [a]\n: b", "policy.key", "p.yaml:1:3"),
        (": b", "policy.key", "p.yaml:1:1"),
        ("a: [1", "policy.syntax", "p.yaml:1:6"),
        ("a: 'x", "policy.syntax", "p.yaml:1:6"),
        ("\ta: 1", "policy.syntax", "p.yaml:1:1"),
        ("a: 1\n b: 2", "policy.syntax", "p.yaml:2:3"),
        ("", "policy.empty", "p.yaml"),
        ("# only words\n", "policy.empty", "p.yaml"),
        ("a: 1 # \u202e", "policy.character", "p.yaml:1:8"),
        ("\ufeffa: 1", "policy.character", "p.yaml:1:1"),
        ("a: 1\nb: x\u200by", "policy.character", "p.yaml:2:5"),
        ("a: '\x1b[2J'", "policy.character", "p.yaml:1:5"),
        ("a: \u2028b", "policy.character", "p.yaml:1:4"),
        ('a: "\\u202e"', "policy.character", "p.yaml:1:4"),
        ('a: "\\0"', "policy.character", "p.yaml:1:4"),
        ('a: "\\ud800"', "policy.character", "p.yaml:1:4"),
        ('a: "\\U99999999"', "policy.syntax", "p.yaml"),
    ],
)
def test_whatever_can_be_read_in_two_ways_is_refused(text: str, code: str, where: str) -> None:
    error = refusal(text)
    assert (error.code, error.where) == (code, where)


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    error = refusal(b"a: 1\nb: \xff\n")
    assert (error.code, error.where) == ("policy.encoding", "p.yaml:2:1")
    assert refusal("a: 1".encode("utf-16-le")).code == "policy.character"


def test_a_policy_has_at_most_so_many_bytes() -> None:
    with pytest.raises(InputError) as caught:
        decode_yaml(b"a: 12345", source="p.yaml", limits=Limits(max_policy_bytes=7))
    assert caught.value.code == "policy.size"
    assert decode_yaml(b"a: 1234", source="p.yaml", limits=Limits(max_policy_bytes=7))


def test_a_policy_has_at_most_so_many_lines_of_so_many_characters() -> None:
    assert decode_yaml(b"\n" * (MAX_LINES - 1) + b"a: 1", source="p.yaml")
    assert (refusal(b"\n" * MAX_LINES + b"a: 1").where) == f"p.yaml:{MAX_LINES + 1}:1"
    assert decode_yaml(b"a: 1\nb: " + b"x" * (MAX_LINE_CHARS - 3), source="p.yaml")
    assert refusal(b"a: 1\nb: " + b"x" * (MAX_LINE_CHARS - 2)).where == f"p.yaml:2:{MAX_LINE_CHARS + 1}"


def test_depth_and_count_have_exact_limits() -> None:
    assert decode_yaml(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, source="p.yaml")
    assert refusal(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1)).code == "policy.depth"
    row = "[" + "a," * 99 + "a]"
    rows = (MAX_NODES - 1) // 101
    assert decode_yaml(("\n".join(f"- {row}" for _ in range(rows))).encode(), source="p.yaml")
    assert refusal("\n".join(f"- {row}" for _ in range(rows + 1))).code == "policy.nodes"


HOSTILE = {
    "ten megabytes": "a: " + "x" * 10 * MIB,
    "billion laughs": "a: &a [x,x]\n"
    + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)},*{chr(97 + i)}]\n" for i in range(20)),
    "flow depth": "\n".join(["[" * 4000] * 250),
    "map depth": "\n".join(["{a: " * 1000] * 250),
    "dash depth": "- " * (MIB // 2),
    "question depth": "\n".join(["? " * 2000] * 250),
    "indent depth": "".join(" " * i + "a:\n" for i in range(1400)),
    "many keys": "".join(f"k{i}:\n" for i in range(120_000)),
    "many items": "[" + "a,\n" * 300_000 + "]",
    "many documents": "---\n" * 200_000,
    "many directives": "%A b\n" * 200_000,
    "long tag": "!" + "a" * (MIB - 1),
    "many tags": "a: " + "!!x " * 1000,
    "long anchor": "&" + "a" * 4000,
    "long words": "a: [" + "\n".join(["'" + "x " * 1900 + "'"] * 260),
    "open quote": '"' + "\n" * (MIB - 1),
    "escapes": '"' + "\\x41\\\n" * 100_000,
    "comments": "#\n" * (MIB // 2),
    "blank lines": "\n" * MIB,
    "long literal": "a: |\n" + " x\n" * 300_000 + "b",
    "folded plain": "a: " + "x\n  " * 200_000 + "- :",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_in_bounded_time(name: str) -> None:
    started = time.process_time()
    assert refusal(HOSTILE[name]).code.startswith("policy.")
    assert time.process_time() - started < 30  # a quadratic reader needs minutes for these; the bound is for slow machines


def test_a_carriage_return_hides_no_line() -> None:
    """To YAML it ends a line by itself; grep and reviewers see one line, a comment perhaps."""
    for data, where in (
        (b"a: 1\n# all is well\rmode: audit\n", "p:2:14"),
        (b"a: 1\r%YAML 1.1\r---\r", "p:1:5"),
        (b"a: 1\r\n\r\rb: 2\r\n", "p:2:1"),
        (b"a: 1\r", "p:1:5"),
    ):
        with pytest.raises(InputError) as caught:
            decode_yaml(data, source="p")
        assert (caught.value.code, caught.value.where) == ("policy.character", where)
    for data in ("a: 1 # b\u0085c: 2\n", "a: 1 # b\u2028c: 2\n", "a: 1 # b\u2029c: 2\n"):
        with pytest.raises(InputError) as caught:
            decode_yaml(data.encode(), source="p")
        assert (caught.value.code, caught.value.where) == ("policy.character", "p:1:9")
    with pytest.raises(InputError) as caught:
        decode_yaml(b"a: 1\r\n%YAML 1.1\r\n", source="p")
    assert (caught.value.code, caught.value.where) == ("policy.directive", "p:2:1")
    assert decode_yaml(b"a: 1\r\nb: 2\r\n", source="p")
