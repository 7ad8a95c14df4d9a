"""A signer whose signatures get a timestamp (RFC 3161): an authority's word for when they existed, good after keys expire.

Owns the request, its way over HTTP, and what the answer must be about. Who is believed to know the time is for whoever
verifies; with a trust root at hand, an answer that nobody would believe is refused here already.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm
from rfc3161_client.tsp import PKIStatus, TimeStampRequest

from mlsign.errors import InputError, OutsideError, shown
from mlsign.formats.bundle import MAX_TIMESTAMP_BYTES, MAX_TIMESTAMPS, Bundle
from mlsign.formats.trusted_root import TrustedRoot
from mlsign.identity import Identity
from mlsign.services import OverdueError, within
from mlsign.signers.protocol import Signer
from mlsign.trust.root import TrustRoot
from mlsign.trust.timestamps import decode_timestamp, verify_timestamp

TIMEOUT_SECONDS: Final = 30
_CHUNK_BYTES: Final = 4096
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_PLAIN: Final = re.compile(r"[\x21-\x7e]{1,2048}")
_RETRY: Final = "nothing was written, so it is safe to try again"


class TimestampingSigner:
    """Signs as ``inner`` does and adds a timestamp over each signature.

    With ``root``, only a timestamp by one of its authorities is taken, and bundles are authenticated against it as well.
    Raises ``InputError`` (``timestamp.url``) for what is no address of a service.
    """

    def __init__(self, inner: Signer, url: str, *, root: TrustedRoot | None = None, timeout: float = TIMEOUT_SECONDS) -> None:
        self._inner = inner
        self._url = _check_url(url)
        self._root = root
        self._timeout = timeout

    @property
    def identity(self) -> Identity | None:
        return self._inner.identity

    @property
    def material(self) -> None:
        return None

    @property
    def trust(self) -> TrustRoot:
        return self._inner.trust if self._root is None else replace(self._inner.trust, sigstore=self._root)

    def sign(self, payload: bytes) -> Bundle:
        """A bundle of the inner signer with one more timestamp.

        Raises what the inner signer raises, ``OutsideError`` (``timestamp.unreachable``, ``timestamp.answer``,
        ``timestamp.refused``) and ``TrustError`` (``timestamp.untrusted``, ``timestamp.period``).
        """
        bundle = self._inner.sign(payload)
        if len(bundle.material.timestamps) >= MAX_TIMESTAMPS:
            raise InputError(f"has {MAX_TIMESTAMPS} timestamps already", code="timestamp.many", where="timestamp")
        signature = bundle.envelope.signature
        request = TimestampRequestBuilder().data(signature).hash_algorithm(HashAlgorithm.SHA256).build()
        answer = _ask(self._url, request.as_bytes(), timeout=self._timeout)
        _check_answer(answer, request, signature=signature, where=self._url)
        if self._root is not None:
            verify_timestamp(answer, signature=signature, authorities=self._root.timestamp_authorities)
        timestamps = (*bundle.material.timestamps, answer)
        return replace(bundle, material=replace(bundle.material, timestamps=timestamps))


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    else:
        good = good and _PLAIN.fullmatch(url) is not None and "@" not in parts.netloc and not parts.fragment
    if not good:
        raise InputError(
            "is not the address of a timestamp service",
            code="timestamp.url",
            where=shown(url),
            expected="an http or https URL without user and password",
            found=shown(url),
        )
    return url


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A service that sends elsewhere is not the one that was named."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def _ask(url: str, request: bytes, *, timeout: float) -> bytes:
    """The body of the answer to ``request``, whatever it is. Raises ``OutsideError`` (``timestamp.…``)."""
    post = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url, data=request, headers={"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    )

    def exchange() -> bytes:
        with urllib.request.build_opener(_NoRedirect).open(post, timeout=timeout) as response:
            return _read(response, where=url)

    try:
        return within(timeout, exchange)
    except OverdueError as err:
        raise _unreachable(url, f"it did not finish in {timeout:g} seconds") from err
    except urllib.error.HTTPError as err:
        err.close()
        raise _unreachable(url, f"status {err.code}") from err
    except (OSError, http.client.HTTPException) as err:
        reason = err.reason if isinstance(err, urllib.error.URLError) else err
        raise _unreachable(url, f"{type(err).__name__}: {reason}") from err


def _read(response: http.client.HTTPResponse, *, where: str) -> bytes:
    """All that is sent, piece by piece: a service may send without end."""
    answer = b""
    while piece := response.read1(_CHUNK_BYTES):
        answer += piece
        if len(answer) > MAX_TIMESTAMP_BYTES:
            raise _wrong_answer(f"the timestamp service sent more than {MAX_TIMESTAMP_BYTES} bytes", where=where)
    return answer


def _check_answer(answer: bytes, request: TimeStampRequest, *, signature: bytes, where: str) -> None:
    """Returns when the answer is a timestamp over this signature, made for this request."""
    try:
        response = decode_timestamp_response(answer)
        status = PKIStatus(response.status)
    except ValueError as err:
        raise _wrong_answer("the timestamp service sent no timestamp", where=where) from err
    if status is not PKIStatus.GRANTED:
        raise OutsideError(
            "the timestamp service refused to make a timestamp",
            code="timestamp.refused",
            where=shown(where),
            expected=PKIStatus.GRANTED.name.lower(),
            found=shown(f"{status.name.lower()} {' '.join(response.status_string)}".strip()),
        )
    try:
        # As whoever verifies reads it: one that cannot be read there would make the whole signature worthless.
        info = decode_timestamp(answer)[0].tst_info
        imprint = info.message_imprint
        same = (imprint.hash_algorithm.dotted_string, imprint.message, info.nonce)
    except (InputError, ValueError) as err:
        raise _wrong_answer("the timestamp service sent no timestamp", where=where) from err
    if same != (_SHA256, hashlib.sha256(signature).digest(), request.nonce):
        raise _wrong_answer("the timestamp service sent a timestamp for another request", where=where)


def _wrong_answer(message: str, *, where: str) -> OutsideError:
    return OutsideError(message, code="timestamp.answer", where=shown(where), hint=_RETRY)


def _unreachable(url: str, reason: str) -> OutsideError:
    return OutsideError(
        f"the timestamp service gives no answer: {shown(reason)}", code="timestamp.unreachable", where=shown(url), hint=_RETRY
    )
