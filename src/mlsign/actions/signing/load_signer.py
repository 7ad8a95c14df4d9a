"""From what the user named to a signer: a key file, a hardware key, a certificate over either, or nobody's key at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.errors import InputError
from mlsign.limits import DEFAULT, Limits
from mlsign.signers.protocol import Signer

if TYPE_CHECKING:
    from mlsign.actions.signing.load_keyless import KeylessRequest
    from mlsign.signers.key import KeySigner
    from mlsign.signers.pkcs11 import Pkcs11Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRequest:
    """Exactly one of ``key``, ``pkcs11`` and ``keyless`` says who signs; ``certificate`` goes with one of the first two.

    ``ask_password`` and ``ask_pin`` are called only when they are needed, at most once.
    """

    key: Path | None = None
    pkcs11: str | None = None
    keyless: KeylessRequest | None = None
    certificate: Path | None = None
    chain: tuple[Path, ...] = ()
    timestamp_url: str | None = None
    module: Path | None = None
    pin_file: Path | None = None
    ask_password: Callable[[], bytes] = field(default=bytes)
    ask_pin: Callable[[], bytes] = field(default=bytes)
    limits: Limits = DEFAULT


@contextmanager
def open_signer(request: SignerRequest) -> Iterator[Signer]:
    """The signer, for as long as it is needed: a session with a token is closed afterwards on every path.

    Raises ``InputError`` (``usage.signer`` and those of the loaders), ``TrustError`` and ``OutsideError``.
    """
    _check(request)
    if request.keyless is not None:
        from mlsign.actions.signing.load_keyless import load_keyless

        yield load_keyless(request.keyless)
    elif request.pkcs11 is not None:
        from mlsign.actions.signing.load_pkcs11 import load_pkcs11

        with load_pkcs11(
            request.pkcs11,
            module=request.module,
            ask_pin=request.ask_pin,
            pin_file=request.pin_file,
            limits=request.limits,
        ) as token:
            yield _dressed(token, request)
    elif request.key is not None:
        from mlsign.actions.signing.sign import load_key

        yield _dressed(load_key(request.key, ask_password=request.ask_password, limits=request.limits), request)


def _dressed(key: KeySigner | Pkcs11Signer, request: SignerRequest) -> Signer:
    """The key with the certificate and the timestamps that go with it."""
    signer: Signer = key
    if request.certificate is not None:
        from mlsign.actions.signing.load_certificate import load_certificate_signer

        signer = load_certificate_signer(key, certificate=request.certificate, chain=request.chain, limits=request.limits)
    if request.timestamp_url is not None:
        from mlsign.signers.timestamp import TimestampingSigner

        signer = TimestampingSigner(signer, url=request.timestamp_url)
    return signer


def _check(request: SignerRequest) -> None:
    named = [
        name
        for name, value in (("--key", request.key), ("--pkcs11", request.pkcs11), ("--keyless", request.keyless))
        if value is not None
    ]
    if len(named) != 1:
        raise InputError(
            f"{' and '.join(named)} say twice who signs" if named else "nothing says who signs",
            code="usage.signer",
            hint="give exactly one of --key FILE, --pkcs11 URI and --keyless",
        )
    astray = {
        "--certificate": request.certificate if request.keyless is not None else None,
        "--timestamp-url": request.timestamp_url if request.keyless is not None else None,
        "--chain": request.chain if request.certificate is None and request.chain else None,
        "--pin-file": request.pin_file if request.pkcs11 is None else None,
        "--pkcs11-module": request.module if request.pkcs11 is None else None,
    }
    for name, value in astray.items():
        if value is not None:
            raise InputError(f"{name} does not go with {named[0]}", code="usage.signer", hint="leave it out")
