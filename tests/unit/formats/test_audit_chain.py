"""The chain of an audit log: every change to every line is found, and told from a writer that was stopped."""

from dataclasses import replace
from itertools import permutations

import pytest
from audit_lines import ALLOWED, DENIED, FAILED, line_after, log_of, torn_of

from mlsign.digest import sha256
from mlsign.formats.audit import MAX_TORN_BYTES, Head
from mlsign.formats.audit_chain import MAX_TOLD, ChainCheck

LINES, HEAD = log_of(ALLOWED, DENIED, FAILED, ALLOWED, DENIED, FAILED)
OTHER = "f" * 32


def checked(lines, *, after=None, heads=(), rest=None):
    check = ChainCheck(after=after, heads=heads)
    for number, data in enumerate(lines, 1):
        check.feed(data, file="a.log", number=number)
    if rest is not None:
        check.unfinished(rest, file="a.log", number=len(lines) + 1)
    return check.result(file="a.log")


def problems(*args, **kwargs):
    return [(note.line, note.message) for note in checked(*args, **kwargs).problems]


def rewritten(event, index, *, lines=LINES):
    """The log with another event in one line, whose own digest fits again."""
    _, head = log_of(*[FAILED] * 0, head=None)
    for data in lines[:index]:
        head = _head(data)
    data, _ = line_after(head, event)
    return [*lines[:index], data, *lines[index + 1 :]]


def _head(data):
    from mlsign.formats.audit_codec import decode_line

    return decode_line(data).head


def test_a_whole_log_is_intact():
    result = checked(LINES, heads=[HEAD, _head(LINES[2])])
    assert not result.problems
    assert not result.torn
    assert (result.lines, result.decoded, result.head) == (6, 6, HEAD)
    assert result.first == _head(LINES[0])


def test_no_lines_are_no_log():
    result = checked([])
    assert (result.first, result.head, result.lines, result.problems) == (None, None, 0, ())


@pytest.mark.parametrize("index", range(len(LINES)))
def test_a_changed_line_is_found_where_it_is(index):
    changed = LINES[index].replace(b'"host":"gate-1"', b'"host":"gate-2"')
    found = problems([*LINES[:index], changed, *LINES[index + 1 :]], heads=[HEAD])
    assert found[0][0] == index + 1
    assert "was changed" in found[0][1]


@pytest.mark.parametrize("index", range(len(LINES)))
def test_a_changed_line_whose_digest_was_made_to_fit_is_found(index):
    found = problems(rewritten(replace(ALLOWED, findings_omitted=9), index), heads=[HEAD])
    if index + 1 < len(LINES):
        assert found == [
            (index + 2, f"hangs on another line {index + 1} than the one before it: that one was changed, or this one put in")
        ]
    else:
        assert [line for line, _ in found] == [0]
        assert "written anew" in found[0][1]


@pytest.mark.parametrize("index", range(len(LINES)))
def test_a_removed_line_is_found(index):
    found = problems([*LINES[:index], *LINES[index + 1 :]], heads=[HEAD])
    assert len(found) == 1
    if index + 1 < len(LINES):
        assert found[0][0] == index + 1
        assert f"line {index + 1} is missing before it" in found[0][1]
    else:
        assert "cut off at the end" in found[0][1]


@pytest.mark.parametrize("count", range(1, len(LINES)))
def test_a_beginning_that_is_gone_is_found_unless_it_was_put_away(count):
    (found,) = problems(LINES[count:])
    assert found[0] == 1
    assert "before it, removed or in a file that is not here" in found[1]
    assert not problems(LINES[count:], after=_head(LINES[count - 1]))
    assert problems(LINES[count:], after=Head(count, sha256(b"another")))


@pytest.mark.parametrize("count", range(1, len(LINES)))
def test_an_end_that_is_gone_is_found_with_a_head_only(count):
    assert not problems(LINES[:count])
    (found,) = problems(LINES[:count], heads=[HEAD])
    assert "cut off at the end" in found[1]
    assert f"ends with line {count}" in found[1]


def test_an_empty_log_has_no_head_in_it():
    (found,) = problems([], heads=[HEAD])
    assert "ends with line 0" in found[1]


@pytest.mark.parametrize("index", range(len(LINES)))
@pytest.mark.parametrize("at", range(len(LINES) + 1))
def test_a_repeated_line_is_found_wherever_it_is_put(index, at):
    assert problems([*LINES[:at], LINES[index], *LINES[at:]])


def test_a_line_twice_in_a_row_is_called_that():
    assert problems([*LINES[:2], *LINES[1:]]) == [(3, "repeats line 2, which is the one before")]


def test_every_other_order_is_found():
    for order in permutations(range(4)):
        assert bool(problems([LINES[index] for index in order])) == (order != (0, 1, 2, 3))


