"""Which packages a policy is for, and what it says of single ones: patterns, rules and exceptions that do nothing, or end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

from mlsign.errors import shown
from mlsign.interface import OperatorId
from mlsign.policy.cel import Answer, evaluate
from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.match import Match
from mlsign.policy.model import OperatorSettings, Policy
from mlsign.policy.patterns import TextPattern
from mlsign.policy.rules import opset, size, version
from mlsign.policy.rules.operators import DENIED

SOON: Final = timedelta(days=7)
MAX_STEPS: Final = 1_000_000
"""How much is compared to find names that two policies are both for; beyond it nothing is said of the rest."""
_ONE_OPERATOR: Final = re.compile(r"""\s*(?:'([^'"\\]*)'|"([^'"\\]*)")\s+in\s+model\.operators\s*""")
_NOT_ALL: Final = re.compile(r"[|?!(]")
"""With none of these in a condition, it is one test, or several that must all hold."""


def check_match(draft: Draft) -> Iterator[Remark]:
    """A pattern that leaves no package out."""
    for index, pattern in enumerate(draft.policy.match.names or ()):
        if not pattern.text.strip("*"):
            yield draft.warning(
                "match.every",
                "every name matches, so the policy is for every package",
                *("match", "names", index),
                hint="leave match out, or write which packages are meant",
            )


def check_rules(draft: Draft) -> Iterator[Remark]:
    """Rules that are settled before there is a package."""
    for index, rule in enumerate(draft.policy.rules):
        place = ("rules", index, "when")
        # What is left out is an error where it decides, so an answer without anything known is the answer for every package.
        answer, _ = evaluate(rule.when, {})
        if answer is Answer.YES:
            yield draft.warning(
                "rules.always", "is true whatever the package is: everything is denied", *place, hint="take it out"
            )
        elif answer is Answer.NO:
            yield draft.warning(
                "rules.never", "is false whatever the package is: nothing is denied by it", *place, hint="take it out"
            )
        else:
            yield from _check_operators(draft, rule.when, place)


def _check_operators(draft: Draft, when: str, place: tuple[str | int, ...]) -> Iterator[Remark]:
    """Only conditions that need an operator to be true; what else stands in an alternative may be true without it."""
    for part in () if _NOT_ALL.search(when) else when.split("&&"):
        found = _ONE_OPERATOR.fullmatch(part)
        if found is None:
            continue
        name = found[1] if found[1] is not None else found[2]
        domain, colon, operator = name.rpartition(":")
        if not colon:
            yield draft.warning(
                "rules.never",
                f"no operator is spelled {shown(name)}, so this is false whatever the model is",
                *place,
                hint="write the domain before the name, as in ai.onnx:Loop",
            )
        elif not _may_be_used(OperatorId(domain, operator), draft.policy.operators):
            yield draft.warning(
                "rules.idle",
                f"a model with {shown(name)} is denied in any case: operators.allow does not have it, or operators.deny has",
                *place,
                hint="take it out, or allow the operator",
            )


def _may_be_used(operator: OperatorId, settings: OperatorSettings) -> bool:
    if operator in settings.deny or operator.domain in settings.denied_domains:
        return False
    return operator in settings.allow or operator.domain in settings.allowed_domains


def check_exceptions(draft: Draft) -> Iterator[Remark]:
    """Exceptions that have ended or soon will, and codes of which there are no findings under this policy."""
    absent = _absent_codes(draft.policy)
    for index, item in enumerate(draft.policy.exceptions):
        end = f"{item.until:%Y-%m-%dT%H:%M:%SZ}"
        if item.until <= draft.now:
            yield draft.warning(
                "exceptions.ended",
                f"ended at {end}: the package is denied again, and MLS422 says why",
                *("exceptions", index, "until"),
                hint="take the exception out, or decide anew and write a later until",
            )
        elif item.until - draft.now <= SOON:
            yield draft.warning(
                "exceptions.soon",
                f"ends at {end}, and then the package is denied",
                *("exceptions", index, "until"),
                hint="deploy a release that needs none before then, or decide anew",
            )
        written = [getattr(node, "text", "") for node in draft.items("exceptions", index, "findings")]
        for code in sorted(item.codes & absent.keys()):
            yield draft.warning(
                "exceptions.idle",
                f"{code} cannot occur: {absent[code]}",
                *("exceptions", index, "findings", written.index(code) if code in written else 0),
                hint="take the code out",
            )


def _absent_codes(policy: Policy) -> dict[str, str]:
    """Codes that no package can have under this policy, and why."""
    model, operators = policy.model, policy.operators
    reasons = {
        DENIED: not (operators.deny or operators.denied_domains) and "operators.deny names nothing",
        opset.CODE: not model.opset and "model.opset sets no range",
        size.NODES: model.max_nodes is None and "model.max_nodes sets no cap",
        size.PARAMETER_BYTES: model.max_parameter_bytes is None and "model.max_parameter_bytes sets no cap",
        version.CODE: policy.minimum_version is None and "versions.minimum is not set",
    }
    return {code: reason for code, reason in reasons.items() if reason}


def check_overlaps(drafts: Sequence[Draft]) -> tuple[tuple[Remark, ...], ...]:
    """For each policy of several that are given together, whether it is for packages that one before it is for as well.

    Only where one of the two says which packages it is for: policies that do not are likely for different places.
    """
    budget = [MAX_STEPS]
    return tuple(tuple(_overlaps(draft, drafts[:index], budget)) for index, draft in enumerate(drafts))


def _overlaps(draft: Draft, others: Sequence[Draft], budget: list[int]) -> Iterator[Remark]:
    for other in others:
        shared = _shared(draft.policy.match, other.policy.match, budget)
        if shared:
            yield draft.warning(
                "match.overlap",
                f"the policy {shown(other.policy.name)} is for {shared} as well; given together, both deny such a package",
                "match",
                hint="narrow match.names of one of the two",
            )


def _shared(one: Match, other: Match, budget: list[int]) -> str:
    """A package, in words, that both are for; empty for none, and where neither says which."""
    if one.names is None or other.names is None:
        named = one.names or other.names
        return f"packages of the name {shown(named[0].text)}" if named else ""
    for mine in one.names:
        for theirs in other.names:
            if _meet(mine, theirs, budget):
                return f"names that are {shown(mine.text)} and {shown(theirs.text)}" if mine != theirs else shown(mine.text)
    return ""


def _meet(one: TextPattern, other: TextPattern, budget: list[int]) -> bool:
    """Whether some name matches both. Names of packages have no slash and no at sign, so one star is as good as two."""
    first, second = (re.sub(r"\*+", "*", pattern.text) for pattern in (one, other))
    open_, seen = [(0, 0)], {(0, 0)}
    while open_ and budget[0] > 0:
        budget[0] -= 1
        i, j = open_.pop()
        if i == len(first) and j == len(second):
            return True
        a, b = first[i : i + 1], second[j : j + 1]
        steps = []
        if a == "*":
            steps += [(i + 1, j), (i, j + 1)] if b else [(i + 1, j)]
        if b == "*":
            steps += [(i, j + 1), (i + 1, j)] if a else [(i, j + 1)]
        if a == b and a:
            steps.append((i + 1, j + 1))
        new = [step for step in steps if step not in seen]
        seen.update(new)
        open_ += new
    return False
