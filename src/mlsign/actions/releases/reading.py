"""One package of a folder as a release: what it says of itself, what was found to be so, and who signed it or claims to have.

Only what is small is kept of each, so that ten thousand packages fit: manifests are read again where two are compared, and
count only if they are the bytes that were read before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Final

from mlsign.actions.inspection.claimed_signers import ClaimedSigner, claimed_signers
from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.actions.verification.contents import Storage
from mlsign.actions.verification.examine import MANIFEST_PATH, examine_to_vouch
from mlsign.actions.verification.known import opened_store
from mlsign.actions.verification.verify import VerifyRequest, judge_package, selected
from mlsign.compare.lineage import Release
from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, MlsignError, OutsideError, shown
from mlsign.evidence.findings import Finding, against
from mlsign.evidence.record import Evidence, SignatureRecord
from mlsign.formats.manifest import Manifest
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.formats.statement_parts import digest_of_digests
from mlsign.limits import DEFAULT, Limits
from mlsign.package.hashing import hash_memory
from mlsign.package.read import OpenPackage, folder_beneath, open_beneath
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.model import Mode, Rollback, Verdict

_MAX_SIGNERS: Final = 8
"""Signers, or claims of some, that are kept of one release; anybody can add claims."""


class Reading(Enum):
    """What is read of each package."""

    WHOLE = "whole"
    MANIFEST = "manifest"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRequest:
    """Which releases to list and how to look at them.

    With ``policies`` each package is verified under the one that is for it, at ``now``, whatever releases were allowed before.
    ``reading`` only the manifests goes without policies. ``name`` leaves out other models; files of the ``store`` may have further
    names.
    """

    policies: tuple[LoadedPolicy, ...] = ()
    name: str | None = None
    reading: Reading = Reading.WHOLE
    store: Path | None = None
    now: datetime | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a policy made of a package, and whether it stops anything (``mode``); ``signers`` are those whose signatures count."""

    policy: str
    verdict: Verdict
    mode: Mode
    signers: tuple[SignatureRecord, ...]

    @property
    def enforces(self) -> bool:
        """A denial stops something: the policy does not only watch."""
        return self.mode is Mode.ENFORCE


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRelease:
    """A package that says which release it is. ``path`` is relative to the folder, as the system spells it.

    ``release.digest`` is computed from files, or from the manifest alone where only that was read; ``packed`` is the time that
    the manifest claims. ``claims`` are of signers that nobody has checked; ``more`` are signers or claims that were not kept.
    ``problem`` is the first thing that is wrong with the package, or for the policy, before what is only not known. ``unread`` are
    files that were not read.
    """

    path: str
    release: Release
    manifest_digest: Digest
    packed: str | None
    claims: tuple[ClaimedSigner, ...] = ()
    judged: Judged | None = None
    more: int = 0
    problem: Finding | None = None
    unread: int = 0

    @property
    def is_sound(self) -> bool:
        """The policy allows it; without one, it is what its manifest says as far as that was looked at."""
        return self.problem is None if self.judged is None else self.judged.verdict is Verdict.ALLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A folder that should be a package, or lead to some, and could not be read."""

    path: str
    error: MlsignError


def look(root: int, path: str, request: LogRequest, *, where: Path) -> FoundRelease | Unreadable | None:
    """The package at ``path`` beneath the open folder ``root``, called ``where`` in reports; None for a model of another name."""
    try:
        with folder_beneath(root, _parts(path), where=shown(path or ".")) as folder:
            try:
                package = OpenPackage(os.dup(folder), where=str(where), only=None)
            except OSError as err:
                raise OutsideError(f"cannot be opened: {err.strerror}", code="file.read", where=shown(path)) from err
            with package:
                data = _manifest_bytes(package.fd, "", limits=request.limits)
                manifest = decode_manifest(data, limits=request.limits)
                if request.name is not None and manifest.name != request.name:
                    return None
                return _look(package, path, manifest, data, request)
    except MlsignError as err:
        return Unreadable(path=path, error=err)


def manifest_again(root: int, found: FoundRelease, *, limits: Limits) -> Manifest:
    """The manifest of a release once more. Raises ``InputError`` (``file.changed``) for other bytes, and as reading does."""
    data = _manifest_bytes(root, found.path, limits=limits)
    if sha256(data) != found.manifest_digest:
        raise InputError("is not what it was a moment ago", code="file.changed", where=shown(found.path))
    return decode_manifest(data, limits=limits)


def _parts(path: str) -> tuple[str, ...]:
    return tuple(path.split("/")) if path else ()


def _manifest_bytes(root: int, path: str, *, limits: Limits) -> bytes:
    with open_beneath(root, (*_parts(path), MANIFEST_NAME), where=shown(f"{path}/{MANIFEST_NAME}".lstrip("/"))) as source:
        return source.read_all(max_bytes=limits.max_manifest_bytes)


def _look(package: OpenPackage, path: str, manifest: Manifest, data: bytes, request: LogRequest) -> FoundRelease | Unreadable:
    if request.policies:
        return _judged(package, path, request)
    claims = claimed_signers(package, limits=request.limits)
    if request.reading is Reading.MANIFEST:
        (own,) = hash_memory(memoryview(data), algorithms=(manifest.algorithm,))
        by_path = {entry.path: entry.digest for entry in manifest.files} | {MANIFEST_PATH: own}
        digest = digest_of_digests(by_path[entry] for entry in sorted(by_path))
        found = _found(path, manifest, digest=digest, manifest_digest=sha256(data), unread=len(manifest.files))
    else:
        with opened_store(request.store) as store:
            now = request.now or datetime.now(UTC)
            examination = examine_to_vouch(package, now=now, limits=request.limits, store=store, advance=None)
        examined = _of_evidence(path, examination.evidence)
        if isinstance(examined, Unreadable):
            return examined
        # Nobody was asked who signed it, so it is not wrong for signatures.
        found = replace(examined, problem=_worst(examination.evidence.findings))
    return replace(found, claims=claims[:_MAX_SIGNERS], more=max(0, len(claims) - _MAX_SIGNERS))


def _judged(package: OpenPackage, path: str, request: LogRequest) -> FoundRelease | Unreadable:
    first, *others = (
        # A log is of old releases as well: what was allowed before neither denies them nor is moved by them.
        replace(loaded, policy=replace(loaded.policy, rollback=Rollback.ALLOW))
        for loaded in request.policies
    )
    verifying = VerifyRequest(policy=first, others=tuple(others), now=request.now, store=request.store, limits=request.limits)
    report, examination = judge_package(package, selected(package, verifying), storage=Storage.DISK)
    examination.contents.close()
    found = _of_evidence(path, report.evidence)
    if isinstance(found, Unreadable):
        return found
    signers = report.evidence.counted
    decision = report.decision
    judged = Judged(
        policy=report.policy.name,
        verdict=decision.verdict,
        mode=decision.mode,
        signers=signers[:_MAX_SIGNERS],
    )
    return replace(
        found,
        judged=judged,
        more=max(0, len(signers) - _MAX_SIGNERS),
        problem=None if decision.verdict is Verdict.ALLOW else _worst(decision.findings),
    )


def _worst(findings: Iterable[Finding]) -> Finding | None:
    return next(iter(against(findings)), None)


def _of_evidence(path: str, evidence: Evidence) -> FoundRelease | Unreadable:
    if evidence.manifest is None or evidence.manifest_digest is None:
        wrong = _worst(evidence.findings)
        message = "has no readable manifest" if wrong is None else f"{wrong.code} {wrong.message}"
        return Unreadable(path=path, error=InputError(message, code="file.changed", where=shown(path)))
    return _found(
        path,
        evidence.manifest,
        digest=evidence.digest,
        manifest_digest=evidence.manifest_digest,
        unread=len(evidence.unread),
    )


def _found(path: str, manifest: Manifest, *, digest: Digest | None, manifest_digest: Digest, unread: int) -> FoundRelease:
    return FoundRelease(
        path=path,
        release=Release(name=manifest.name, version=manifest.version, digest=digest, previous=manifest.previous),
        manifest_digest=manifest_digest,
        packed=None if manifest.provenance is None else manifest.provenance.time,
        unread=unread,
    )
