"""Serve: listen, answer until a signal says to end, and leave nothing behind. The only module that runs uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn

from mlsign.errors import MlsignError, shown
from mlsign.serving.app import Application, place_of
from mlsign.serving.connection import ConnectionLimits, bounded
from mlsign.serving.custodian import Custodian
from mlsign.serving.intake import Intake
from mlsign.serving.journal import Journal
from mlsign.serving.listening import BACKLOG, SPARE_DESCRIPTORS, Certificates, make_room, open_socket
from mlsign.serving.metrics import Metrics
from mlsign.serving.settings import ServeRequest
from mlsign.serving.shelf import Shelf
from mlsign.serving.tokens import is_open_to_others, read_tokens

KEEP_ALIVE_SECONDS: Final = 75
"""Longer than load balancers keep idle connections (60 seconds is common): the side that closes first must not be the server."""


def serve(request: ServeRequest) -> None:
    """Serves until SIGTERM or SIGINT; then every request that was taken is answered, and no worker is left.

    Raises, before anything listens, what verifying a package raises (``Denied`` among them), ``InputError`` (``usage.listen``,
    ``serve.…``, ``token.…``), ``OutsideError`` and ``JailError``.
    """
    journal = Journal(level=request.level)
    journal.adopt_library()
    shelf = Shelf()
    limits = ConnectionLimits(most=request.listen.max_connections, journal=journal)
    intake = Intake(max_requests=request.max_requests, max_body=request.max_body, body_seconds=request.body_seconds)
    metrics = Metrics(models=lambda: shelf.models, in_flight=lambda: intake.requests, connections=limits)
    app = Application(shelf=shelf, intake=intake, metrics=metrics, journal=journal, seconds=request.seconds)
    app.expected = len(request.paths)
    custodian = Custodian(request, shelf=shelf, metrics=metrics, journal=journal)
    if (room := make_room(request.listen.max_connections)) < request.listen.max_connections + SPARE_DESCRIPTORS and room > 0:
        journal.warning("descriptors.few", allowed=room, message="connections may run out of them; raise the limit (ulimit -n)")
    run = _Run(request, app=app, journal=journal, limits=limits, custodian=custodian)
    with contextlib.closing(open_socket(request.listen)) as listener, run.hangups_kept():
        try:
            custodian.start()
            run.until_signalled(listener)
        finally:
            custodian.close()
    journal.info("stopped")


class _Uvicorn(uvicorn.Server):
    """Leaves signals to us, whose orderly end has exit code 0, and says when it listens."""

    def __init__(self, config: uvicorn.Config, *, journal: Journal) -> None:
        super().__init__(config)
        self._journal = journal

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for each in sockets or ():
            host, port = each.getsockname()[:2]
            self._journal.info("listening", host=host, port=port, tls=self.config.is_ssl)


class _Run:
    """One run: the server, and what signals do to it."""

    def __init__(
        self, request: ServeRequest, *, app: Application, journal: Journal, limits: ConnectionLimits, custodian: Custodian
    ) -> None:
        self._request = request
        self._app = app
        self._journal = journal
        self._custodian = custodian
        self._certificates = self._read_certificates()
        self._read_tokens()
        config = uvicorn.Config(
            app,
            http=bounded(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=math.ceil(request.grace_seconds),
            ssl_context_factory=None if self._certificates is None else self._context,
        )
        self._server = _Uvicorn(config, journal=journal)
        self._hung_up = False
        self._woken: asyncio.Event | None = None

    def _context(self, _config: uvicorn.Config, _default: object) -> ssl.SSLContext:
        assert self._certificates is not None  # noqa: S101 - where this is handed over
        return self._certificates.context()

    def _read_certificates(self) -> Certificates | None:
        listen = self._request.listen
        if listen.tls_certificate is None or listen.tls_key is None:
            return None
        self._warn_of_open(listen.tls_key)
        return Certificates(certificate=listen.tls_certificate, key=listen.tls_key)

    def _read_tokens(self) -> None:
        path = self._request.listen.token_file
        if path is not None:
            self._app.tokens = read_tokens(path)
            self._warn_of_open(path)

    def _warn_of_open(self, path: Path) -> None:
        if is_open_to_others(path):
            self._journal.warning("file.open_to_others", file=str(path), message="others can read or change it; chmod 600 it")

    @contextlib.contextmanager
    def hangups_kept(self) -> Iterator[None]:
        """SIGHUP while models are loaded is heard once they are: its own way would end the process."""

        def keep(*_: object) -> None:
            self._hung_up = True

        before = signal.signal(signal.SIGHUP, keep)
        try:
            yield
        finally:
            signal.signal(signal.SIGHUP, before)

    def until_signalled(self, listener: socket.socket) -> None:
        """Answers until it is told to end. Models are still there afterwards, and nothing looks at packages any more."""
        with asyncio.Runner(loop_factory=self._server.config.get_loop_factory()) as runner:
            runner.run(self._main(listener))

    async def _main(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        if self._hung_up:
            self._woken.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self._woken.set)
        keeping = asyncio.create_task(self._keep(self._woken))
        try:
            await self._server.serve(sockets=[listener])
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    def _end(self) -> None:
        """The first signal ends in order, the second one at once."""
        if self._app.is_closing:
            self._server.should_exit = self._server.force_exit = True
            return
        self._app.is_closing = True
        self._journal.info("stopping", delay_seconds=self._request.delay_seconds, grace_seconds=self._request.grace_seconds)
        asyncio.get_running_loop().call_later(self._request.delay_seconds, self._close_doors)

    def _close_doors(self) -> None:
        self._server.should_exit = True

    async def _keep(self, woken: asyncio.Event) -> None:
        """Looks at packages as often as was asked, and at everything on SIGHUP; a defect in that must not end what serves."""
        while True:
            work = self._custodian.look
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._request.watch_seconds):
                    await woken.wait()
                    woken.clear()
                    work = self._renew
            try:
                await asyncio.to_thread(work)
            except Exception as err:  # noqa: BLE001 - what serves goes on serving
                self._journal.error("defect", error=type(err).__name__, place=place_of(err))

    def _renew(self) -> None:
        """Tokens, certificate, policies and packages are read again; each that is wrong leaves the old one in force."""
        for what, renew in (("tokens", self._read_tokens), ("certificate", self._renew_certificate)):
            try:
                renew()
            except MlsignError as err:
                self._journal.error(f"{what}.refused", code=err.code, message=shown(str(err)), serving=f"the {what} before it")
        self._custodian.renew()

    def _renew_certificate(self) -> None:
        if self._certificates is not None:
            self._certificates.renew()
