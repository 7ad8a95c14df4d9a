"""Appending to an audit log: on the disk or an error, whatever lies in its place and whoever was stopped before."""

import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from audit_lines import ALLOWED, CHAIN, DENIED, FAILED, log_of

from mlsign.actions.audit.verify_audit import VerifyAuditRequest, verify_audit
from mlsign.digest import sha256
from mlsign.errors import InputError, OutsideError
from mlsign.formats.audit import MAX_LINE_BYTES, Head, NotedHead, Torn
from mlsign.formats.audit_codec import decode_line, encode_note
from mlsign.ledger.append import LogSettings, append_event, describe_self

WHO = describe_self("tests")


@pytest.fixture
def log(tmp_path):
    return tmp_path / "audit.log"


def append(log, event=DENIED, **settings):
    return append_event(LogSettings(path=log, **settings), event, who=WHO, version="0.1.0")


def checked(*files, **request):
    return verify_audit(VerifyAuditRequest(files=files, **request)).result


def intact(*files, **request):
    result = checked(*files, **request)
    assert not result.problems
    return result


def refused(log, code, **settings):
    before = log.read_bytes() if log.is_file() and not log.is_symlink() else None
    with pytest.raises(OutsideError) as caught:
        append(log, **settings)
    assert caught.value.code == code
    assert (log.read_bytes() if before is not None else None) == before
    return caught.value


def note_of(log):
    return log.with_name(f"{log.name}.head")


def test_lines_hang_on_each_other(log):
    heads = [append(log, event) for event in (ALLOWED, DENIED, FAILED)]
    lines = [decode_line(data).line for data in log.read_bytes().splitlines()]
    assert [line.event for line in lines] == [ALLOWED, DENIED, FAILED]
    assert [head.sequence for head in heads] == [1, 2, 3]
    assert len({line.chain for line in lines}) == 1
    assert lines[0].who == WHO
    assert (WHO.user_id, WHO.process, WHO.caller, WHO.host) == (os.getuid(), os.getpid(), "tests", os.uname().nodename)
    assert intact(log, heads=tuple(heads)).head == heads[-1]
    assert log.stat().st_mode & 0o777 == note_of(log).stat().st_mode & 0o777 == 0o600


def test_two_logs_are_two_chains(tmp_path):
    append(tmp_path / "a")
    append(tmp_path / "b")
    found = {decode_line((tmp_path / name).read_bytes().rstrip()).line.chain for name in "ab"}
    assert len(found) == 2


def test_a_user_without_a_name(monkeypatch):
    def nobody(_):
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    assert describe_self("\x1b[1m" + "x" * 9000).user == ""
    assert "\x1b" not in describe_self("\x1b[1m" + "x" * 9000).caller
    assert len(describe_self("\x1b" * 9000).caller) <= 512


@pytest.mark.parametrize("name", ["", ".", "..", "x/.."])
def test_what_is_no_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        append(Path(name))
    assert caught.value.code == "usage.audit_log"


@pytest.mark.parametrize("name", ["a.log.head", "a.log.000001", ".head", "a.123456789"])
def test_names_that_files_beside_a_log_have(tmp_path, name):
    with pytest.raises(InputError) as caught:
        append(tmp_path / name)
    assert caught.value.code == "usage.audit_log"
    assert not list(tmp_path.iterdir())


def test_the_folder_is_not_made(tmp_path):
    refused(tmp_path / "no" / "audit.log", "audit.folder")
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "audit.log", "audit.folder")
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("beside", ["audit.log", "audit.log.head"])
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "socket", "device", "hard link"])
def test_what_is_no_file_of_its_own_is_not_written_to(log, beside, kind, tmp_path, no_hang):
    place, other = log.with_name(beside), tmp_path / "other"
    other.write_bytes(b"")
    match kind:
        case "link":
            place.symlink_to(other)
        case "dangling":
            place.symlink_to(tmp_path / "nowhere")
        case "fifo":
            os.mkfifo(place)
        case "folder":
            place.mkdir()
        case "socket":
            import socket

            monkey = socket.socket(socket.AF_UNIX)
            monkey.bind(str(place))
            monkey.close()
        case "device":
            place.symlink_to("/dev/null")
        case _:
            place.hardlink_to(other)
    refused(log, "audit.kind")
    assert other.read_bytes() == b""
    assert not (tmp_path / "nowhere").exists()


