"""What changed from one release to the next, by their manifests, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mlsign.compare.releases import Bytes, ReleaseChange
from mlsign.errors import shown
from mlsign.words import counted

_MANY: Final = 6
"""Names in one line; mlsign diff lists all."""


def change_lines(change: ReleaseChange) -> Iterator[str]:
    """Everything that changed, each in words of its own."""
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
