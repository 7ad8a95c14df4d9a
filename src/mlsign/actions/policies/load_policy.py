"""From a policy file to a policy that can decide: its text, and the keys, certificates and trust root that it names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.actions.policies.files import PolicyFiles
from mlsign.actions.policies.read_policy import read_policy_document
from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.evidence.record import TrustFacts
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.policy.decoding.identities import CertificateReference
from mlsign.policy.decoding.policy import PolicyDocument
from mlsign.policy.decoding.signers import Bindings
from mlsign.policy.model import Policy
from mlsign.trust.keys import PublicKey, decode_public_key
from mlsign.trust.root import CertificateTrust, TrustRoot

if TYPE_CHECKING:
    from mlsign.actions.policies.verify_policy import PolicyTrust

MAX_CERTIFICATES_BYTES: Final = MIB
MAX_REVOCATIONS_BYTES: Final = 16 * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedPolicy:
    """A policy, what it trusts, and where the Sigstore trust root among that is from."""

    policy: Policy
    root: TrustRoot
    trust: TrustFacts | None = None


def load_policy(
    path: Path, *, trust_root: Path | None = None, signed: PolicyTrust | None = None, limits: Limits = DEFAULT
) -> LoadedPolicy:
    """The policy at ``path``; the files it names are found relative to it. ``trust_root`` overrides its trust root.

    With ``signed``, nothing is made of it or of a file that it names before that was found to be signed.

    Raises ``InputError`` (``policy.…``, ``key.…``, ``pem.…``, ``root.…``) with the line and what to do, ``TrustError``
    for a trust root that must not be used and a policy that is not signed as it should be, and ``OutsideError``.
    """
    files = PolicyFiles(path)
    if signed is None:
        return _load(files, trust_root=trust_root, limits=limits)
    from mlsign.actions.policies.verify_policy import remember_revision, verify_policy

    proof = verify_policy(files, signed, limits=limits)
    loaded = _load(files, trust_root=trust_root, limits=limits)
    policy = loaded.policy
    remember_revision(policy, proof, signed)
    return replace(loaded, policy=replace(policy, lineage=replace(policy.lineage, signer=proof.identity)))


def _load(files: PolicyFiles, *, trust_root: Path | None, limits: Limits) -> LoadedPolicy:
    policy, root = read_named_files(read_policy_document(files.path, files=files, limits=limits), files, limits=limits)
    return _with_sigstore(files, policy, root, trust_root=trust_root, limits=limits)


def bind_policy(path: Path, document: PolicyDocument, *, limits: Limits = DEFAULT) -> LoadedPolicy:
    """The policy with the keys and certificates that it names, and no Sigstore trust root: enough to talk about it.

    Raises ``InputError`` as ``load_policy`` does.
    """
    policy, root = read_named_files(document, PolicyFiles(path), limits=limits)
    return LoadedPolicy(policy=policy, root=root)


def read_named_files(document: PolicyDocument, files: PolicyFiles, *, limits: Limits = DEFAULT) -> tuple[Policy, TrustRoot]:
    """The policy with what its keys and certificates turned out to be, and the same as trust. Raises as ``load_policy``."""
    reader = _Reader(files, limits=limits)
    keys = {reference: reader.key(reference) for reference in document.key_references}
    certificates = {reference: reader.roots(reference) for reference in _root_files(document.certificate_references)}
    policy = document.bind(
        Bindings(
            keys={reference: key.identity for reference, key in keys.items()},
            anchors={reference: frozenset(map(sha256, found)) for reference, found in certificates.items()},
        )
    )
    authorities = tuple(reader.authority(reference) for reference in document.certificate_references)
    return policy, TrustRoot(keys=tuple(keys.values()), authorities=authorities)


def _with_sigstore(
    files: PolicyFiles, policy: Policy, root: TrustRoot, *, trust_root: Path | None, limits: Limits
) -> LoadedPolicy:
    if not policy.needs_trust_root and trust_root is None:
        return LoadedPolicy(policy=policy, root=root)
    from mlsign.roots.load import decode_trust_data, load_trust_data

    settings = policy.freshness.trust
    file = trust_root or (files.path.parent / settings.file if settings.file else None)
    data = load_trust_data(instance=settings.instance, file=file, limits=limits)
    if trust_root is None and settings.file:
        files.keep(settings.file, data.content)
    return LoadedPolicy(
        policy=policy,
        root=replace(root, sigstore=decode_trust_data(data, limits=limits)),
        trust=TrustFacts(source=data.source, digest=data.digest, fetched=data.fetched, expires=data.expires),
    )


def _root_files(references: tuple[CertificateReference, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(file for reference in references for file in reference.roots))


class _Reader:
    """Reads what a policy names; every refusal says which policy names it."""

    def __init__(self, files: PolicyFiles, *, limits: Limits) -> None:
        self._files = files
        self._limits = limits

    def key(self, reference: str) -> PublicKey:
        try:
            pem = self._files.read(reference, max_bytes=self._limits.max_key_bytes, what="key")
            return decode_public_key(pem, where=reference)
        except InputError as err:
            raise _named(err, self._files.path, reference, what="public key") from err

    def roots(self, reference: str) -> tuple[bytes, ...]:
        """Certificates that are their own authority: one that another issued could be taken back, and nobody would look."""
        found = self._certificates(reference)
        from mlsign.trust.certificates import is_self_signed

        if not all(map(is_self_signed, found)):
            policy = self._files.path
            raise InputError(
                f"the file {reference} that the policy {policy.name} names under roots holds a certificate that is no root",
                code="policy.signers.roots",
                where=str(policy.parent / reference),
                expected="certificates that are issued by themselves",
                hint="name the root alone, and the certificates between it and the signer under intermediates",
            )
        return found

    def authority(self, reference: CertificateReference) -> CertificateTrust:
        def each(files: tuple[str, ...]) -> tuple[bytes, ...]:
            return tuple(der for file in files for der in self._certificates(file))

        return CertificateTrust(
            anchors=each(reference.roots),
            intermediates=each(reference.intermediates),
            revocations=tuple(map(self._revocations, reference.revocations)),
        )

    def _certificates(self, reference: str) -> tuple[bytes, ...]:
        from mlsign.formats.pem import decode_pem_or_der

        try:
            data = self._files.read(reference, max_bytes=MAX_CERTIFICATES_BYTES, what="certificate")
            return decode_pem_or_der(data, label="CERTIFICATE", where=reference)
        except InputError as err:
            raise _named(err, self._files.path, reference, what="certificate") from err

    def _revocations(self, reference: str) -> bytes:
        from mlsign.trust.revocation import decode_revocations

        try:
            data = self._files.read(reference, max_bytes=MAX_REVOCATIONS_BYTES, what="revocation list")
            return decode_revocations(data, where=reference)
        except InputError as err:
            raise _named(err, self._files.path, reference, what="revocation list") from err


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
