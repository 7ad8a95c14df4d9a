"""Describe: what a package says about itself, for whoever wants to read it: nothing of it is checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsign.actions.inspection.claimed_signers import ClaimedSigner, claimed_signers
from mlsign.actions.inspection.looking import NOT_LOOKED_AT, find_manifest
from mlsign.errors import InputError
from mlsign.formats.manifest import Manifest
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The manifest of a package, and who claims to have signed it."""

    manifest: Manifest
    signers: tuple[ClaimedSigner, ...]


def describe(path: Path, *, limits: Limits = DEFAULT) -> Description:
    """What the package at ``path`` says about itself; its files are not read.

    Raises ``InputError`` (``describe.manifest`` where there is no manifest) and ``OutsideError``.
    """
    with OpenPackage.open(path) as package:
        manifest = find_manifest(package, package.list_files(skip=NOT_LOOKED_AT, limits=limits).files, limits=limits)
        if manifest is None:
            raise InputError(
                "has no manifest, and a model card is made from it",
                code="describe.manifest",
                where=str(path),
                expected="a package",
                hint="mlsign pack makes a package of a model; mlsign inspect shows what is in the model itself",
            )
        return Description(manifest=manifest, signers=claimed_signers(package, limits=limits))
