"""Verify policy: that somebody who was named outside of it signed a policy, and every file that it rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mlsign.actions.policies.files import PolicyFiles
from mlsign.digest import sha256
from mlsign.errors import InputError, TrustError, shown
from mlsign.formats.bundle import decode_bundle
from mlsign.formats.pem import decode_pem_or_der
from mlsign.formats.policy_statement import PolicyStatement, decode_policy_statement
from mlsign.identity import Identity, KeylessIdentity
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.model import Policy
from mlsign.policy.patterns import TextPattern
from mlsign.policy.requirements import CertificateRequirement, KeylessRequirement, KeyRequirement, Requirement
from mlsign.trust.authenticate import authenticate_statement
from mlsign.trust.keys import decode_public_key
from mlsign.trust.root import CertificateTrust, TrustRoot

SUFFIX: Final = ".sigstore.json"
MAX_ROOT_BYTES: Final = MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The holder of a certificate under one of ``roots`` (files): by its subject (RFC 4514) or one of its names."""

    roots: tuple[Path, ...]
    subject: TextPattern | None = None
    name: TextPattern | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTrust:
    """Who may have signed a policy: the holder of one of ``keys``, one of ``people``, or one of ``holders`` of certificates.

    ``trust_root`` is what keyless signatures are held against, in place of the one that is kept; never one that the policy
    names. ``state`` is where revisions are remembered.
    """

    keys: tuple[Path, ...] = ()
    people: tuple[KeylessRequirement, ...] = ()
    holders: tuple[Holder, ...] = ()
    trust_root: Path | None = None
    state: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedPolicy:
    """What somebody who may do so signed. ``keys`` are what the holders of all keys that may sign are remembered as."""

    statement: PolicyStatement
    identity: Identity
    keys: tuple[str, ...] = ()


def verify_policy(
    files: PolicyFiles, trust: PolicyTrust, *, now: datetime | None = None, limits: Limits = DEFAULT
) -> SignedPolicy:
    """Who signed the policy that ``files`` read. From then on ``files`` refuses any file that was not signed with it.

    Raises ``TrustError`` (``policy.signature…``, and those of authentication) for a policy that is unsigned, altered or
    signed by somebody else; ``InputError`` for keys of ``trust`` that cannot be read, and ``OutsideError``.
    """
    # 1. Who is asked for comes from outside of the policy, and so does what proves it.
    root, wanted = _asked(trust, limits=limits)
    # 2. The signature lies beside the policy; whoever can write there can put any there.
    name = files.path.name
    where = f"{files.path}{SUFFIX}"
    data = files.read_policy(limits=limits)
    try:
        found, _ = read_user_file(Path(where), max_bytes=limits.max_bundle_bytes, what="signature")
        bundle = decode_bundle(found, limits=limits)
        proof = authenticate_statement(bundle, decode_policy_statement, root=root, now=now or datetime.now(UTC), limits=limits)
    except InputError as err:
        missing = err.code == "signature.missing"
        raise TrustError(
            f"the policy {shown(name)} is not signed"
            if missing
            else f"the signature of the policy cannot be read: {err.message}",
            code="policy.signature",
            where=shown(where),
            hint=f"it has to be signed: mlsign policy sign {shown(name)} --key …" if missing else "sign the policy again",
        ) from err
    except TrustError as err:
        if err.code == "signature.unknown_key":
            raise _refused("is signed by a key that nobody named", name, where, expected=_names(wanted), found=err.found) from err
        raise TrustError(
            f"the signature of the policy {shown(name)} does not hold: {err.message}",
            code="policy.signature",
            where=shown(where),
            expected=err.expected or _names(wanted),
            found=err.found,
            hint=err.hint,
        ) from err
    # 3. By somebody who may.
    identity = proof.identity
    if not any(requirement.is_met_by(identity) for requirement in wanted):
        raise _refused("is signed by somebody else", name, where, expected=_names(wanted), found=shown(identity.unique))
    # 4. Over this policy: the same bytes, under the same name, so that no other policy of this signer stands in for it.
    statement = proof.statement
    if statement.digest != sha256(data):
        raise _refused("was changed after it was signed", name, where, expected=str(statement.digest), found=str(sha256(data)))
    if statement.name != name:
        raise _refused(f"was signed as {shown(statement.name)}", name, where, expected=shown(statement.name), found=shown(name))
    # 5. And over everything that is read for it, from here on.
    files.expect(statement.files)
    return SignedPolicy(statement=statement, identity=identity, keys=tuple(_signer(key.identity) for key in root.keys))


