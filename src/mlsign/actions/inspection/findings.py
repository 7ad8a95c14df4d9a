"""Find: what is wrong with the models in a file, a package or a folder, whoever made them. Nothing is run or trusted.

Takes from a policy what it says of models; signatures play no part. A model is in order only when everything about
it was found to be: what could not be read or judged counts as wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.actions._model import check_model, roles_of, summary_of
from mlsign.actions.policies.files import PolicyFiles
from mlsign.actions.policies.read_policy import read_policy_document, shipped_baseline
from mlsign.compare.external import FileFact, external_path
from mlsign.errors import InputError, MlsignError, OutsideError, shown
from mlsign.evidence.findings import Finding, Outcome, finding_of
from mlsign.evidence.record import Evidence
from mlsign.formats.manifest import Manifest
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.summary import ModelSummary
from mlsign.package.neighbours import look_at
from mlsign.package.read import OpenPackage, folder_beneath, open_beneath
from mlsign.package.search import Candidate, Search, search
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.policy.decide import judge_model
from mlsign.policy.model import Mode, Policy, Verdict

if TYPE_CHECKING:
    from mlsign.actions.policies.verify_policy import PolicyTrust

_UNREAD: Final = {"file.kind": "MLS104", "file.changed": "MLS111", "file.missing": "MLS111"}

_MAX_KEPT: Final = 100_000
"""Findings of one scan that are kept. A folder of hostile files must not make a report that is larger than itself."""

Counted = Callable[[int, int], None]
"""Called with how many models are judged, and how many there are."""


class Summaries(Enum):
    """Whether the facts of each model stay with its findings: those of many models, or of a hostile one, are large."""

    KEEP = "keep"
    DROP = "drop"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindRequest:
    """What to judge by. Without a policy: the one named baseline that travels with mlsign."""

    policy: Policy | None = None
    summaries: Summaries = Summaries.KEEP
    now: datetime | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundModel:
    """One file and what is wrong with it.

    ``path`` is relative to what was scanned, with ``/``, spelled as the system spells it: escape it before you show it.
    ``size`` is None for what was not opened.
    """

    path: str
    size: int | None
    summary: ModelSummary | None
    findings: tuple[Finding, ...]
    verdict: Verdict

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if finding.outcome is not Outcome.PASS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that was found at ``path``. ``links`` lead to folders and were not followed; ``is_folder`` is what was named."""

    path: str
    is_folder: bool
    policy: Policy
    models: tuple[FoundModel, ...]
    links: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """``ALLOW`` only when there is a model and every one is in order."""
        clean = bool(self.models) and all(model.verdict is Verdict.ALLOW for model in self.models)
        return Verdict.ALLOW if clean else Verdict.DENY

    @property
    def enforced_verdict(self) -> Verdict:
        """What the caller has to act on: a policy in audit mode stops nothing."""
        return Verdict.ALLOW if self.policy.mode is Mode.AUDIT else self.verdict


def load_model_policy(path: Path | None = None, *, signed: PolicyTrust | None = None, limits: Limits = DEFAULT) -> Policy:
    """What the policy at ``path``, or the shipped baseline, says of models. Its keys are not read and need not be there.

    Nothing is allowed by it but models: it has no signers, so it denies every package. With ``signed``, a policy that is not
    signed so is refused (``TrustError``).
    """
    if path is None:
        return shipped_baseline().unbound
    files = PolicyFiles(path)
    if signed is None:
        return read_policy_document(path, files=files, limits=limits).unbound
    # A scan without it has no use for keys, whose library is heavy.
    from mlsign.actions.policies.verify_policy import remember_revision, verify_policy

    proof = verify_policy(files, signed, limits=limits)
    policy = read_policy_document(path, files=files, limits=limits).unbound
    remember_revision(policy, proof, signed)
    return replace(policy, lineage=replace(policy.lineage, signer=proof.identity))


def find(path: Path, request: FindRequest, *, advance: Counted | None = None) -> Found:
    """What is wrong with the model, or with every model in the package or folder, at ``path``.

    Raises ``InputError`` (``package.missing``, ``findings.none``, ``findings.files``) when there is nothing to judge or
    too much, and ``OutsideError`` when ``path`` itself cannot be opened.
    """
    now = request.now or datetime.now(UTC)
    policy = _in_force(request.policy or load_model_policy(limits=request.limits), now=now)
    try:
        package = OpenPackage.open(path)
    except InputError as err:
        if err.code != "package.kind":
            raise
        refused = _refused(path.name, finding_of(err, code="MLS104", where=shown(path.name), outcome=Outcome.UNKNOWN))
        return Found(path=str(path), is_folder=False, policy=policy, models=(refused,), links=())
    with package:
        if package.only is None:
            there = search(package.fd, limits=request.limits)
        else:
            there = Search(candidates=(Candidate(path=package.only),), packages=(), links=())
        scan = _Scan(root=package.fd, policy=policy, now=now, limits=policy.model.tightened(request.limits))
        models = _kept(scan.judge(there, advance=advance), summaries=request.summaries)
    if not models:
        raise InputError(
            "has no ONNX model: no file in it is named .onnx or .ort",
            code="findings.none",
            where=shown(path),
            hint="name the model itself if it is called something else",
        )
    return Found(
        path=str(path),
        is_folder=package.only is None,
        policy=policy,
        models=tuple(sorted(models, key=lambda model: model.path)),
        links=there.links,
    )


def _in_force(policy: Policy, *, now: datetime) -> Policy:
    """The policy, which past its end has no say in letting anything through."""
    return replace(policy, mode=Mode.ENFORCE) if policy.expires is not None and now >= policy.expires else policy


