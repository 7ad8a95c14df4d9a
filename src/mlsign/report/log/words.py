"""What a log of releases says in words: how a release hangs on the one before, who signed it, and what changed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mlsign.actions.releases.list_releases import Reading
from mlsign.compare.lineage import Link
from mlsign.compare.releases import ReleaseChange
from mlsign.errors import shown
from mlsign.report.claims import who_claims
from mlsign.report.log.changes import change_lines
from mlsign.report.signers import when_signed, who_signed
from mlsign.words import counted

if TYPE_CHECKING:
    from mlsign.actions.releases.list_releases import LoggedRelease, ReleaseLog


def wrong_words(log: ReleaseLog) -> tuple[str, ...]:
    """What is not as it should be with all of it, in numbers; empty where nothing is."""
    wrong = sum(not each.found.is_sound for each in log.releases)
    # What is denied itself is not counted again.
    hanging = sum(each.found.is_sound and each.broken_at is not None for each in log.releases) if log.judged else 0
    numbers = {
        f"{wrong:,} {'denied' if log.judged else 'faulty'}": wrong,
        f"{hanging:,} not verified back to a first release": hanging,
        f"{counted(len(log.twins), 'version')} in packages that differ": len(log.twins),
        f"{counted(len(log.unreadable), 'folder')} that could not be read": len(log.unreadable),
    }
    return tuple(words for words, number in numbers.items() if number)


def right_words(log: ReleaseLog) -> str:
    """What is known of releases with which nothing is wrong."""
    if log.judged:
        return "all allowed, and verified back to a first release"
    looked = "only manifests were read" if log.reading is Reading.MANIFEST else "each is what its own manifest says"
    return f"{looked}; no signature was checked"


def lineage_words(each: LoggedRelease, *, judged: bool) -> str:
    """Which release comes before, and how far back that holds."""
    lineage, previous = each.lineage, each.found.release.previous
    if previous is None:
        if lineage.link is Link.UNRECORDED:
            return "no release before it is recorded, though lower versions are here"
        return "the first release here: none before it is recorded"
    after = f"after {previous.version} {previous.digest}"
    match lineage.link:
        case Link.MISSING:
            return f"{after}, which is not in this folder"
        case Link.DIFFERENT:
            return f"{after}, which is not in this folder: the {previous.version} that is here is another one"
        case Link.OTHER_NAME:
            return f"{after}, which is a release of another model"
        case Link.OTHER_VERSION:
            return f"{after}, which is another version than that"
        case _:
            return f"after {previous.version}, {_how_far(each, judged=judged)}"


def _how_far(each: LoggedRelease, *, judged: bool) -> str:
    at = each.broken_at
    if at is None:
        releases = counted(each.lineage.length, "release")
        first = each.last.release.version
        if judged:
            return f"verified back to the first release, {first} ({releases})"
        return f"complete back to the first release, {first} ({releases}); nobody's signature was checked"
    if at is each.found:
        return f"and is {'denied' if judged else 'faulty'} itself"
    if not at.is_sound:
        return f"not verified: {at.release.version} is {'denied' if judged else 'faulty'}"
    return f"not back to a first release: the one before {at.release.version} is not found"


def signer_words(each: LoggedRelease) -> Iterator[str]:
    """A line for each signer that was proven, or that is claimed."""
    judged = each.found.judged
    if judged is not None:
        for record in judged.signers:
            when = when_signed(record)
            yield f"{who_signed(record)}, {when}" if when else f"{who_signed(record)}, at no proven time"
        if not judged.signers:
            yield "nobody whose signature counts"
    else:
        for claim in each.found.claims:
            said = f"claims to be signed by {who_claims(claim)}, over {shown(claim.subject)}; not checked"
            yield shown(claim.problem) if claim.problem else said
        if not each.found.claims:
            yield "no signature"
    if each.found.more:
        yield f"and {each.found.more} more"


def change_words(change: ReleaseChange) -> str:
    """Everything that changed, in one line."""
    return "; ".join(change_lines(change))
