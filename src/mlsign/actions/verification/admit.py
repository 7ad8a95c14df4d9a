"""Admit: a package to the very bytes that were verified, held in memory that nobody can change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from mlsign.actions.audit.recording import recording
from mlsign.actions.verification.contents import Storage
from mlsign.actions.verification.verify import Report, VerifyRequest, judge_package, logged_policy, selected
from mlsign.errors import TrustError
from mlsign.evidence.findings import against
from mlsign.onnx.summary import ModelSummary
from mlsign.package.read import OpenPackage
from mlsign.package.sealed import SealedMemory
from mlsign.package.stream import Advance
from mlsign.paths import PackagePath
from mlsign.policy.model import Mode, Verdict


class Denied(TrustError):  # noqa: N818 - the word of the interface: admit raises Denied
    """The policy said no; ``report`` says why."""

    def __init__(self, report: Report) -> None:
        reasons = against(report.decision.findings)
        first = f": {reasons[0].code} {reasons[0].message}" if reasons else ""
        more = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        super().__init__(
            f"denied by the policy {report.policy.name}{first}{more}",
            code="policy.denied",
            where=report.path,
            hint="mlsign verify shows the whole report",
        )
        self.report = report


class AdmittedModel:
    """A model that a policy let in: sealed model and weights, and the report that let them in.

    Owns the memory; close it, or use it as a context manager, when no scorer needs it any more.
    """

    def __init__(
        self,
        *,
        report: Report,
        summary: ModelSummary,
        model_path: PackagePath,
        sealed: Mapping[PackagePath, SealedMemory],
    ) -> None:
        self.report = report
        self.summary = summary
        self.model_path = model_path
        self.sealed = MappingProxyType(dict(sealed))

    @property
    def model(self) -> SealedMemory:
        """The bytes of the ONNX file."""
        return self.sealed[self.model_path]

    @property
    def weights(self) -> Mapping[PackagePath, SealedMemory]:
        """The bytes of the files that the model keeps weights in, by their path in the package."""
        return {path: memory for path, memory in self.sealed.items() if path != self.model_path}

    def close(self) -> None:
        for memory in self.sealed.values():
            memory.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def admit(
    path: Path, request: VerifyRequest, *, sharing: Iterable[AdmittedModel] = (), advance: Advance | None = None
) -> AdmittedModel:
    """The model of the package at ``path``, verified in sealed memory.

    Files of which a trusted signer names the same digest as of those that a model in ``sharing`` holds are not read: the memory of
    that model is used, and held by both from then on.

    Raises ``Denied`` when the policy says no, or when there is no readable model whatever the policy says;
    ``InputError`` and ``OutsideError`` as ``verify`` does.
    """
    with recording(path, request.audit, policy=logged_policy(request)) as record, OpenPackage.open(path) as package:
        request = selected(package, request)
        watching = request.policy.policy.mode is Mode.AUDIT
        storage = Storage.SEALED_UNVOUCHED if watching else Storage.SEALED
        held = tuple(memory for model in sharing for memory in tuple(model.sealed.values()))
        report, examination = judge_package(package, request, storage=storage, sharing=held, advance=advance)
        try:
            record(report)
            if report.decision.enforced_verdict is not Verdict.ALLOW:
                raise Denied(report)
            summary, model_path = examination.evidence.summary, examination.model_path
            if summary is None or model_path is None or model_path not in examination.sealed:
                raise Denied(report)
            return AdmittedModel(report=report, summary=summary, model_path=model_path, sealed=examination.contents.take_sealed())
        finally:
            examination.contents.close()