def _kept(models: Iterable[FoundModel], *, summaries: Summaries) -> list[FoundModel]:
    """The models with as much of each as one result may hold."""
    kept: list[FoundModel] = []
    left = _MAX_KEPT
    for model in models:
        left -= len(model.findings)
        whole = model if left >= 0 else _thinned(model)
        kept.append(whole if summaries is Summaries.KEEP else replace(whole, summary=None))
    return kept


def _thinned(model: FoundModel) -> FoundModel:
    """What is kept of one file among very many: its verdict, the first thing wrong with it and how much else is."""
    first, *rest = model.wrong or model.findings
    if model.verdict is not Verdict.ALLOW and rest:
        message = f"and {len(rest)} more findings: scan this file alone to see them"
        return replace(model, findings=(first, replace(first, message=message, where="", expected="", found="", hint="")))
    return replace(model, findings=(first,))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """One run over the open folder ``root``."""

    root: int
    policy: Policy
    now: datetime
    limits: Limits

    def judge(self, there: Search, *, advance: Counted | None) -> Iterator[FoundModel]:
        """The model of each package by its manifest, and every other model by itself."""
        total = len(there.packages) + len(there.candidates)
        judged: set[str] = set()
        for count, folder in enumerate(there.packages, start=1):
            model = self._packaged(folder)
            judged.add(model.path)
            yield model
            if advance is not None:
                advance(count, total)
        for count, candidate in enumerate(there.candidates, start=len(there.packages) + 1):
            if candidate.path not in judged:
                yield self._bare(candidate)
            if advance is not None:
                advance(count, total)

    def _packaged(self, folder: str) -> FoundModel:
        parts = tuple(folder.split("/")) if folder else ()
        name = "/".join((*parts, MANIFEST_NAME))
        try:
            with open_beneath(self.root, (*parts, MANIFEST_NAME), where=shown(name)) as source:
                data = source.read_all(max_bytes=self.limits.max_manifest_bytes)
            manifest = decode_manifest(data, limits=self.limits)
        except InputError as err:
            return _refused(name, finding_of(err, code="MLS109", where=shown(name)))
        except OutsideError as err:
            return _refused(name, _unread(err, where=shown(name)))
        return self.model(parts, manifest.model.path, manifest)

    def _bare(self, candidate: Candidate) -> FoundModel:
        if candidate.error is not None:
            return _refused(candidate.path, _unread(candidate.error, where=shown(candidate.path)))
        *folder, name = candidate.path.split("/")
        # Not a name that a package may have, perhaps; it is looked for as the system spells it, and nowhere else.
        return self.model(tuple(folder), PackagePath(name), None)

    def model(self, folder: tuple[str, ...], model_path: PackagePath, manifest: Manifest | None) -> FoundModel:
        """The model at ``model_path`` beneath ``folder``, to which its locations of external data are relative."""
        path = "/".join((*folder, model_path.text))
        where = shown(path)
        try:
            with (
                folder_beneath(self.root, folder, where=where) as beside,
                open_beneath(beside, model_path.parts, where=where) as source,
            ):
                size = source.size
                summary, findings = summary_of(lambda: source, where=where, limits=self.limits)
                source.check_unchanged()
                if summary is not None:
                    files = _files(beside, summary, model_path, manifest)
                    findings += check_model(summary, manifest=manifest, model_path=model_path, files=files)
        except MlsignError as err:
            if err.code == "file.missing" and manifest is not None:
                return _refused(path, finding_of(err, code="MLS102", where=where))
            return _refused(path, _unread(err, where=where))
        evidence = Evidence(
            digest=None,
            digests=frozenset(),
            manifest=manifest,
            summary=summary,
            signatures=(),
            findings=findings,
            unverified=(),
        )
        judged = judge_model(self.policy, evidence, now=self.now)
        return FoundModel(path=path, size=size, summary=summary, findings=judged.findings, verdict=judged.verdict)


def judge_open(
    package: OpenPackage, model_path: PackagePath, manifest: Manifest | None, request: FindRequest
) -> tuple[Policy, FoundModel]:
    """The policy in force and what it makes of the one model of a package that is open already; see ``find``."""
    now = request.now or datetime.now(UTC)
    policy = _in_force(request.policy or load_model_policy(limits=request.limits), now=now)
    scan = _Scan(root=package.fd, policy=policy, now=now, limits=policy.model.tightened(request.limits))
    return policy, scan.model((), model_path, manifest)


def _files(beside: int, summary: ModelSummary, model_path: PackagePath, manifest: Manifest | None) -> dict[str, FileFact]:
    """What is at each place that the model names; nothing else in the folder is looked at."""
    role = roles_of(manifest)
    files: dict[str, FileFact] = {}
    for location in {tensor.location for tensor in summary.external}:
        try:
            path = external_path(model_path, location)
        except InputError:
            continue  # check_external reports the location; there is nothing of ours behind it
        fact = look_at(beside, path, role=role(path))
        if fact is not None:
            files[path.text] = fact
    return files


def _refused(path: str, finding: Finding) -> FoundModel:
    return FoundModel(path=path, size=None, summary=None, findings=(finding,), verdict=Verdict.DENY)


def _unread(error: MlsignError, *, where: str) -> Finding:
    """The finding about what was not read: unknown, which counts as wrong."""
    return finding_of(error, code=_UNREAD.get(error.code, "MLS115"), where=where, outcome=Outcome.UNKNOWN)
