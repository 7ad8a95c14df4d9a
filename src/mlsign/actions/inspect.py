"""Inspect: what is in a model or a package, read without trusting, judging or running any of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsign.actions._looking import NOT_LOOKED_AT, find_manifest, find_model, naming_model
from mlsign.actions._model import read_facts
from mlsign.errors import MlsignError, shown
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.claims import claims_countersignature, claims_golden_run, claims_provenance, claims_summary
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import StatementFormat, decode_statement
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.summary import ModelSummary
from mlsign.package.read import FoundBundle, OpenPackage
from mlsign.package.scan import FoundFile
from mlsign.paths import PackagePath
from mlsign.source import ByteSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedSigner:
    """What a bundle says about its signer. Nothing of it has been checked: that is what ``verify`` is for."""

    bundle: str
    method: str
    key_hint: str
    subject: str
    problem: str


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
    manifest, model_path, files = locate(package, path, limits=limits)
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


def locate(
    package: OpenPackage, path: Path, *, limits: Limits = DEFAULT
) -> tuple[Manifest | None, PackagePath, tuple[FoundFile, ...]]:
    """The manifest of a package that is open already, its model and its files. Raises ``InputError`` where there is not one model."""
    listing = package.list_files(skip=NOT_LOOKED_AT, limits=limits)
    manifest = find_manifest(package, listing.files, limits=limits)
    return manifest, find_model(path, manifest, listing), listing.files


def claimed_signers(package: OpenPackage, *, limits: Limits = DEFAULT) -> tuple[ClaimedSigner, ...]:
    """What the bundles of a package say about their signers, none of it checked."""
    return tuple(_claimed(bundle, limits=limits) for bundle in package.read_bundles(limits=limits))


def summarize(source: ByteSource, *, where: str, limits: Limits = DEFAULT) -> ModelSummary:
    """The summary of a model that the user named. Raises ``InputError`` that names the file and what to do."""
    with naming_model(where):
        return read_facts(source, limits=limits)


def _claimed(found: FoundBundle, *, limits: Limits) -> ClaimedSigner:
    method = hint = subject = problem = ""
    try:
        if isinstance(found.content, MlsignError):
            raise found.content
        bundle = decode_bundle(found.content, limits=limits)
        method, hint = bundle.method.value, bundle.key_hint
        payload = bundle.envelope.unauthenticated_payload
        if claims_summary(payload, limits=limits):
            from mlsign.formats.verification_summary import decode_summary

            summary = decode_summary(payload, limits=limits)
            problem = f"claims to be a verification summary of {shown(summary.name)}, which signs no files"
            return ClaimedSigner(bundle=found.name, method=method, key_hint=hint, subject=summary.name, problem=problem)
        if claims_provenance(payload, limits=limits):
            from mlsign.formats.slsa import decode_slsa_statement

            builder = decode_slsa_statement(payload, limits=limits).provenance.builder
            problem = f"claims to be provenance, built by {shown(builder)}, which signs no files"
            return ClaimedSigner(bundle=found.name, method=method, key_hint=hint, subject="", problem=problem)
        if claims_golden_run(payload, limits=limits):
            from mlsign.formats.golden_run import decode_golden_run

            run = decode_golden_run(payload, limits=limits)
            words = f"{'passed' if run.passed else 'failed'} with {shown(run.place.runtime)} on {run.place.platform}"
            problem = f"claims to be a golden run of {shown(run.name)}, {words}, which signs no files"
            return ClaimedSigner(bundle=found.name, method=method, key_hint=hint, subject=run.name, problem=problem)
        if claims_countersignature(payload, limits=limits):
            from mlsign.formats.countersignature import decode_countersignature

            over = decode_countersignature(payload, limits=limits)
            problem = f"claims to be a countersignature over the signature {over.digest}, which signs no files"
            return ClaimedSigner(bundle=found.name, method=method, key_hint=hint, subject=over.name, problem=problem)
        subject = decode_statement(payload, limits=limits, formats=frozenset(StatementFormat)).subject_name
    except MlsignError as err:
        problem = str(err)
    return ClaimedSigner(bundle=found.name, method=method, key_hint=hint, subject=subject, problem=problem)
