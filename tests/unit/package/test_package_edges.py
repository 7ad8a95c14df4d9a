"""The package on disk: listed, opened, hashed, sealed and written."""

import errno
import hashlib
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from reading import ALL, expected, refused, source
from scarcity import descriptors_left

from mlsign.digest import Algorithm
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError
from mlsign.limits import DEFAULT
from mlsign.package import hashing
from mlsign.package import stream as stream_module
from mlsign.package.crew import Worker, run_largest_first, worker_count
from mlsign.package.hashing import hash_memory, hash_source, new_hasher
from mlsign.package.read import OpenPackage, read_bundle_file, read_user_file
from mlsign.package.sealed import seal_file
from mlsign.package.write import add_signature, copy_file, new_folder, write_file, write_new_files
from mlsign.paths import PackagePath


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "p"
    (place / "d").mkdir(parents=True)
    (place / "b").write_bytes(b"bb")
    (place / "a").write_bytes(b"a")
    (place / "d" / "c").write_bytes(b"")
    return place


# --- listing


def test_files_are_listed_in_order_and_nothing_else_is_followed(folder, tmp_path):
    (folder / "link").symlink_to(tmp_path)
    os.mkfifo(folder / "fifo")
    (folder / "x\\y").write_text("")
    with OpenPackage.open(folder) as package:
        listing = package.list_files(skip=frozenset({"d", "gone"}))
        assert [str(f.path) for f in listing.files] == ["a", "b"]
        assert [(f.size, f.links) for f in listing.files] == [(1, 1), (2, 1)]
        assert listing.skipped_names == {"d"}
        assert sorted(i.name for i in listing.intruders) == ["fifo", "link", "x\\y"]
        assert [str(f.path) for f in package.list_files(skip=frozenset()).files] == ["a", "b", "d/c"]


def test_listing_is_bounded(folder):
    with OpenPackage.open(folder) as package:
        for limits, code in (({"max_files": 2}, "package.files"), ({"max_package_bytes": 2}, "package.bytes")):
            assert refused(InputError, package.list_files, skip=frozenset(), limits=replace(DEFAULT, **limits)) == code
        shallow = package.list_files(skip=frozenset(), limits=replace(DEFAULT, max_path_depth=1))
        assert [i.name for i in shallow.intruders] == ["d"]


def test_a_closed_package_cannot_be_listed(folder):
    package = OpenPackage.open(folder)
    package.close()
    package.close()
    assert refused(OutsideError, package.list_files, skip=frozenset()) == "file.read"


def test_a_file_is_a_package_of_one(folder):
    with OpenPackage.open(folder / "a") as package:
        assert [str(f.path) for f in package.list_files(skip=frozenset()).files] == ["a"]
        assert package.read_bundles() == ()
        with package.open_file(PackagePath("a")) as file:
            assert file.read_all(max_bytes=9) == b"a"


def test_what_cannot_be_opened(tmp_path, folder):
    assert refused(InputError, OpenPackage.open, tmp_path / "gone") == "package.missing"
    os.mkfifo(tmp_path / "fifo")
    assert refused(InputError, OpenPackage.open, tmp_path / "fifo") == "package.kind"
    (tmp_path / "loop").symlink_to("loop")
    assert refused(OutsideError, OpenPackage.open, tmp_path / "loop") == "file.read"
    (folder / "link").symlink_to("a")
    (folder / "dlink").symlink_to("d")
    with OpenPackage.open(folder) as package:
        for name, code in (
            ("gone", "file.missing"),
            ("d", "file.kind"),
            ("link", "file.kind"),
            ("dlink/c", "file.kind"),
            ("a/x", "file.kind"),
        ):
            assert refused(InputError, package.open_file, PackagePath(name)) == code


