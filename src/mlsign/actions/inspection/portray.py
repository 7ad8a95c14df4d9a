"""Portray: everything that can be said of one package or model, for a report that a person looks at.

Judges with a policy as ``verify`` does, or without one as ``inspect --findings`` does, and looks at structure and weights besides.
All of it is of the same files: when one of them changes meanwhile, there is no portrait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.actions._collector import collector_paused
from mlsign.actions.inspection.claimed_signers import ClaimedSigner, claimed_signers
from mlsign.actions.inspection.findings import FindRequest, judge_open
from mlsign.actions.inspection.inspect import inspect_open, locate
from mlsign.actions.inspection.weights import Weights, measure_weights
from mlsign.actions.verification.contents import Storage
from mlsign.compare.external import FileKind, external_path
from mlsign.errors import InputError, shown
from mlsign.evidence.findings import Finding
from mlsign.formats.manifest import Manifest
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.records import ModelRecord
from mlsign.onnx.structure import read_structure
from mlsign.onnx.summary import ModelSummary
from mlsign.package.file_source import FileSource, changed
from mlsign.package.neighbours import look_at
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile
from mlsign.package.stream import Advance
from mlsign.paths import SIGNATURES_NAME, PackagePath
from mlsign.policy.model import Policy, Verdict
from mlsign.source import ByteSource

if TYPE_CHECKING:
    from mlsign.actions.inspection.portrait_before import Before
    from mlsign.actions.verification.verify import Report, VerifyRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PortrayRequest:
    """With ``verify`` the package is verified; without it the shipped baseline judges the model, and no signature is checked.
    ``previous`` is a package to say the changes since, whose files may have further names in ``store``.
    """

    verify: VerifyRequest | None = None
    previous: Path | None = None
    store: Path | None = None
    now: datetime | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What was found.

    ``report`` is that of verifying, None where nobody verified: ``verdict`` and ``findings`` are about the model alone then, and
    ``signers`` are what bundles claim. ``summary``, ``structure`` and ``weights`` are None where there is no model that can be read;
    ``problem`` says why there is no structure.
    """

    path: str
    now: datetime
    manifest: Manifest | None
    model_path: str
    model_bytes: int
    summary: ModelSummary | None
    structure: ModelRecord | None
    weights: Weights | None
    files: tuple[FoundFile, ...]
    signers: tuple[ClaimedSigner, ...]
    policy: Policy
    verdict: Verdict
    findings: tuple[Finding, ...]
    report: Report | None = None
    before: Before | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    manifest: Manifest | None
    model_path: PackagePath | None
    summary: ModelSummary | None
    policy: Policy
    verdict: Verdict
    findings: tuple[Finding, ...]
    signers: tuple[ClaimedSigner, ...] = ()
    report: Report | None = None


def portray(path: Path, request: PortrayRequest, *, advance: Advance | None = None) -> Portrait:
    """The portrait of the package or the model at ``path``.

    Raises ``InputError`` where there is nothing to portray, where something changed while it was read (``file.changed``), and for a
    release before that cannot be compared (``inspect.previous``), and ``OutsideError``. A policy's denial is in the portrait.
    """
    now = request.now or datetime.now(UTC)
    with OpenPackage.open(path, follow=request.verify is None) as package:
        before = package.list_files(skip=frozenset({SIGNATURES_NAME}), limits=request.limits)
        facts = (
            _judged(package, path, request, now=now) if request.verify is None else _verified(package, request.verify, advance)
        )
        look = _Look(package=package, before={found.path: found for found in before.files}, limits=request.limits)
        structure, weights, size, problem = look.at(facts, advance=advance)
        package.check_unchanged(before.files, limits=request.limits)
    return Portrait(
        path=str(path),
        now=now if facts.report is None else facts.report.now,
        manifest=facts.manifest,
        model_path="" if facts.model_path is None else str(facts.model_path),
        model_bytes=size,
        summary=facts.summary,
        structure=structure,
        weights=weights,
        files=before.files,
        signers=facts.signers,
        policy=facts.policy,
        verdict=facts.verdict,
        findings=facts.findings,
        report=facts.report,
        before=_before(request, facts.manifest, advance),
        problem=problem,
    )


