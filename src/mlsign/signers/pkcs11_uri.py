"""PKCS #11 URIs (RFC 7512): which token, which key on it, which module talks to it. No PIN stands in one here.

Pure: nothing is looked up. Stricter than the RFC where that costs nobody anything: vendor attributes, empty values
and repeated attributes are refused, so that no part of what was written is left unread.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mlsign.errors import InputError, shown

SCHEME: Final = "pkcs11:"
MAX_URI_CHARS: Final = 4096
_PATH: Final = frozenset(
    {
        "token",
        "manufacturer",
        "serial",
        "model",
        "object",
        "id",
        "type",
        "slot-id",
        "slot-manufacturer",
        "slot-description",
        "library-manufacturer",
        "library-description",
        "library-version",
    }
)
_QUERY: Final = frozenset({"pin-source", "module-path", "module-name"})
_NO_PIN_HERE: Final = frozenset({"pin-value"})
# RFC 7512, section 2.3: pk11-pchar and pk11-qchar.
_PATH_VALUE: Final = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=&-]|%[0-9A-Fa-f]{2})+")
_QUERY_VALUE: Final = re.compile(r"(?:[A-Za-z0-9._~:\[\]@!$'()*+,=/?|-]|%[0-9A-Fa-f]{2})+")
_ESCAPE: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_VERSION: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?")
_SLOT: Final = re.compile(r"[0-9]{1,20}")
_EXAMPLE: Final = "write pkcs11:token=LABEL;object=KEY, with %20 for a blank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Uri:
    """What a URI asks for; None where it does not care. ``key_id`` is CKA_ID, ``key_label`` is CKA_LABEL."""

    token: str | None = None
    manufacturer: str | None = None
    serial: str | None = None
    model: str | None = None
    key_label: str | None = None
    key_id: bytes | None = None
    slot_id: int | None = None
    slot_manufacturer: str | None = None
    slot_description: str | None = None
    library_manufacturer: str | None = None
    library_description: str | None = None
    library_version: tuple[int, int] | None = None
    module_path: str | None = None
    module_name: str | None = None
    pin_source: str | None = None


def decode_pkcs11_uri(text: str) -> Pkcs11Uri:
    """The parts of a URI.

    Raises ``InputError``: ``pkcs11.pin`` for a PIN inside it, ``pkcs11.type`` when it names something that does not
    sign, else ``pkcs11.uri``. No message repeats a value, which may be a PIN in the wrong place.
    """
    if not text.startswith(SCHEME):
        raise InputError(f"is no PKCS #11 URI, which starts with {SCHEME}", code="pkcs11.uri", hint=_EXAMPLE)
    if len(text) > MAX_URI_CHARS:
        raise _wrong(f"has {len(text)} characters, at most {MAX_URI_CHARS} are read")
    path, question, query = text.removeprefix(SCHEME).partition("?")
    values: dict[str, str] = {}
    for names, form, parts in (
        (_PATH, _PATH_VALUE, path.split(";") if path else []),
        (_QUERY, _QUERY_VALUE, query.split("&") if question else []),
    ):
        for name, value in _attributes(parts, names=names, form=form):
            if name in values:
                raise _wrong("is given twice", where=name)
            values[name] = value
    return _build(values)


def _attributes(parts: list[str], *, names: frozenset[str], form: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for part in parts:
        name, equals, value = part.partition("=")
        if name in _NO_PIN_HERE:
            raise InputError(
                "a PIN never stands in an argument, where every process of this machine can read it",
                code="pkcs11.pin",
                where=name,
                hint="use --pin-file FILE, the environment variable MLSIGN_PKCS11_PIN, or type it when asked",
            )
        if name not in names:
            raise _wrong(f"is no attribute of this part of a URI, expected one of {', '.join(sorted(names))}", where=shown(name))
        if not equals or not value:
            raise _wrong("has no value", where=name)
        if not form.fullmatch(value):
            raise _wrong("has a character that must be written as % and two hexadecimal digits", where=name)
        yield name, value


def _build(values: dict[str, str]) -> Pkcs11Uri:
    if _text(values, "type") not in {None, "private"}:
        raise InputError(
            "names something other than a private key, which alone can sign",
            code="pkcs11.type",
            where="type",
            expected="private",
            found=shown(values["type"]),
            hint="leave type away, or write type=private",
        )
    key_id = values.get("id")
    return Pkcs11Uri(
        token=_text(values, "token"),
        manufacturer=_text(values, "manufacturer"),
        serial=_text(values, "serial"),
        model=_text(values, "model"),
        key_label=_text(values, "object"),
        key_id=None if key_id is None else _unescape(key_id),
        slot_id=_slot(values),
        slot_manufacturer=_text(values, "slot-manufacturer"),
        slot_description=_text(values, "slot-description"),
        library_manufacturer=_text(values, "library-manufacturer"),
        library_description=_text(values, "library-description"),
        library_version=_version(values),
        module_path=_text(values, "module-path"),
        module_name=_text(values, "module-name"),
        pin_source=_text(values, "pin-source"),
    )


def _text(values: dict[str, str], name: str) -> str | None:
    if name not in values:
        return None
    try:
        text = _unescape(values[name]).decode("utf-8")
    except UnicodeDecodeError as err:
        raise _wrong("is not UTF-8", where=name) from err
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise _wrong("has a control character", where=name)
    return text


def _slot(values: dict[str, str]) -> int | None:
    if "slot-id" not in values:
        return None
    if not _SLOT.fullmatch(values["slot-id"]):
        raise _wrong("is not a decimal number", where="slot-id")
    return int(values["slot-id"])


def _version(values: dict[str, str]) -> tuple[int, int] | None:
    if "library-version" not in values:
        return None
    match = _VERSION.fullmatch(values["library-version"])
    if match is None:
        raise _wrong("is not a version such as 2 or 2.40", where="library-version")
    return int(match[1]), int(match[2] or 0)


def _unescape(value: str) -> bytes:
    # Every character that is left is ASCII, and every escape was found to be complete.
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), value).encode("latin-1")


def _wrong(message: str, *, where: str = "") -> InputError:
    return InputError(message, code="pkcs11.uri", where=where or "the PKCS #11 URI", hint=_EXAMPLE)
