"""What every way to look at a path begins with: the manifest, where there is one, and which file is the model."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from mlsign.errors import InputError, naming
from mlsign.formats.manifest import Manifest
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.insides import folder_format
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile, Listing
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath

_MANIFEST: Final = PackagePath(MANIFEST_NAME)
NOT_LOOKED_AT: Final = frozenset({SIGNATURES_NAME, ".git"})
"""What is in a package and is no content of it."""
_NO_MODEL: Final = "this is not an ONNX model, or a damaged one; export or fetch it again"
_BEYOND: Final = "no exporter is known to write as much: treat the file as hostile, or split the model"


@contextlib.contextmanager
def naming_model(where: str) -> Iterator[None]:
    """What is wrong with a model that the user named says in which file it is, and what to do."""
    try:
        with naming(where):
            yield
    except InputError as err:
        err.hint = err.hint or (_BEYOND if err.code.startswith("onnx.limit.") else _NO_MODEL)
        raise


def find_manifest(package: OpenPackage, files: Iterable[FoundFile], *, limits: Limits = DEFAULT) -> Manifest | None:
    """The manifest of a package that is open; None where it has none. Raises ``InputError`` and ``OutsideError``."""
    if all(f.path != _MANIFEST for f in files):
        return None
    with package.open_file(_MANIFEST) as source:
        return decode_manifest(source.read_all(max_bytes=limits.max_manifest_bytes), limits=limits)


def find_model(package: OpenPackage, manifest: Manifest | None, listing: Listing) -> PackagePath:
    """Where the model is.

    Raises ``InputError`` (``inspect.model`` where nothing says which of several files it is, ``path.…`` for a file by a
    name that none in a package may have).
    """
    files = listing.files
    if manifest is not None:
        return manifest.model.path
    if package.only is not None:
        for intruder in listing.intruders:
            raise intruder.error
        if len(files) == 1:
            return files[0].path
    models = [f.path for f in files if f.path.name.casefold().endswith(".onnx")]
    if len(models) == 1:
        return models[0]
    known = None if models else folder_format(str(f.path) for f in files)
    found = ", ".join(str(model) for model in models[:8]) or (known.what if known else "")
    raise InputError(
        f"has {len(models)} ONNX files and no manifest, so there is no one model to look at",
        code="inspect.model",
        where=package.where,
        found=found,
        hint=known.hint if known else "name the ONNX file itself",
    )