def _before(request: PortrayRequest, manifest: Manifest | None, advance: Advance | None) -> Before | None:
    if request.previous is None:
        return None
    # Looking at another release takes much that looking at one has no use for.
    from mlsign.actions.inspection.portrait_before import look_before

    return look_before(request.previous, manifest, store=request.store, limits=request.limits, advance=advance)


def _judged(package: OpenPackage, path: Path, request: PortrayRequest, *, now: datetime) -> _Facts:
    manifest, model_path, _ = locate(package, limits=request.limits)
    policy, found = judge_open(package, model_path, manifest, FindRequest(now=now, limits=request.limits))
    # What the policy's own limits refuse can be looked at all the same; what cannot be read at all is an error that says why.
    summary = found.summary or inspect_open(package, path, limits=request.limits).summary
    return _Facts(
        manifest=manifest,
        model_path=model_path,
        summary=summary,
        policy=policy,
        verdict=found.verdict,
        findings=found.findings,
        signers=claimed_signers(package, limits=request.limits),
    )


def _verified(package: OpenPackage, request: VerifyRequest, advance: Advance | None) -> _Facts:
    from mlsign.actions.verification.verify import judge_package, selected

    report, examination = judge_package(package, selected(package, request), storage=Storage.DISK, advance=advance)
    examination.contents.close()
    return _Facts(
        manifest=report.evidence.manifest,
        model_path=examination.model_path,
        summary=report.evidence.summary,
        policy=report.policy,
        verdict=report.decision.verdict,
        findings=report.decision.findings,
        report=report,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """The structure and the weights of what was judged. Files are those that were listed ``before``, or nothing is looked at."""

    package: OpenPackage
    before: Mapping[PackagePath, FoundFile]
    limits: Limits

    def at(self, facts: _Facts, *, advance: Advance | None) -> tuple[ModelRecord | None, Weights | None, int, str]:
        """Structure, weights and size of the model, or why there are none."""
        if facts.model_path is None or facts.summary is None:
            return None, None, 0, "the model could not be read; the findings say why"
        try:
            with self._open(facts.model_path) as source:
                with collector_paused():
                    structure = read_structure(source, limits=self.limits)
                with self._outside(facts.model_path) as open_at:
                    weights = measure_weights(structure, source, open_at, advance=advance)
                source.check_unchanged()
                return structure, weights, source.size, ""
        except InputError as err:
            if err.code == "file.changed":
                raise
            return None, None, 0, shown(err, limit=400)

    def _open(self, path: PackagePath) -> FileSource:
        """The file itself. Another one in its place, moved there in a folder that was moved, is not what was judged."""
        source = self.package.open_file(path)
        listed = self.before.get(path)
        if listed is not None and source.state != (*listed.inode, listed.size, *listed.times):
            source.close()
            raise changed(str(path))
        return source

    @contextmanager
    def _outside(self, model_path: PackagePath) -> Iterator[Callable[[str], ByteSource | None]]:
        """Opens files of external data by the locations that the model names, None where there is none. Links lead nowhere."""
        with ExitStack() as opened:
            files: dict[PackagePath, FileSource] = {}

            def open_at(location: str) -> ByteSource | None:
                try:
                    path = external_path(model_path, location)
                    there = look_at(self.package.fd, path, role=None)
                    if there is None or there.kind is not FileKind.REGULAR:
                        return None
                    if path not in files:
                        files[path] = opened.enter_context(self._open(path))
                    return files[path]
                except InputError as err:
                    if err.code == "file.changed":
                        raise
                    return None  # what is wrong with it is among the findings

            yield open_at
            for source in files.values():
                source.check_unchanged()
