"""The options that say who must have signed a policy. None of them can be given by the environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mlsign.errors import InputError

if TYPE_CHECKING:
    from mlsign.actions.policies.verify_policy import PolicyTrust

PolicyKeys = Annotated[
    list[Path] | None,
    typer.Option("--policy-key", metavar="PEM", help="Take the policy only if this key signed it. Several times: any of them."),
]
PolicyIdentity = Annotated[
    str | None,
    typer.Option(
        "--policy-identity", metavar="SUBJECT", help="Take the policy only if this identity signed it; * as in policies."
    ),
]
PolicyIssuer = Annotated[
    str | None, typer.Option("--policy-issuer", metavar="ISSUER", help="Who vouches for --policy-identity: an https address.")
]
PolicyTrustRoot = Annotated[
    Path | None,
    typer.Option("--policy-trust-root", metavar="FILE", help="A trusted_root.json for --policy-identity. Default: public-good."),
]
PolicyRoots = Annotated[
    list[Path] | None,
    typer.Option(
        "--policy-root", metavar="PEM", help="A root certificate, in place of --policy-issuer. Several times: any of them."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySignerOptions:
    """What was said of who must have signed a policy: a field is an option, in the order of ``--help``."""

    policy_key: PolicyKeys = None
    policy_identity: PolicyIdentity = None
    policy_issuer: PolicyIssuer = None
    policy_trust_root: PolicyTrustRoot = None
    policy_root: PolicyRoots = None

    def trusted(self, policy: Path | None) -> PolicyTrust | None:
        """Who must have signed ``policy``, or None where nobody is asked for. Raises ``InputError`` (``usage.policy_signer``)."""
        if policy is None:
            others = (self.policy_identity, self.policy_issuer, self.policy_trust_root)
            if self.policy_key or self.policy_root or any(value is not None for value in others):
                raise InputError("nothing is signed without --policy", code="usage.policy_signer", hint="add --policy FILE")
            return None
        if self == NO_POLICY_SIGNER:
            return None
        from mlsign.actions.policies.signers import named_signers

        return named_signers(
            keys=tuple(self.policy_key or ()),
            identity=self.policy_identity,
            issuer=self.policy_issuer,
            trust_root=self.policy_trust_root,
            roots=tuple(self.policy_root or ()),
        )


NO_POLICY_SIGNER: Final = PolicySignerOptions()
