"""External data: every tensor whose bytes are in another file, held against the files that are there.

Owns what a location may be and which bytes of a file a tensor may take. The rules are those that leave every
reader one answer (ONNX IR, ``TensorProto.external_data``):

- A location is a path beneath the model's own folder, spelled as ``paths`` spells names. ``./w.bin`` and
  ``a/../w.bin`` are refused too: no exporter needs them, and readers resolve them in different ways.
- A tensor takes as many bytes as type and shape ask for. Without a length a reader takes the rest of the
  file (onnx) or what the shape asks for (onnxruntime), so the two must be the same.
- Two tensors may take the very same bytes (tied weights); bytes that they share in part are refused.
- An offset that is no multiple of the element size is fine where the region begins exactly where another one ends:
  ``onnx.save`` packs tensors without gaps, so an ``int8`` tensor leaves the next one at an odd offset. Anywhere else
  no exporter puts a tensor there, and a reader that maps the file takes values from in between two others.
- The file is a regular file under one name, in folders that are none but folders. Anything else is told by what it is
  and never opened: a link can be turned after it was looked at, and reading a pipe or a device never ends.
- A checksum (SHA-1 of the file) is neither trusted nor verified: the manifest has a better digest of each file.

Leaves reading files to the caller, and keys and numbers that cannot be read to ``onnx.tensors``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from mlsign.errors import InputError, shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.onnx.summary import ExternalTensor, ModelSummary
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath, decode_path

LOCATION: Final = "MLS310"
MISSING: Final = "MLS311"
NOT_WEIGHTS: Final = "MLS312"
HARD_LINK: Final = "MLS313"
NOT_DATA: Final = "MLS314"
OUT_OF_RANGE: Final = "MLS315"
OVERLAP: Final = "MLS316"
LENGTH: Final = "MLS317"
LINK: Final = "MLS318"
NOT_REGULAR: Final = "MLS319"
UNALIGNED: Final = "MLS329"

_WEIGHTS: Final = "weights"
_MAX_SHOWN_PER_CODE: Final = 16


class FileKind(Enum):
    """What lies under a name, in words for a message. ``UNKNOWN`` is what could not be looked at."""

    REGULAR = "a regular file"
    LINK = "a symbolic link"
    BEHIND_LINK = "behind a symbolic link"
    FOLDER = "a folder"
    PIPE = "a named pipe"
    SOCKET = "a socket"
    DEVICE = "a device"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFact:
    """What is known of a file: its size, how many names it has on disk, its role, and what it is.

    ``role`` is None where there is no manifest to give one. Size and links are those of regular files.
    """

    size: int
    links: int
    role: str | None
    kind: FileKind = FileKind.REGULAR


def external_path(model_path: PackagePath, location: str) -> PackagePath:
    """The file that ``location`` means, relative to the folder of the model.

    Raises ``InputError`` with a ``path.…`` code for everything that is not a plain path beneath that folder:
    absolute, ``..``, a drive, a URL, a device name, a backslash, a NUL.
    """
    where = "external_data.location"
    plain = decode_path(location, where=where)  # first by itself: joining must not hide a leading slash
    folder = model_path.text.rpartition("/")[0]
    return decode_path(f"{folder}/{plain}", where=where) if folder else plain


def check_external(summary: ModelSummary, *, model_path: PackagePath, files: Mapping[str, FileFact]) -> tuple[Finding, ...]:
    """A finding for everything wrong with the external data of a model; empty when all is in order.

    ``files`` are those of the package by path, or those beside a bare model.
    """
    by_location: dict[str, list[ExternalTensor]] = {}
    for tensor in summary.external:
        by_location.setdefault(tensor.location, []).append(tensor)
    findings: list[Finding] = []
    by_file: dict[str, list[ExternalTensor]] = {}
    for location, tensors in by_location.items():
        try:
            path = external_path(model_path, location)
        except InputError as err:
            findings.append(_bad_location(location, tensors, err))
            continue
        fact = files.get(path.text)
        findings.extend(_check_file(path, tensors, model_path=model_path, fact=fact))
        if fact is not None and fact.kind is FileKind.REGULAR:
            by_file.setdefault(path.text, []).extend(tensors)
    for name, tensors in by_file.items():
        findings.extend(_check_regions(name, tensors, size=files[name].size))
    return _bounded(findings)


def _bad_location(location: str, tensors: list[ExternalTensor], err: InputError) -> Finding:
    return Finding(
        code=LOCATION,
        outcome=Outcome.FAIL,
        message=f"{_who(tensors)} takes its data from a place that is not a file of the package: {err.message}",
        where=tensors[0].where,
        expected="a path beneath the folder of the model",
        found=shown(location),
        cause=err.code,
        hint="save the model again with its weights beside it; if you did not make it, do not use it",
    )


def _check_file(
    path: PackagePath, tensors: list[ExternalTensor], *, model_path: PackagePath, fact: FileFact | None
) -> Iterator[Finding]:
    where = tensors[0].where
    own = {model_path.folded: "the model itself", MANIFEST_NAME: "the manifest"}
    taken = "a signature" if path.folded.split("/")[0] == SIGNATURES_NAME else own.get(path.folded)
    if taken:
        yield Finding(
            code=NOT_DATA,
            outcome=Outcome.FAIL,
            message=f"{_who(tensors)} takes its data from {taken}",
            where=where,
            expected="a file of weights",
            found=path.text,
            hint="save the model again with its weights in a file of their own",
        )
        return
    if fact is None or fact.kind is not FileKind.REGULAR:
        yield _not_a_file(path, tensors, fact)
        return
    if fact.role not in (None, _WEIGHTS):
        yield Finding(
            code=NOT_WEIGHTS,
            outcome=Outcome.FAIL,
            message=f"{path}, from which {_who(tensors)} takes its data, is not listed as weights",
            where=where,
            expected=_WEIGHTS,
            found=str(fact.role),
            hint="pack the model again: files that it takes data from become weights",
        )
    if fact.links > 1:
        yield Finding(
            code=HARD_LINK,
            outcome=Outcome.FAIL,
            message=f"{path} has {fact.links} names on this disk, so it can be changed from outside",
            where=path.text,
            expected="1 name",
            found=f"{fact.links} names",
            hint="copy the file in place of the link",
        )


def _not_a_file(path: PackagePath, tensors: list[ExternalTensor], fact: FileFact | None) -> Finding:
    """What is there in place of a file. What could not be looked at may be in order, and is not known to be."""
    kind = None if fact is None else fact.kind
    unknown = kind is FileKind.UNKNOWN
    if kind is None or unknown:
        code, is_what, found = MISSING, "could not be looked at" if unknown else "is not there", "nothing"
        hint = "make the folder of the model readable" if unknown else "put the file beside the model and pack again"
    elif kind in {FileKind.LINK, FileKind.BEHIND_LINK}:
        code, is_what, found, hint = LINK, f"is {kind.value}", kind.value, "copy the file in place of the link"
    else:
        code, is_what, found = NOT_REGULAR, f"is {kind.value}", kind.value
        hint = "put a file there; if you did not make this, do not use it"
    return Finding(
        code=code,
        outcome=Outcome.UNKNOWN if unknown else Outcome.FAIL,
        message=f"{path}, from which {_who(tensors)} takes its data, {is_what}",
        where=tensors[0].where,
        expected=path.text,
        found=found,
        hint=hint,
    )


def _check_regions(name: str, tensors: list[ExternalTensor], *, size: int) -> Iterator[Finding]:
    """Regions within the file, of the right length, and apart from each other. Linear but for the sorting."""
    regions: dict[tuple[int, int], ExternalTensor] = {}
    for tensor in tensors:
        length = size - tensor.offset if tensor.length is None else tensor.length
        end = tensor.offset + length
        if tensor.offset < 0 or length < 0 or end > size:
            yield _region(OUT_OF_RANGE, tensor, name, f"lies outside of the file, which has {size} bytes", length=length)
            continue
        if length != tensor.size:
            yield _region(LENGTH, tensor, name, f"is not the {tensor.size} bytes that type and shape ask for", length=length)
        if length:
            regions.setdefault((tensor.offset, length), tensor)
    ends = {offset + length for offset, length in regions} | {0}
    reach, holder = 0, ""
    for (offset, length), tensor in sorted(regions.items(), key=lambda item: item[0]):
        if tensor.element_bytes > 1 and offset % tensor.element_bytes and offset not in ends:
            reason = f"begins between two of its elements of {tensor.element_bytes} bytes, and where no other region ends"
            yield _region(UNALIGNED, tensor, name, reason, length=length)
        if offset < reach:
            yield _region(OVERLAP, tensor, name, f"overlaps with that of {shown(holder)}", length=length)
        if offset + length > reach:
            reach, holder = offset + length, tensor.name


def _region(code: str, tensor: ExternalTensor, name: str, message: str, *, length: int) -> Finding:
    return Finding(
        code=code,
        outcome=Outcome.FAIL,
        message=f"the region of {shown(tensor.name)} in {shown(name)} {message}",
        where=tensor.where,
        expected=f"{tensor.size} bytes of its own inside the file",
        found=f"offset {tensor.offset}, length {length}" + (" (to the end of the file)" if tensor.length is None else ""),
        hint="save the model again; if you did not make it, do not use it",
    )


def _who(tensors: list[ExternalTensor]) -> str:
    first = f"tensor {shown(tensors[0].name)}"
    return first if len(tensors) == 1 else f"{first} (and {len(tensors) - 1} more)"


def _bounded(findings: list[Finding]) -> tuple[Finding, ...]:
    """At most so many findings of one code, and one that counts the rest: a model can have millions of tensors."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    out: list[Finding] = []
    for code in sorted(by_code):
        group = by_code[code]
        out.extend(group[:_MAX_SHOWN_PER_CODE])
        if (rest := len(group) - _MAX_SHOWN_PER_CODE) > 0:
            out.append(
                Finding(code=code, outcome=Outcome.FAIL, message=f"{rest} more of the same kind are not listed", found=str(rest))
            )
    return tuple(out)
