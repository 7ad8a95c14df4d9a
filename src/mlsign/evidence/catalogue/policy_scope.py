"""MLS420 to MLS423: rules that the author of a policy wrote, exceptions of a policy, and which packages it is for."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS420",
        title="A rule of the policy denies",
        meaning="A condition under rules of the policy is true of this package. Unknown: it could not be evaluated, because something "
        "that it asks for is not known of this package, or because it came to an error.",
        abuse="What an author ruled out in their own words is ruled out even where a missing fact makes the words fail.",
        action="Read the message of the rule. If it is unknown, look for what is missing: a manifest, a readable model, a bound.",
    ),
    CodeEntry(
        code="MLS421",
        title="An exception is used",
        meaning="The policy has an exception for the package with this digest, and findings that would deny it are covered. The "
        "report lists them, with the reason and the end, in a section of their own.",
        abuse="An exception that nobody sees becomes the rule. It is told in every report so that whoever reads one can ask.",
        action="Nothing until the exception ends; then deploy a release that needs none.",
    ),
    CodeEntry(
        code="MLS422",
        title="An exception has ended",
        meaning="The policy had an exception for this package, it would cover a finding beside this one, and its time is over.",
        abuse="Risks that were borne for a week are borne for years when their end is only a note. Here the end is enforced.",
        action="Deploy a release that needs no exception, or decide anew and write a later until into the policy.",
    ),
    CodeEntry(
        code="MLS423",
        title="Policy and package do not belong together",
        meaning="The policy says by match.names which packages it is for, and the name in the verified manifest is not among them; or "
        "several policies were given and another one is for this package as well. Unknown: no readable manifest says what the "
        "package is called, or a policy in audit mode was chosen beside one that enforces, by a name that nobody whom it trusts vouches "
        "for. It denies in audit mode as well, because a policy has no say in packages that it is not for.",
        abuse="A package that is judged by a lenient policy, which was written for something else, gets in by its name alone.",
        action="Give the policy that is for this package, or change match.names so that exactly one is.",
    ),
)
