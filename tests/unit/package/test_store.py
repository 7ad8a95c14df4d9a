"""A store believes what mlsign left untouched in a folder of its owner, and nothing else."""

import mmap
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from blake3 import blake3
from scarcity import descriptors_left
from store_kit import SIZE, WEIGHTS, inode, settle, stock, supply, write_in_place

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError, MlsignError, OutsideError, TrustError
from mlsign.package.file_source import FileSource
from mlsign.package.store import Store, StoredObject
from mlsign.package.store_filling import StoreWriter
from mlsign.package.store_pruning import check_object, kept, prune
from mlsign.package.store_record import Record, begin, boot_id, decode_record, encode_record, known, source_name
from mlsign.package.trusted_folder import open_trusted

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving files to somebody else needs root")
SOMEBODY = 4711


@pytest.fixture
def stocked(tmp_path):
    return stock(tmp_path)


def refused(store: Path) -> MlsignError:
    with pytest.raises(MlsignError) as caught:
        Store.open(store).close()
    return caught.value


# What it is for.


def test_a_file_is_written_once_and_then_only_named(stocked, tmp_path):
    assert stocked.thing.digest == Digest(algorithm=Algorithm.BLAKE3, value=blake3(stocked.source.read_bytes()).digest())
    assert stocked.known() == {Algorithm.BLAKE3: stocked.thing.digest}
    assert supply(stocked.store, stocked.source, tmp_path / "next") == stocked.thing.digest
    names = (stocked.linked, tmp_path / "next" / WEIGHTS, stocked.object)
    assert len({path.stat().st_ino for path in names}) == 1
    assert stocked.object.stat().st_nlink == 3
    assert stocked.object.stat().st_mode & 0o222 == 0
    # the state has changed with the new name, and the record with it
    assert stocked.known() == {Algorithm.BLAKE3: stocked.thing.digest}


def test_a_file_that_is_written_anew_with_the_same_bytes_is_the_same_object(stocked, tmp_path):
    again = tmp_path / "again.bin"
    again.write_bytes(stocked.source.read_bytes())
    assert supply(stocked.store, again, tmp_path / "next") == stocked.thing.digest
    assert stocked.object.stat().st_nlink == 3
    assert not list((stocked.store / "partial").iterdir())


def test_another_file_is_another_object(stocked, tmp_path):
    other = tmp_path / "other.bin"
    other.write_bytes(os.urandom(SIZE))
    digest = supply(stocked.store, other, tmp_path / "next")
    assert digest == Digest(algorithm=Algorithm.BLAKE3, value=blake3(other.read_bytes()).digest())
    assert (tmp_path / "next" / WEIGHTS).read_bytes() == other.read_bytes()
    with Store.open(stocked.store) as store:
        assert {thing.digest for thing in store.objects()} == {digest, stocked.thing.digest}


def test_small_files_and_other_permissions_are_left_to_be_copied(stocked, tmp_path):
    small = tmp_path / "small.bin"
    small.write_bytes(b"x" * (SIZE - 1))
    assert supply(stocked.store, small, tmp_path / "small") is None
    old = os.umask(0o077)
    try:
        # a private package must not show what the object shows to everybody
        assert supply(stocked.store, stocked.source, tmp_path / "private") is None
    finally:
        os.umask(old)
    assert not (tmp_path / "private" / WEIGHTS).exists()


def test_an_object_by_another_algorithm_is_another_one(stocked, tmp_path):
    digest = supply(stocked.store, stocked.source, tmp_path / "next", algorithm=Algorithm.SHA256)
    assert digest.algorithm is Algorithm.SHA256
    with Store.open(stocked.store) as store:
        assert store.recall(os.stat(stocked.linked), StoredObject(digest=digest, size=SIZE)) == {}
        assert not store.is_object(inode(stocked.linked), StoredObject(digest=digest, size=SIZE))


def test_a_package_can_be_packed_from(stocked, tmp_path):
    with StoreWriter.open(stocked.store) as writer:
        assert writer.is_object(os.stat(stocked.linked))
        assert not writer.is_object(os.stat(stocked.source))
    assert supply(stocked.store, stocked.linked, tmp_path / "next") == stocked.thing.digest
    assert stocked.object.stat().st_nlink == 3


