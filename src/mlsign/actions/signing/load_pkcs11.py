"""Load a signer from a token: which module, which PIN, then the one key that the URI names."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.errors import InputError, OutsideError, shown, shown_path
from mlsign.limits import DEFAULT, KIB, Limits
from mlsign.package.read import read_user_file
from mlsign.signers.pkcs11_uri import Pkcs11Uri, decode_pkcs11_uri

if TYPE_CHECKING:
    from mlsign.signers.pkcs11 import Pkcs11Signer

_MODULE_VARIABLE: Final = "MLSIGN_PKCS11_MODULE"
_PIN_VARIABLE: Final = "MLSIGN_PKCS11_PIN"
_MAX_PIN_FILE_BYTES: Final = 4 * KIB
_FILE: Final = "file:"


def load_pkcs11(
    uri: str,
    *,
    module: Path | None,
    ask_pin: Callable[[], bytes],
    pin_file: Path | None = None,
    limits: Limits = DEFAULT,
) -> Pkcs11Signer:
    """An open signer; the caller closes it, best by ``with``.

    The module is ``module`` or the URI's ``module-path``, else the environment's ``MLSIGN_PKCS11_MODULE``. The PIN is in
    ``pin_file`` or the URI's ``pin-source``, else in the environment's ``MLSIGN_PKCS11_PIN``, else ``ask_pin`` is called:
    once, and only after exactly one token was found. Raises ``InputError`` (``pkcs11.…``, ``pin.…``, ``key.kind``,
    ``key.point``) and ``OutsideError`` (``pkcs11.…``, ``file.read``).
    """
    wanted = decode_pkcs11_uri(uri)
    path = _module(wanted, module)
    source = _pin_source(wanted, pin_file)
    try:
        from mlsign.signers.pkcs11 import open_pkcs11
    except ImportError as err:
        if (err.name or "").partition(".")[0] not in {"pkcs11", "asn1crypto"}:
            raise
        raise OutsideError(
            "keys on tokens need the package python-pkcs11, which is not installed",
            code="pkcs11.binding",
            hint="pip install 'mlsign[pkcs11]'",
        ) from err

    def pin() -> bytes:
        if source is not None:
            return _read_pin(source, limits=limits)
        given = os.environ.get(_PIN_VARIABLE)
        return ask_pin() if given is None else os.fsencode(given)

    return open_pkcs11(wanted, module=path, ask_pin=pin)


def _module(uri: Pkcs11Uri, given: Path | None) -> Path:
    """The one module that is meant, which must be a file: a name alone would be looked for in places nobody named."""
    named = None if uri.module_path is None else Path(uri.module_path)
    if given is not None and named is not None and given != named:
        raise _no_module("differs from the module-path of the URI", where=str(given), found=str(named))
    ambient = os.environ.get(_MODULE_VARIABLE)
    path = given or named or (Path(ambient) if ambient else None)
    if path is None:
        raise _no_module("no PKCS #11 module is named", where="the PKCS #11 URI", found=f"module-name={uri.module_name or ''}")
    if not path.is_absolute():
        raise _no_module("is no absolute path", where=str(path))
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as err:
        raise _no_module("is not there, or cannot be looked at", where=str(path), found=type(err).__name__) from err
    if not stat.S_ISREG(mode):
        raise _no_module("is no regular file", where=str(path))
    if uri.module_name is not None and uri.module_name not in {path.name, path.name.removeprefix("lib").partition(".")[0]}:
        raise _no_module("is not the module that the URI names", where=str(path), found=f"module-name={uri.module_name}")
    return path


def _no_module(message: str, *, where: str, found: str = "") -> InputError:
    return InputError(
        message,
        code="pkcs11.module",
        where=shown_path(where),
        expected="the absolute path of a PKCS #11 library",
        found=shown(found),
        hint=f"give module-path=/PATH in the URI (after a ?), --pkcs11-module FILE, or set {_MODULE_VARIABLE}",
    )


def _pin_source(uri: Pkcs11Uri, pin_file: Path | None) -> Path | None:
    if uri.pin_source is None:
        return pin_file
    if pin_file is not None:
        raise InputError(
            "both the URI and --pin-file say where the PIN is", code="pkcs11.pin", where="pin-source", hint="keep one of the two"
        )
    # RFC 8089: file:/path or file:///path. What a command prints or a server answers is nobody's PIN.
    path = uri.pin_source.removeprefix(_FILE)
    path = path.removeprefix("//") if path.startswith("///") else path
    if not uri.pin_source.startswith(_FILE) or not path.startswith("/") or path.startswith("//") or "%" in path:
        raise InputError(
            "is not file: and an absolute path",
            code="pkcs11.pin",
            where="pin-source",
            hint="write pin-source=file:/etc/token_pin, or use --pin-file",
        )
    return Path(path)


def _read_pin(path: Path, *, limits: Limits) -> bytes:
    data, _ = read_user_file(path, max_bytes=min(_MAX_PIN_FILE_BYTES, limits.max_key_bytes), what="pin", secret=True)
    pin = data.removesuffix(b"\n").removesuffix(b"\r")
    if not pin or any(byte in pin for byte in b"\0\r\n"):
        # A wrong PIN costs one of a few attempts, so a file that holds something else is not tried.
        raise InputError(
            "is not one line with a PIN",
            code="pkcs11.pin",
            where=str(path),
            hint="the file holds the PIN alone, with or without a newline",
        )
    return pin
