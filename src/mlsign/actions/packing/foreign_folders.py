"""Folders that were named in place of a model: what they are, by a bounded look at the names in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.onnx.insides import folder_format

_MAX_NAMES: Final = 1000
_LOOKED_INTO: Final = ("metadata", "Data")
"""Where Spark and Core ML keep what tells them."""


def refusal_of_folder(path: Path) -> InputError | None:
    """``file.kind`` for a folder that another tool made of a model; None where nothing tells, or it cannot be listed."""
    known = folder_format(_names(path))
    if known is None:
        return None
    return InputError(f"is {known.what}, not an ONNX file", code="file.kind", where=shown(path), hint=known.hint)


def _names(folder: Path) -> Iterator[str]:
    for prefix in ("", *(f"{name}/" for name in _LOOKED_INTO)):
        try:
            with os.scandir(folder / prefix) as entries:
                yield from (f"{prefix}{entry.name}" for entry in islice(entries, _MAX_NAMES))
        except OSError:
            continue