def test_a_source_is_known_again_by_its_state_and_not_by_its_time(stocked, tmp_path):
    settle(stocked.source)
    supply(stocked.store, stocked.source, tmp_path / "one")
    assert len(list((stocked.store / "sources").iterdir())) == 1
    before = stocked.source.stat()
    write_in_place(stocked.source)
    assert stocked.source.stat().st_mtime_ns == before.st_mtime_ns
    digest = supply(stocked.store, stocked.source, tmp_path / "two")
    assert digest == Digest(algorithm=Algorithm.BLAKE3, value=blake3(stocked.source.read_bytes()).digest())
    assert digest != stocked.thing.digest


def test_what_is_known_of_a_later_state_is_not_taken_for_a_source_that_was_opened_before(stocked, tmp_path):
    """A model is inspected when it is opened: another one, known to the store, must not be packed under what was seen then."""
    with FileSource(os.open(stocked.source, os.O_RDONLY), where="opened") as opened:
        write_in_place(stocked.source)
        settle(stocked.source)
        assert supply(stocked.store, stocked.source, tmp_path / "other") != stocked.thing.digest
        assert len(list((stocked.store / "sources").iterdir())) == 1
        with StoreWriter.open(stocked.store) as writer, pytest.raises(InputError) as caught:
            writer.supply(opened, algorithm=Algorithm.BLAKE3, folder=tmp_path, path=WEIGHTS)
        assert caught.value.code == "file.changed"
        assert not (tmp_path / WEIGHTS).exists()


def test_a_source_that_was_written_a_moment_ago_is_not_remembered(stocked):
    assert not list((stocked.store / "sources").iterdir())


def test_a_source_record_that_was_made_up_gives_an_old_file_whole_and_under_its_own_digest(stocked, tmp_path):
    """Whoever can write to the store can make an old file come out, and never an altered one."""
    settle(stocked.source)
    supply(stocked.store, stocked.source, tmp_path / "one")
    (real,) = (stocked.store / "sources").iterdir()
    other = tmp_path / "other.bin"
    other.write_bytes(os.urandom(SIZE))
    with FileSource(os.open(other, os.O_RDONLY), where="other") as opened:
        state = begin(opened.fd).state
    record = decode_record(real.read_bytes(), where="record")
    forged = stocked.store / "sources" / source_name(state)
    forged.write_bytes(encode_record(Record(state=state, digests=record.digests)))
    assert supply(stocked.store, other, tmp_path / "two") == stocked.thing.digest
    assert (tmp_path / "two" / WEIGHTS).read_bytes() == stocked.source.read_bytes()


# Objects that were touched.


@pytest.mark.parametrize("name", ["object", "linked"])
@pytest.mark.parametrize("forge", [True, False])
def test_an_object_that_was_written_to_is_not_known(stocked, tmp_path, name, forge):
    write_in_place(getattr(stocked, name), forge=forge)
    assert stocked.known() == {}
    with pytest.raises(TrustError, match="its bytes are not those") as caught:
        supply(stocked.store, stocked.source, tmp_path / "next")
    assert caught.value.code == "store.changed"
    assert not (tmp_path / "next" / WEIGHTS).exists()


def test_an_object_that_was_only_touched_is_hashed_again_and_known_again(stocked, tmp_path):
    os.utime(stocked.object, ns=(1, 1))
    assert stocked.known() == {}
    assert supply(stocked.store, stocked.source, tmp_path / "young") == stocked.thing.digest
    assert stocked.known() == {}, "a write of a moment ago might not show"
    settle(stocked.object)
    assert supply(stocked.store, stocked.source, tmp_path / "next") == stocked.thing.digest
    assert stocked.known() == {Algorithm.BLAKE3: stocked.thing.digest}


def test_what_was_not_on_the_disk_is_not_known_after_the_machine_was_started_again(stocked, tmp_path):
    record = decode_record(stocked.record.read_bytes(), where="record")
    assert record.boot == boot_id() != ""
    stocked.record.chmod(0o644)
    stocked.record.write_bytes(encode_record(replace(record, boot="another-start")))
    assert stocked.known() == {}
    settle(stocked.object)
    # hashed again, which it is from the disk by then, and known for good
    assert supply(stocked.store, stocked.source, tmp_path / "next") == stocked.thing.digest
    assert decode_record(stocked.record.read_bytes(), where="record").boot == ""
    assert stocked.known() == {Algorithm.BLAKE3: stocked.thing.digest}