def remember_revision(policy: Policy, signed: SignedPolicy, trust: PolicyTrust) -> None:
    """Returns when no later revision was loaded here before, by the same signer or a key that may sign. Raises as ``raise_policy_mark``."""
    from mlsign.roots.policy_marks import PolicyMark, raise_policy_mark

    mark = PolicyMark(
        policy=policy.name, signer=_signer(signed.identity), revision=policy.revision, content=signed.statement.content
    )
    raise_policy_mark(mark, peers=signed.keys, state=trust.state)


def _signer(identity: Identity) -> str:
    """What a signer is remembered as: a workflow is the same one at every tag, and going back to an old tag is going back."""
    if isinstance(identity, KeylessIdentity) and "://" in identity.subject:
        return f"keyless:{identity.subject.partition('@')[0]} by {identity.issuer}"
    return identity.unique


def _asked(trust: PolicyTrust, *, limits: Limits) -> tuple[TrustRoot, tuple[Requirement, ...]]:
    if not trust.keys and not trust.people and not trust.holders:
        raise InputError("nobody is named who may sign the policy", code="usage.policy_signer")
    keys = []
    for path in trust.keys:
        pem, _ = read_user_file(path, max_bytes=limits.max_key_bytes, what="key")
        keys.append(decode_public_key(pem, where=str(path)))
    asked: list[Requirement] = [
        KeyRequirement(reference=str(path), identity=key.identity) for path, key in zip(trust.keys, keys, strict=True)
    ]
    authorities = tuple(CertificateTrust(anchors=_read_roots(holder)) for holder in trust.holders)
    for holder, authority in zip(trust.holders, authorities, strict=True):
        reference, anchors = ", ".join(map(str, holder.roots)), frozenset(map(sha256, authority.anchors))
        asked.append(CertificateRequirement(reference=reference, anchors=anchors, subject=holder.subject, name=holder.name))
    root = TrustRoot(keys=tuple(keys), authorities=authorities)
    if trust.people:
        from mlsign.roots.load import decode_trust_data, load_trust_data

        data = load_trust_data(file=trust.trust_root, state=trust.state, limits=limits)
        root = replace(root, sigstore=decode_trust_data(data, limits=limits))
    return root, (*asked, *trust.people)


def _read_roots(holder: Holder) -> tuple[bytes, ...]:
    from mlsign.trust.certificates import is_self_signed

    found: list[bytes] = []
    for path in holder.roots:
        data, _ = read_user_file(path, max_bytes=MAX_ROOT_BYTES, what="certificate")
        found += decode_pem_or_der(data, label="CERTIFICATE", where=str(path))
        if not all(map(is_self_signed, found)):
            raise InputError(
                "holds a certificate that is no root",
                code="usage.policy_signer",
                where=shown(path),
                hint="give the root alone; the certificates between it and the signer are in the signature",
            )
    return tuple(found)


def _names(wanted: tuple[Requirement, ...]) -> str:
    return shown(" or ".join(map(str, wanted)), limit=400)


def _refused(message: str, name: str, where: str, *, expected: str, found: str) -> TrustError:
    return TrustError(
        f"the policy {shown(name)} {message}",
        code="policy.signature",
        where=shown(where),
        expected=expected,
        found=found,
        hint="get the policy again from whoever looks after it; nothing is judged by this one",
    )
