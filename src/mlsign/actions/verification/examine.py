"""From an open package to evidence: everything that can be found out before a policy judges it.

One sequence, written once, behind ``verify``, ``admit``, ``sign`` and ``inspect``. A step that fails does not
stop the steps that can still run, and whatever could not be established is absent from the evidence, never
assumed. Reading files and judging signatures are in ``contents`` and ``signatures`` beside this module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.actions._collector import collector_paused
from mlsign.actions._model import check_model, manifest_of, roles_of, summary_of
from mlsign.actions.verification.contents import Contents, Storage
from mlsign.actions.verification.known import KnownFiles
from mlsign.actions.verification.loose import check_listing, each_once, left_out, unverified_paths
from mlsign.actions.verification.naming import known_digests, needs_sha256, package_digest
from mlsign.actions.verification.signatures import Attempt, attempt_bundles, judge
from mlsign.actions.verification.vouching import allow_sealing, check_effort
from mlsign.compare.content import (
    Observed,
    common_ignored,
    compare_with_manifest,
    merge,
    wanted_shards,
)
from mlsign.compare.external import FileFact, external_path
from mlsign.digest import Algorithm, Digest, sha256
from mlsign.errors import InputError
from mlsign.evidence.findings import Finding, Outcome, finding_of, listed
from mlsign.evidence.record import Evidence, ModelPresence, TrustFacts
from mlsign.formats.manifest import Manifest, Role
from mlsign.formats.statement import ACCEPTED_FORMATS, StatementFormat
from mlsign.identity import Identity
from mlsign.limits import DEFAULT, Limits
from mlsign.onnx.summary import ModelSummary
from mlsign.package.read import OpenPackage
from mlsign.package.scan import Listing
from mlsign.package.sealed import SealedMemory
from mlsign.package.stream import Advance
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath
from mlsign.policy.model import Hashing
from mlsign.trust.root import TrustRoot

if TYPE_CHECKING:
    from mlsign.package.store import Store

MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)
_MODEL_SUFFIX: Final = ".onnx"


def _nobody(_: Identity) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamineRequest:
    """How to examine: whom to trust, where else signatures are, what may lie about unsigned, where bytes are held.

    ``named`` tells whom the policy names, ``summarizers`` whose verification summaries may be accepted. ``algorithms`` are computed
    in addition to those that signatures and manifest use; signatures over ``accepted`` ones may name a package. Statements in other
    ``formats`` are not read. With ``keep_golden`` the golden test data that a trusted signer vouches for stays in memory. Sealed memory
    in ``sharing`` may be used in place of files, where it is held sealed and a trusted signer names its digest; files of the ``store``
    may have further names, and where it is believed (``hashing``) and nothing is to be sealed are not read as long as nobody has
    touched them.
    """

    root: TrustRoot
    now: datetime
    named: Callable[[Identity], bool] = _nobody
    summarizers: Callable[[Identity], bool] = _nobody
    trust: TrustFacts | None = None
    signatures: tuple[Path, ...] = ()
    unsigned: frozenset[PackagePath] = frozenset()
    algorithms: frozenset[Algorithm] = frozenset()
    accepted: frozenset[Algorithm] = frozenset(Algorithm)
    formats: frozenset[StatementFormat] = ACCEPTED_FORMATS
    storage: Storage = Storage.DISK
    keep_golden: bool = False
    sharing: tuple[SealedMemory, ...] = ()
    store: Store | None = None
    hashing: Hashing = Hashing.ALWAYS
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Evidence, and the bytes behind it where they were kept: ``sealed`` holds model and weights, or nothing."""

    evidence: Evidence
    attempts: tuple[Attempt, ...]
    contents: Contents
    model_path: PackagePath | None

    @property
    def sealed(self) -> Mapping[PackagePath, SealedMemory]:
        return self.contents.sealed


