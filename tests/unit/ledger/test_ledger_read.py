"""Reading audit logs: which files are one log, in which order, and what is no audit log at all."""

import fcntl
import os

import pytest
from audit_lines import ALLOWED, DENIED, log_of

from mlsign.actions.audit.show_audit import show_audit
from mlsign.actions.audit.verify_audit import VerifyAuditRequest, verify_audit
from mlsign.errors import InputError, OutsideError
from mlsign.formats.audit import MAX_LINE_BYTES
from mlsign.formats.audit_codec import decode_line
from mlsign.ledger import read_log
from mlsign.ledger.append import LogSettings, append_event, describe_self

LINES, HEAD = log_of(*[ALLOWED, DENIED] * 4)


def written(path, lines):
    path.write_bytes(b"".join(data + b"\n" for data in lines))
    return path


def checked(*files, **request):
    return verify_audit(VerifyAuditRequest(files=files, **request))


def refused(code, *files, family=InputError):
    with pytest.raises(family) as caught:
        checked(*files)
    assert caught.value.code == code


@pytest.fixture
def log(tmp_path):
    """Two rotated files and the log itself, as a writer leaves them, without a note."""
    written(tmp_path / "a.log.000001", LINES[:3])
    written(tmp_path / "a.log.000002", LINES[3:5])
    return written(tmp_path / "a.log", LINES[5:])


def test_rotated_files_are_found_and_others_are_not(log):
    for name in ("a.log.1", "a.log.gz", "a.log.000001.gz", "b.log.000001", "a.log.00000x"):
        log.with_name(name).write_bytes(b"junk")
    done = checked(log)
    assert done.is_intact
    assert [name.rpartition("/")[2] for name in done.files] == ["a.log.000001", "a.log.000002", "a.log"]
    assert done.result.head == HEAD


def test_files_may_be_given_in_any_order_and_twice(log):
    for name in ("a.log", "a.log.000001", "a.log.000002"):
        log.with_name(name).rename(log.with_name(f"x{name}"))
    names = [log.with_name(f"xa.log{end}") for end in ("", ".000002", ".000001", "")]
    assert checked(*names).is_intact
    log.with_name("link").symlink_to(names[1])
    assert checked(*names, log.with_name("link")).result.lines == len(LINES)


@pytest.mark.parametrize("gone", ["a.log.000001", "a.log.000002"])
def test_a_rotated_file_that_is_gone_is_missed(log, gone):
    log.with_name(gone).unlink()
    (problem,) = checked(log).result.problems
    assert "are missing before it" in problem.message


def test_two_rotated_files_that_changed_places_are_put_right(log):
    one, two = log.with_name("a.log.000001"), log.with_name("a.log.000002")
    one.rename(log.with_name("x"))
    two.rename(one)
    log.with_name("x").rename(two)
    assert checked(log).is_intact


@pytest.mark.parametrize("content", [b"junk\n", b"\0" * 5000, b"x" * (3 * MAX_LINE_BYTES), b"{}\n{}\n", b"a\n" * 200])
def test_what_is_no_audit_log(tmp_path, content):
    (tmp_path / "a.log").write_bytes(content)
    refused("audit.format", tmp_path / "a.log")
    with pytest.raises(InputError) as caught:
        show_audit(tmp_path / "a.log", last=3)
    assert caught.value.code == "audit.format"


def test_an_empty_file_is_no_log_and_no_harm_to_one(log, tmp_path):
    (tmp_path / "empty").touch()
    refused("audit.format", tmp_path / "empty")
    assert checked(tmp_path / "empty", log).is_intact
    (tmp_path / "junk").write_bytes(b"junk\n")
    refused("audit.format", tmp_path / "junk", log)