def test_a_name_that_went_away_makes_it_unknown_until_it_is_hashed(stocked, tmp_path):
    supply(stocked.store, stocked.source, tmp_path / "next")
    shutil.rmtree(tmp_path / "next")
    assert stocked.known() == {}


def test_a_store_to_mapped_memory_moves_the_change_time_after_begin(tmp_path):
    """What ``begin`` rests on: a page that was written out cannot be written to again without a trace."""
    path = tmp_path / "mapped.bin"
    path.write_bytes(bytes(SIZE))
    with path.open("r+b") as file, mmap.mmap(file.fileno(), SIZE) as mapped:
        mapped[0:1] = b"\x01"  # dirty from here on
        settle(path)
        state = begin(file.fileno()).state
        mapped[0:1] = b"\x02"
        if begin(file.fileno()).state == state:
            pytest.skip("this file system keeps no track of stores to mapped memory")
        assert path.read_bytes()[:1] == b"\x02"


def exchange(stocked):
    stocked.object.rename(stocked.object.with_name("away"))
    shutil.copy(stocked.source, stocked.object)
    stocked.object.chmod(0o444)


def make_link(stocked):
    stocked.object.unlink()
    stocked.object.symlink_to(stocked.linked)


def truncate(stocked):
    stocked.object.chmod(0o644)
    os.truncate(stocked.object, SIZE - 1)
    stocked.object.chmod(0o444)


def open_to_writing(stocked):
    stocked.object.chmod(0o666)


def name_wrong_bytes(stocked):
    stocked.object.unlink()
    stocked.object.write_bytes(os.urandom(SIZE))
    stocked.object.chmod(0o444)


@pytest.mark.parametrize("attack", [exchange, make_link, truncate, open_to_writing, name_wrong_bytes])
def test_what_is_not_the_object_any_more_is_not_taken_for_it(stocked, attack):
    attack(stocked)
    with Store.open(stocked.store) as store:
        assert not store.is_object(inode(stocked.linked), stocked.thing)
        assert store.recall(os.stat(stocked.linked), stocked.thing) == {}


@pytest.mark.parametrize("attack", [truncate, open_to_writing, name_wrong_bytes])
def test_nothing_is_packed_from_an_object_that_is_not_what_its_name_says(stocked, tmp_path, attack):
    attack(stocked)
    with pytest.raises(TrustError) as caught:
        supply(stocked.store, stocked.source, tmp_path / "next")
    assert caught.value.code == "store.changed"
    assert not (tmp_path / "next" / WEIGHTS).exists()


def test_a_package_file_that_was_exchanged_is_not_the_object(stocked):
    stocked.linked.unlink()
    stocked.linked.write_bytes(stocked.source.read_bytes())
    assert stocked.known() == {}


def test_a_link_of_somebody_elses_file_with_the_right_bytes_is_not_the_object(stocked, tmp_path):
    outside = tmp_path / "outside.bin"
    shutil.copy(stocked.source, outside)
    stocked.linked.unlink()
    os.link(outside, stocked.linked)
    with Store.open(stocked.store) as store:
        assert not store.is_object(inode(stocked.linked), stocked.thing)


@as_root
def test_an_object_of_somebody_else_is_none(stocked):
    os.chown(stocked.object, SOMEBODY, -1)
    with Store.open(stocked.store) as store:
        assert not store.is_object(inode(stocked.linked), stocked.thing)


# Records that lie.


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"blake3:", b"sha256:"),
        lambda text: text.replace(b"/v1", b"/v2"),
        lambda text: text[:-1],
        lambda _: b"",
        lambda text: text + b" " * 5000,
    ],
)
def test_a_record_that_cannot_be_read_is_none(stocked, change):
    text = stocked.record.read_bytes()
    stocked.record.chmod(0o644)
    stocked.record.write_bytes(change(text))
    assert stocked.known() == {}


def test_a_record_that_others_may_write_is_none(stocked):
    stocked.record.chmod(0o666)
    assert stocked.known() == {}


