"""From a bundle to what else than the content of a package somebody vouches for: a bundle, a verdict, a policy, a build, a run.

The proof of who signed is that of ``authenticate``; most packages need no more than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlsign.formats.bundle import Bundle
from mlsign.formats.countersignature import Countersignature, decode_countersignature
from mlsign.formats.golden_run import GoldenRunStatement, decode_golden_run
from mlsign.formats.policy_statement import PolicyStatement, decode_policy_statement
from mlsign.formats.slsa import SlsaStatement, decode_slsa_statement
from mlsign.formats.verification_summary import VerificationSummary, decode_summary
from mlsign.limits import DEFAULT, Limits
from mlsign.trust.authenticate import Signer, authenticate_envelope
from mlsign.trust.root import TrustRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class Countersigned:
    """A bundle that a proven identity vouches for."""

    countersignature: Countersignature
    signer: Signer


def authenticate_countersignature(bundle: Bundle, *, root: TrustRoot, now: datetime, limits: Limits = DEFAULT) -> Countersigned:
    """What a trusted identity countersigned. Raises as ``authenticate`` does, and ``countersignature.…``."""
    signer, payload = authenticate_envelope(bundle, root=root, now=now)
    return Countersigned(countersignature=decode_countersignature(payload, limits=limits), signer=signer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarized:
    """A verdict that a proven identity gave. Says nothing yet about whose verdicts count, nor about which package is here."""

    summary: VerificationSummary
    signer: Signer


def authenticate_summary(bundle: Bundle, *, root: TrustRoot, now: datetime, limits: Limits = DEFAULT) -> Summarized:
    """What a trusted identity says that it verified. Raises as ``authenticate`` does, and ``summary.…``."""
    signer, payload = authenticate_envelope(bundle, root=root, now=now)
    return Summarized(summary=decode_summary(payload, limits=limits), signer=signer)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticPolicy:
    """A policy, by its digest and those of its files, that a proven identity signed."""

    statement: PolicyStatement
    signer: Signer


def authenticate_policy(bundle: Bundle, *, root: TrustRoot, now: datetime, limits: Limits = DEFAULT) -> AuthenticPolicy:
    """Which policy a trusted identity signed. Raises as ``authenticate`` does, and ``policy_statement.…``."""
    signer, payload = authenticate_envelope(bundle, root=root, now=now)
    return AuthenticPolicy(statement=decode_policy_statement(payload, limits=limits), signer=signer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """Provenance that a proven identity vouches for."""

    statement: SlsaStatement
    signer: Signer


def authenticate_provenance(bundle: Bundle, *, root: TrustRoot, now: datetime, limits: Limits = DEFAULT) -> Attested:
    """What a trusted identity attests. Raises as ``authenticate`` does, and ``slsa.…``."""
    signer, payload = authenticate_envelope(bundle, root=root, now=now)
    return Attested(statement=decode_slsa_statement(payload, limits=limits), signer=signer)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRunClaim:
    """A golden run that a proven identity vouches for. Says nothing yet about whose runs count, nor about which package is here."""

    statement: GoldenRunStatement
    signer: Signer


def authenticate_golden_run(bundle: Bundle, *, root: TrustRoot, now: datetime, limits: Limits = DEFAULT) -> GoldenRunClaim:
    """Which run a trusted identity vouches for. Raises as ``authenticate`` does, and ``golden_run.…``."""
    signer, payload = authenticate_envelope(bundle, root=root, now=now)
    return GoldenRunClaim(statement=decode_golden_run(payload, limits=limits), signer=signer)
