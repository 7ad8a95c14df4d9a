"""What lies in a folder beside the files that were signed: what is no file of a package, and what nobody vouches for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from mlsign.actions.verification.contents import Contents
from mlsign.actions.verification.signatures import Attempt
from mlsign.compare.content import is_ignored
from mlsign.evidence.findings import Finding, Outcome, finding_of, listed
from mlsign.evidence.record import SignatureRecord, Standing
from mlsign.formats.manifest import Manifest
from mlsign.formats.statement import Statement
from mlsign.package.scan import Listing
from mlsign.paths import MANIFEST_NAME, SIGNATURES_NAME, PackagePath

_MANIFEST_PATH: Final = PackagePath(MANIFEST_NAME)


def each_once(statements: Iterable[Statement]) -> tuple[Statement, ...]:
    """The statements without the same ones again, which many may have signed."""
    return tuple({id(statement): statement for statement in statements}.values())


def check_listing(
    listing: Listing, contents: Contents, attempts: tuple[Attempt, ...], *, unsigned: frozenset[PackagePath]
) -> tuple[Finding, ...]:
    """A finding for everything that is no regular file of its own."""
    findings = [
        finding_of(i.error, code="MLS104" if i.error.code == "file.kind" else "MLS105", where=i.name) for i in listing.intruders
    ]
    # A link or a file in place of the folder signatures/ would otherwise be neither content nor a signature.
    findings.extend(replace(a.reason, code="MLS104") for a in attempts if a.name == SIGNATURES_NAME and a.reason is not None)
    findings.extend(
        Finding(
            code="MLS107",
            outcome=Outcome.FAIL,
            message=f"{f.path} has {f.links} names on this disk",
            where=str(f.path),
            expected="1 name",
            found=f"{f.links} names",
            hint="copy the package (cp -r) so that nobody can change the file through its other name; or name the store that it is of "
            "(--store)",
        )
        for f in contents.files
        if contents.known.names_of(f) > 1 and f.path not in unsigned
    )
    return listed(findings)


def unverified_paths(
    contents: Contents,
    listing: Listing,
    attempts: tuple[Attempt, ...],
    signatures: tuple[SignatureRecord, ...],
    summarized: Manifest | None,
) -> frozenset[str]:
    """What lies in the folder while no counted signature covers it, nor a manifest that somebody summarized."""
    counted = each_once(
        vouching.statement
        for a, s in zip(attempts, signatures, strict=True)
        if s.standing is Standing.COUNTED and (vouching := a.vouching) is not None
    )
    if not counted and summarized is None:
        return frozenset()
    covered = {resource.path for statement in counted for resource in statement.resources}
    covered |= set() if summarized is None else {_MANIFEST_PATH, *(entry.path for entry in summarized.files)}
    loose = {str(path) for path in contents.paths.keys() - covered}
    return frozenset(loose | left_out(listing, attempts))


def left_out(listing: Listing, attempts: tuple[Attempt, ...]) -> set[str]:
    """What every trusted signer ignores and is there, signatures aside."""
    bundles = {attempt.inode for attempt in attempts}
    return {name for name, inode in listing.skipped if inode not in bundles and not is_ignored(name, ignored=(SIGNATURES_NAME,))}
