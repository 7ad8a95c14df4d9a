"""How the files of a TUF repository are got: over HTTP within one deadline, or from a folder without following links.

What they are worth is for ``refresh``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote

from tuf.api import exceptions
from tuf.ngclient import FetcherInterface, Urllib3Fetcher  # type: ignore[attr-defined]
from urllib3.exceptions import HTTPError

from mlsign.errors import InputError, shown
from mlsign.services import OverdueError, within

MAX_REFRESH_SECONDS: Final = 120
FOLDER_BASE: Final = "folder:///"
_SOCKET_SECONDS: Final = 10
_CHUNK_BYTES: Final = 16_384
_MAX_FILE_BYTES: Final = 5_000_000
"""What the library takes of a file of metadata at most."""
_T = TypeVar("_T")


class NetworkFetcher(FetcherInterface):
    """HTTP as the library does it, within one deadline for everything."""

    offline = False

    def __init__(self) -> None:
        self._http = Urllib3Fetcher(socket_timeout=_SOCKET_SECONDS, chunk_size=_CHUNK_BYTES, app_user_agent="mlsign")
        self._deadline = time.monotonic() + MAX_REFRESH_SECONDS
        self.asked = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.asked = url
        return self._chunks(self._in_time(lambda: self._http.fetch(url)))

    def _chunks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            while (chunk := self._in_time(lambda: next(chunks, None))) is not None:
                yield chunk
        except HTTPError as err:
            raise exceptions.DownloadError(type(err).__name__) from err

    def _in_time(self, work: Callable[[], _T]) -> _T:
        """What ``work`` gives before the deadline of everything."""
        try:
            return within(self._deadline - time.monotonic(), work)
        except OverdueError as err:
            raise exceptions.SlowRetrievalError(f"the service did not finish in {MAX_REFRESH_SECONDS} seconds") from err


class FolderFetcher(FetcherInterface):
    """The files of a repository beneath one folder; no link inside is followed."""

    offline = True

    def __init__(self, folder: Path) -> None:
        self.where = folder
        self._fd = -1
        self.asked = ""

    def __enter__(self) -> None:
        try:
            self._fd = os.open(self.where, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as err:
            raise InputError(
                f"cannot be opened: {err.strerror}",
                code="trust.mirror",
                where=shown(self.where),
                expected="a folder made by mlsign trust export",
            ) from err

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def _fetch(self, url: str) -> Iterator[bytes]:
        self.asked = unquote(url.removeprefix(FOLDER_BASE))
        try:
            return iter((self._read(url.removeprefix(FOLDER_BASE)),))
        except OSError as err:
            if err.errno == errno.ENOENT:
                raise exceptions.DownloadHTTPError("missing", 404) from err
            raise exceptions.DownloadError("is a link or no regular file, or cannot be read") from err

    def _read(self, path: str) -> bytes:
        *folders, name = path.split("/")
        with contextlib.ExitStack() as opened:
            at = self._fd
            for part in folders:
                at = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                opened.callback(os.close, at)
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
            opened.callback(os.close, fd)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "no regular file")
            with os.fdopen(fd, "rb", closefd=False) as file:
                return file.read(_MAX_FILE_BYTES + 1)