def test_a_device_by_its_name():
    with pytest.raises(OutsideError) as caught:
        append(Path("/dev/null"))
    assert caught.value.code == "audit.kind"
    assert not Path("/dev/null.head").exists()


def test_a_file_that_everybody_can_write_to(log):
    append(log)
    log.chmod(0o602)
    assert "0602" in refused(log, "audit.private").found
    log.chmod(0o660)
    note_of(log).chmod(0o666)
    refused(log, "audit.private")
    note_of(log).chmod(0o660)
    append(log)


def test_a_folder_that_everybody_can_write_to(log, tmp_path):
    tmp_path.chmod(0o777)
    refused(log, "audit.private")
    tmp_path.chmod(0o1777)  # as /tmp: nobody else can rename what is ours
    append(log)


@pytest.mark.parametrize("content", [b"model weights", b'{"a":1}\n', b"x" * (8 * MAX_LINE_BYTES), b"{}\n" * 3])
def test_a_file_of_somebody_else_is_left_alone(log, content):
    log.write_bytes(content)
    assert refused(log, "audit.changed" if len(content) > 1000 else "audit.foreign").hint
    assert not note_of(log).exists()


def test_a_log_that_does_not_end_as_it_was_written(log):
    for event in (ALLOWED, DENIED, FAILED):
        append(log, event)
    good = log.read_bytes()
    lines = good.splitlines(keepends=True)
    for bad in (b"".join(lines[:2]), b"".join([*lines[:2], lines[2].replace(b"missing", b"missinG")]), b"".join(lines[:1])):
        log.write_bytes(bad)
        error = refused(log, "audit.changed")
        assert "mlsign audit verify" in error.hint
    log.write_bytes(good)
    append(log)
    intact(log)


def test_a_line_that_nobody_noted_is_taken_if_it_follows(log):
    append(log)
    noted = note_of(log).read_bytes()
    append(log)
    note_of(log).write_bytes(noted)
    append(log)
    append(log)
    assert intact(log).lines == 4
    note_of(log).write_bytes(noted)
    refused(log, "audit.changed")


def test_a_line_of_another_chain_does_not_follow(log):
    append(log)
    head = decode_line(log.read_bytes().rstrip()).head
    lines, _ = log_of(FAILED, head=head, chain=CHAIN)
    with log.open("ab") as file:
        file.write(lines[0] + b"\n")
    refused(log, "audit.changed")


@pytest.mark.parametrize("note", [b"", b"x", b"{}", b"y" * 600])
def test_a_note_that_is_gone_or_broken(log, note):
    append(log)
    note_of(log).write_bytes(note)
    if note:
        refused(log, "audit.changed")
    else:
        append(log)
        assert intact(log).lines == 2
        note_of(log).unlink()
        append(log)
        assert intact(log).lines == 3


def test_a_log_that_was_taken_away_goes_on_where_it_was(log):
    """As a program does that rotates logs: by renaming, with and without a new file."""
    head = append(log)
    log.rename(log.with_name("old"))
    append(log)
    log.rename(log.with_name("older"))
    log.touch(0o600)
    append(log)
    assert "lines 1 to 2 are missing" in checked(log).problems[0].message
    assert intact(log, log.with_name("old"), log.with_name("older")).lines == 3
    assert intact(log.with_name("older"), log, after=head).lines == 2


def test_a_log_that_was_copied_and_cut_is_missed(log):
    for _ in range(3):
        append(log)
    copy = log.with_name("copy")
    copy.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:2]))
    os.truncate(log, 0)
    append(log)
    assert "lines 1 to 3 are missing" in checked(log).problems[0].message
    assert "line 3 is missing" in checked(log, copy).problems[0].message


