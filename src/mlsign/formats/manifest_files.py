"""The files of a manifest: the one part of it that can be long, read and written all at once."""

from __future__ import annotations

from itertools import repeat
from typing import Final

from mlsign.canonical import encode_rows, quoted
from mlsign.columns import column, rows_of
from mlsign.digest import Algorithm, decode_digest, decode_hexes
from mlsign.errors import InputError, shown
from mlsign.formats.manifest import FileEntry, Manifest, Role
from mlsign.limits import Limits
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath, decode_path, decode_paths, folded_names
from mlsign.strict import Fields, JsonValue

_ROLES: Final = {role.value: role for role in Role}


def decode_files(top: Fields, *, algorithm: Algorithm, limits: Limits) -> tuple[FileEntry, ...]:
    """The list. Raises ``InputError`` (``manifest.…``, ``path.…``, ``digest.…``)."""

    def entry(item: Fields) -> FileEntry:
        digest = decode_digest(item.text("digest"), where=f"{item.where}.digest")
        if digest.algorithm is not algorithm:
            raise item.wrong(
                f"is {digest.algorithm.value}, the manifest says {algorithm.value}", code="digest", name="digest", found=digest
            )
        return FileEntry(
            path=decode_path(item.text("path"), where=f"{item.where}.path", limits=limits),
            size=item.integer("size", maximum=limits.max_file_bytes),
            digest=digest,
            role=Role(item.literal("role", allowed=tuple(_ROLES))),
        )

    def entries(items: list[JsonValue]) -> tuple[FileEntry, ...] | None:
        return _entries_in_order(items, algorithm=algorithm, limits=limits)

    return top.each("files", entry, maximum=limits.max_files, minimum=1, in_order=entries)


def _entries_in_order(items: list[JsonValue], *, algorithm: Algorithm, limits: Limits) -> tuple[FileEntry, ...] | None:
    """The entries, read all at once, or None where something is wrong with one."""
    rows = rows_of(items, ("path", "size", "digest", "role"))
    if rows is None:
        return None
    texts, sizes, spelled, names = column(rows, 0, str), column(rows, 1, int), column(rows, 2, str), column(rows, 3, str)
    if not (texts and sizes and spelled and names):
        return None
    prefix = f"{algorithm.value}:"
    if min(sizes) < 0 or max(sizes) > limits.max_file_bytes or not _ROLES.keys() >= set(names):
        return None
    if {digest[: len(prefix)] for digest in spelled} != {prefix}:
        return None
    paths = decode_paths(texts, limits=limits)
    digests = decode_hexes(algorithm, [digest[len(prefix) :] for digest in spelled])
    if paths is None or digests is None:
        return None
    return tuple(map(tuple.__new__, repeat(FileEntry), zip(paths, sizes, digests, map(_ROLES.__getitem__, names), strict=True)))


def check_files(manifest: Manifest) -> None:
    """Returns when no two names meet on any file system, none is reserved, and the model is among the files.

    Raises ``InputError`` (``manifest.collision``, ``manifest.reserved``, ``manifest.model``).
    """
    paths = [entry.path for entry in manifest.files]
    folded = folded_names(paths)
    if len(set(folded)) != len(folded):
        first, second = _meeting(paths)
        raise InputError(
            f"{second} and {first} are one file on a system that ignores case",
            code="manifest.collision",
            where="files",
            found=str(second),
        )
    for path, name in zip(paths, folded, strict=True):
        if name == MANIFEST_NAME or name.partition("/")[0] == SIGNATURES_NAME:
            raise InputError(f"{path} is a reserved name", code="manifest.reserved", where="files", found=str(path))
    models = [entry.path for entry in manifest.files if entry.role is Role.MODEL]
    if models != [manifest.model.path]:
        raise InputError(
            f"{len(models)} files have the role model, expected exactly {manifest.model.path}",
            code="manifest.model",
            where="files",
            expected=str(manifest.model.path),
            found=shown(", ".join(map(str, models))),
        )


def _meeting(paths: list[PackagePath]) -> tuple[PackagePath, PackagePath]:
    """The first two that meet on some file system; there are two."""
    seen: dict[str, PackagePath] = {}
    return next((first, path) for path in paths if (first := seen.setdefault(path.folded, path)) is not path)


def encode_files(files: tuple[FileEntry, ...]) -> bytes:
    """The list in canonical JSON, sorted by path."""
    ordered = sorted(files, key=lambda f: f.path)
    spelled = quoted(f.path for f in ordered)
    rows = ((f.digest, path, f.role.value, f.size) for f, path in zip(ordered, spelled, strict=True))
    return encode_rows('{"digest":"%s","path":%s,"role":"%s","size":%d}', rows)
