"""From a model file to what is known and wrong of it, the same for a package and for a model that lies alone.

What small files decode to is kept, by all of their bytes: a gate sees the same package again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from mlsign.actions._collector import collector_paused
from mlsign.compare.declared import compare_declared
from mlsign.compare.external import FileFact, check_external
from mlsign.errors import InputError
from mlsign.evidence.catalogue.model_unread import code_of_unread
from mlsign.evidence.findings import Finding, finding_of
from mlsign.formats.manifest import Manifest, Role
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.limits import KIB, Limits
from mlsign.onnx.inspect import read_model
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import PackagePath
from mlsign.source import ByteSource, MemorySource

_SMALL_BYTES: Final = 256 * KIB
_FILE_CODES = {"file.kind": "MLS104", "sealed.budget": "MLS114", "file.changed": "MLS111", "file.missing": "MLS111"}


def code_of(error: InputError) -> str:
    """The finding code for a file that could not be read as it should."""
    return _FILE_CODES.get(error.code, "MLS111")


def summary_of(hold: Callable[[], ByteSource], *, where: str, limits: Limits) -> tuple[ModelSummary | None, tuple[Finding, ...]]:
    """The facts of the model that ``hold`` gives, or the finding that says why there are none. Raises ``OutsideError``."""
    try:
        return read_facts(hold(), limits=limits), ()
    except InputError as err:
        return None, (finding_of(err, code=_FILE_CODES.get(err.code) or code_of_unread(err.code), where=where),)


def read_facts(source: ByteSource, *, limits: Limits) -> ModelSummary:
    """``read_model`` without pauses; of small files kept by their bytes. Raises what ``read_model`` raises."""
    if source.size <= _SMALL_BYTES:
        return _facts_of(source.read_at(0, source.size), limits)
    with collector_paused():
        return read_model(source, limits=limits)


@lru_cache(maxsize=32)
def _facts_of(data: bytes, limits: Limits) -> ModelSummary:
    """Kept, since it follows from nothing else: a gate sees the same model again and again."""
    with collector_paused():
        return read_model(MemorySource(data), limits=limits)


def manifest_of(data: bytes, *, limits: Limits) -> Manifest:
    """``decode_manifest``; small ones are kept by their bytes. Raises what it raises."""
    if len(data) <= _SMALL_BYTES:
        return _manifest_of(data, limits)
    with collector_paused():
        return decode_manifest(data, limits=limits)


@lru_cache(maxsize=32)
def _manifest_of(data: bytes, limits: Limits) -> Manifest:
    return decode_manifest(data, limits=limits)


def roles_of(manifest: Manifest | None) -> Callable[[PackagePath], str | None]:
    """The roles that a manifest gives; what it does not list is other, and without one there are no roles."""
    if manifest is None:
        return lambda _: None
    roles = {entry.path: entry.role for entry in manifest.files}
    return lambda path: roles.get(path, Role.OTHER).value


def check_model(
    summary: ModelSummary, *, manifest: Manifest | None, model_path: PackagePath, files: Mapping[str, FileFact]
) -> tuple[Finding, ...]:
    """What a model takes from other files, and what its manifest says of it, against what is there.

    ``files`` are those of the package by path, or those beside a bare model; only ones that the model points at matter.
    """
    external = check_external(summary, model_path=model_path, files=files)
    return external + (compare_declared(manifest, summary) if manifest else ())