@as_root
def test_a_record_of_somebody_else_is_none(stocked):
    os.chown(stocked.record, SOMEBODY, -1)
    assert stocked.known() == {}


# Folders that are not ours alone.


@pytest.mark.parametrize(
    "inner", [".", "objects", "records", "objects/blake3", f"records/blake3/{SIZE}", f"objects/blake3/{SIZE}"]
)
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_folder_that_others_may_write_is_refused(stocked, inner, mode):
    (stocked.store / inner).chmod(mode)
    with pytest.raises(TrustError) as caught:
        stocked.known()
    assert caught.value.code == "store.untrusted"


@pytest.mark.parametrize(("mode", "fine"), [(0o777, False), (0o770, False), (0o1777, True), (0o755, True)])
def test_a_folder_above_that_others_may_write_is_refused_unless_it_is_sticky(tmp_path, mode, fine):
    above = tmp_path / "above"
    above.mkdir()
    stocked = stock(above)
    above.chmod(mode)
    if fine:
        assert stocked.known()
    else:
        assert refused(stocked.store).code == "store.untrusted"


@as_root
@pytest.mark.parametrize("whose", ["store", "above"])
def test_a_folder_of_somebody_else_is_refused(tmp_path, whose):
    above = tmp_path / "above"
    above.mkdir()
    stocked = stock(above)
    os.chown(above if whose == "above" else stocked.store, SOMEBODY, -1)
    assert refused(stocked.store).code == "store.untrusted"
    with pytest.raises(TrustError):
        supply(stocked.store, stocked.source, tmp_path / "next")


def test_a_link_to_a_store_is_judged_by_where_it_leads(stocked, tmp_path):
    (tmp_path / "link").symlink_to(stocked.store)
    Store.open(tmp_path / "link").close()
    bad = tmp_path / "bad"
    shutil.copytree(stocked.store, bad)
    bad.chmod(0o777)
    (tmp_path / "other").symlink_to(bad)
    assert refused(tmp_path / "other").code == "store.untrusted"


def test_a_link_within_a_store_is_not_followed(stocked, tmp_path):
    shutil.move(stocked.store / "records", tmp_path / "elsewhere")
    (stocked.store / "records").symlink_to(tmp_path / "elsewhere")
    assert stocked.known() == {}


@as_root
def test_a_store_of_root_is_believed_by_others_and_one_of_others_is_not():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    try:
        roots = stock(folder)
        shutil.copytree(roots.store, folder / "theirs")
        for path in [folder / "theirs", *(folder / "theirs").rglob("*")]:
            os.chown(path, SOMEBODY + 1, -1)
        os.seteuid(SOMEBODY)
        try:
            assert roots.known()
            assert refused(folder / "theirs").code == "store.untrusted"
            with pytest.raises(OutsideError):  # nor does anybody lock the owner out
                StoreWriter.open(roots.store)
        finally:
            os.seteuid(0)
    finally:
        shutil.rmtree(folder)


@as_root
def test_in_a_user_namespace_nobody_is_not_everybody(stocked):
    """There all who have no number have the same one, and a process without a number of its own has it, too."""
    for path in (stocked.store, *stocked.store.rglob("*")):
        os.chown(path, SOMEBODY, -1)
    program = (
        "import os, sys; from pathlib import Path; from mlsign.package.trusted_folder import is_ours; "
        "status = os.stat(sys.argv[1]); print(status.st_uid == os.geteuid(), is_ours(status))"
    )
    done = subprocess.run(
        ["unshare", "--user", sys.executable, "-c", program, stocked.store], capture_output=True, text=True, check=False
    )
    if "unshare failed" in done.stderr:
        pytest.skip("no user namespaces")
    assert done.stdout.split() == ["True", "False"]


def test_a_folder_that_is_no_store_is_refused_and_left_alone(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "letter.txt").write_text("x")
    assert refused(folder).code == "store.kind"
    with pytest.raises(InputError):
        StoreWriter.open(folder)
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    assert refused(tmp_path / "missing").code == "store.missing"
    (folder / "mlsign-store.json").write_text('{"schema":"mlsign/store/v2"}')
    assert refused(folder).code == "store.kind"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutsideError):
        open_trusted(tmp_path / "file")


