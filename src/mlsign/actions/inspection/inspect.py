"""Inspect: what is in a model or a package, read without trusting, judging or running any of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsign.actions._model import read_facts
from mlsign.actions.inspection.claimed_signers import ClaimedSigner, claimed_signers
from mlsign.actions.inspection.looking import NOT_LOOKED_AT, find_manifest, find_model, naming_model
from mlsign.formats.manifest import Manifest
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.summary import ModelSummary
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile
from mlsign.paths import PackagePath
from mlsign.source import ByteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """Facts about a path: the model, and for a package its manifest, files and claimed signers."""

    path: str
    model_path: str
    model_bytes: int
    summary: ModelSummary
    manifest: Manifest | None
    files: tuple[FoundFile, ...]
    signers: tuple[ClaimedSigner, ...]


def inspect(path: Path, *, limits: Limits = DEFAULT) -> Inspection:
    """What is in the ONNX file or the package at ``path``. Weights are never read.

    Raises ``InputError`` when there is no model that can be read, and ``OutsideError``.
    """
    with OpenPackage.open(path, follow=True) as package:
        return inspect_open(package, path, limits=limits)


def inspect_open(package: OpenPackage, path: Path, *, limits: Limits = DEFAULT) -> Inspection:
    """What ``inspect`` says, of a package that is open already. Raises what ``inspect`` raises."""
    manifest, model_path, files = locate(package, limits=limits)
    with package.open_file(model_path) as source:
        summary = summarize(source, where=str(path), limits=limits)
        source.check_unchanged()
        size = source.size
    return Inspection(
        path=str(path),
        model_path=str(model_path),
        model_bytes=size,
        summary=summary,
        manifest=manifest,
        files=files,
        signers=claimed_signers(package, limits=limits),
    )


def locate(package: OpenPackage, *, limits: Limits = DEFAULT) -> tuple[Manifest | None, PackagePath, tuple[FoundFile, ...]]:
    """The manifest of a package that is open already, its model and its files. Raises ``InputError`` where there is not one model."""
    listing = package.list_files(skip=NOT_LOOKED_AT, limits=limits)
    manifest = find_manifest(package, listing.files, limits=limits)
    return manifest, find_model(package, manifest, listing), listing.files


def summarize(source: ByteSource, *, where: str, limits: Limits = DEFAULT) -> ModelSummary:
    """The summary of a model that the user named. Raises ``InputError`` that names the file and what to do."""
    with naming_model(where):
        return read_facts(source, limits=limits)
