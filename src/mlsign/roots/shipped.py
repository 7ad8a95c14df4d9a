"""The files that travel with mlsign: operator sets, policies and schemas.

An installed package carries them inside; a source checkout has them at the top of the repository.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsign.errors import OutsideError

_PACKAGE: Final = Path(__file__).resolve().parent.parent


def shipped_folder(name: str) -> Path:
    """The folder ``policies`` or ``schemas``. Raises ``OutsideError`` (``install.incomplete``)."""
    installed = _PACKAGE / "shipped" / name
    if installed.is_dir():
        return installed
    checkout = _PACKAGE.parent.parent / name
    if _PACKAGE.parent.name == "src" and checkout.is_dir():
        return checkout
    raise OutsideError(
        f"the folder {name} that belongs to mlsign is missing",
        code="install.incomplete",
        where=str(installed),
        hint="install mlsign again",
    )


def read_shipped(folder: str, pattern: str) -> dict[str, bytes]:
    """The files of a shipped folder that match, by their path in it."""
    root = shipped_folder(folder)
    try:
        return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.glob(pattern))}
    except OSError as err:
        raise OutsideError(f"cannot be read: {err.strerror}", code="install.incomplete", where=str(root)) from err