def test_a_store_whose_making_was_interrupted_is_finished(tmp_path):
    (tmp_path / "store" / "objects").mkdir(parents=True)
    with StoreWriter.open(tmp_path / "store"):
        pass
    Store.open(tmp_path / "store").close()


# Others at the same time.


def test_many_packs_at_once_make_one_object(tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(os.urandom(SIZE))
    failures, digests = [], []

    def run(number):
        try:
            digests.append(supply(tmp_path / "store", source, tmp_path / f"p{number}"))
        except BaseException as err:  # noqa: BLE001 - shown below
            failures.append(err)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(digests)) == 1
    with Store.open(tmp_path / "store") as store:
        (one,) = kept(store)
        assert one.packages == 8
        assert store.recall(os.stat(tmp_path / "p0" / WEIGHTS), one.thing)
    assert not list((tmp_path / "store" / "partial").iterdir())


def test_a_source_that_changes_while_it_is_read_leaves_nothing(tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(os.urandom(SIZE))
    (tmp_path / "p").mkdir()
    with StoreWriter.open(tmp_path / "store") as writer, FileSource(os.open(source, os.O_RDONLY), where="s") as opened:
        os.truncate(source, SIZE + 5)
        with pytest.raises(InputError) as caught:
            writer.supply(opened, algorithm=Algorithm.BLAKE3, folder=tmp_path / "p", path=WEIGHTS)
    assert caught.value.code == "file.changed"
    with Store.open(tmp_path / "store") as store:
        assert list(store.objects()) == []
    assert not list((tmp_path / "store" / "partial").iterdir())
    assert not list((tmp_path / "p").iterdir())


# Looking after it.


def test_checking_hashes_whatever_is_written_down(stocked):
    settle(stocked.object)
    with Store.open(stocked.store) as store:
        check_object(store, stocked.thing)
        assert stocked.known()
        write_in_place(stocked.object)
        # a record that was made up after the change does not help
        with FileSource(os.open(stocked.object, os.O_RDONLY), where="o") as opened:
            state = begin(opened.fd).state
        stocked.record.chmod(0o644)
        stocked.record.write_bytes(encode_record(Record(state=state, digests=known((stocked.thing.digest,)))))
        with pytest.raises(TrustError) as caught:
            check_object(store, stocked.thing)
        assert caught.value.code == "store.changed"
        stocked.object.unlink()
        with pytest.raises(OutsideError):
            check_object(store, stocked.thing)


@pytest.mark.parametrize("spare", [0, 1])
def test_a_store_that_cannot_be_looked_at_is_not_taken_for_an_empty_one(stocked, spare):
    """Checking would find nothing wrong with it, and verifying deny a package because of a link that is none."""
    number = inode(stocked.linked)
    with Store.open(stocked.store) as store, descriptors_left(spare):
        for look in (lambda: list(store.objects()), lambda: store.is_object(number, stocked.thing)):
            with pytest.raises(OutsideError) as caught:
                look()
            assert caught.value.code == "file.read"


def test_checking_makes_what_was_touched_known_again(stocked):
    os.utime(stocked.object, ns=(1, 1))
    settle(stocked.object)
    with Store.open(stocked.store) as store:
        assert stocked.known() == {}
        check_object(store, stocked.thing)
    assert stocked.known() == {Algorithm.BLAKE3: stocked.thing.digest}


def test_pruning_takes_what_is_in_no_package(stocked, tmp_path):
    settle(stocked.source)
    supply(stocked.store, stocked.source, tmp_path / "next")
    (stocked.store / "partial" / "left").write_text("x")
    with Store.open(stocked.store) as store:
        assert prune(store) == ()
        assert stocked.object.exists()
        assert (stocked.store / "partial" / "left").exists()
        shutil.rmtree(tmp_path / "next")
        shutil.rmtree(stocked.package)
        with StoreWriter.open(stocked.store), pytest.raises(OutsideError) as caught:
            prune(store)
        assert caught.value.code == "store.busy"
        assert prune(store, now=2**33) == (stocked.thing,)
        assert list(store.objects()) == []
    assert not stocked.record.exists()
    assert not list((stocked.store / "sources").iterdir())
    assert not list((stocked.store / "partial").iterdir())
    # and the next pack starts again
    assert supply(stocked.store, stocked.source, tmp_path / "again") == stocked.thing.digest
