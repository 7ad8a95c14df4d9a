"""Sections about the package around the model: where it comes from, its golden test data, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.actions.portray import Portrait
from mlsign.errors import shown
from mlsign.evidence.record import ReplayedSet, SignatureRecord
from mlsign.formats.manifest import Manifest, Provenance
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.parts import Tone, badge, code, facts, note, section, table
from mlsign.report.signers import who_signed
from mlsign.words import counted, size

_MAX_FILES: Final = 1000
_MAX_ROWS: Final = 200


def origin(portrait: Portrait) -> Element:
    """Provenance: what the manifest says, and statements of builders where they were authenticated."""
    manifest = portrait.manifest
    if manifest is None:
        return section("origin", "Provenance", note("There is no manifest, so nothing says where the model comes from."))
    parts: list[Child] = []
    rows = list(_provenance(manifest.provenance)) if manifest.provenance is not None else []
    if rows:
        parts += [note(f"What the manifest says, in the words of whoever packed it{_vouched(portrait)}."), facts(rows)]
    else:
        parts.append(note("The manifest does not say where the model comes from."))
    if portrait.report is not None and portrait.report.evidence.provenance:
        parts.append(element("h3", "Statements of builders, authenticated"))
        head = ("Builder", "Kind of build", "Signed by")
        parts.append(
            table("Statements of builders", head, (_statement(r) for r in portrait.report.evidence.provenance[:_MAX_ROWS]))
        )
    return section("origin", "Provenance", *parts)


def _vouched(portrait: Portrait) -> str:
    return ", which nobody has verified here" if portrait.report is None else ""


def _provenance(provenance: Provenance) -> Iterator[tuple[str, Child | tuple[Child, ...]]]:
    for name, value in (
        ("Source", provenance.source_repository),
        ("Commit", provenance.source_commit),
        ("Builder", provenance.builder),
        ("Built", provenance.time),
    ):
        if value:
            yield name, code(value)
    if provenance.tools:
        tools = list(provenance.tools.items())[:_MAX_ROWS]
        yield "Tools", ", ".join(f"{shown(tool, limit=80)} {shown(version, limit=80)}" for tool, version in tools)
    if provenance.training_data:
        yield (
            "Training data",
            tuple(code(f"{each.uri}{f' {each.digest}' if each.digest else ''}") for each in provenance.training_data[:_MAX_ROWS]),
        )


def _statement(record: SignatureRecord) -> tuple[Child, ...]:
    assert record.provenance is not None  # noqa: S101 - that is what makes it one of these
    provenance = record.provenance.provenance
    return code(provenance.builder), code(provenance.build_type), code(who_signed(record))


def golden(portrait: Portrait) -> Element | None:
    """The golden test data, and what became of replaying it; None where the package has none."""
    manifest = portrait.manifest
    if manifest is None or not manifest.golden:
        return None
    replay = portrait.report.evidence.replay if portrait.report is not None else None
    title = "Golden test data"
    if replay is None:
        rows = ((code(each.path), f"{each.rtol:g}", f"{each.atol:g}") for each in manifest.golden[:_MAX_ROWS])
        words = "The model was not run on it for this report: no policy asked for that, or something else was against it first."
        return section("golden", title, note(words), table(title, ("Set", "Relative tolerance", "Absolute tolerance"), rows))
    head = ("Set", "Output", "Outcome", "Compared", "Largest error: absolute", "relative", "in ULPs")
    rows_run = (row for each in replay[:_MAX_ROWS] for row in _replayed(each))
    words = "Scored in the sandbox for this report, and compared within the tolerances that were packed."
    return section("golden", title, note(words), table(title, head, rows_run))


def _replayed(each: ReplayedSet) -> Iterator[tuple[Child | list[Child], ...]]:
    if each.problem is not None:
        yield code(each.path), shown(each.problem.message, limit=400), badge(Tone.WARNING, "unknown"), "", "", "", ""
    elif not each.compared:
        yield code(each.path), "nothing was compared", badge(Tone.WARNING, "unknown"), "", "", "", ""
    for output in each.outputs[:_MAX_ROWS]:
        difference = output.difference
        mark = badge(Tone.GOOD, "the same") if difference is None else badge(Tone.BAD, "different")
        what: list[Child] = [code(shown(output.output, limit=80))]
        if difference is not None:
            what.append(element("div", shown(difference.message, limit=300), class_="more"))
        errors = ("" if error is None else f"{error:.3g}" for error in (output.absolute, output.relative))
        yield code(each.path), what, mark, f"{output.compared:,}", *errors, "" if output.ulps is None else f"{output.ulps:,}"


def files(portrait: Portrait) -> Element:
    """Every file: from the manifest with its digest, or as it lies there."""
    manifest = portrait.manifest
    parts: list[Child] = []
    if manifest is not None:
        parts.append(note(f"As the manifest lists them{_compared(portrait)}."))
        parts.append(table("Files of the package", ("File", "For", "Size", "Digest"), _entries(manifest), class_="tall"))
        left = len(manifest.files) - _MAX_FILES
    else:
        rows = ((code(shown(each.path, limit=200)), size(each.size)) for each in portrait.files[:_MAX_FILES])
        parts.append(table("Files", ("File", "Size"), rows, class_="tall"))
        left = len(portrait.files) - _MAX_FILES
    if left > 0:
        parts.append(note(f"{counted(left, 'further file')} not listed."))
    if portrait.report is not None and portrait.report.evidence.unverified:
        loose = portrait.report.evidence.unverified
        parts.append(element("h3", "Covered by no signature, and never loaded"))
        parts.append(element("ul", (element("li", code(name)) for name in loose[:_MAX_ROWS])))
        if len(loose) > _MAX_ROWS:
            parts.append(note(f"{counted(len(loose) - _MAX_ROWS, 'further file')} not listed."))
    return section("files", "Files and digests", *parts)


def _compared(portrait: Portrait) -> str:
    return "; no digest was compared" if portrait.report is None else "; what differs is among the findings"


def _entries(manifest: Manifest) -> Iterator[tuple[Child, ...]]:
    return (
        (code(shown(entry.path, limit=200)), entry.role.value, size(entry.size), code(entry.digest))
        for entry in manifest.files[:_MAX_FILES]
    )
