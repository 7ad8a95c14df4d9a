"""From a policy file to a policy that can decide: its text, and the keys that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlsign.actions.read_policy import read_policy_document
from mlsign.errors import InputError
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.model import Policy
from mlsign.trust.keys import PublicKey, decode_public_key
from mlsign.trust.root import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """A policy and the keys it trusts."""

    policy: Policy
    root: TrustRoot


def load_policy(path: Path, *, limits: Limits = DEFAULT) -> LoadedPolicy:
    """The policy at ``path``; key files are found relative to it.

    Raises ``InputError`` (``policy.…``, ``key.…``) with the line and what to do, and ``OutsideError``.
    """
    document = read_policy_document(path, limits=limits)
    keys = {reference: _read_key(path, reference, limits=limits) for reference in document.key_references}
    policy = document.bind({reference: key.identity for reference, key in keys.items()})
    return LoadedPolicy(policy=policy, root=TrustRoot(keys=tuple(keys.values())))


def _read_key(policy: Path, reference: str, *, limits: Limits) -> PublicKey:
    try:
        pem, _ = read_user_file(policy.parent / reference, max_bytes=limits.max_key_bytes, what="key")
        return decode_public_key(pem, where=reference)
    except InputError as err:
        raise InputError(
            f"the key {reference} that the policy {policy.name} names {err.message}",
            code=err.code,
            where=str(policy.parent / reference),
            hint=err.hint or "put the public key there, or change the path in the policy; it is relative to the policy file",
        ) from err
