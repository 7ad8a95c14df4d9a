"""The trust roots inside the installed ``sigstore`` package, found without importing it.

The package has a folder for each instance, named by the address of its TUF repository. Which is which is written in
one of its modules; that line is read as text, because importing it would take a quarter of a second.
"""

from __future__ import annotations

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from mlsign.errors import OutsideError, shown
from mlsign.limits import KIB, MIB

PUBLIC_GOOD: Final = "public-good"
_CONSTANTS: Final = {PUBLIC_GOOD: "DEFAULT_TUF_URL", "staging": "STAGING_TUF_URL"}
INSTANCES: Final = tuple(_CONSTANTS)
MAX_EMBEDDED_BYTES: Final = 4 * MIB
_MAX_SOURCE_BYTES: Final = 256 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The files of one instance in the installed package: where they lie, whose version, and its repository."""

    folder: Path
    version: str
    url: str

    def read(self, name: str) -> bytes:
        """The bytes of ``root.json``, ``trusted_root.json`` or ``signing_config.v0.2.json``. Raises ``OutsideError``."""
        return _read(self.folder / name, max_bytes=MAX_EMBEDDED_BYTES)


def find_embedded(instance: str) -> Embedded:
    """What the installed ``sigstore`` has of this instance. Raises ``OutsideError`` (``trust.embedded``)."""
    spec = importlib.util.find_spec("sigstore")
    places = (spec.submodule_search_locations or []) if spec is not None else []
    if not places:
        raise OutsideError(
            "the package sigstore, which brings the trust root of this instance, is not installed",
            code="trust.embedded",
            where=instance,
            hint="install mlsign again with everything it asks for, or name a trust root file",
        )
    package = Path(next(iter(places)))
    url = _literal(package / "_internal" / "tuf.py", _CONSTANTS[instance])
    return Embedded(
        folder=package / "_store" / quote(url, safe=""), version=_literal(package / "__init__.py", "__version__"), url=url
    )


def _literal(path: Path, name: str) -> str:
    source = _read(path, max_bytes=_MAX_SOURCE_BYTES)
    found = re.findall(rb'^%s = "([!-~]{1,200})"$' % name.encode("ascii"), source, re.MULTILINE)
    if len(found) != 1:
        raise _unknown(path, f"does not say what {name} is")
    return bytes(found[0]).decode("ascii")


def _read(path: Path, *, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as err:
        raise _unknown(path, f"cannot be read: {err.strerror}") from err
    if not 0 < len(data) <= max_bytes:
        raise _unknown(path, f"is empty or has more than {max_bytes} bytes")
    return data


def _unknown(path: Path, message: str) -> OutsideError:
    return OutsideError(
        message,
        code="trust.embedded",
        where=shown(path),
        hint="the installed sigstore package is broken or of a version that is not known: install the one that mlsign asks for",
    )