def test_bundles_are_read_and_bounded(folder):
    signatures = folder / "signatures"
    with OpenPackage.open(folder) as package:
        assert package.read_bundles() == ()
        signatures.mkdir()
        (signatures / "b").write_bytes(b"B")
        (signatures / "a").write_bytes(b"A")
        (signatures / ".partial-1").write_bytes(b"half")
        (signatures / "c").symlink_to("a")
        found = package.read_bundles()
        assert [(b.name, b.content) for b in found[:2]] == [("signatures/a", b"A"), ("signatures/b", b"B")]
        assert isinstance(found[2].content, MlsignError)
        with pytest.raises(InputError) as caught:
            package.read_bundles(limits=replace(DEFAULT, max_bundles=2))
        assert (caught.value.code, "remove" in caught.value.hint) == ("package.bundles", True)
        package.check_room(limits=replace(DEFAULT, max_bundles=4))
        assert refused(InputError, package.check_room, limits=replace(DEFAULT, max_bundles=3)) == "package.bundles"
        package.check_room(8, limits=replace(DEFAULT, max_bundles_bytes=10))
        assert refused(InputError, package.check_room, 9, limits=replace(DEFAULT, max_bundles_bytes=10)) == "package.bundles"
        (big, *_) = package.read_bundles(limits=replace(DEFAULT, max_bundle_bytes=0))
        assert isinstance(big.content, InputError)
        assert big.content.code == "file.size"


def test_files_that_the_user_names(folder):
    assert read_user_file(folder / "b", max_bytes=2, what="key")[0] == b"bb"
    (folder / "link").symlink_to("b")
    assert read_bundle_file(folder / "link").content == b"bb"
    os.mkfifo(folder / "fifo")
    for name, code in (("gone", "key.missing"), ("d", "key.kind"), ("fifo", "key.kind"), ("b", "file.size")):
        assert refused(InputError, read_user_file, folder / name, max_bytes=1, what="key") == code


@pytest.mark.parametrize("secret", [False, True])
@pytest.mark.parametrize(
    "name", ["9473261", "9473261/x", "pkcs11:token=a;object=b?pin-value=9473261", "PKCS11:x?pin-value=9473261"]
)
def test_a_secret_in_the_place_of_a_name_is_not_repeated(folder, monkeypatch, name, secret):
    monkeypatch.chdir(folder)
    Path("9473261" if "/" in name else "other").touch()
    with pytest.raises(InputError) as caught:
        read_user_file(Path(name), max_bytes=1, what="pin", secret=secret)
    error = caught.value
    assert ("9473261" in f"{error} {error.hint} {error.found}") is not (secret or ":" in name)
    assert bool(error.hint) is (secret and "/" not in name)


# --- hashing


