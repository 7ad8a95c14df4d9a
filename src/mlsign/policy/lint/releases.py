"""Rules about releases and time: revocations that strike nothing, old signatures that go on counting, an audit left on."""

from __future__ import annotations

from collections.abc import Iterator

from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.model import ManifestMode, Mode, RevokedRelease, Rollback


def check_releases(draft: Draft) -> Iterator[Remark]:
    """Remarks on ``versions``, ``revoked`` and ``manifest``."""
    policy = draft.policy
    for index, item in enumerate(policy.revoked):
        if item in policy.revoked[:index]:
            yield draft.warning("revoked.twice", "is revoked already, further up", "revoked", index)
        version = item.version if isinstance(item, RevokedRelease) else None
        if version is not None and policy.minimum_version is not None and version < policy.minimum_version:
            yield draft.warning(
                "revoked.idle",
                f"version {version} is below versions.minimum, which keeps it out already",
                *("revoked", index),
                hint="take it out once no other policy needs it",
            )
    needs_manifest = {
        "versions.minimum": policy.minimum_version is not None,
        "versions.rollback": policy.rollback is Rollback.DENY,
        "revoked by name": any(isinstance(item, RevokedRelease) for item in policy.revoked),
    }
    asked = [name for name, is_asked in needs_manifest.items() if is_asked]
    if policy.manifest is ManifestMode.OPTIONAL and asked:
        yield draft.warning(
            "manifest.idle",
            f"a package without a manifest is denied in any case, because of {' and '.join(asked)}",
            "manifest",
            hint="set manifest: required, or take the other out",
        )


def check_time(draft: Draft) -> Iterator[Remark]:
    """Remarks on ``age``, ``trust`` and replayed signatures."""
    policy = draft.policy
    if policy.freshness.max_age is None and policy.rollback is Rollback.ALLOW:
        yield draft.information(
            "release.replay",
            "an old release goes on being allowed for as long as its signature is genuine",
            hint="set age, or versions.rollback: deny; versions.minimum keeps out what is known to be bad",
        )
    if draft.has("trust") and not policy.needs_trust_root:
        yield draft.warning(
            "trust.idle",
            "nothing in this policy needs a Sigstore trust root: it asks for neither keyless identities, certificates, logs nor times",
            "trust",
            hint="take trust out",
        )


def check_mode(draft: Draft) -> Iterator[Remark]:
    """An audit stops nothing."""
    if draft.policy.mode is Mode.AUDIT:
        yield draft.warning("mode.audit", "the policy stops nothing: what it denies is allowed", "mode", hint="set mode: enforce")
