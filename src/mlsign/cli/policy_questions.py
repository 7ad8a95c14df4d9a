"""What ``mlsign policy init`` asks on a terminal, and what it shows of signatures that nobody has checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mlsign.cli.console import is_interactive, say
from mlsign.errors import InputError, shown

if TYPE_CHECKING:
    from mlsign.actions.policies.start_policy import StartRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What was given as options, or answered."""

    package: Path | None
    key: Path | None
    issuer: str | None
    subject: str | None
    audit: bool

    @property
    def names_signer(self) -> bool:
        """Whether anything says who signs."""
        return any(value is not None for value in (self.key, self.issuer, self.subject))


def settled(given: Answers, *, name: str | None, output: Path | None) -> StartRequest:
    """The request that the options make, with questions where nothing says who signs and somebody can answer.

    Raises ``InputError`` (``usage.signer``).
    """
    from mlsign.actions.policies.start_policy import StartRequest
    from mlsign.policy.model import Mode
    from mlsign.policy.starter import KeylessChoice

    answers = given
    if not given.names_signer:
        if given.package is not None:
            _show_claims(given.package)
        if is_interactive():
            answers = _ask(given)
    if (answers.issuer is None) != (answers.subject is None):
        raise InputError(
            "a keyless identity is an issuer and a subject, and one of them is missing",
            code="usage.signer",
            hint="give both --keyless-issuer and --keyless-subject: a subject alone is whatever any issuer calls so",
        )
    keyless = None
    if answers.issuer is not None and answers.subject is not None:
        keyless = KeylessChoice(issuer=answers.issuer, subject=answers.subject)
    return StartRequest(
        key=answers.key,
        keyless=keyless,
        package=answers.package,
        name=name,
        mode=Mode.AUDIT if answers.audit else Mode.ENFORCE,
        output=output,
    )


def _show_claims(package: Path) -> None:
    """Who the package says has signed it, as what it is: a claim."""
    from mlsign.actions.policies.start_policy import claimed_identities

    for identity in claimed_identities(package):
        say(
            f"the package shows a signature by {shown(identity.subject)}, vouched for by {shown(identity.issuer)}.\n"
            "  Nobody has checked that, and anybody can make such a file. Confirm with whoever releases the model, over\n"
            "  another channel, that this is who signs; then give --keyless-issuer and --keyless-subject."
        )


def _ask(given: Answers) -> Answers:
    """The three questions: who signs, for what, and whether it is enforced."""
    try:
        who = str(typer.prompt("Who signs? A file with the public key, or a workflow or address that signs keyless", err=True))
        answers = replace(given, key=Path(who)) if _is_file(who) else replace(given, subject=who)
        if answers.subject is not None:
            issuer = typer.prompt(
                "Which issuer vouches for them", default="https://token.actions.githubusercontent.com", err=True
            )
            answers = replace(answers, issuer=str(issuer))
        if given.package is None:
            package = str(typer.prompt("For which package or model? (nothing: any)", default="", show_default=False, err=True))
            answers = replace(answers, package=Path(package) if package else None)
        if not given.audit:
            answers = replace(answers, audit=not typer.confirm("Enforce it? (no: audit, report only)", default=True, err=True))
    except typer.Abort:
        raise typer.Exit(130) from None  # interrupted; 1 would read as a denial
    return answers


def _is_file(answer: str) -> bool:
    """An address has an at sign and a workflow a scheme; anything else is the name of a file, there or not."""
    return Path(answer).is_file() or not ("://" in answer or "@" in answer)
