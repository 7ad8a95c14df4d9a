"""Every rule there is, written out by hand: nothing is discovered, plugged in or put in another order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mlsign.evidence.findings import Finding
from mlsign.evidence.record import Evidence
from mlsign.policy.model import Policy
from mlsign.policy.rules import (
    declared,
    digests,
    external_data,
    manifest,
    operators,
    opset,
    problems,
    revoked,
    signer,
    size,
    version,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A check under its codes. ``run`` hands it its part of the policy, and the time where it asks for one."""

    codes: tuple[str, ...]
    run: Callable[[Policy, Evidence, datetime], tuple[Finding, ...]]


def signer_settings(policy: Policy) -> signer.SignerSettings:
    """What the signer rule needs of a policy."""
    return signer.SignerSettings(groups=policy.signers, digests=policy.digests)


RULES: Final[tuple[Rule, ...]] = (
    Rule(codes=(signer.UNSIGNED, signer.UNMET), run=lambda p, e, _: signer.check(e, signer_settings(p))),
    Rule(codes=(digests.CODE,), run=lambda p, e, _: digests.check(e, p.digests)),
    Rule(codes=(manifest.CODE,), run=lambda p, e, _: manifest.check(e, p.manifest)),
    Rule(codes=(problems.CODE,), run=lambda _p, e, _: problems.check(e)),
    Rule(
        codes=(operators.NOT_ALLOWED, operators.DENIED, operators.CUSTOM_DOMAIN),
        run=lambda p, e, _: operators.check(e, p.operators),
    ),
    Rule(codes=(declared.CODE,), run=lambda _p, e, _: declared.check(e)),
    Rule(codes=(opset.CODE,), run=lambda p, e, _: opset.check(e, p.model.opset)),
    Rule(codes=(size.NODES, size.PARAMETER_BYTES), run=lambda p, e, _: size.check(e, p.model)),
    Rule(codes=(external_data.CODE,), run=lambda p, e, _: external_data.check(e, p.model.external_data)),
    Rule(codes=(version.CODE,), run=lambda p, e, _: version.check(e, p.minimum_version)),
    Rule(codes=(revoked.CODE,), run=lambda p, e, _: revoked.check(e, p.revoked)),
)
