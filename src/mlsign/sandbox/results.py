"""Results to files: ``.npz``, ``.npy``, ``.json`` and ``.csv``, whole or not at all.

A file appears under its name by one rename, after everything was written and synced; what stood there
before stays until then. Elements that numpy has no name for are written as their bits, as they are handed out; an optional
that holds nothing is null in .json, and has no place in the others.

Texts are the model's words, and a model may be hostile: a cell of a .csv that starts with ``=``, ``+``, ``-``,
``@``, a tab or a carriage return is a formula to a spreadsheet. They are written as they are, because a score
that was altered in silence is worse; open such files with readers of data, or write .json.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
import secrets
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

import numpy as np

from mlsign.errors import InputError, OutsideError, shown
from mlsign.limits import MIB
from mlsign.sandbox.arrays import Array, Result

MAX_TEXT_BYTES: Final = 512 * MIB
"""Of one output of texts in .npy and .npz, where every text takes as much as the longest, at four bytes a character."""

MAX_PLAIN_OBJECTS: Final = 32 * MIB
"""Of one output in .json and .csv, where every element, and every list around one, is an object of its own."""

_ROOTED: Final = re.compile(r"[/\\]|[A-Za-z]:")
"""Where a path starts that is not below the folder an archive is unpacked in."""


def write_results(path: Path, results: Mapping[str, Result]) -> None:
    """The results are in the file, in the format its name ends in.

    Raises ``InputError`` (``output.format``, ``output.kind``) where the format cannot hold them, before anything
    is written, and ``OutsideError`` (``output.unwritable``).
    """
    check_output_format(path)
    _write_whole(path, WRITERS[path.suffix.lower()](results))


def check_output_format(path: Path) -> None:
    """The file name ends in a format that is written here: to be asked before hours of scoring, not after.

    Raises ``InputError`` (``output.format``).
    """
    if path.suffix.lower() not in WRITERS:
        raise InputError(
            f"{shown(path.name)} has no format that is written here, name it {', '.join(WRITERS)}",
            code="output.format",
            expected=" ".join(WRITERS),
            found=shown(path.suffix),
        )


def _write_whole(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as err:
        raise OutsideError(f"{shown(path)} cannot be written: {err.strerror}", code="output.unwritable") from err


def _unfit(name: str, what: str, format_name: str) -> NoReturn:
    raise InputError(
        f"output {shown(name)} is {what}, which {format_name} cannot hold, write .json", code="output.kind", where=shown(name)
    )


def _plain(name: str, value: Result, format_name: str) -> Array:
    """The array of an output, texts as fixed-width unicode: object arrays would be pickled."""
    if not isinstance(value, np.ndarray):
        _unfit(name, "nothing" if value is None else "a sequence or a map", format_name)
    if not value.dtype.hasobject:
        return value
    texts = value.reshape(-1).tolist()
    widest = max(map(len, texts), default=0)
    if 4 * widest * len(texts) > MAX_TEXT_BYTES:
        _unfit(name, f"{len(texts)} texts of up to {widest} characters", format_name)
    if any(text.endswith("\0") for text in texts):
        _unfit(name, "texts of which one ends in a zero character", format_name)  # which numpy takes for padding
    return value.astype(str)


def _npy(array: Array) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def encode_npy(results: Mapping[str, Result]) -> bytes:
    """The only output. Raises ``InputError`` (``output.kind``) for several."""
    if len(results) != 1:
        raise InputError(f"an .npy holds one array, the model gives {shown(', '.join(results))}, write .npz", code="output.kind")
    ((name, value),) = results.items()
    return _npy(_plain(name, value, ".npy"))


def encode_npz(results: Mapping[str, Result]) -> bytes:
    """One member for each output; equal results give equal bytes."""
    arrays = {name: _plain(name, value, ".npz") for name, value in results.items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", allowZip64=True) as archive:
        for name, array in arrays.items():
            # For those who unpack it with other tools; a zero character would end the name, and two outputs be one.
            if ".." in name.replace("\\", "/").split("/") or _ROOTED.match(name) or "\0" in name:
                _unfit(name, "named like a path out of the archive", ".npz")
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _npy(array))
    return stream.getvalue()


def encode_results_json(results: Mapping[str, Result]) -> bytes:
    """``{"outputs": {name: lists}}``; numbers that JSON lacks are the strings NaN, Infinity and -Infinity."""
    document = {"outputs": {name: _jsonable(name, value) for name, value in results.items()}}
    return (json.dumps(document, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def _check_plain(name: str, array: Array, format_name: str) -> None:
    """Elements of one byte, each in thirty lists, would take a thousand times their memory. Raises ``InputError``."""
    objects = sum(math.prod(array.shape[:axis]) for axis in range(1, array.ndim + 1))
    if objects > MAX_PLAIN_OBJECTS:
        message = f"output {shown(name)} has too many elements for {format_name}, write .npz"
        raise InputError(message, code="output.kind", where=shown(name), found=shown(array.shape))


def _jsonable(name: str, value: Any) -> Any:
    if isinstance(value, complex) or (isinstance(value, np.ndarray) and value.dtype.kind == "c"):
        raise InputError(
            f"output {shown(name)} is complex, which .json cannot hold, write .npz", code="output.kind", where=shown(name)
        )
    if isinstance(value, np.ndarray):
        _check_plain(name, value, ".json")
        finite = value.dtype.kind != "f" or bool(np.isfinite(value).all())
        return value.tolist() if finite else _jsonable(name, value.tolist())
    if isinstance(value, list):
        return [_jsonable(name, item) for item in value]
    if isinstance(value, dict):
        return {str(key): _jsonable(name, item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def encode_csv(results: Mapping[str, Result]) -> bytes:
    """One line for each row; an output of several columns becomes ``name.0``, ``name.1``, a map ``name.key``."""
    columns: dict[str, list[Any]] = {}
    for name, value in results.items():
        found = _csv_columns(name, value)
        if twice := columns.keys() & found.keys():
            column = shown(min(twice))
            raise InputError(f"two outputs make a column {column}, write .npz or .json", code="output.kind", where=shown(name))
        columns.update(found)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise InputError("the outputs have different numbers of rows, write .npz or .json", code="output.kind")
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return stream.getvalue().encode("utf-8")


def _csv_columns(name: str, value: Result) -> dict[str, list[Any]]:
    if isinstance(value, np.ndarray):
        _check_plain(name, value, ".csv")
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return {name: _column(value)}
    if isinstance(value, np.ndarray) and value.ndim == 2:
        if value.shape[1] == 1:
            return {name: _column(value[:, 0])}
        return {f"{name}.{index}": _column(value[:, index]) for index in range(value.shape[1])}
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        rows: list[dict[Any, Any]] = [row for row in value if isinstance(row, dict)]
        if all(row.keys() == rows[0].keys() for row in rows):
            return {f"{name}.{key}": [row[key] for row in rows] for key in rows[0]}
    _unfit(name, "neither rows nor columns", ".csv")


def _column(value: Array) -> list[Any]:
    """Numbers in the shortest spelling that reads back as the same value of their own type, not of a wider one."""
    return [str(item) for item in value] if value.dtype.kind == "f" else list(value.tolist())


WRITERS: Final[Mapping[str, Callable[[Mapping[str, Result]], bytes]]] = MappingProxyType(
    {".npz": encode_npz, ".npy": encode_npy, ".json": encode_results_json, ".csv": encode_csv}
)
