"""Signers as bundles claim them: in words and as JSON. That nothing of it is checked is for whoever shows it to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.report.signers import quoted

if TYPE_CHECKING:
    from mlsign.actions.inspection.claimed_signers import ClaimedSigner

_HINT_CHARS: Final = 16


def who_claims(claim: ClaimedSigner) -> str:
    """Whom a bundle names as its signer, in one line that nothing in it can lengthen into other words."""
    if claim.holder or claim.issuer:
        return f"{quoted(claim.holder)} by {quoted(claim.issuer)}"
    if not claim.key_hint:
        return "a key without a hint which"
    more = "…" if len(claim.key_hint) > _HINT_CHARS else ""
    return f"the key with the hint {quoted(claim.key_hint[:_HINT_CHARS])}{more}"


def claimed_object(claim: ClaimedSigner) -> dict[str, str]:
    """The claim as it stands in JSON reports."""
    return {
        "bundle": claim.bundle,
        "method": claim.method,
        "holder": claim.holder,
        "issuer": claim.issuer,
        "key_hint": claim.key_hint,
        "subject": claim.subject,
        "problem": claim.problem,
    }