@pytest.mark.parametrize("at", range(len(LINES) + 1))
@pytest.mark.parametrize("junk", [b"", b"junk", LINES[2][:50], b"\0" * 20, LINES[0] + LINES[1]])
def test_what_is_no_line_is_found(at, junk):
    found = problems([*LINES[:at], junk, *LINES[at:]])
    assert [line for line, _ in found] == [at + 1]


@pytest.mark.parametrize("at", range(len(LINES) + 1))
def test_a_line_made_to_fit_is_found_unless_it_is_the_last(at):
    made, _ = line_after(_head(LINES[at - 1]) if at else None, FAILED)
    found = problems([*LINES[:at], made, *LINES[at:]], heads=[HEAD])
    assert bool(found) == (at < len(LINES))
    if at < len(LINES) - 1:
        assert found


def test_a_whole_log_written_anew_is_found_with_a_head_only():
    lines, _ = log_of(*[ALLOWED] * 8)
    assert not problems(lines)
    (found,) = problems(lines, heads=[HEAD])
    assert "written anew" in found[1]


def test_lines_of_another_chain():
    lines, _ = log_of(FAILED, ALLOWED, chain=OTHER)
    assert problems([*LINES, *lines]) == [(7, "begins another chain")]
    (found,) = problems([*LINES[:3], lines[1], *LINES[3:]])
    assert found == (4, f"is line 2 of another chain ({OTHER})")


def test_a_torn_write_that_a_later_line_closes_is_no_tampering():
    region = LINES[3][:100]
    closing, head = line_after(_head(LINES[2]), torn_of(region))
    later, head = line_after(head, ALLOWED)
    result = checked([*LINES[:3], region, closing, later], heads=[head])
    assert not result.problems
    assert [(note.line, note.message) for note in result.torn] == [
        (4, "a writer was stopped in the middle of this line; line 5 says so")
    ]


def test_several_torn_writes_one_after_the_other():
    closing, _ = line_after(_head(LINES[0]), torn_of(b"one\n\ntwo"))
    assert not problems([LINES[0], b"one", b"", b"two", closing])
    assert [line for line, _ in problems([LINES[0], b"one", b"two", closing])] == [4, 2, 3]


def test_a_torn_line_that_was_changed_or_taken_is_found():
    region = LINES[3][:100]
    closing, _ = line_after(_head(LINES[2]), torn_of(region))
    assert [line for line, _ in problems([*LINES[:3], region[:-1], closing])] == [5, 4]
    assert problems([*LINES[:3], closing]) == [(4, "closes a torn line that is not above it")]
    # What closes it has to hang on the chain as well.
    assert problems([*LINES[:2], region, closing])


def test_more_than_a_torn_write_can_leave_is_not_held():
    junk = [b"x" * (MAX_TORN_BYTES // 2)] * 3
    closing, _ = line_after(_head(LINES[0]), torn_of(b"\n".join(junk[:2])[:-1]))
    found = problems([LINES[0], *junk, closing])
    assert [line for line, _ in found][:1] == [2]
    many = [b""] * 300
    closing, _ = line_after(_head(LINES[0]), torn_of(b"\n".join(many)))
    assert problems([LINES[0], *many, closing])


def test_an_unfinished_end_is_a_torn_write_only_where_the_last_line_is_known():
    for heads in ([HEAD], [_head(LINES[4])]):
        result = checked(LINES, heads=heads, rest=b"{")
        assert not result.problems
        assert [note.line for note in result.torn] == [7]
    for heads in ([], [_head(LINES[1])]):
        (found,) = problems(LINES, heads=heads, rest=b"{")
        assert found[0] == 7
        assert "nothing tells" in found[1]
    # The end that was cut off is one that is known.
    assert len(problems(LINES[:5], heads=[HEAD], rest=LINES[5][:-1])) == 2
    assert problems([], rest=b"{")


def test_what_is_told_is_bounded():
    result = checked([b"x"] * (MAX_TOLD + 50))
    assert (len(result.problems), result.problems_omitted, result.decoded) == (MAX_TOLD, 50, 0)
    assert result.head is None
    torn, head = [], None
    for _ in range(MAX_TOLD + 5):
        closing, head = line_after(head, torn_of(b"x"))
        torn += [b"x", closing]
    result = checked(torn)
    assert (len(result.torn), result.problems_omitted, result.problems) == (MAX_TOLD, 0, ())


def test_what_the_file_has_wrong_is_told_in_its_place():
    check = ChainCheck()
    check.feed(b"x", file="a", number=1)
    check.complain("is too long", file="a", number=2)
    assert [note.line for note in check.result(file="a").problems] == [1, 2]
    assert check.decoded == 0
