"""From a policy file to a policy that can decide: its text, and the keys, certificates and trust root that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlsign.actions.read_policy import read_policy_document
from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.evidence.record import TrustFacts
from mlsign.formats.pem import decode_pem_or_der
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.decode import PolicyDocument
from mlsign.policy.decode_identities import CertificateReference
from mlsign.policy.decode_signers import Bindings
from mlsign.policy.model import Policy
from mlsign.trust.keys import PublicKey, decode_public_key
from mlsign.trust.root import CertificateTrust, TrustRoot

MAX_CERTIFICATES_BYTES: Final = MIB
MAX_REVOCATIONS_BYTES: Final = 16 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """A policy, what it trusts, and where the Sigstore trust root among that is from."""

    policy: Policy
    root: TrustRoot
    trust: TrustFacts | None = None


def load_policy(path: Path, *, trust_root: Path | None = None, limits: Limits = DEFAULT) -> LoadedPolicy:
    """The policy at ``path``; the files it names are found relative to it. ``trust_root`` overrides its trust root.

    Raises ``InputError`` (``policy.…``, ``key.…``, ``pem.…``, ``root.…``) with the line and what to do, ``TrustError``
    for a trust root that must not be used, and ``OutsideError``.
    """
    bound = bind_policy(path, read_policy_document(path, limits=limits), limits=limits)
    policy, root = bound.policy, bound.root
    if not policy.needs_trust_root and trust_root is None:
        return bound
    return _with_sigstore(path, policy, root, trust_root=trust_root, limits=limits)


def bind_policy(path: Path, document: PolicyDocument, *, limits: Limits = DEFAULT) -> LoadedPolicy:
    """The policy with the keys and certificates that it names, and no Sigstore trust root: enough to talk about it.

    Raises ``InputError`` as ``load_policy`` does.
    """
    keys = {reference: _read_key(path, reference, limits=limits) for reference in document.key_references}
    certificates = {reference: _read_roots(path, reference) for reference in _root_files(document.certificate_references)}
    policy = document.bind(
        Bindings(
            keys={reference: key.identity for reference, key in keys.items()},
            anchors={reference: frozenset(map(sha256, found)) for reference, found in certificates.items()},
        )
    )
    root = TrustRoot(
        keys=tuple(keys.values()),
        authorities=tuple(_authority(path, reference) for reference in document.certificate_references),
    )
    return LoadedPolicy(policy=policy, root=root)


def _with_sigstore(path: Path, policy: Policy, root: TrustRoot, *, trust_root: Path | None, limits: Limits) -> LoadedPolicy:
    from mlsign.roots.load import decode_trust_data, load_trust_data

    settings = policy.freshness.trust
    file = trust_root or (path.parent / settings.file if settings.file else None)
    data = load_trust_data(instance=settings.instance, file=file, limits=limits)
    return LoadedPolicy(
        policy=policy,
        root=TrustRoot(
            keys=root.keys,
            authorities=root.authorities,
            sigstore=decode_trust_data(data, limits=limits),
        ),
        trust=TrustFacts(source=data.source, digest=data.digest, fetched=data.fetched, expires=data.expires),
    )


def _root_files(references: tuple[CertificateReference, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(file for reference in references for file in reference.roots))


def _authority(policy: Path, reference: CertificateReference) -> CertificateTrust:
    def each(files: tuple[str, ...]) -> tuple[bytes, ...]:
        return tuple(der for file in files for der in _read_certificates(policy, file))

    lists = (_read_revocations(policy, file) for file in reference.revocations)
    return CertificateTrust(anchors=each(reference.roots), intermediates=each(reference.intermediates), revocations=tuple(lists))


def _read_roots(policy: Path, reference: str) -> tuple[bytes, ...]:
    """Certificates that are their own authority: one that another issued could be taken back, and nobody would look."""
    found = _read_certificates(policy, reference)
    from mlsign.trust.certificates import is_self_signed

    if not all(map(is_self_signed, found)):
        raise InputError(
            f"the file {reference} that the policy {policy.name} names under roots holds a certificate that is no root",
            code="policy.signers.roots",
            where=str(policy.parent / reference),
            expected="certificates that are issued by themselves",
            hint="name the root alone, and the certificates between it and the signer under intermediates",
        )
    return found


def _read_certificates(policy: Path, reference: str) -> tuple[bytes, ...]:
    try:
        data, _ = read_user_file(policy.parent / reference, max_bytes=MAX_CERTIFICATES_BYTES, what="certificate")
        return decode_pem_or_der(data, label="CERTIFICATE", where=reference)
    except InputError as err:
        raise _named(err, policy, reference, what="certificate") from err


def _read_revocations(policy: Path, reference: str) -> bytes:
    from mlsign.trust.revocation import decode_revocations

    try:
        data, _ = read_user_file(policy.parent / reference, max_bytes=MAX_REVOCATIONS_BYTES, what="revocation list")
        return decode_revocations(data, where=reference)
    except InputError as err:
        raise _named(err, policy, reference, what="revocation list") from err


def _read_key(policy: Path, reference: str, *, limits: Limits) -> PublicKey:
    try:
        pem, _ = read_user_file(policy.parent / reference, max_bytes=limits.max_key_bytes, what="key")
        return decode_public_key(pem, where=reference)
    except InputError as err:
        raise _named(err, policy, reference, what="public key") from err


def _named(err: InputError, policy: Path, reference: str, *, what: str) -> InputError:
    """The same error, saying which policy names the file."""
    thing = what.removeprefix("public ")
    wrong = "is missing" if err.code.endswith(".missing") else err.message
    return InputError(
        f"the {thing} {reference} that the policy {policy.name} names {wrong}",
        code=err.code,
        where=str(policy.parent / reference),
        hint=err.hint or f"put the {what} there, or change the path in the policy; it is relative to the policy file",
    )
