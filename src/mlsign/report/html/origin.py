"""Sections about the package around the model: where it comes from, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.actions.inspection.portray import Portrait
from mlsign.digest import Digest
from mlsign.errors import shown
from mlsign.evidence.record import SignatureRecord
from mlsign.formats.manifest import Manifest, Provenance
from mlsign.policy.model import Verdict
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.parts import Tone, badge, code, digest, facts, note, section, table
from mlsign.report.signers import who_signed
from mlsign.words import counted, size

_MAX_FILES: Final = 1000
_MAX_ROWS: Final = 200
_MAX_DESCRIPTION: Final = 2000


def origin(portrait: Portrait) -> Element:
    """What the manifest says of the model and its provenance, and statements of builders whose signatures are genuine."""
    manifest = portrait.manifest
    if manifest is None:
        return section(
            "origin",
            "Provenance and lineage",
            note(
                "There is no manifest, so nothing says where the model comes from. mlsign pack makes one, with its source and its builder."
            ),
        )
    parts: list[Child] = []
    rows = [*_said(manifest), *(_provenance(manifest.provenance) if manifest.provenance is not None else ())]
    if manifest.previous is not None:
        rows.append(("Release before", (code(manifest.previous.version), digest(manifest.previous.digest))))
    if rows:
        parts += [note(f"What the manifest says, in the words of whoever packed it{_vouched(portrait)}."), facts(rows)]
    else:
        parts.append(note("The manifest says nothing about it."))
    if manifest.previous is not None and portrait.before is None:
        parts.append(note("Given that release with --previous, a report says what changed since; mlsign diff says more."))
    if portrait.report is not None and portrait.report.evidence.provenance:
        parts.append(element("h3", "Statements of builders"))
        parts.append(
            note("Their signatures are genuine. Anybody may sign one: whether the policy counts it is among the findings.")
        )
        own = portrait.report.evidence.digest
        rows_of = (_statement(record, own) for record in portrait.report.evidence.provenance[:_MAX_ROWS])
        parts.append(table("Statements of builders", ("Builder", "Kind of build", "Signed by", "About"), rows_of))
    return section("origin", "Provenance and lineage", *parts)


def _said(manifest: Manifest) -> Iterator[tuple[str, Child | tuple[Child, ...]]]:
    if manifest.description:
        lines = (shown(line, limit=_MAX_DESCRIPTION) for line in manifest.description[:_MAX_DESCRIPTION].splitlines()[:_MAX_ROWS])
        more = "…" if len(manifest.description) > _MAX_DESCRIPTION else ""
        yield "Description", (*filter(str.strip, lines), *filter(None, (more,)))
    if manifest.license:
        yield "Licence", shown(manifest.license, limit=200)


def is_vouched(portrait: Portrait) -> bool:
    """Somebody whom the policy trusts stands behind the manifest."""
    return portrait.report is not None and (portrait.verdict is Verdict.ALLOW or bool(portrait.report.decision.met))


def _vouched(portrait: Portrait) -> str:
    """That nobody whom the policy trusts stands behind the manifest, where that is so."""
    if portrait.report is None:
        return ", which nobody has verified here"
    return "" if is_vouched(portrait) else ", for which nobody whom the policy trusts has signed"


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


def _statement(record: SignatureRecord, whole: Digest | None) -> tuple[Child, ...]:
    assert record.provenance is not None  # noqa: S101 - that is what makes it one of these
    provenance = record.provenance.provenance
    own = whole is not None and whole in record.provenance.subjects
    about = badge(Tone.PLAIN, "this package") if own else badge(Tone.WARNING, "something else")
    return code(provenance.builder), code(provenance.build_type), code(who_signed(record)), about


def files(portrait: Portrait) -> Element:
    """Every file: from the manifest with its digest, or as it lies there."""
    manifest = portrait.manifest
    parts: list[Child] = []
    if manifest is not None:
        parts.append(note(f"As the manifest lists them{_compared(portrait)}."))
        parts.append(table("Files of the package", ("File", "For", "Size", "Digest"), _entries(manifest), class_="files tall"))
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
