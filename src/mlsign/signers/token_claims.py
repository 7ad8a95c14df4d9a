"""Whom an identity token names, in the words of a certificate: by the rules of Fulcio, as far as they are known.

sigstore/fulcio, ``docs/oidc.md``: an address for people, the workflow for GitHub and GitLab, and the subject itself where
that is a URI. Other providers have rules that stand in the configuration of an instance, which nobody here has read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mlsign.errors import TrustError, shown

_GITHUB: Final = "https://token.actions.githubusercontent.com"


def check_subject(subject: str, claims: Mapping[str, object]) -> None:
    """Returns when the subject of a certificate is, for all that is known, the one of the token.

    Raises ``TrustError`` (``keyless.subject``).
    """
    texts = {name: value for name, value in claims.items() if isinstance(value, str) and value}
    wanted = _subjects(texts)
    if not wanted or subject in wanted or _may_be(subject, texts):
        return
    raise TrustError(
        "the certificate authority certified somebody else than the identity token names",
        code="keyless.subject",
        expected=shown(" or ".join(wanted)),
        found=shown(subject),
        hint="nothing was written; check that the trust configuration belongs to the services that you mean",
    )


def _subjects(claims: Mapping[str, str]) -> tuple[str, ...]:
    """What the rules make of the claims; nothing where no rule is known."""
    out = []
    if "email" in claims:
        out.append(claims["email"])
    if "job_workflow_ref" in claims:
        out.append(f"https://github.com/{claims['job_workflow_ref']}")
    if "ci_config_ref_uri" in claims:
        out.append(f"https://{claims['ci_config_ref_uri']}")
    if "://" in claims.get("sub", ""):
        out.append(claims["sub"])
    return tuple(out)


def _may_be(subject: str, claims: Mapping[str, str]) -> bool:
    """Whether an instance may have been set up to certify this: it names nobody but the token does."""
    own = claims.get("sub")
    if own is not None and (subject in {own, f"{claims.get('iss')}/{own}"} or subject.rpartition("!")[0] == own):
        return True
    # A GitHub of somebody's own, whose address stands in no claim.
    scheme, _, rest = subject.partition("://")
    workflow = claims.get("job_workflow_ref")
    return scheme == "https" and claims.get("iss") != _GITHUB and rest.partition("/")[2] == workflow
