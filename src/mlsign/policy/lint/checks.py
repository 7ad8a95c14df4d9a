"""Every check of a policy there is, written out by hand, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from mlsign.policy.lint.contents import check_model, check_operators, check_sandbox
from mlsign.policy.lint.patterns import check_patterns
from mlsign.policy.lint.releases import check_mode, check_releases, check_time
from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.lint.scope import check_exceptions, check_match, check_rules
from mlsign.policy.lint.signers import check_signers
from mlsign.policy.lint.standing import check_golden, check_loosened, check_validity, check_vouchers

CHECKS: Final[tuple[Callable[[Draft], Iterable[Remark]], ...]] = (
    check_patterns,
    check_signers,
    check_operators,
    check_model,
    check_sandbox,
    check_releases,
    check_time,
    check_mode,
    check_match,
    check_rules,
    check_exceptions,
    check_validity,
    check_vouchers,
    check_golden,
    check_loosened,
)


def lint(draft: Draft) -> tuple[Remark, ...]:
    """What there is to remark on a policy, in the order of its text."""
    return in_order(remark for check in CHECKS for remark in check(draft))


def in_order(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """Each remark once, in the order of the text; what stands in one file together."""
    return tuple(sorted(set(remarks), key=lambda r: (r.place.source, r.place.line, r.place.column, r.code, r.message)))
