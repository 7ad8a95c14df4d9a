"""What a log of releases says in words: how a release hangs on the one before, who signed it, and what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from mlsign.actions.list_releases import Reading
from mlsign.compare.lineage import Link
from mlsign.compare.releases import Bytes, ReleaseChange
from mlsign.errors import shown
from mlsign.report.claims import who_claims
from mlsign.report.signers import when_signed, who_signed
from mlsign.words import counted

if TYPE_CHECKING:
    from mlsign.actions.list_releases import LoggedRelease, ReleaseLog

_MANY: Final = 6
"""Names in one line; mlsign diff lists all."""


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
    return "; ".join(_changes(change))


def _changes(change: ReleaseChange) -> Iterator[str]:
    yield from _model(change)
    yield from _names("operators", (f"+{name}" for name in change.added), (f"-{name}" for name in change.removed))
    if change.counts:
        yield f"{counted(change.counts, 'operator')} in other numbers"
    yield from _names("opsets", (f"{shown(o.field)} {o.before or 'none'} to {o.after or 'none'}" for o in change.opsets))
    if change.breaking or change.compatible:
        yield f"interface: {change.breaking} breaking, {counted(change.compatible, 'compatible change')}"
    before, after = change.parameters
    if before != after:
        yield f"parameters {before:,} to {after:,}"
    files = change.files
    yield from _names("files", (f"+{f}" for f in files.added), (f"-{f}" for f in files.removed), (f"~{f}" for f in files.changed))
    yield from _names("allows", (f"+{name}" for name in change.allowed), (f"-{name}" for name in change.disallowed))


def _model(change: ReleaseChange) -> Iterator[str]:
    match change.model, change.weights:
        case Bytes.SAME, Bytes.SAME | Bytes.NONE:
            yield "model and weights are the same bytes"
        case Bytes.SAME, Bytes.CHANGED:
            yield "weights changed, the model file is the same bytes"
        case Bytes.CHANGED, Bytes.NONE:
            yield "the model file changed, which the weights are in"
        case Bytes.CHANGED, Bytes.SAME:
            yield "the model file changed, weights in other files did not"
        case Bytes.CHANGED, Bytes.CHANGED:
            yield "the model file and weights changed"
        case _:
            yield "whether model and weights changed cannot be told: the digests are of different algorithms"


def _names(label: str, *groups: Iterator[str]) -> Iterator[str]:
    names = [shown(name) for group in groups for name in group]
    if names:
        yield f"{label} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
    return f"{', '.join(names[:_MANY])}{more}"
