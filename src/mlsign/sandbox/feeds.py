"""Files to feeds: ``.npz``, ``.npy``, ``.json`` and ``.csv``, read once, with caps, never unpickled.

What comes out is still to be held against the model by ``tensors.check_feeds``; only where a format has no
types of its own (JSON, CSV) the model's are used. Writing results is ``results``.
"""

from __future__ import annotations

import ast
import contextlib
import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from mlsign.errors import InputError, OutsideError, shown
from mlsign.interface import ValueSpec
from mlsign.limits import DEFAULT, Limits
from mlsign.sandbox.arrays import Array, Result
from mlsign.sandbox.feeds_text import read_csv, read_json
from mlsign.sandbox.tensors import describe_inputs

MAX_MEMBERS: Final = 10_000
"""Of an .npz: no model has this many inputs."""

MAX_HEADER_BYTES: Final = 10_000
"""Of an .npy, as numpy itself has it: the header is read as a Python literal."""

_DESCRIBED: Final = MappingProxyType({"<f1": "V1"})
"""What the float8_e5m2 of ``ml_dtypes`` calls itself in a file, and numpy cannot read; its other types call themselves bytes."""

Inputs = tuple[ValueSpec, ...]


def read_feeds(path: Path, *, inputs: Inputs, limits: Limits = DEFAULT) -> dict[str, Result]:
    """The feeds in a file, by the format its name ends in.

    Raises ``InputError`` (``input.format``, ``input.file``, ``input.size``, ``input.npy``, ``input.npz``, ``input.json``,
    ``input.csv``, ``input.dtype``, ``input.shape``, ``input.name``) and ``OutsideError`` (``input.unreadable``).
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{shown(path.name)} has no format that is read here, name it {', '.join(READERS)}",
            code="input.format",
            expected=" ".join(READERS),
            found=shown(path.suffix),
        )
    try:
        with path.open("rb") as file:
            data = file.read(limits.max_input_bytes + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as err:
        raise InputError(f"{shown(path)} is no file to read: {err.strerror}", code="input.file") from err
    except OSError as err:
        raise OutsideError(f"{shown(path)} cannot be read: {err.strerror}", code="input.unreadable") from err
    if len(data) > limits.max_input_bytes:
        raise InputError(f"{shown(path.name)} has more than {limits.max_input_bytes} bytes", code="input.size")
    try:
        return reader(data, inputs, limits)
    except MemoryError as err:
        raise InputError(f"{shown(path.name)} takes more memory than there is", code="input.size") from err


@contextlib.contextmanager
def naming_file(path: Path) -> Iterator[None]:
    """What is wrong inside has the name of the file in front of its place: one of many files is wrong, say which."""
    try:
        yield
    except InputError as err:
        if err.message.startswith(shown(path.name)):
            raise
        err.where = f"{shown(path)}, {err.where}" if err.where else shown(path)
        raise


def decode_npy(data: bytes, *, where: str) -> Array:
    """The array in the bytes of an .npy file (numpy's own format, versions 1.0 and 2.0). Raises ``InputError`` (``input.npy``).

    An own reader, because numpy's allocates what the header announces before it has seen a single element,
    and fails with exceptions of the tokenizer on headers of nonsense.
    """
    width = {b"\1\0": 2, b"\2\0": 4}.get(data[6:8])
    if data[:6] != b"\x93NUMPY" or width is None:
        raise InputError("is not an .npy file of version 1.0 or 2.0", code="input.npy", where=where, found=data[:8].hex())
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    if length > min(MAX_HEADER_BYTES, len(data) - start):
        raise InputError(f"announces a header of {length} bytes", code="input.npy", where=where)
    dtype, fortran, shape = _decode_header(data[start : start + length], where=where)
    wanted, left = math.prod(shape) * dtype.itemsize, len(data) - start - length
    if wanted != left:
        raise InputError(f"has {left} bytes of elements, its header announces {wanted}", code="input.npy", where=where)
    try:
        array = np.frombuffer(data, dtype=dtype, offset=start + length) if left else np.empty(math.prod(shape), dtype)
        return array.reshape(shape, order="F" if fortran else "C")
    except ValueError as err:
        raise InputError(f"is not an .npy file: {shown(err)}", code="input.npy", where=where) from err


def _decode_header(header: bytes, *, where: str) -> tuple[np.dtype[Any], bool, tuple[int, ...]]:
    try:
        fields = ast.literal_eval(header.decode("latin-1").strip())
        if not isinstance(fields, dict) or fields.keys() != {"descr", "fortran_order", "shape"}:
            raise InputError("has a header of other fields", code="input.npy", where=where)
        descr, fortran, shape = fields["descr"], fields["fortran_order"], fields["shape"]
        dtype = np.dtype(_DESCRIBED.get(descr, descr)) if isinstance(descr, str) else None
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as err:
        raise InputError(f"has a header that is none: {shown(err)}", code="input.npy", where=where) from err
    if dtype is None or type(fortran) is not bool or not isinstance(shape, tuple):
        raise InputError("has a header of other types", code="input.npy", where=where)
    if dtype.hasobject:
        hint = "save texts as fixed-width unicode: array.astype(str)"
        raise InputError("holds pickled objects, which are never loaded", code="input.npy", where=where, hint=hint)
    if dtype.itemsize == 0:  # no bytes announce any number of elements, each of which takes memory
        raise InputError("has elements of no bytes", code="input.npy", where=where, found=shown(dtype))
    if any(type(size) is not int or not 0 <= size < 2**62 for size in shape):
        raise InputError("has a shape that is none", code="input.npy", where=where, found=shown(shape))
    return dtype, fortran, shape


def _read_npy(data: bytes, inputs: Inputs, limits: Limits) -> dict[str, Result]:
    del limits
    array = decode_npy(data, where="")
    if len(inputs) == 1:
        return {inputs[0].name: array}
    if array.ndim == 2 and array.shape[1] == len(inputs) and all(_is_column(spec) for spec in inputs):
        return {spec.name: np.ascontiguousarray(array[:, i : i + 1]) for i, spec in enumerate(inputs)}
    wanted = describe_inputs(inputs)
    raise InputError(
        f"one array of shape {array.shape} does not feed the {len(inputs)} inputs {wanted}",
        code="input.shape",
        expected=wanted,
        found=str(array.shape),
        hint="give an .npz with one array for each input",
    )


def _is_column(spec: ValueSpec) -> bool:
    shape = spec.type.shape
    return shape is not None and len(shape) == 2 and shape[1] == 1


def _read_npz(data: bytes, inputs: Inputs, limits: Limits) -> dict[str, Result]:
    del inputs
    return decode_npz(data, limits=limits)


def decode_npz(data: bytes, *, limits: Limits) -> dict[str, Result]:
    """The arrays in the bytes of an .npz file, by name. Raises ``InputError`` (``input.npz``, ``input.npy``, ``input.size``)."""
    out: dict[str, Result] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise InputError(f"has {len(members)} members, allowed are {MAX_MEMBERS}", code="input.npz")
            if sum(member.file_size for member in members) > limits.max_input_bytes:  # a reader stops at this size
                raise InputError(f"unpacks to more than {limits.max_input_bytes} bytes", code="input.size")
            for member in members:
                name = member.filename.removesuffix(".npy")
                if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    # An LZMA member may ask for 4 GiB before its first byte; numpy writes none.
                    raise InputError("is neither stored nor deflated", code="input.npz", where=shown(member.filename))
                if name in out or name == member.filename:
                    raise InputError("is not one array of its own name", code="input.npz", where=shown(member.filename))
                out[name] = decode_npy(archive.read(member), where=shown(name))
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        struct.error,
    ) as err:
        raise InputError(f"is not an .npz file: {shown(err)}", code="input.npz") from err
    return out


READERS: Final[Mapping[str, Callable[[bytes, Inputs, Limits], dict[str, Result]]]] = MappingProxyType(
    {".npz": _read_npz, ".npy": _read_npy, ".json": read_json, ".csv": read_csv}
)
