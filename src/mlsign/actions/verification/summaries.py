"""Verification summaries on their way in: what the caller asked for, and what a policy trusts."""

from __future__ import annotations

from dataclasses import replace

from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, shown
from mlsign.policy.model import Policy
from mlsign.strict import encode_json


def accepting(loaded: LoadedPolicy, names: tuple[str, ...]) -> Policy:
    """The policy, ready to take summaries by those whom the caller calls by ``names``.

    Raises ``InputError`` (``usage.accept_vsa``) where the policy accepts none: what the caller asks for adds nothing to it.
    """
    policy = loaded.policy
    if not names:
        return policy
    if "" in names:
        raise InputError(
            "an empty name is nobody's", code="usage.accept_vsa", hint="is the variable set that --accept-vsa takes it from?"
        )
    if policy.vsa is None:
        raise InputError(
            f"the policy {shown(policy.name)} accepts no verification summaries",
            code="usage.accept_vsa",
            expected="a policy with the field vsa",
            hint="leave out --accept-vsa, or say in the policy whose summaries are accepted: vsa: {accept: [...], max_age: 24h}",
        )
    return replace(policy, vsa=replace(policy.vsa, chosen=frozenset(names), trusted=trusted_digest(loaded)))


def trusted_digest(loaded: LoadedPolicy) -> Digest:
    """Binds what the files hold that the policy names; the digest of a policy is over its text, which names them only by path."""
    root = loaded.root
    trust = loaded.trust.digest if loaded.trust is not None and loaded.policy.freshness.trust.file else None
    return sha256(
        encode_json(
            {
                "keys": [str(key.identity.spki) for key in root.keys],
                "authorities": [
                    {
                        "anchors": [str(sha256(der)) for der in authority.anchors],
                        "intermediates": [str(sha256(der)) for der in authority.intermediates],
                        "revocations": [str(sha256(der)) for der in authority.revocations],
                    }
                    for authority in root.authorities
                ],
                "trust": None if trust is None else str(trust),
            }
        )
    )
