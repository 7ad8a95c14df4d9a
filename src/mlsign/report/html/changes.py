"""What changed since the release before, and whether that is the one that the manifest records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlsign.compare.lineage import Link
from mlsign.errors import shown
from mlsign.report.html.elements import Element, element
from mlsign.report.html.parts import Tone, badge, note, section
from mlsign.report.log.changes import change_lines

if TYPE_CHECKING:
    from mlsign.actions.inspection.portrait_before import Before

_LINKS: Final = {
    Link.FOUND: (Tone.GOOD, "the release before", "Its files have the digest that the manifest records."),
    Link.FIRST: (
        Tone.WARNING,
        "not recorded",
        "The manifest records no release before it, and this one is not of a lower version.",
    ),
    Link.UNRECORDED: (Tone.WARNING, "not recorded", "The manifest records no release before it."),
    Link.MISSING: (Tone.BAD, "not the release before", "The manifest records another one."),
    Link.DIFFERENT: (
        Tone.BAD,
        "not the release before",
        "The manifest records this version with another digest: one of both was changed.",
    ),
    Link.OTHER_NAME: (
        Tone.BAD,
        "of another model",
        "The manifest records this digest, which is that of a release of another model.",
    ),
    Link.OTHER_VERSION: (
        Tone.BAD,
        "of another version",
        "The manifest records this digest for another version, or for one that is not lower.",
    ),
}


def changes(before: Before, *, vouched: bool) -> Element:
    """The section: what was compared, and each change in a line of its own. What a manifest records is in order only where it is
    ``vouched`` for: anybody can write that a release comes after another.
    """
    tone, word, told = _LINKS[before.link]
    if not vouched and tone is Tone.GOOD:
        tone, told = Tone.WARNING, f"{told} Nobody whom a policy trusts stands behind that record."
    name = shown(f"{before.name} {before.version}", limit=200)
    return section(
        "changes",
        "Changes since the release before",
        element("p", f"Compared with {name}: ", badge(tone, word), f" {told}"),
        element("ul", (element("li", shown(line, limit=600)) for line in change_lines(before.change))),
        note(
            "By what both manifests say; signatures over the release before were not checked. mlsign diff looks into both models."
        ),
    )
