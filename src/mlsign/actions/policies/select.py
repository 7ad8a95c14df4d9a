"""Which of several policies judges a package. What is chosen here is held against the verified manifest by the decision."""

from __future__ import annotations

from dataclasses import replace

from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.errors import MlsignError
from mlsign.formats.manifest_codec import decode_manifest
from mlsign.limits import Limits
from mlsign.package.read import OpenPackage
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.policy.match import Fit, Rival
from mlsign.policy.model import Mode


def select_policy(package: OpenPackage, policies: tuple[LoadedPolicy, ...], *, limits: Limits) -> LoadedPolicy:
    """The policy that is for the package as its manifest reads now, with the others as its rivals.

    Always one, and no promise: where none or two are for the package, or another manifest is verified in the end, the
    rule of ``match`` denies.
    """
    return policies[0] if len(policies) == 1 else select_by_name(_name(package, limits=limits), policies)


def select_by_name(name: str | None, policies: tuple[LoadedPolicy, ...]) -> LoadedPolicy:
    """The policy that is for packages of this name, with the others as its rivals; the first where none is."""
    fitting = (index for index, loaded in enumerate(policies) if loaded.policy.match.fits(name) is Fit.YES)
    chosen = next(fitting, 0)
    rivals = tuple(
        Rival(policy=loaded.policy.name, match=loaded.policy.match, enforces=loaded.policy.mode is Mode.ENFORCE)
        for index, loaded in enumerate(policies)
        if index != chosen
    )
    return replace(policies[chosen], policy=replace(policies[chosen].policy, rivals=rivals))


def _name(package: OpenPackage, *, limits: Limits) -> str | None:
    try:
        with package.open_file(PackagePath(MANIFEST_NAME)) as source:
            return decode_manifest(source.read_all(max_bytes=limits.max_manifest_bytes), limits=limits).name
    except MlsignError:
        return None  # whatever is wrong with it is found again, and told, when the package is examined