@pytest.mark.parametrize("count", [0, 1, 4096, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20])
def test_digests_of_every_size(tmp_path, count):
    data = bytes(range(256)) * (count // 256) + bytes(count % 256)
    (tmp_path / "f").write_bytes(data)
    advanced: list[int] = []
    parts: list[bytes] = []
    with source(tmp_path / "f") as file:
        digests = hash_source(file, algorithms=ALL, advance=advanced.append, consumers=[lambda chunk: parts.append(bytes(chunk))])
    assert [d.value for d in digests] == expected(data)
    assert sum(advanced) == count
    assert b"".join(parts) == data
    assert [d.value for d in hash_memory(memoryview(data), algorithms=ALL, advance=advanced.append)] == expected(data)


def test_a_wide_blake3_gives_the_same_answer(tmp_path, monkeypatch):
    data = os.urandom(300_000)
    (tmp_path / "f").write_bytes(data)
    monkeypatch.setattr(hashing, "LARGE_BYTES", 1000)
    assert not isinstance(new_hasher(Algorithm.BLAKE3, size=2000), blake3)
    with source(tmp_path / "f") as file:
        assert [d.value for d in hash_source(file, algorithms=ALL)] == expected(data)


@pytest.mark.parametrize(
    "change", [lambda p: p.write_bytes(b"longer than before"), lambda p: os.truncate(p, 1), lambda p: os.utime(p, (1, 1))]
)
def test_a_file_that_changes_under_the_reader(tmp_path, change):
    place = tmp_path / "f"
    place.write_bytes(b"before")
    with source(place) as file:
        change(place)
        assert refused(InputError, hash_source, file, algorithms=ALL) == "file.changed"
    with source(place) as file:
        change(place)
        place.write_bytes(b"xx")
        assert refused(InputError, file.read_all, max_bytes=99) == "file.changed"


def test_a_source_that_was_closed(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    file = source(tmp_path / "f")
    file.close()
    file.close()
    assert refused(OutsideError, file.read_at, 0, 1) == "file.read"
    assert refused(OutsideError, hash_source, file, algorithms=ALL) == "file.read"


def test_reading_past_the_end(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    with source(tmp_path / "f") as file:
        assert file.read_at(1, 2) == b"bc"
        assert file.read_at(3, 0) == b""
        assert refused(InputError, file.read_at, 2, 2) == "file.changed"
        assert refused(InputError, file.read_all, max_bytes=2) == "file.size"


@pytest.mark.parametrize("workers", [1, 2, 5, None])
def test_jobs_run_once_whatever_the_number_of_workers(workers):
    done: list[int] = []
    run_largest_first([(n, lambda _, n=n: done.append(n)) for n in range(20)], workers=workers)
    assert sorted(done) == list(range(20))
    run_largest_first([])
    assert 1 <= worker_count() <= 8


def test_large_jobs_come_first_and_small_ones_in_their_order():
    done: list[int] = []
    sizes = [5, 3 << 20, 4, 9 << 20, 6, 2 << 20]
    run_largest_first([(n, lambda _, n=n: done.append(n)) for n in sizes], workers=1)
    assert done == [9 << 20, 3 << 20, 2 << 20, 5, 4, 6]


def test_the_first_error_is_raised_and_stops_the_rest():
    ran = threading.Event()

    def fail(_: Worker) -> None:
        raise InputError("no", code="x")

    assert refused(InputError, run_largest_first, [(9, fail), *[(1, lambda _: None)] * 50], workers=2) == "x"
    assert refused(InputError, run_largest_first, [(9, fail), (1, lambda _: ran.set())], workers=1) == "x"
    assert not ran.is_set()


def test_an_error_stops_what_is_under_way(no_hang):
    """A file of a terabyte is not read to its end because somebody pressed a key, or another file is gone."""
    begun = threading.Event()

    def endless(worker: Worker) -> None:
        begun.set()
        while True:
            worker.check()

    def interrupted(_: Worker) -> None:
        begun.wait()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_largest_first([(1, endless), (1, interrupted)], workers=2)


def test_an_interrupt_while_threads_are_started_leaves_none_behind(monkeypatch, no_hang):
    """Else they go on reading by numbers that are those of other files by then."""
    begun = threading.Event()
    start = threading.Thread.start

    def endless(worker: Worker) -> None:
        begun.set()
        while True:
            worker.check()

    def interrupted(self: threading.Thread) -> None:
        start(self)
        begun.wait()
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        run_largest_first([(1, endless)] * 3, workers=3)
    assert threading.active_count() == before


def test_without_threads_the_same_work_is_done(tmp_path, monkeypatch):
    def none_left(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", none_left)
    done: list[int] = []
    run_largest_first([(n, lambda _, n=n: done.append(n)) for n in range(9)], workers=4)
    assert done == list(range(9))
    monkeypatch.setattr(stream_module, "LARGE_BYTES", 1)
    data = os.urandom(3_000_000)
    (tmp_path / "f").write_bytes(data)
    with source(tmp_path / "f") as file:
        assert [d.value for d in hash_source(file, algorithms=ALL)] == expected(data)


# --- sealing


def test_sealed_memory_is_what_was_read(tmp_path):
    for data in (b"", b"abc", os.urandom(3_000_000)):
        (tmp_path / "f").write_bytes(data)
        advanced: list[int] = []
        with source(tmp_path / "f") as file, seal_file(file, advance=advanced.append) as memory:
            assert bytes(memory.view) == data
            assert memory.size == sum(advanced) == len(data)
            assert memory.read_at(0, len(data)) == data
            assert refused(InputError, memory.read_at, 0, len(data) + 1) == "source.truncated"
            with pytest.raises(PermissionError):
                os.ftruncate(memory.fd, 1)
        assert memory.fd == -1
        memory.close()


def test_sealed_memory_is_given_back_while_an_error_about_it_is_kept(tmp_path):
    """A traceback holds the frames of the reader; closing once failed because of that."""
    (tmp_path / "f").write_bytes(b"abc")
    with source(tmp_path / "f") as file:
        memory = seal_file(file)
    try:
        memory.read_at(0, 4)
    except InputError as err:
        kept = err
    memory.close()
    assert kept.__traceback__ is not None
    assert refused(InputError, memory.read_at, 0, 1) == "source.truncated"


def test_memory_that_was_given_back_has_no_bytes(tmp_path):
    """Not zeros either, which is what mapping no file at all gives."""
    (tmp_path / "f").write_bytes(b"x" * 100)
    with source(tmp_path / "f") as file:
        memory = seal_file(file)
    memory.close()
    assert refused(TrustError, memory.hashed, ALL) == "sealed.open"
    assert memory.digests == {}


def test_memory_that_two_threads_give_back_is_given_back_once(tmp_path, monkeypatch):
    """The second time the number may be that of the next model's memory."""
    (tmp_path / "f").write_bytes(b"x" * 100)
    with source(tmp_path / "f") as file:
        memory = seal_file(file)
    close, closed = os.close, []

    def while_another_does(fd: int) -> None:
        if len(closed) < 2:  # the other thread comes before this one is done
            closed.append(fd)
            memory.close()
        close(fd)

    monkeypatch.setattr("mlsign.package.sealed.os.close", while_another_does)
    number = memory.fd
    memory.close()
    assert closed == [number]


def test_a_file_whose_closing_was_interrupted_is_not_closed_again(tmp_path, monkeypatch):
    """By then its number may be that of another file."""
    (tmp_path / "f").write_bytes(b"x")
    file = source(tmp_path / "f")
    close, closed = os.close, []

    def interrupted(fd: int) -> None:
        closed.append(fd)
        close(fd)
        raise KeyboardInterrupt

    monkeypatch.setattr("mlsign.package.file_source.os.close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.close()
    file.close()
    assert len(closed) == 1


def test_without_descriptors_nothing_is_opened_shared_or_mapped(tmp_path):
    """An error that says so, and no defect."""
    (tmp_path / "signatures").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x" * 100)
    with source(tmp_path / "d" / "f") as file:
        memory = seal_file(file)
    for spare in (0, 1):
        with OpenPackage.open(tmp_path) as package, descriptors_left(spare):
            assert refused(OutsideError, package.open_file, PackagePath("d/f")) == "file.read"
            assert [bundle.content.code for bundle in package.read_bundles()] == ["file.read"]
    with memory, descriptors_left(0):
        assert refused(OutsideError, memory.share) == "sealed.memory"
        assert refused(OutsideError, memory.hashed, ALL) == "sealed.memory"


def test_a_file_that_shrinks_is_not_sealed(tmp_path):
    place = tmp_path / "f"
    place.write_bytes(b"abcdef")
    with source(place) as file:
        os.truncate(place, 3)
        assert refused(InputError, seal_file, file) == "file.changed"
    with source(place) as file:
        pass
    assert refused(OutsideError, seal_file, file) == "file.read"


def test_without_linux_there_is_no_sealed_memory(tmp_path, monkeypatch):
    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setattr("mlsign.package.sealed.sys.platform", "darwin")
    with source(tmp_path / "f") as file:
        assert refused(OutsideError, seal_file, file) == "sealed.unavailable"


# --- writing


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "p"
    with new_folder(target) as partial:
        write_file(partial, PackagePath("d/a"), b"x")
        assert not target.exists()
    assert (target / "d" / "a").read_bytes() == b"x"
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), new_folder(tmp_path / "q") as partial:  # noqa: PT012 - the block is what is tested
            write_file(partial, PackagePath("a"), b"x")
            raise error
    assert [p.name for p in tmp_path.iterdir()] == ["p"]


def test_what_appeared_meanwhile_stays(tmp_path):
    target = tmp_path / "p"

    def pack(make) -> None:
        with new_folder(target) as partial:
            write_file(partial, PackagePath("a"), b"x")
            make()

    assert refused(InputError, pack, lambda: (target.mkdir(), (target / "mine").write_text("x"))) == "output.exists"
    assert [p.name for p in tmp_path.iterdir()] == ["p"]
    assert refused(InputError, pack, lambda: None) == "output.exists"
    (target / "mine").unlink()
    target.rmdir()
    assert refused(InputError, pack, lambda: target.write_text("mine")) == "output.exists"
    assert target.read_text() == "mine"


def fail_with(number: int):
    def fail(*_: object, **__: object):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, "disk.full"), (errno.EDQUOT, "disk.full"), (errno.EIO, "disk.write")]
)
def test_a_disk_that_fails(folder, tmp_path, monkeypatch, number, code):
    monkeypatch.setattr("mlsign.package.write.tempfile.mkdtemp", fail_with(number))
    with pytest.raises(OutsideError) as caught, new_folder(tmp_path / "q"):
        pass
    assert caught.value.code == code
    monkeypatch.setattr("mlsign.package.write._create", fail_with(number))
    assert refused(OutsideError, write_file, folder, PackagePath("n"), b"x") == code
    with source(folder / "b") as file:
        assert refused(OutsideError, copy_file, folder, PackagePath("n"), file, algorithm=Algorithm.SHA256) == code
    monkeypatch.setattr("mlsign.package.write.os.fsync", fail_with(number))
    assert refused(OutsideError, add, folder, b"bundle") == code
    assert list((folder / "signatures").iterdir()) == []
    assert refused(OutsideError, write_new_files, [(tmp_path / "k", b"x", 0o600)]) == code
    assert not (tmp_path / "k").exists()


def test_a_rename_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("mlsign.package.write.Path.rename", fail_with(errno.EIO))
    with pytest.raises(OutsideError), new_folder(tmp_path / "q"):
        pass
    assert list(tmp_path.iterdir()) == []


def add(folder, bundle):
    with OpenPackage.open(folder) as package:
        return add_signature(package, bundle)


def test_a_signature_is_named_by_its_digest(folder):
    name = add(folder, b"bundle")
    assert name == f"signatures/sha256-{hashlib.sha256(b'bundle').hexdigest()}.sigstore.json"
    assert add(folder, b"bundle") == name
    assert (folder / name).read_bytes() == b"bundle"
    assert len(list((folder / "signatures").iterdir())) == 1


def test_a_signature_goes_through_no_link(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "signatures").symlink_to(tmp_path / "elsewhere")
    assert refused(OutsideError, add, folder, b"bundle") == "disk.write"
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_several_files_or_none(tmp_path):
    one, two = tmp_path / "new" / "one", tmp_path / "new" / "two"
    write_new_files([(one, b"1", 0o600), (two, b"2", 0o644)])
    assert [p.stat().st_mode & 0o777 for p in (one, two)] == [0o600, 0o644]
    one.unlink()
    assert refused(InputError, write_new_files, [(one, b"1", 0o600), (two, b"3", 0o644)]) == "output.exists"
    assert not one.exists()
    assert two.read_bytes() == b"2"