def examine(package: OpenPackage, request: ExamineRequest, *, advance: Advance | None = None) -> Examination:
    """Evidence about an open package.

    Raises ``OutsideError`` when disk or memory fail, and ``InputError`` when a limit is passed that makes
    going on unsafe. Everything else that is wrong becomes a finding. The caller closes ``contents``.
    """
    limits = request.limits
    # 1. The package is open: one descriptor, everything else beneath it.
    # 2. Decode every bundle. 3. Authenticate each against the trust root.
    attempts = attempt_bundles(
        package,
        extra=request.signatures,
        root=request.root,
        named=request.named,
        summarizers=request.summarizers,
        now=request.now,
        formats=request.formats,
        limits=limits,
    )
    statements = each_once(vouching.statement for a in attempts if (vouching := a.vouching) is not None)
    # 4. Read all content. What every trusted signer ignores is not read, and nothing is loaded from it.
    skip = common_ignored(statements, default=frozenset({SIGNATURES_NAME}))
    with collector_paused():
        listing = package.list_files(skip=skip, limits=limits)
    # A bundle is no content. Under a second name it is: anybody can link junk of signatures/ to tokenizer.py.
    bundle_inodes = frozenset(a.inode for a in attempts if a.inode is not None)
    contents = Contents(
        package,
        files=tuple(f for f in listing.files if f.links > 1 or f.inode not in bundle_inodes),
        limits=limits,
        advance=advance,
        known=KnownFiles(sharing=request.sharing, store=request.store, believed=_believes(request)),
    )
    try:
        manifest, manifest_digest, manifest_findings = _read_manifest(contents, limits=limits)
        summarized = manifest if any(a.vouched_manifest == manifest_digest for a in attempts) else None
        if manifest is not None:
            contents.expect(sizes={entry.path: entry.size for entry in manifest.files})
            contents.known.expect({entry.path: entry.digest for entry in manifest.files})
        golden = (
            tuple(e.path for e in manifest.files if e.role is Role.GOLDEN) if manifest is not None and request.keep_golden else ()
        )
        allow_sealing(contents, statements, summarized, storage=request.storage, golden=golden)
        wanted = {s.algorithm for s in statements} | request.algorithms | ({manifest.algorithm} if manifest else set())
        wanted |= {Algorithm.SHA256} if needs_sha256(statements) else set()
        contents.want(frozenset(wanted) or frozenset({Algorithm.SHA256}), wanted_shards(statements))
        model_path, model_findings = _find_model(package, contents, manifest, listing)
        summary, inspect_findings = _inspect(contents, model_path, limits=limits)
        weights = _weights(manifest, summary, model_path)
        present = frozenset(path for path in weights if path in contents.paths)
        unread = () if summarized is not None else check_effort(contents, statements, limits=limits)
        if not unread:
            contents.read_rest(present)
        # 5. Compare the content with each statement. A signature over other content counts for nothing.
        needed = {p for p in (model_path, *weights, MANIFEST_PATH) if p is not None}
        signatures, content_findings = judge(attempts, contents.observed, needed=needed, unsigned=request.unsigned)
        unverified = unverified_paths(contents, listing, attempts, signatures, summarized)
        # 6. Hold the manifest against what was seen. 7. Hold the model against the manifest and its files.
        findings = merge(
            listed(contents.findings),
            unread,
            check_listing(listing, contents, attempts, unsigned=request.unsigned),
            # Held against a manifest that was summarized, below, content is not wrong for what a stale signature says.
            (f for f in content_findings if summarized is None or f.outcome is Outcome.PASS),
            manifest_findings,
            () if unread else _check_manifest(manifest, contents, listing, attempts, unsigned=request.unsigned),
            model_findings,
            inspect_findings,
            _check_model(manifest, summary, contents, model_path, weights),
        )
        evidence = Evidence(
            digest=package_digest(
                contents.observed,
                manifest,
                zip((a.vouching for a in attempts), signatures, strict=True),
                accepted=request.accepted,
            ),
            digests=known_digests(contents.observed, manifest, zip((a.authentic for a in attempts), signatures, strict=True)),
            manifest=manifest,
            summary=summary,
            signatures=signatures,
            findings=findings,
            unverified=tuple(sorted(unverified)),
            model=ModelPresence.ABSENT if _has_no_model(contents, model_path, model_findings) else ModelPresence.PRESENT,
            trust=request.trust,
            manifest_digest=manifest_digest,
            unread=contents.known.unread,
        )
    except BaseException:
        contents.close()
        raise
    return Examination(evidence=evidence, attempts=attempts, contents=contents, model_path=model_path)


def _believes(request: ExamineRequest) -> bool:
    """Whether files of the store are left unread. What is admitted is hashed all the same, whatever else of it is read from disk."""
    return request.hashing is Hashing.ONCE and request.storage is Storage.DISK


def examine_to_vouch(
    package: OpenPackage, *, now: datetime, limits: Limits, advance: Advance | None, store: Store | None = None
) -> Examination:
    """Evidence for somebody who is about to vouch for the package: no older statement is trusted, and all of it is read.

    But for files of the ``store``: what is vouched for is then the digest of what mlsign wrote there, and an altered file is found by
    everybody who verifies. Raises as ``examine`` does. The contents are closed.
    """
    # A stranger's package is not worth hours of hashing; this one is the caller's own.
    limits = replace(limits, max_unvouched_bytes=limits.max_package_bytes)
    request = ExamineRequest(root=TrustRoot(keys=()), now=now, store=store, hashing=Hashing.ONCE, limits=limits)
    examination = examine(package, request, advance=advance)
    examination.contents.close()
    return examination


