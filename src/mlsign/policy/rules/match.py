"""Whether the policy is for this package, and no other policy that was given is for it as well."""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.evidence.record import Evidence
from mlsign.paths import MANIFEST_NAME
from mlsign.policy.match import EVERY_PACKAGE, Fit, Match, Rival

CODE: Final = "MLS423"


def check(evidence: Evidence, match: Match, rivals: tuple[Rival, ...], *, is_open: bool = False) -> tuple[Finding, ...]:
    """A failure when the policy is not for the package, and one for each rival that is; unknown where no name can be held against it.

    ``is_open`` tells that the policy stops nothing and nobody whom it trusts vouches for the manifest: then anybody could have
    written the name there by which it was chosen, and not a rival that stops what it denies.

    Judged on verified evidence: whatever the policy was chosen by, a manifest that changed since then is found out here.
    """
    if match == EVERY_PACKAGE and not rivals:
        return ()
    name = None if evidence.manifest is None else evidence.manifest.name
    others = tuple(_rival(rival, fit, name) for rival in rivals if (fit := rival.match.fits(name)) is not Fit.NO)
    unproven = (_unproven(name),) if is_open and name is not None and any(rival.enforces for rival in rivals) else ()
    return (_own(match.fits(name), name, match), *others, *unproven)


def _own(fit: Fit, name: str | None, match: Match) -> Finding:
    if fit is Fit.YES:
        return Finding(code=CODE, outcome=Outcome.PASS, message="the policy is for this package", where=MANIFEST_NAME)
    if fit is Fit.UNKNOWN:
        return Finding(
            code=CODE,
            outcome=Outcome.UNKNOWN,
            message="cannot tell whether the policy is for this package: no readable manifest says what it is called",
            where=MANIFEST_NAME,
        )
    wanted = ", ".join(shown(pattern.text, limit=60) for pattern in (match.names or ())[:8])
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"no policy that was given is for a package of the name {shown(name or '', limit=80)}",
        where=MANIFEST_NAME,
        expected=wanted,
        found=shown(name or "", limit=80),
        hint="use the policy that is for this package, or add its name to match.names",
    )


def _unproven(name: str) -> Finding:
    return Finding(
        code=CODE,
        outcome=Outcome.UNKNOWN,
        message="nobody whom the policy trusts vouches for the name, so mode: audit lets nothing past the other policies by it",
        where=MANIFEST_NAME,
        expected="a signature that counts",
        found=shown(name, limit=80),
        hint="have the package signed, or watch it with this policy alone",
    )


def _rival(rival: Rival, fit: Fit, name: str | None) -> Finding:
    other = shown(rival.policy, limit=80)
    if fit is Fit.UNKNOWN:
        return Finding(
            code=CODE,
            outcome=Outcome.UNKNOWN,
            message=f"cannot tell whether the policy {other} is for this package as well",
            where=MANIFEST_NAME,
        )
    return Finding(
        code=CODE,
        outcome=Outcome.FAIL,
        message=f"the policy {other} is for this package as well, and only one can be",
        where=MANIFEST_NAME,
        expected="one policy for a package",
        found=shown(name or "", limit=80),
        hint="narrow match.names of one of the two, or give only one policy",
    )
