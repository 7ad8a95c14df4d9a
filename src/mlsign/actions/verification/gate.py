"""The gate: a policy loaded once, and every package that wants to pass it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Self

from mlsign.actions.audit.append_audit import AuditLog
from mlsign.actions.policies.load_policies import load_policies
from mlsign.actions.policies.load_policy import LoadedPolicy
from mlsign.actions.policies.signers import named_signers
from mlsign.actions.verification.admit import AdmittedModel, admit
from mlsign.actions.verification.readmit import readmit
from mlsign.actions.verification.verify import Report, VerifyRequest, verify
from mlsign.errors import InputError


class Gate:
    """What serving code embeds: ``Gate.load(policy).admit(package)``. Holds no package and may be shared by threads."""

    def __init__(
        self, policy: LoadedPolicy, *others: LoadedPolicy, audit: AuditLog | None = None, store: Path | None = None
    ) -> None:
        self._policy = policy
        self._others = others
        self._audit = audit
        self._store = store

    @classmethod
    def load(
        cls,
        policy: str | PathLike[str],
        *others: str | PathLike[str],
        policy_keys: Iterable[str | PathLike[str]] | None = None,
        policy_identity: str | None = None,
        policy_issuer: str | None = None,
        policy_trust_root: str | PathLike[str] | None = None,
        policy_roots: Iterable[str | PathLike[str]] | None = None,
        audit_log: str | PathLike[str] | None = None,
        caller: str = "",
        store: str | PathLike[str] | None = None,
    ) -> Self:
        """A gate for the policy file, or for several files or folders of them, of which one must be for a package; each signed by
        one of the public keys, or by the identity that the issuer, or a certificate under one of the roots, calls so.

        Unless one of them is given, no signature of the policy is asked for; given and empty is wrong. Raises ``InputError``
        with line and field for a policy that is wrong, ``TrustError`` for one that is not signed so.

        With ``audit_log``, each decision is a line of that file before it is returned; ``caller`` is what the lines call you.
        Files of packages may be names of files in ``store``, of mlsign pack --store; with ``hashing: once`` in the policy ``verify`` leaves such unread.
        """
        signed = named_signers(
            keys=_listed("policy_keys", policy_keys),
            identity=policy_identity,
            issuer=policy_issuer,
            trust_root=None if policy_trust_root is None else Path(policy_trust_root),
            roots=_listed("policy_roots", policy_roots),
        )
        # Absolute from here on: a service that changes its folder goes on with the log that it began.
        audit = None if audit_log is None else AuditLog(path=Path(audit_log).absolute(), caller=caller)
        policies = load_policies([_policy_path(each) for each in (policy, *others)], signed=signed)
        return cls(*policies, audit=audit, store=None if store is None else Path(store).absolute())

    @property
    def policy(self) -> LoadedPolicy:
        """The policy, or the first of several."""
        return self._policy

    def verify(
        self,
        package: str | PathLike[str],
        *,
        signatures: tuple[str | PathLike[str], ...] = (),
        now: datetime | None = None,
        accept_vsa: tuple[str, ...] = (),
    ) -> Report:
        """The report on a package; a denial is a report too. Raises ``InputError``, ``OutsideError``.

        ``accept_vsa`` names signers whose verification summaries may stand in for signatures, where the policy names them too.
        """
        return verify(Path(package), self._request(signatures, now, accept_vsa))

    def admit(
        self,
        package: str | PathLike[str],
        *,
        signatures: tuple[str | PathLike[str], ...] = (),
        now: datetime | None = None,
        accept_vsa: tuple[str, ...] = (),
        sharing: Iterable[AdmittedModel] = (),
    ) -> AdmittedModel:
        """The model of a package, sealed. ``accept_vsa`` as for ``verify``. Raises ``Denied``, ``InputError``, ``OutsideError``.

        Files that are, by the digests in a manifest that a trusted signer vouches for, the same as those of a model in ``sharing`` are
        not read: the sealed memory of that model is used in their place. It may be closed at any time, by any thread.
        """
        return admit(Path(package), self._request(signatures, now, accept_vsa), sharing=sharing)

    def readmit(
        self,
        model: AdmittedModel,
        *,
        accept_vsa: tuple[str, ...],
        signatures: tuple[str | PathLike[str], ...],
        now: datetime | None = None,
    ) -> Report:
        """Admits once more what is in sealed memory, by a verification summary in one of the files ``signatures``.

        Nothing is hashed again: the policy must trust the seal (``vsa.stores: [sealed-memory]``), or it denies. The report is that
        of the model from then on. Raises ``Denied``, after which the model is not to be used any more; ``InputError``,
        ``TrustError``, ``OutsideError``.
        """
        return readmit(model, self._request(signatures, now, accept_vsa))

    def _request(
        self, signatures: tuple[str | PathLike[str], ...], now: datetime | None, accept: tuple[str, ...]
    ) -> VerifyRequest:
        return VerifyRequest(
            policy=self._policy,
            others=self._others,
            signatures=tuple(map(Path, signatures)),
            now=now,
            accept=accept,
            audit=self._audit,
            store=self._store,
        )


def _policy_path(policy: str | PathLike[str]) -> Path:
    """Raises ``InputError`` (``usage.empty``): an empty path would be the current folder, and whoever writes there our policy."""
    if not os.fspath(policy):
        raise InputError("an empty path is no policy", code="usage.empty", hint="is the variable set that it is taken from?")
    return Path(policy)


def _listed(name: str, given: Iterable[str | PathLike[str]] | None) -> tuple[Path, ...]:
    """Raises ``InputError`` (``usage.policy_signer``): a list that came out empty asks for a signature by nobody, not for none."""
    paths = () if given is None else tuple(map(Path, given))
    if given is not None and not paths:
        raise InputError(
            f"{name} is empty: nobody could have signed", code="usage.policy_signer", hint="leave it out, or name some"
        )
    return paths
