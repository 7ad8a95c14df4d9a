"""The release before the one that is packed: opened, held against its own manifest, and named by the digest of what lies there."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from mlsign.actions.signing.sign import RefusedToSign, checked_manifest, package_statement
from mlsign.actions.verification.examine import examine_to_vouch
from mlsign.actions.verification.known import opened_store
from mlsign.digest import Digest
from mlsign.errors import InputError, shown_path
from mlsign.formats.manifest import Manifest, Previous
from mlsign.limits import Limits
from mlsign.package.read import OpenPackage
from mlsign.package.stream import Advance
from mlsign.version import Version


def find_previous(
    path: Path, *, name: str, version: Version, store: Path | None, limits: Limits, advance: Advance | None
) -> Previous:
    """What the manifest of ``version`` says of the package at ``path``, every byte of which has been hashed.

    Nobody's signature is asked for: who signed it is for whoever walks the lineage to judge. Raises ``InputError``
    (``pack.previous`` for a package that is not what its manifest says, of another model, or not lower; ``sign.manifest`` for
    none at all) and what opening and reading it raise.
    """
    try:
        manifest, digest = vouched_release(path, store=store, limits=limits, advance=advance)
    except RefusedToSign as err:
        first = err.findings[0]
        message = f"cannot be recorded as the release before: {first.code} {first.message}"
        hint = first.hint or "take the release as it was signed; mlsign verify says what is wrong with it"
        raise _refused(path, message, hint=hint) from err
    if manifest.name != name:
        hint = f"give --name {manifest.name} if this is the same model; a model with a new name starts a lineage of its own"
        raise _refused(path, f"is a release of {manifest.name}, and this is one of {name}", hint=hint)
    if not manifest.version < version:
        message = f"is version {manifest.version}, which is not lower than {version}"
        raise _refused(path, message, hint="give a higher --version, or name the release that this one comes after")
    return Previous(version=manifest.version, digest=digest)


def vouched_release(path: Path, *, store: Path | None, limits: Limits, advance: Advance | None) -> tuple[Manifest, Digest]:
    """The manifest of the package at ``path`` and the digest that signatures over it are about, after every byte of it has been hashed.

    Raises ``RefusedToSign`` for a package that is not what its manifest says, ``InputError`` (``sign.manifest``) for none at all, and
    what opening and reading it raise.
    """
    with OpenPackage.open(path) as package, opened_store(store) as opened:
        examination = examine_to_vouch(package, now=datetime.now(UTC), limits=limits, store=opened, advance=advance)
    manifest = checked_manifest(path, examination)
    return manifest, package_statement(manifest, examination).subject_digest


def _refused(path: Path, message: str, *, hint: str) -> InputError:
    return InputError(message, code="pack.previous", where=shown_path(path), hint=hint)
