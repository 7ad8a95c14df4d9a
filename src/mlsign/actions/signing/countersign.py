"""Countersign: a statement about a bundle that is there, beside it, after making sure that the bundle is about this package."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mlsign.actions.signing.adding import add_bundle
from mlsign.actions.verification.examine import Examination, examine_to_vouch
from mlsign.actions.verification.known import opened_store
from mlsign.actions.verification.signatures import Attempt
from mlsign.compare.content import compare_with_statement
from mlsign.digest import Digest
from mlsign.errors import InputError, TrustError, shown
from mlsign.formats.bundle import Bundle
from mlsign.formats.countersignature import Countersignature, decode_countersignature, encode_countersignature
from mlsign.formats.predicate_types import PredicateType, claimed_predicate
from mlsign.formats.statement import decode_statement
from mlsign.identity import Identity
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import OpenPackage
from mlsign.package.stream import Advance
from mlsign.package.write import signature_name
from mlsign.paths import SIGNATURES_NAME
from mlsign.signers.protocol import Signer
from mlsign.trust.authenticate import authenticate_envelope, authenticate_statement

if TYPE_CHECKING:
    from mlsign.actions.policies.load_policy import LoadedPolicy

_DIGEST_NAME: Final = re.compile(r"sha256-[0-9a-f]{64}\.sigstore\.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountersignedBundle:
    """A countersignature in place. ``signer`` is whose bundle it is over, None where that was not checked."""

    bundle: str
    identity: Identity
    over: str
    signer: Identity | None


def countersign(
    path: Path,
    signer: Signer,
    *,
    bundle: str,
    policy: LoadedPolicy | None = None,
    advance: Advance | None = None,
    now: datetime | None = None,
    store: Path | None = None,
    limits: Limits = DEFAULT,
) -> CountersignedBundle:
    """Adds a bundle over the one that is called ``bundle``, or by a digest that begins so.

    Raises ``InputError`` (``countersign.…``) when there is no such one bundle or it is not about what lies in the package,
    ``TrustError`` when ``policy`` is given and does not name who signed it, or when the new one does not hold; ``OutsideError``.
    """
    moment = now or datetime.now(UTC)
    # The package stays open to the end: its name may lead elsewhere by the time that a signature is there.
    with OpenPackage.open(path) as package:
        # 1. Everything is hashed again, trusting nobody; but for files of the store, as ``sign`` does it.
        with opened_store(store) as opened:
            examination = examine_to_vouch(package, now=moment, limits=limits, store=opened, advance=advance)
        # 2. The one bundle that is meant, over exactly these files, by somebody whom the policy names, if there is one.
        over = _meant(examination, bundle, limits=limits)
        whose = None if policy is None else _signer(over, policy, now=moment)
        # 3. No key is used and no service asked for a bundle that would make the package unverifiable.
        package.check_room(limits=limits)
        # 4. What would not be accepted is not written.
        made = signer.sign(encode_countersignature(Countersignature(name=over.name, digest=over.digest)))
        proof = authenticate_statement(
            made, decode_countersignature, root=signer.trust, now=now or datetime.now(UTC), limits=limits
        )
        name = add_bundle(package, made, files=examination.contents.files, limits=limits)
    return CountersignedBundle(bundle=name, identity=proof.identity, over=over.name, signer=whose)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meant:
    """A bundle that can be countersigned, by the name and the digest of its file."""

    name: str
    digest: Digest
    bundle: Bundle


def _meant(examination: Examination, wanted: str, *, limits: Limits) -> _Meant:
    """The bundle that is called ``wanted``, when it is a signature over exactly what lies in the package."""
    attempt = _find(examination.attempts, wanted)
    if attempt.bundle is None or attempt.digest is None:
        raise InputError(
            "cannot be read as a bundle, so there is nothing to vouch for", code="countersign.bundle", where=attempt.name
        )
    payload = attempt.bundle.envelope.unauthenticated_payload
    if claimed_predicate(payload, limits=limits) is PredicateType.COUNTERSIGNATURE:
        raise InputError("is a countersignature itself", code="countersign.kind", where=attempt.name, hint="name the signature")
    statement = decode_statement(payload, limits=limits)
    differences = compare_with_statement(statement, examination.contents.observed)
    if differences:
        raise InputError(
            f"is over other content: {differences[0].message}",
            code="countersign.content",
            where=attempt.name,
            hint="nobody should vouch for a signature over something else",
        )
    return _Meant(name=attempt.name, digest=attempt.digest, bundle=attempt.bundle)


def _signer(over: _Meant, loaded: LoadedPolicy, *, now: datetime) -> Identity:
    """Whose bundle it is. Anybody can have a genuine keyless signature, so that alone is no reason to vouch for one."""
    identity = authenticate_envelope(over.bundle, root=loaded.root, now=now)[0].identity
    if not loaded.policy.names(identity):
        raise TrustError(
            "is by somebody whom the policy does not name to sign packages",
            code="countersign.signer",
            where=over.name,
            expected=shown(" or ".join(map(str, loaded.policy.package_signers)), limit=400),
            found=shown(identity.unique),
            hint="vouch for nobody whom you do not know; whoever should count has to be named under signers of the policy",
        )
    return identity


def _find(attempts: tuple[Attempt, ...], wanted: str) -> Attempt:
    """The one bundle of this name, with or without its folder, or by a digest that begins so."""
    found = [attempt for attempt in attempts if _is_called(attempt, wanted.removeprefix(f"{SIGNATURES_NAME}/"))]
    if len(found) != 1:
        there = ", ".join(a.name for a in (found or attempts)[:8])
        raise InputError(
            f"names {len(found)} signatures" if found else "names no signature of the package",
            code="countersign.bundle",
            where=wanted,
            expected="one of them",
            found=there or "no signature at all",
            hint="mlsign inspect lists the signatures of a package; give the whole name of one. "
            "A file named sha256-… that has another digest stands for nothing: remove it",
        )
    return found[0]


def _is_called(attempt: Attempt, wanted: str) -> bool:
    name = attempt.name.removeprefix(f"{SIGNATURES_NAME}/")
    # Anybody can name a file as people abbreviate another, so only a name that is true may be abbreviated,
    # and none that looks like a digest stands for other bytes than those.
    if attempt.digest is not None and name == signature_name(attempt.digest):
        return wanted != "" and name.startswith(wanted)
    return name == wanted and _DIGEST_NAME.fullmatch(name) is None
