"""Where the server listens: sockets that nobody reaches by accident, and certificates that can be renewed while it runs."""

from __future__ import annotations

import ipaddress
import resource
import socket
import ssl
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, OutsideError, shown
from mlsign.serving.settings import ListenSettings

BACKLOG: Final = 1024
SPARE_DESCRIPTORS: Final = 512
"""For packages, models and workers, beside connections."""


def open_socket(settings: ListenSettings) -> socket.socket:
    """A bound socket. Raises ``InputError`` (``usage.listen``) for an address that others reach where it has to be loopback,
    ``OutsideError`` (``serve.listen``) where it cannot be bound.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as err:
        message = f"{shown(settings.host)} is no address of this machine: {shown(err)}"
        raise OutsideError(message, code="serve.listen", where=shown(where)) from err
    family, kind, protocol, _, address = found[0]
    guarded = settings.tls_certificate is not None and settings.token_file is not None
    if not (settings.insecure or guarded or _is_loopback(str(address[0]))):
        missing = [
            words
            for words, value in (("a certificate", settings.tls_certificate), ("tokens", settings.token_file))
            if value is None
        ]
        raise InputError(
            f"{shown(address[0])} can be reached from other machines, and there are no {' and no '.join(missing).replace('a ', '', 1)}",
            code="usage.listen",
            where=shown(where),
            expected="a loopback address, or TLS and tokens",
            hint="give --tls-cert, --tls-key and --token-file, or --insecure-listen where something before this server does both",
        )
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # what was asked for, and no IPv4 beside it
        sock.bind(address)
    except OSError as err:
        sock.close()
        message = f"cannot listen there: {err.strerror}"
        raise OutsideError(message, code="serve.listen", where=shown(where), hint="is something else listening?") from err
    return sock


def make_room(connections: int) -> int:
    """How many descriptors this process may have open, raised to what so many connections need as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def _is_loopback(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_loopback


class Certificates:
    """The certificate that new connections are shown. ``renew`` reads the files again; connections that are open go on."""

    def __init__(self, *, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self._current = self._read()

    def renew(self) -> None:
        """Raises ``InputError`` (``serve.tls``) for files that do not go together; the old ones are shown then."""
        self._current = self._read()

    def context(self) -> ssl.SSLContext:
        """The context to listen with: it hands each new connection to the newest one."""
        outer = self._read()
        outer.sni_callback = self._hand_on
        return outer

    def _hand_on(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._current

    def _read(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            # An empty password: a key that needs one is refused, and nothing waits for somebody to type.
            context.load_cert_chain(self._certificate, self._key, password="")
        except (OSError, ValueError) as err:  # ssl.SSLError is an OSError
            reason = getattr(err, "reason", None) or getattr(err, "strerror", None) or type(err).__name__
            raise InputError(
                f"{shown(self._certificate)} and {shown(self._key)} are no certificate and its key: {shown(reason)}",
                code="serve.tls",
                where=shown(self._certificate),
                hint="give PEM files: the certificate with its chain, and its private key without a password",
            ) from err
        return context
