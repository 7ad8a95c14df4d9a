"""The options that say who must have signed a policy. None of them can be given by the environment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.errors import InputError

if TYPE_CHECKING:
    from mlsign.actions.verify_policy import PolicyTrust

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


def read_policy_signers(
    policy: Path | None,
    *,
    keys: list[Path] | None,
    identity: str | None,
    issuer: str | None,
    trust_root: Path | None,
    roots: list[Path] | None,
) -> PolicyTrust | None:
    """Who must have signed ``policy``, or None where nobody is asked for. Raises ``InputError`` (``usage.policy_signer``)."""
    if policy is None:
        if keys or roots or any(value is not None for value in (identity, issuer, trust_root)):
            raise InputError("nothing is signed without --policy", code="usage.policy_signer", hint="add --policy FILE")
        return None
    from mlsign.actions._policy_signers import named_signers

    return named_signers(
        keys=tuple(keys or ()), identity=identity, issuer=issuer, trust_root=trust_root, roots=tuple(roots or ())
    )