@pytest.mark.parametrize("cut", [1, 9, 10, 11, 300, -2, -1])
@pytest.mark.parametrize("before", [0, 2])
def test_a_torn_line_is_closed_by_one_that_says_so(log, cut, before):
    for _ in range(before):
        append(log)
    whole = log.read_bytes() if before else b""
    noted = note_of(log).read_bytes() if before else b""
    append(log)
    line = log.read_bytes()[len(whole) :]
    log.write_bytes(whole + line[:cut])
    note_of(log).write_bytes(noted)
    append(log, ALLOWED)
    events = [decode_line(data).line.event for data in log.read_bytes().splitlines()[before + (cut != -1) :]]
    if cut == -1:  # only the newline was missing
        assert events[-1] == ALLOWED
        assert len(events) == 2
    else:
        assert events == [Torn(size=len(line[:cut]), digest=sha256(line[:cut])), ALLOWED]
    result = intact(log)
    assert len(result.torn) == (cut != -1)


def test_a_torn_line_of_zeros_and_several_of_them(log):
    append(log)
    with log.open("ab") as file:
        file.write(b"\0" * 4096)
    append(log)
    whole, note = log.read_bytes(), note_of(log).read_bytes()
    for torn in (b"{", b"{\n{", b"\n\n", b"\n"):
        log.write_bytes(whole + torn)
        note_of(log).write_bytes(note)
        append(log)
        assert len(intact(log).torn) == 2
    log.write_bytes(b"\0" * 100)
    append(log)
    assert len(checked(log).torn) == 1


def test_more_than_writers_leave_is_refused(log):
    append(log)
    with log.open("ab") as file:
        file.write(b"x" * (4 * MAX_LINE_BYTES + 1))
    refused(log, "audit.changed")


def test_rotation_goes_on_over_files(log):
    for _ in range(10):
        append(log, max_bytes=3000)
    names = sorted(path.name for path in log.parent.iterdir())
    assert names[0] == "audit.log"
    assert {"audit.log.000001", "audit.log.000002", "audit.log.head"} < set(names)
    assert all(path.stat().st_size <= 3000 for path in log.parent.glob("audit.log*"))
    first = log.with_name("audit.log.000001").read_bytes().splitlines()
    second = log.with_name("audit.log.000002").read_bytes().splitlines()
    assert decode_line(second[0]).line.previous == decode_line(first[-1]).digest
    result = intact(log)
    assert (result.lines, result.head.sequence) == (10, 10)
    log.with_name("audit.log.000002").unlink()
    (problem,) = checked(log).problems
    assert "are missing before it, removed or in a file that is not here" in problem.message


def test_rotation_overwrites_nothing_and_keeps_the_mode(log):
    append(log)
    log.with_name("audit.log.000007").write_bytes(b"kept")
    log.chmod(0o640)
    append(log, max_bytes=1)
    assert log.with_name("audit.log.000007").read_bytes() == b"kept"
    assert log.with_name("audit.log.000008").exists()
    assert log.stat().st_mode & 0o777 == 0o640


def test_a_torn_line_is_closed_before_rotation(log):
    append(log)
    with log.open("ab") as file:
        file.write(b"{")
    append(log, max_bytes=1)
    append(log, max_bytes=1)
    assert len(intact(log).torn) == 1
    assert log.with_name("audit.log.000001").read_bytes().count(b"\n") == 4


def test_log_and_note_are_gone_and_rotated_files_are_there(log):
    append(log)
    append(log, max_bytes=1)
    log.unlink()
    note_of(log).unlink()
    assert append(log).sequence == 2
    log.unlink()
    note_of(log).unlink()
    log.with_name("audit.log.000001").write_bytes(b"")
    refused(log, "audit.changed")


def test_a_log_that_is_replaced_while_it_is_written(log, monkeypatch):
    append(log)
    write = os.write

    def replaced(fd, data):
        done = write(fd, data)
        log.rename(log.with_name("moved"))
        log.write_bytes(b"")
        return done

    monkeypatch.setattr("mlsign.ledger.append.os.write", replaced)
    with pytest.raises(OutsideError) as caught:
        append(log)
    assert caught.value.code == "audit.replaced"
    monkeypatch.undo()
    append(log)
    assert intact(log, log.with_name("moved")).lines == 3


