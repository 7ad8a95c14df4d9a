"""Attest a verdict: verify a package and, where it is allowed, say so in a signed verification summary."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mlsign.actions.audit.recording import recording
from mlsign.actions.signing.adding import add_bundle
from mlsign.actions.verification.contents import Storage
from mlsign.actions.verification.summarizing import summarize
from mlsign.actions.verification.verify import Report, VerifyRequest, judge_package, logged_policy, selected
from mlsign.errors import InputError, shown
from mlsign.formats.bundle import encode_bundle
from mlsign.formats.verification_summary import decode_summary, encode_summary
from mlsign.identity import Identity
from mlsign.package.read import OpenPackage
from mlsign.package.stream import Advance
from mlsign.package.write import write_new_files
from mlsign.paths import SIGNATURES_NAME
from mlsign.policy.model import Verdict
from mlsign.signers.protocol import Signer
from mlsign.trust.authenticate import authenticate_statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """A report, and the summary that was made of it: where it lies and by whom it is. Both None for a denial."""

    report: Report
    bundle: str | None = None
    identity: Identity | None = None


def attest_verdict(
    path: Path, request: VerifyRequest, signer: Signer, *, output: Path | None = None, advance: Advance | None = None
) -> Attested:
    """Verifies as ``verify`` does and adds a signed summary to the package, or writes it to ``output``.

    Only an allowance is attested; the verdict counts and not the mode of the policy, so a denial that is merely watched gives no
    summary. Raises as ``verify`` does, ``InputError`` (``attest.…``, ``output.exists``, ``package.bundles``, ``file.changed``),
    ``TrustError`` when the new bundle does not hold, and ``OutsideError``.
    """
    if request.accept:
        raise InputError(
            "a verification cannot both rest on a summary and be summarized",
            code="attest.second_hand",
            hint="leave out --accept-vsa or --attest",
        )
    # One time for the verdict and for what is said of it. The package stays open: its name may lead elsewhere meanwhile.
    dated = replace(request, now=request.now or datetime.now(UTC))
    with recording(path, request.audit, policy=logged_policy(request)) as record, OpenPackage.open(path) as package:
        dated = selected(package, dated)
        files = package.list_files(skip=frozenset({SIGNATURES_NAME}), limits=request.limits).files
        # 1. The whole verification, hashing included.
        report, examination = judge_package(package, dated, storage=Storage.DISK, advance=advance)
        examination.contents.close()
        record(report)
        if report.decision.verdict is not Verdict.ALLOW:
            return Attested(report=report)
        summary = summarize(dated.policy, report.evidence, report.decision, now=report.now)
        # 2. No key is used for a summary that there is no place for.
        _check_place(package, output, request)
        bundle = signer.sign(encode_summary(summary))
        # 3. What would not be accepted is not written.
        proof = authenticate_statement(
            bundle, decode_summary, root=signer.trust, now=request.now or datetime.now(UTC), limits=request.limits
        )
        if output is None:
            name = add_bundle(package, bundle, files=files, limits=request.limits)
        else:
            package.check_unchanged(files, limits=request.limits)
            write_new_files(((output, encode_bundle(bundle), 0o644),))
            name = str(output)
    return Attested(report=report, bundle=name, identity=proof.identity)


def _check_place(package: OpenPackage, output: Path | None, request: VerifyRequest) -> None:
    if output is None:
        package.check_room(limits=request.limits)
        return
    if _is_within(package, output):
        raise InputError(
            "lies in the package, where it would be a file that nobody signed",
            code="attest.output",
            where=shown(output),
            hint="leave out --attest-output, and the summary goes into signatures/; or choose a place outside",
        )
    if os.path.lexists(output):
        raise InputError(
            "is already there, and a summary never overwrites anything",
            code="output.exists",
            where=shown(output),
            hint="choose another name with --attest-output",
        )


def _is_within(package: OpenPackage, output: Path) -> bool:
    """Whether a file of this name would lie in the folder that is open, by whatever names either is reached."""
    opened = os.fstat(package.fd)
    folders = output.parent.resolve()
    return any(folder.exists() and os.path.samestat(folder.stat(), opened) for folder in (folders, *folders.parents))
