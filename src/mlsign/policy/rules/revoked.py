"""What was released and must not run any more, by the digest of a package or a file, or by name and version."""

from __future__ import annotations

from typing import Final

from mlsign.digest import Digest
from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome, listed
from mlsign.evidence.record import Evidence
from mlsign.policy.model import Revocation, RevokedFile, RevokedRelease

CODE: Final = "MLS401"


def check(evidence: Evidence, settings: tuple[Revocation, ...]) -> tuple[Finding, ...]:
    """A failure for each revocation that strikes, an unknown for each that could not be held against the package.

    A package without a digest is unknown even when nothing is revoked: nobody can say what would be allowed.
    """
    if evidence.digest is None:
        return (_unknown("the package has no digest that could be looked up", "digest"),)
    findings = [f for item in settings if (f := _judge(evidence, evidence.digest, item)) is not None]
    if findings:
        return listed(findings)
    if not settings:
        return ()
    message = f"none of the {len(settings)} revocations of the policy is about this package"
    return (Finding(code=CODE, outcome=Outcome.PASS, message=message),)


def _judge(evidence: Evidence, digest: Digest, item: Revocation) -> Finding | None:
    if isinstance(item, RevokedFile):
        return _judge_file(evidence, digest, item)
    if isinstance(item, RevokedRelease):
        return _judge_release(evidence, item)
    if item.digest == digest:
        return _struck("the package", str(digest), item.reason)
    return _struck("a file", str(item.digest), item.reason) if item.digest in evidence.digests else None


def _judge_file(evidence: Evidence, digest: Digest, item: RevokedFile) -> Finding | None:
    for revoked in item.digests:
        if revoked in evidence.digests:
            return _struck("a file", str(revoked), item.reason)
    known = {found.algorithm for found in evidence.digests - {digest}}
    # A digest by another algorithm says nothing: packing revoked weights again with --digest blake3 must not clear them.
    if known.isdisjoint(revoked.algorithm for revoked in item.digests):
        found = " and ".join(sorted(algorithm.value for algorithm in known)) or "nothing"
        names = " and ".join(revoked.algorithm.value for revoked in item.digests)
        return _unknown(f"files are known by {found}, a revoked one by {names}", str(item.digests[0]))
    return None


def _judge_release(evidence: Evidence, item: RevokedRelease) -> Finding | None:
    if evidence.manifest is None:
        return _unknown(f"releases of {shown(item.name)} are revoked, and no manifest says what this is", shown(item.name))
    if evidence.manifest.name.casefold() != item.name.casefold():
        return None
    if item.version is not None and evidence.manifest.version != item.version:
        return None
    return _struck("the release", f"{shown(evidence.manifest.name)} {evidence.manifest.version}", item.reason)


def _struck(what: str, name: str, reason: str) -> Finding:
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"{what} is revoked: {shown(reason)}",
        where=shown(name),
        expected="nothing that the policy revokes",
        found=shown(name),
        hint="deploy another release; the reason is the policy's",
    )


def _unknown(message: str, where: str) -> Finding:
    return Finding(
        code=CODE,
        outcome=Outcome.UNKNOWN,
        message=f"cannot tell whether this is revoked: {message}",
        where=where,
        hint="pack the package with a manifest and the digest algorithm of the revocation",
    )
