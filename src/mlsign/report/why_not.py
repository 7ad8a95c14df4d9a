"""What would have to be different, as text below a report and as a part of its JSON."""

from __future__ import annotations

import textwrap
from typing import Any

from mlsign.errors import shown
from mlsign.policy.model import Verdict
from mlsign.policy.remedies.remedy import Party, Remedy
from mlsign.policy.remedies.why_not import WhyNot
from mlsign.report.workflow import inert

_TITLES = {
    Party.OPERATOR: "Whoever deploys the package",
    Party.RELEASER: "Whoever released it",
    Party.OWNER: "Whoever owns the policy",
}
_LONG = 2000


def render_why_not(found: WhyNot, *, width: int) -> str:
    """A heading for each who can do something, and what; last whether that would be enough."""
    columns = max(60, min(width, 120))
    lines = ["", "  What would have to be different"]
    for who in Party:
        steps = [remedy for remedy in every_step(found) if remedy.who is who]
        if steps:
            lines += ["", f"  {_TITLES[who]}"]
        for remedy in steps:
            lines += _wrapped(
                f"{shown(remedy.words, limit=_LONG)} ({', '.join(remedy.codes)})", columns, first="  - ", rest="    "
            )
    lines += ["", *_wrapped(_outlook(found), columns, first="  ", rest="  ")]
    # Lines break where the width says, and words of a package may be a command to a runner wherever they stand.
    return inert("\n".join(lines) + "\n")


def every_step(found: WhyNot) -> tuple[Remedy, ...]:
    """The remedies, and last of all the exception."""
    return found.remedies if found.exception is None else (*found.remedies, found.exception)


def _outlook(found: WhyNot) -> str:
    but = "" if found.exception is None else " but the last resort"
    if found.would_allow is Verdict.ALLOW:
        return f"Checked: with all of this{but}, and nothing else changed, the policy would allow it."
    codes = ", ".join(found.remaining)
    return f"Whether that is enough can only be told once it was done; what is not settled by it: {codes or 'who signed'}."


def _wrapped(words: str, columns: int, *, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        words, columns, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    )


def why_not_object(found: WhyNot) -> dict[str, Any]:
    """After ``why_not`` in ``schemas/report.v1.schema.json``."""
    return {
        "steps": [{"who": remedy.who.value, "codes": list(remedy.codes), "do": remedy.words} for remedy in every_step(found)],
        "would_allow": found.would_allow is Verdict.ALLOW,
        "remaining": list(found.remaining),
    }
