"""Signing with an elliptic-curve key that never leaves its token: smart cards, security keys, HSMs, SoftHSM (PKCS #11 2.20).

Owns the module, the session and the one login. Where a module and a PIN come from is decided by the caller. A wrong PIN
is never tried again: tokens lock after a few.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pkcs11
from pkcs11 import Attribute, CertificateType, KeyType, Mechanism, ObjectClass, PKCS11Error, TokenFlag
from pkcs11.util.ec import encode_ecdsa_signature
from pkcs11.util.x509 import decode_x509_public_key

from mlsign.errors import InputError, OutsideError, TrustError, shown
from mlsign.formats.bundle import Bundle, Material
from mlsign.formats.dsse import IN_TOTO_TYPE, Envelope, pre_authentication_encoding
from mlsign.identity import KeyIdentity, Method
from mlsign.signers.pkcs11_answers import explain_answer, pin_is_locked, pin_is_unset
from mlsign.signers.pkcs11_uri import Pkcs11Uri
from mlsign.trust.keys import PublicKey, decode_public_point, hash_message, verify_signature
from mlsign.trust.root import TrustRoot

_MAX_OBJECTS: Final = 1000
"""Objects looked at in one search; cards hold dozens."""
_MAX_LISTED: Final = 8
_RAW_BYTES: Final = {"EC P-256": 64, "EC P-384": 96, "EC P-521": 132}
"""CKM_ECDSA: two integers of the length of the order (PKCS #11 2.40, section 2.3.1)."""
_POINT_BYTES: Final = (65, 97, 133)
"""Uncompressed points of the three curves (SEC 1, section 2.3.3)."""

_users: dict[str, int] = {}
_lock: Final = threading.Lock()


class Pkcs11Signer:
    """Signs with one key on a token, while it is open. Closing logs out; a closed one signs nothing."""

    def __init__(self, *, key: Any, public: PublicKey, where: str, pin: str | None, resources: contextlib.ExitStack) -> None:
        self._key = key
        self._where = where
        self._pin = pin
        self._resources: contextlib.ExitStack | None = resources
        self.public = public

    material = Material()

    @property
    def identity(self) -> KeyIdentity:
        return self.public.identity

    @property
    def trust(self) -> TrustRoot:
        return TrustRoot(keys=(self.public,))

    def sign(self, payload: bytes) -> Bundle:
        """A bundle over the payload, whose signature was verified here before it is given out.

        Raises ``OutsideError`` (``pkcs11.closed``, ``pkcs11.signature``, ``pkcs11.removed``, ``pkcs11.failed``) and
        ``InputError`` (``pkcs11.key_usage``, and those of the PIN for keys that want it with each signature).
        """
        if self._resources is None:
            raise OutsideError("the session with the token is closed", code="pkcs11.closed", where=self._where)
        message = pre_authentication_encoding(IN_TOTO_TYPE, payload)
        again = {} if self._pin is None else {"pin": self._pin}
        with _translated(self._where):
            raw = self._key.sign(hash_message(self.public, message), mechanism=Mechanism.ECDSA, **again)
        signature = self._checked(raw, message=message)
        envelope = Envelope(payload_type=IN_TOTO_TYPE, unauthenticated_payload=payload, signature=signature)
        return Bundle(method=Method.KEY, key_hint=self.public.hint, envelope=envelope)

    def _checked(self, raw: bytes, *, message: bytes) -> bytes:
        # A length that no such key makes has no halves to speak of, and the empty signature verifies nowhere.
        signature: bytes = encode_ecdsa_signature(raw) if len(raw) == _RAW_BYTES[self.identity.kind] else b""
        try:
            verify_signature(self.public, message=message, signature=signature)
        except TrustError as err:
            raise OutsideError(
                "the token made a signature that its own public key does not verify, so nothing was written",
                code="pkcs11.signature",
                where=self._where,
                hint="the public key or certificate beside the private key may belong to another one; otherwise the token is broken",
            ) from err
        return signature

    def close(self) -> None:
        """Logs out, closes the session and lets the module go; a second call does nothing."""
        resources, self._resources, self._pin = self._resources, None, None
        if resources is not None:
            resources.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def open_pkcs11(uri: Pkcs11Uri, *, module: Path, ask_pin: Callable[[], bytes]) -> Pkcs11Signer:
    """A signer with the one key that the URI names; ``ask_pin`` is called once, after exactly one token was found.

    Raises ``InputError`` (``pkcs11.token``, ``pkcs11.pin…``, ``pkcs11.key…``, ``key.kind``, ``key.point``) and
    ``OutsideError`` (``pkcs11.module``, ``pkcs11.busy``, ``pkcs11.removed``, ``pkcs11.failed``); the session is closed then.
    """
    with contextlib.ExitStack() as stack:
        library = stack.enter_context(_loaded(module))
        with _translated(str(module)):
            token = _find_token(library, uri)
        where = f"token {shown(token.label)}"
        pin = _read_pin(token, ask_pin, where=where)
        session = _log_in(token, pin, where=where)
        stack.callback(_close, session)
        with _translated(where):
            key = _find_key(session, uri, where=where)
            public = _public_of(session, key, where=where)
            if Mechanism.ECDSA not in token.slot.get_mechanisms():
                raise InputError("the token cannot sign a hash with ECDSA (CKM_ECDSA)", code="pkcs11.key_usage", where=where)
            always = bool(_attribute(key, Attribute.ALWAYS_AUTHENTICATE))
        resources = stack.pop_all()
    return Pkcs11Signer(key=key, public=public, where=where, pin=pin if always else None, resources=resources)


@contextlib.contextmanager
def _loaded(module: Path) -> Iterator[Any]:
    """The module, initialised. The last user finalises it, which ends every session, those of failed logins too."""
    path = str(module)
    with _lock:
        try:
            library = pkcs11.lib(path)
        except PKCS11Error as err:
            raise OutsideError(
                f"cannot be used as a PKCS #11 module: {shown(err) or type(err).__name__}",
                code="pkcs11.module",
                where=path,
                hint="name the library that came with the token, such as /usr/lib/softhsm/libsofthsm2.so",
            ) from err
        _users[path] = _users.get(path, 0) + 1
    try:
        yield library
    finally:
        with _lock:
            _users[path] -= 1
            if not _users[path]:
                with contextlib.suppress(PKCS11Error):  # a module that cannot even end has nothing left to close
                    library.finalize()


def _close(session: Any) -> None:
    with contextlib.suppress(PKCS11Error):  # a token that was pulled out has closed it already
        session.close()


def _find_token(library: Any, uri: Pkcs11Uri) -> Any:
    tokens = []
    for slot in library.get_slots(token_present=True):
        with contextlib.suppress(pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised):
            tokens.append(slot.get_token())
    # A slot without an initialised token (SoftHSM has one always) is nobody's token.
    tokens = [token for token in tokens if token.flags & TokenFlag.TOKEN_INITIALIZED]
    matching = [token for token in tokens if _is_wanted(uri, library, token)]
    if len(matching) != 1:
        raise InputError(
            f"the URI matches {len(matching)} tokens, expected one",
            code="pkcs11.token",
            where=shown(library.so),
            found=_listed(f"token={t.label} serial={_serial(t)}" for t in (matching or tokens)) or "no token at all",
            hint="name the token by token=LABEL and, where labels repeat, serial=NUMBER",
        )
    return matching[0]


def _is_wanted(uri: Pkcs11Uri, library: Any, token: Any) -> bool:
    slot = token.slot
    pairs = (
        (uri.token, token.label),
        (uri.manufacturer, token.manufacturer_id),
        (uri.serial, _serial(token)),
        (uri.model, token.model),
        (uri.slot_id, slot.slot_id),
        (uri.slot_manufacturer, slot.manufacturer_id),
        (uri.slot_description, slot.slot_description),
        (uri.library_manufacturer, library.manufacturer_id),
        (uri.library_description, library.library_description),
        (uri.library_version, library.library_version),
    )
    return all(wanted is None or wanted == seen for wanted, seen in pairs)


def _serial(token: Any) -> str:
    return bytes(token.serial).decode("utf-8", errors="replace").rstrip("\0 ")


def _read_pin(token: Any, ask_pin: Callable[[], bytes], *, where: str) -> str:
    if token.flags & TokenFlag.USER_PIN_LOCKED:
        raise pin_is_locked(where=where)
    if not token.flags & TokenFlag.USER_PIN_INITIALIZED:
        raise pin_is_unset(where=where)
    pin = ask_pin()
    if not pin:
        raise InputError("the PIN is empty", code="pkcs11.pin", where=where)
    try:
        return pin.decode("utf-8")
    except UnicodeDecodeError as err:
        raise InputError("the PIN is not UTF-8, as PKCS #11 wants it", code="pkcs11.pin", where=where) from err


def _log_in(token: Any, pin: str, *, where: str) -> Any:
    try:
        with _translated(where):
            return token.open(user_pin=pin)
    except InputError as err:
        if err.code == "pkcs11.pin_wrong" and _now_locked(token):
            raise pin_is_locked(where=where) from err
        raise


def _now_locked(token: Any) -> bool:
    try:
        return bool(token.slot.get_token().flags & TokenFlag.USER_PIN_LOCKED)
    except PKCS11Error:
        return False


def _find_key(session: Any, uri: Pkcs11Uri, *, where: str) -> Any:
    private = _objects(session, {Attribute.CLASS: ObjectClass.PRIVATE_KEY}, where=where)
    matching = [
        key
        for key in private
        if (uri.key_label is None or _attribute(key, Attribute.LABEL) == uri.key_label)
        and (uri.key_id is None or _attribute(key, Attribute.ID) == uri.key_id)
    ]
    if len(matching) != 1:
        raise InputError(
            f"the URI matches {len(matching)} private keys, expected one",
            code="pkcs11.key",
            where=where,
            found=_listed(map(_named, matching or private)) or "no private key at all",
            hint="name the key by object=LABEL, id=%HH%HH, or both",
        )
    key = matching[0]
    if _attribute(key, Attribute.KEY_TYPE) is not KeyType.EC:
        raise InputError(
            "is not an elliptic-curve key",
            code="pkcs11.key_kind",
            where=f"{where}, {_named(key)}",
            hint="use a key on P-256, P-384 or P-521",
        )
    if not _attribute(key, Attribute.SIGN):
        raise InputError("may not be used for signing (CKA_SIGN)", code="pkcs11.key_usage", where=f"{where}, {_named(key)}")
    return key


def _public_of(session: Any, key: Any, *, where: str) -> PublicKey:
    """The public half: of the public object beside the key, else of its certificate. What it says is proven by signing."""
    key_id, label = _attribute(key, Attribute.ID), _attribute(key, Attribute.LABEL)
    beside: dict[Attribute, Any] = {Attribute.ID: key_id} if key_id else {Attribute.LABEL: label}
    where = f"{where}, {_named(key)}"
    found = set()
    for public in _objects(session, beside | {Attribute.CLASS: ObjectClass.PUBLIC_KEY}, where=where):
        if _attribute(public, Attribute.KEY_TYPE) is KeyType.EC:
            parameters, point = _attribute(public, Attribute.EC_PARAMS), _attribute(public, Attribute.EC_POINT)
            found.add(
                decode_public_point(parameters=bytes(parameters or b""), point=_unwrapped(bytes(point or b"")), where=where)
            )
    if not found:
        template = beside | {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509}
        for certificate in _objects(session, template, where=where):
            found.add(_public_of_certificate(bytes(_attribute(certificate, Attribute.VALUE) or b""), where=where))
    if len(found) != 1:
        raise InputError(
            f"{len(found)} different public keys lie beside the private key, expected one",
            code="pkcs11.public",
            where=where,
            hint="store the public key or the certificate on the token, with the id of the private key",
        )
    return found.pop()


def _public_of_certificate(der: bytes, *, where: str) -> PublicKey:
    try:
        attributes = decode_x509_public_key(der)
        parameters, point = attributes[Attribute.EC_PARAMS], attributes[Attribute.EC_POINT]
    except (ValueError, TypeError, KeyError) as err:
        raise InputError(
            "lies beside a certificate without a readable elliptic-curve key", code="pkcs11.public", where=where
        ) from err
    return decode_public_point(parameters=parameters, point=_unwrapped(point), where=where)


def _unwrapped(point: bytes) -> bytes:
    """CKA_EC_POINT is the point in a DER OCTET STRING; tokens of older versions give the point itself."""
    for size in _POINT_BYTES:
        header = bytes((4, size)) if size < 128 else bytes((4, 0x81, size))
        if len(point) == len(header) + size and point.startswith(header):
            return point[len(header) :]
    return point


def _objects(session: Any, template: dict[Attribute, Any], *, where: str) -> list[Any]:
    found: list[Any] = []
    for item in session.get_objects(template):
        if len(found) == _MAX_OBJECTS:
            raise InputError(f"has more than {_MAX_OBJECTS} objects of one class", code="pkcs11.key", where=where)
        found.append(item)
    return found


def _attribute(item: Any, attribute: Attribute) -> Any:
    """The value, or None where the token has or shows none."""
    try:
        return item[attribute]
    except (pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive, KeyError, ValueError):
        return None


def _named(key: Any) -> str:
    key_id = _attribute(key, Attribute.ID) or b""
    return f"object={_attribute(key, Attribute.LABEL)!s} id={bytes(key_id).hex(' ') or 'none'}"


def _listed(names: Iterator[str]) -> str:
    every = list(names)
    more = f" and {len(every) - _MAX_LISTED} more" if len(every) > _MAX_LISTED else ""
    return "; ".join(shown(name, limit=80) for name in every[:_MAX_LISTED]) + more


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    try:
        yield
    except PKCS11Error as err:
        raise explain_answer(type(err).__name__, detail=str(err), where=where) from err
