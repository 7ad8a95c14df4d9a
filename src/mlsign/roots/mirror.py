"""The files of a repository in a folder, to be carried to another machine; ``refresh`` reads it there."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlsign.errors import InputError, OutsideError, shown


def write_mirror(folder: Path, files: dict[str, bytes]) -> None:
    """A new folder with these files. Raises ``InputError`` (``output.exists``), ``OutsideError`` (``disk.write``)."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError as err:
        raise InputError("is already there", code="output.exists", where=shown(folder), hint="choose another name") from err
    except OSError as err:
        raise _unwritten(err, folder) from err
    try:
        for path, data in files.items():
            place = folder / path
            place.parent.mkdir(exist_ok=True)
            with place.open("xb") as file:
                file.write(data)
    except OSError as err:
        shutil.rmtree(folder, ignore_errors=True)
        raise _unwritten(err, folder) from err


def _unwritten(err: OSError, folder: Path) -> OutsideError:
    return OutsideError(
        f"cannot be written: {err.strerror}",
        code="disk.write",
        where=shown(folder),
        hint="free some space or choose another place",
    )
