"""Private folders: what others could have changed is not read, and no link is followed."""

import os
from pathlib import Path

import pytest

from mlsign.errors import InputError, OutsideError, TrustError
from mlsign.roots.store import PrivateFolder, find_state_folder


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MLSIGN_STATE": "/a/b", "XDG_DATA_HOME": "/c"}, Path("/a/b")),
        ({"MLSIGN_STATE": "", "XDG_DATA_HOME": "/c"}, Path("/c/mlsign")),
        ({"XDG_DATA_HOME": "relative"}, Path("/home/someone/.local/share/mlsign")),
        ({}, Path("/home/someone/.local/share/mlsign")),
    ],
)
def test_where_state_is_kept(environment, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert find_state_folder(environment) == expected


def test_a_relative_state_folder_is_refused():
    with pytest.raises(InputError) as caught:
        find_state_folder({"MLSIGN_STATE": "here"})
    assert caught.value.code == "usage.state"


def test_a_user_without_home(monkeypatch):
    def homeless():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(OutsideError) as caught:
        find_state_folder({})
    assert caught.value.code == "trust.state"
    assert "MLSIGN_STATE" in caught.value.hint


@pytest.mark.parametrize("home", [".", "checkout", "./x"])
def test_a_relative_home_is_none(home, monkeypatch):
    """What lies in the working folder, a checkout for example, says nothing of whom this user believes."""
    monkeypatch.setenv("HOME", home)
    with pytest.raises(OutsideError) as caught:
        find_state_folder({"XDG_DATA_HOME": home})
    assert (caught.value.code, "MLSIGN_STATE" in caught.value.hint) == ("trust.state", True)


def test_folders_and_files_are_for_their_owner_alone(tmp_path):
    place = tmp_path / "deep" / "state"
    with PrivateFolder.open(place, "a", "b", create=True) as folder:
        folder.write("x", b"one")
        folder.write("x", b"two")
        assert folder.read("x", max_bytes=3) == b"two"
        assert folder.names() == ("x",)
    for made in (place, place / "a", place / "a" / "b"):
        assert made.stat().st_mode & 0o7777 == 0o700
    assert (place / "a" / "b" / "x").stat().st_mode & 0o7777 == 0o600


def test_what_is_not_there_is_none(tmp_path):
    with PrivateFolder.open(tmp_path / "none", "a") as folder:
        assert folder is None
    assert not (tmp_path / "none").exists()
    with PrivateFolder.open(tmp_path) as folder:
        assert folder.read("x", max_bytes=3) is None
        folder.remove("x")


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_refused(tmp_path, mode):
    (tmp_path / "s").mkdir()
    (tmp_path / "s").chmod(mode)
    with pytest.raises(TrustError) as caught, PrivateFolder.open(tmp_path / "s"):
        pass
    assert (caught.value.code, caught.value.found) == ("trust.cache.private", f"mode {mode:04o}")


def test_a_file_that_others_can_write_to_is_refused(tmp_path):
    with PrivateFolder.open(tmp_path / "s", create=True) as folder:
        folder.write("x", b"1")
        (tmp_path / "s" / "x").chmod(0o666)
        with pytest.raises(TrustError) as caught:
            folder.read("x", max_bytes=9)
    assert caught.value.code == "trust.cache.private"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_another_user_is_refused(tmp_path):
    (tmp_path / "s").mkdir(mode=0o700)
    os.chown(tmp_path / "s", 4711, 4711)
    with pytest.raises(TrustError) as caught, PrivateFolder.open(tmp_path / "s"):
        pass
    assert (caught.value.code, caught.value.found) == ("trust.cache.private", "user 4711")


def test_no_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")
    for create in (False, True):
        with pytest.raises(TrustError) as caught, PrivateFolder.open(tmp_path / "link", create=create):
            pass
        assert caught.value.code == "trust.cache.kind"
    (tmp_path / "real" / "x").symlink_to("/etc/hostname")
    (tmp_path / "real" / "sub").symlink_to("/etc")
    with PrivateFolder.open(tmp_path / "real") as folder, pytest.raises(TrustError) as caught:
        folder.read("x", max_bytes=99)
    assert caught.value.code == "trust.cache.kind"
    with pytest.raises(TrustError) as caught, PrivateFolder.open(tmp_path / "real", "sub"):
        pass
    assert caught.value.code == "trust.cache.kind"


def test_writing_replaces_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "victim").write_bytes(b"mine")
    with PrivateFolder.open(tmp_path / "s", create=True) as folder:
        (tmp_path / "s" / "x").symlink_to(tmp_path / "victim")
        folder.write("x", b"new")
    assert (tmp_path / "victim").read_bytes() == b"mine"
    assert not (tmp_path / "s" / "x").is_symlink()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_refused_without_waiting(tmp_path, make):
    with PrivateFolder.open(tmp_path / "s", create=True) as folder:
        make(tmp_path / "s" / "x")
        (tmp_path / "s" / "x").chmod(0o700)
        with pytest.raises(TrustError) as caught:
            folder.read("x", max_bytes=9)
    assert caught.value.code == "trust.cache.kind"


def test_a_file_of_too_many_bytes(tmp_path):
    with PrivateFolder.open(tmp_path / "s", create=True) as folder:
        folder.write("x", b"1234")
        with pytest.raises(TrustError) as caught:
            folder.read("x", max_bytes=3)
    assert caught.value.code == "trust.cache.size"


def test_what_cannot_be_written_or_read_is_outside(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutsideError) as caught, PrivateFolder.open(tmp_path / "file" / "s", create=True):
        pass
    assert caught.value.code == "trust.cache.write"
    with PrivateFolder.open(tmp_path / "s", create=True) as folder:
        (tmp_path / "s" / "full").mkdir()
        with pytest.raises(OutsideError) as caught:
            folder.write("full", b"x")
        assert caught.value.code == "trust.cache.write"
        assert folder.names() == ("full",)
        with pytest.raises(OutsideError) as caught:
            folder.remove("full")
        assert caught.value.code == "trust.cache.write"
        with pytest.raises(OutsideError) as caught:
            folder.read("x" * 300, max_bytes=3)
        assert caught.value.code == "trust.cache.access"
    with pytest.raises(OutsideError) as caught, PrivateFolder.open(tmp_path / "s", "y" * 300, create=True):
        pass
    assert caught.value.code == "trust.cache.write"


def test_one_at_a_time(tmp_path):
    with PrivateFolder.open(tmp_path / "s", create=True) as one:
        one.lock()
        with PrivateFolder.open(tmp_path / "s") as other, pytest.raises(OutsideError) as caught:
            other.lock()
        assert caught.value.code == "trust.busy"
    with PrivateFolder.open(tmp_path / "s") as again:
        again.lock()
