"""How files are got: connections that break or take too long, and folders with something else in the place of a file."""

import contextlib
import gc
import socket
import threading

import pytest
from tuf.api import exceptions

from mlsign.errors import InputError
from mlsign.roots import fetchers
from mlsign.roots.fetchers import FOLDER_BASE, FolderFetcher, NetworkFetcher

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def answering(*parts, drip=b"", pause=0.0):
    """A server on loopback that answers one request with these bytes, then drips for as long as this lasts, and closes."""
    over = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            for part in parts:
                connection.sendall(part)
            while drip and not over.wait(pause):
                connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/timestamp.json"
        over.set()
        thread.join()


def test_a_connection_that_breaks_in_the_middle():
    with answering(HEAD, b"x" * 5000) as url:
        fetcher = NetworkFetcher()
        with pytest.raises(exceptions.DownloadError):
            fetcher.download_bytes(url, 200_000)
    assert fetcher.asked == url


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_server_that_gives_a_little_at_a_time(monkeypatch):
    monkeypatch.setattr(fetchers, "MAX_REFRESH_SECONDS", 0.2)
    with answering(HEAD, drip=b"x" * 5000, pause=0.1) as url, pytest.raises(exceptions.SlowRetrievalError):
        NetworkFetcher().download_bytes(url, 1 << 40)
    gc.collect()  # the library closes a connection that was left when it is collected, and not before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("start", "drip"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
        (HEAD, b"a"),
    ],
    ids=["continue", "header", "chunk", "body"],
)
def test_a_server_that_drips(monkeypatch, start, drip):
    monkeypatch.setattr(fetchers, "MAX_REFRESH_SECONDS", 0.2)
    with answering(start, drip=drip, pause=0.05) as url, pytest.raises(exceptions.SlowRetrievalError, match=r"in 0\.2 seconds"):
        NetworkFetcher().download_bytes(url, 200_000)
    gc.collect()


def test_a_file_that_is_too_long():
    with answering(HEAD, b"x" * 50_000) as url, pytest.raises(exceptions.DownloadLengthMismatchError):
        NetworkFetcher().download_bytes(url, 1000)
    gc.collect()


def test_folders(tmp_path):
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "a").write_bytes(b"1")
    (tmp_path / "link").symlink_to(tmp_path / "targets")
    (tmp_path / "targets" / "b").symlink_to("a")
    fetcher = FolderFetcher(tmp_path)
    with fetcher:
        assert fetcher.download_bytes(f"{FOLDER_BASE}targets/a", 1) == b"1"
        for path in ("link/a", "targets/b", "targets", "targets/a/b", "x" * 300):
            with pytest.raises(exceptions.DownloadError) as caught:
                fetcher.download_bytes(f"{FOLDER_BASE}{path}", 1)
            assert not isinstance(caught.value, exceptions.DownloadHTTPError)
            assert fetcher.asked == path
        with pytest.raises(exceptions.DownloadHTTPError) as missing:
            fetcher.download_bytes(f"{FOLDER_BASE}2.root.json", 1)
        assert missing.value.status_code == 404
        with pytest.raises(exceptions.DownloadLengthMismatchError):
            fetcher.download_bytes(f"{FOLDER_BASE}targets/a", 0)


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for name in ("none", "file"):
        with pytest.raises(InputError) as caught, FolderFetcher(tmp_path / name):
            pass
        assert caught.value.code == "trust.mirror"