def test_a_log_that_is_removed_while_it_is_written(log, monkeypatch):
    append(log)
    write = os.write
    monkeypatch.setattr("mlsign.ledger.append.os.write", lambda fd, data: (log.unlink(), write(fd, data))[1])
    with pytest.raises(OutsideError) as caught:
        append(log)
    assert caught.value.code == "audit.replaced"


def test_a_log_that_is_replaced_while_it_is_rotated(log, monkeypatch):
    append(log)
    monkeypatch.setattr("mlsign.ledger.append._write_note", lambda *_: None)
    monkeypatch.setattr("mlsign.ledger.opening.LogFolder.is_named", lambda _, __, name: name.endswith(".head"))
    refused(log, "audit.replaced", max_bytes=1)


@pytest.mark.parametrize("fault", ["short", "write", "sync"])
def test_what_could_not_be_written_is_taken_back(log, fault, monkeypatch):
    append(log)
    write = os.write

    def full(fd, data):
        written = write(fd, data[:20])
        if fault == "write":
            raise OSError(28, "No space left on device")
        return written

    def broken(_):
        raise OSError(5, "Input/output error")

    if fault == "sync":
        monkeypatch.setattr("mlsign.ledger.append.os.fsync", broken)
    else:
        monkeypatch.setattr("mlsign.ledger.append.os.write", full)
    refused(log, "audit.write")
    monkeypatch.undo()
    append(log)
    assert intact(log).lines == 2


def test_what_cannot_be_taken_back_is_closed_by_the_next(log, monkeypatch):
    append(log)
    write = os.write

    def stuck(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("mlsign.ledger.append.os.write", lambda fd, data: write(fd, data[:20]))
    monkeypatch.setattr("mlsign.ledger.append.os.ftruncate", stuck)
    with pytest.raises(OutsideError):
        append(log)
    monkeypatch.undo()
    append(log)
    assert len(intact(log).torn) == 1


def test_a_note_that_cannot_be_written_never_falls_further_behind(log, monkeypatch):
    append(log)

    def full(*_):
        raise OSError(28, "No space left on device")

    for _ in range(3):
        monkeypatch.setattr("mlsign.ledger.append.os.pwrite", full)
        with pytest.raises(OutsideError):
            append(log)
        monkeypatch.undo()
    append(log)
    assert intact(log).lines == 3


def test_a_lock_that_is_held(log):
    append(log)
    with note_of(log).open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        refused(log, "audit.busy", lock_seconds=0.0)
    append(log, lock_seconds=0.0)


def test_a_fork_does_not_keep_the_lock(log, monkeypatch):
    """A child that is made while the lock is held has the descriptor too."""
    reading, writing = os.pipe()
    write, children = os.write, []

    def forking(fd, data):
        child = os.fork()
        if not child:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
        children.append(child)
        return write(fd, data)

    monkeypatch.setattr("mlsign.ledger.append.os.write", forking)
    append(log)
    monkeypatch.undo()
    append(log, lock_seconds=0.0)
    os.close(writing)
    os.waitpid(children[0], 0)
    os.close(reading)


def test_a_lock_file_that_is_replaced_while_somebody_waits(log):
    append(log)
    started = threading.Event()
    with note_of(log).open("rb") as old, ThreadPoolExecutor(1) as pool:
        fcntl.flock(old, fcntl.LOCK_EX)

        def wait():
            started.set()
            return append(log)

        waiting = pool.submit(wait)
        started.wait()
        note_of(log).unlink()
        fcntl.flock(old, fcntl.LOCK_UN)
        assert waiting.result().sequence == 2
    assert intact(log).lines == 2
    assert note_of(log).exists()


def test_threads_share_a_log(log):
    with ThreadPoolExecutor(8) as pool:
        heads = list(pool.map(lambda _: append(log), range(60)))
    assert sorted(head.sequence for head in heads) == list(range(1, 61))
    assert intact(log, heads=tuple(heads)).lines == 60


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_without_the_right_to_write(log, tmp_path):
    tmp_path.chmod(0o500)
    refused(log, "audit.access")


def test_the_note_is_the_head(log):
    head = append(log)
    chain = decode_line(log.read_bytes().rstrip()).line.chain
    assert note_of(log).read_bytes() == encode_note(NotedHead(chain=chain, head=head))
    assert isinstance(head, Head)