def _read_manifest(contents: Contents, *, limits: Limits) -> tuple[Manifest | None, Digest | None, tuple[Finding, ...]]:
    if MANIFEST_PATH not in contents.paths:
        return None, None, ()
    try:
        data = contents.read_whole(MANIFEST_PATH, max_bytes=limits.max_manifest_bytes)
        return manifest_of(data, limits=limits), sha256(data), ()
    except InputError as err:
        return None, None, (finding_of(err, code="MLS109", where=MANIFEST_NAME),)


def _find_model(
    package: OpenPackage, contents: Contents, manifest: Manifest | None, listing: Listing
) -> tuple[PackagePath | None, tuple[Finding, ...]]:
    """The model's path: what the manifest says, or the one ONNX file of a folder that has no manifest."""
    if manifest is not None:
        return manifest.model.path, ()
    if MANIFEST_PATH in contents.paths:
        return None, ()
    models = [path for path in contents.paths if path.name.casefold().endswith(_MODEL_SUFFIX)]
    if len(models) > 1:
        message = f"the folder has {len(models)} ONNX files and no manifest that says which one is the model"
        found = ", ".join(str(path) for path in models[:8])
        return None, (
            Finding(
                code="MLS113",
                outcome=Outcome.UNKNOWN,
                message=message,
                found=found,
                hint="verify the file itself, or pack it with mlsign",
            ),
        )
    if not models and any(name != SIGNATURES_NAME for name in listing.skipped_names):
        # Perhaps the model is among what the signature leaves out: then the signature is over nothing that matters.
        hidden = package.list_files(skip=frozenset({SIGNATURES_NAME, ".git"}))
        models = [f.path for f in hidden.files if f.path.name.casefold().endswith(_MODEL_SUFFIX)]
    return (models[0] if models else None), ()


def _has_no_model(contents: Contents, model_path: PackagePath | None, ambiguous: tuple[Finding, ...]) -> bool:
    """Certain that there is none: no manifest, readable or not, and not one file that could be it."""
    return MANIFEST_PATH not in contents.paths and model_path is None and not ambiguous


def _inspect(
    contents: Contents, model_path: PackagePath | None, *, limits: Limits
) -> tuple[ModelSummary | None, tuple[Finding, ...]]:
    if model_path is None or model_path not in contents.paths:
        return None, ()
    return summary_of(lambda: contents.hold(model_path), where=str(model_path), limits=limits)


def _weights(manifest: Manifest | None, summary: ModelSummary | None, model_path: PackagePath | None) -> frozenset[PackagePath]:
    """Files that would be loaded with the model: those the manifest calls weights and those the model points at."""
    found = {entry.path for entry in manifest.files if entry.role is Role.WEIGHTS} if manifest else set()
    if summary is not None and model_path is not None:
        for tensor in summary.external:
            try:
                found.add(external_path(model_path, tensor.location))
            except InputError:
                continue  # check_external reports the location; there is no file of ours behind it
    return frozenset(found - {MANIFEST_PATH, model_path})


@collector_paused()
def _check_manifest(
    manifest: Manifest | None,
    contents: Contents,
    listing: Listing,
    attempts: tuple[Attempt, ...],
    *,
    unsigned: frozenset[PackagePath],
) -> tuple[Finding, ...]:
    """The manifest lists everything: what a signature ignores is as extra as anything else, whoever signed."""
    if manifest is None:
        return ()
    loose = left_out(listing, attempts)
    content = dict(contents.observed) | {PackagePath(name): Observed(size=0, digests={}) for name in loose}
    return compare_with_manifest(manifest, content, unverified=unsigned)


def _check_model(
    manifest: Manifest | None,
    summary: ModelSummary | None,
    contents: Contents,
    model_path: PackagePath | None,
    weights: frozenset[PackagePath],
) -> tuple[Finding, ...]:
    if summary is None or model_path is None:
        return ()
    role = roles_of(manifest)
    # A model may point at itself and at the manifest, too.
    pointed = (contents.paths[path] for path in (*weights, model_path, MANIFEST_PATH) if path in contents.paths)
    facts = {str(f.path): FileFact(size=f.size, links=contents.known.names_of(f), role=role(f.path)) for f in pointed}
    return check_model(summary, manifest=manifest, model_path=model_path, files=facts)