def test_files_that_cannot_be_read(tmp_path, no_hang):
    refused("audit.file", tmp_path / "none")
    refused("audit.folder", tmp_path / "no" / "none", family=OutsideError)
    (tmp_path / "folder").mkdir()
    refused("audit.kind", tmp_path / "folder")
    os.mkfifo(tmp_path / "pipe")
    refused("audit.kind", tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    refused("audit.access", tmp_path / "loop", family=OutsideError)


def test_the_number_of_files_is_bounded(log, monkeypatch):
    monkeypatch.setattr(read_log, "MAX_FILES", 2)
    refused("audit.files", log)


def test_a_disk_that_fails_while_it_is_read(log, monkeypatch):
    def broken(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mlsign.ledger.read_log.os.dup", broken)
    refused("audit.access", log, family=OutsideError)


@pytest.mark.parametrize("at", [0, 2, 3])
@pytest.mark.parametrize("size", [MAX_LINE_BYTES + 1, MAX_LINE_BYTES + 2, 3 << 20])
@pytest.mark.parametrize("ended", [True, False])
def test_a_line_that_is_too_long_is_told_and_passed_over(tmp_path, at, size, ended):
    lines = list(LINES[:3])
    lines.insert(at, b"x" * size)
    log = written(tmp_path / "a.log", lines)
    if not ended:
        os.truncate(log, log.stat().st_size - 1)
    problems = checked(log).result.problems
    assert [problem.line for problem in problems] == [at + 1, *([4] if not ended and at < 3 else [])]
    assert "is longer than" in problems[0].message


def test_the_longest_line_is_read(tmp_path):
    log = written(tmp_path / "a.log", [LINES[0], b"x" * MAX_LINE_BYTES, LINES[1]])
    (problem,) = checked(log).result.problems
    assert problem.line == 2
    assert "is longer" not in problem.message


@pytest.mark.parametrize("left", [0, len(LINES[0]) + 1, len(LINES[0]) + 2 * MAX_LINE_BYTES])
def test_a_file_that_shrinks_while_it_is_read(tmp_path, left):
    log = written(tmp_path / "a.log", [LINES[0], b"x" * (5 * MAX_LINE_BYTES)])
    with read_log.open_log([log]) as opened:
        os.truncate(log, left)
        with pytest.raises(OutsideError) as caught:
            list(opened.files[0].lines())
    assert caught.value.code == "audit.access"
    assert "shorter" in caught.value.message


def test_the_bar_comes_to_the_end(log):
    seen = []
    verify_audit(VerifyAuditRequest(files=(log,)), advance=seen.append)
    assert sum(seen) == sum(path.stat().st_size for path in log.parent.iterdir())


def append(log):
    return append_event(LogSettings(path=log), DENIED, who=describe_self(""), version="")


def test_the_note_shows_an_end_that_was_cut(tmp_path):
    log = tmp_path / "a.log"
    for _ in range(3):
        append(log)
    good = log.read_bytes()
    lines = good.splitlines(keepends=True)
    for count in range(3):
        log.write_bytes(b"".join(lines[:count]))
        (problem,) = checked(log).result.problems
        assert "cut off at the end" in problem.message
    log.unlink()
    assert len(checked(log).result.problems) == 1
    log.write_bytes(b"junk\n")
    assert len(checked(log).result.problems) == 2
    log.write_bytes(good + b"{")
    assert checked(log).is_intact
    assert checked(log).noted == (checked(log).result.head,)
    # Without the note, nothing tells the two apart.
    log.with_name("a.log.head").unlink()
    assert not checked(log).is_intact
    log.with_name("a.log.head").touch()
    assert not checked(log).is_intact


@pytest.mark.parametrize("note", ["broken", "world", "link"])
def test_a_note_that_says_nothing_is_a_problem(tmp_path, note):
    log = tmp_path / "a.log"
    append(log)
    head = log.with_name("a.log.head")
    match note:
        case "broken":
            head.write_bytes(b"{}")
        case "world":
            head.chmod(0o666)
        case _:
            head.rename(tmp_path / "x")
            head.symlink_to(tmp_path / "x")
    (problem,) = checked(log).result.problems
    assert "the note of the newest line cannot be read" in problem.message


def test_a_pattern_names_the_note_too(tmp_path):
    log = tmp_path / "a.log"
    append(log)
    assert checked(*sorted(tmp_path.glob("a.log*"))).is_intact
    refused("audit.format", log.with_name("a.log.head"))


def test_writers_are_waited_for(tmp_path, monkeypatch):
    log = tmp_path / "a.log"
    append(log)
    monkeypatch.setattr("mlsign.ledger.opening.LOCK_SECONDS", 0)
    monkeypatch.setattr("mlsign.ledger.opening.LogFolder.lock.__wrapped__.__kwdefaults__", {"seconds": 0.0})
    with log.with_name("a.log.head").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        (problem,) = checked(log).result.problems
    assert "other processes are writing" in problem.message


def test_the_last_lines_are_shown(log):
    shown = show_audit(log, last=2)
    assert [(each.number, each.line.head.sequence) for each in shown] == [(2, 7), (3, 8)]
    with log.open("ab") as file:
        file.write(b"junk")
    *_, last = show_audit(log, last=2)
    assert (last.number, last.line) == (4, None)
    assert last.problem
    assert decode_line(LINES[7]) == show_audit(log, last=100)[2].line
