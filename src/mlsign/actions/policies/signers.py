"""Who may have signed a policy, from the words of a command line or of a program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from mlsign.actions.policies.verify_policy import Holder, PolicyTrust
from mlsign.errors import InputError
from mlsign.policy.decoding.identities import decode_certificate, decode_keyless
from mlsign.policy.decoding.yaml_source import Mapping, Node, Place, Scalar, Sequence


def named_signers(
    *,
    keys: tuple[Path, ...],
    identity: str | None,
    issuer: str | None,
    trust_root: Path | None,
    roots: tuple[Path, ...] = (),
) -> PolicyTrust | None:
    """Who is meant, or None where no signature is asked for. ``*`` in a name makes it a pattern, as in policies.

    With ``roots`` the identity is the holder of a certificate, else one that ``issuer`` vouches for. Raises ``InputError``
    (``usage.policy_signer``) for half an identity and for a pattern that means anybody.
    """
    if identity is None and (issuer is not None or roots):
        raise _usage("--policy-identity is missing: whoever it is would do")
    if identity is not None and (issuer is None) == (not roots):
        raise _usage("--policy-identity needs either --policy-issuer or --policy-root: a name means nothing without who vouches")
    if trust_root is not None and issuer is None:
        raise _usage("--policy-trust-root goes with --policy-issuer: nothing else is held against it")
    if identity is None:
        return PolicyTrust(keys=keys) if keys else None
    try:
        if issuer is None:
            return PolicyTrust(keys=keys, holders=(_holder(identity, roots),))
        person = decode_keyless(_map(issuer=_pattern(issuer), subject=_pattern(identity)), "")
    except InputError as err:
        where = f"--policy-{'issuer' if err.code.endswith('issuer') or err.where.endswith('issuer') else 'identity'}"
        raise _usage(f"{where} {err.message.partition(', line 1 column')[0]}", hint=err.hint) from err
    return PolicyTrust(keys=keys, people=(person,), trust_root=trust_root)


def _holder(identity: str, roots: tuple[Path, ...]) -> Holder:
    """A name with email:, uri: or dns: before it is one of the alternative names, any other is the subject."""
    field = "name" if identity.startswith(("email:", "uri:", "dns:")) else "subject"
    files = Sequence(items=(_scalar("root"),), place=_PLACE)
    found = decode_certificate(_map(**{"roots": files, field: _pattern(identity)}), "")
    return Holder(roots=roots, subject=found.subject, name=found.name)


_PLACE: Final = Place(source="--policy-identity", line=1, column=1)


def _map(**entries: Node) -> Mapping:
    return Mapping(entries=tuple((_scalar(name), node) for name, node in entries.items()), place=_PLACE)


def _scalar(text: str) -> Scalar:
    return Scalar(text=text, plain=False, place=_PLACE)


def _pattern(text: str) -> Node:
    return _map(pattern=_scalar(text)) if "*" in text else _scalar(text)


def _usage(message: str, *, hint: str = "") -> InputError:
    return InputError(message, code="usage.policy_signer", hint=hint)
