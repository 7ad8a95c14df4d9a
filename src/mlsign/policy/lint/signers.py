"""Groups of signers that nobody can meet, or that fewer people can meet than it seems."""

from __future__ import annotations

from collections.abc import Iterator

from mlsign.policy.freshness import AgeProof, LogDemand
from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.model import SignerGroup
from mlsign.policy.requirements import KeylessRequirement, KeyRequirement, Requirement, is_one_person

EXPERIMENTAL_KINDS = ("ML-DSA-65",)
"""Kinds of keys that no other verifier reads yet."""


def check_signers(draft: Draft) -> Iterator[Remark]:
    """Remarks on each group by itself, and on groups beside each other."""
    for index, group in enumerate(draft.policy.signers):
        yield from _check_people(draft, group, index)
        yield from _check_never(draft, group, index)
        yield from _check_kinds(draft, group, index)
    yield from _check_overlaps(draft)


def person_of(requirement: Requirement) -> object:
    """What two requirements share when one person meets both; the requirement itself where that cannot be told."""
    if isinstance(requirement, KeyRequirement):
        return requirement.identity.unique
    if isinstance(requirement, KeylessRequirement) and requirement.subject.is_exact:
        subject = requirement.subject.text
        # a workflow is one at every ref
        return (subject.partition("@")[0] if "://" in subject else subject).casefold()
    return requirement


def _check_people(draft: Draft, group: SignerGroup, index: int) -> Iterator[Remark]:
    people = [person_of(wanted) for wanted in group.any]
    for j, person in enumerate(people):
        if person in people[:j]:
            yield draft.warning(
                "signers.twice",
                f"is the same person as any[{people.index(person)}] of this group, and counts once",
                *("signers", index, "any", j),
            )
    exact = all(map(is_one_person, group.any))
    if exact and len(set(people)) < group.require:
        yield draft.warning(
            "signers.never",
            f"{group.require} signers are required, and those that are named are {len(set(people))} when people are counted",
            *("signers", index, "require"),
            hint="name more people, or require fewer",
        )
    if group.require == 1:
        return
    methods = {type(wanted) for wanted in group.any}
    if len(methods) > 1:
        yield draft.warning(
            "signers.one-person",
            "somebody who holds a key and also signs by name counts twice: nothing tells that both are one person",
            *("signers", index, "any"),
            hint="name people of one group by one method",
        )
    if not exact:
        yield draft.warning(
            "signers.one-person",
            "a pattern may match several names of one person, and each counts",
            *("signers", index, "any"),
            hint="spell out who is meant where more than one must sign",
        )


def _check_never(draft: Draft, group: SignerGroup, index: int) -> Iterator[Remark]:
    """What only keyless signatures have, or get from mlsign, asked of a group without any."""
    asked = draft.policy.freshness
    bounded = asked.max_age is not None and asked.age_proof is AgeProof.BOUNDED
    keyless = sum(isinstance(wanted, KeylessRequirement) for wanted in group.any)
    if asked.transparency.log is LogDemand.REQUIRED and not keyless:
        yield draft.information(
            "signers.log",
            "transparency.log is required, and mlsign writes to a log only for keyless signatures: others must bring their entry",
            *("signers", index, "any"),
            hint="name keyless identities, or leave transparency.log out",
        )
    if bounded and not keyless:
        yield draft.warning(
            "signers.never",
            "age.proof is bounded, which only keyless signatures can be, and nobody in this group signs keyless",
            *("signers", index, "any"),
            hint="name keyless identities, or leave age.proof out",
        )


def _check_kinds(draft: Draft, group: SignerGroup, index: int) -> Iterator[Remark]:
    for j, wanted in enumerate(group.any):
        if isinstance(wanted, KeyRequirement) and wanted.identity.kind in EXPERIMENTAL_KINDS:
            yield draft.information(
                "key.experimental",
                f"no other verifier reads signatures by {wanted.identity.kind} keys yet",
                *("signers", index, "any", j, "key"),
                hint="ask for a classical key in a group beside it",
            )


def _check_overlaps(draft: Draft) -> Iterator[Remark]:
    first: dict[object, int] = {}
    for i, group in enumerate(draft.policy.signers):
        for j, wanted in enumerate(group.any):
            person = person_of(wanted)
            other = first.setdefault(person, i)
            if other != i:
                name = draft.policy.signers[other].name
                yield draft.warning(
                    "signers.two-groups",
                    f"stands in the group {name} as well, so one person can meet both groups",
                    *("signers", i, "any", j),
                    hint="name different people where two pairs of eyes are meant",
                )
