"""The golden test data of a package: what became of running the model on it, here and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.actions.inspection.portray import Portrait
from mlsign.errors import shown
from mlsign.evidence.record import ReplayedSet, SignatureRecord
from mlsign.formats.manifest import Manifest
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.parts import Tone, badge, code, note, section, table
from mlsign.report.signers import who_signed
from mlsign.words import counted

_MAX_ROWS: Final = 200


def golden(portrait: Portrait) -> Element | None:
    """The golden test data, and what became of replaying it; None where the package has none."""
    manifest = portrait.manifest
    if manifest is None or not manifest.golden:
        return None
    runs = portrait.report.evidence.golden_runs if portrait.report is not None else ()
    return section("golden", "Golden test data", *_here(portrait, manifest), *_elsewhere(runs, portrait))


def _here(portrait: Portrait, manifest: Manifest) -> Iterator[Element]:
    replay = portrait.report.evidence.replay if portrait.report is not None else None
    if replay is None:
        rows = ((code(each.path), f"{each.rtol:g}", f"{each.atol:g}") for each in manifest.golden[:_MAX_ROWS])
        words = "The model was not run on it for this report: no policy asked for that, or something else was against it first."
        yield note(words)
        yield table("Golden test data", ("Set", "Relative tolerance", "Absolute tolerance"), rows)
        yield from _left_out(len(manifest.golden), "set")
        return
    head = ("Set", "Output", "Outcome", "Compared", "Absolute", "Relative", "ULPs")
    rows_run = (row for each in replay[:_MAX_ROWS] for row in _replayed(each))
    words = "Scored in the sandbox for this report, and compared within the tolerances that were packed. Errors are the largest of each output."
    yield note(words)
    yield table("Golden test data, replayed", head, rows_run, class_="golden")
    yield from _left_out(len(replay), "set")


def _replayed(each: ReplayedSet) -> Iterator[tuple[Child | list[Child], ...]]:
    if each.problem is not None:
        yield code(each.path), shown(each.problem.message, limit=400), badge(Tone.WARNING, "unknown"), "", "", "", ""
    elif not each.compared:
        yield code(each.path), "nothing was compared", badge(Tone.WARNING, "unknown"), "", "", "", ""
    for output in each.outputs[:_MAX_ROWS]:
        difference = output.difference
        if difference is not None:
            mark = badge(Tone.BAD, "different")
        elif output.compared:
            mark = badge(Tone.GOOD, "within tolerance")
        else:
            mark = badge(Tone.WARNING, "nothing compared")
        what: list[Child] = [code(shown(output.output, limit=80))]
        if difference is not None:
            what.append(element("div", shown(difference.message, limit=300), class_="more"))
        errors = ("" if error is None else f"{error:.3g}" for error in (output.absolute, output.relative))
        yield code(each.path), what, mark, f"{output.compared:,}", *errors, "" if output.ulps is None else f"{output.ulps:,}"


def _elsewhere(runs: tuple[SignatureRecord, ...], portrait: Portrait) -> Iterator[Element]:
    """Signed runs. They are authentic; whether one counts is for a policy to say, and then among the findings."""
    if not runs:
        return
    yield element("h3", "Signed runs elsewhere")
    yield note("What their signers say of running it. Whether the policy counts one is among the findings.")
    head = ("Signed by", "Outcome", "Platform", "Runtime", "Ran")
    yield table("Signed runs elsewhere", head, (_run(record, portrait) for record in runs[:_MAX_ROWS]))
    yield from _left_out(len(runs), "run")


def _left_out(count: int, word: str) -> Iterator[Element]:
    if count > _MAX_ROWS:
        yield note(f"{counted(count - _MAX_ROWS, f'further {word}')} not listed.")


def _run(record: SignatureRecord, portrait: Portrait) -> tuple[Child | list[Child], ...]:
    run = record.golden_run
    assert run is not None  # noqa: S101 - that is what makes it one of these
    evidence = portrait.report.evidence if portrait.report is not None else None
    if evidence is None or run.manifest != evidence.manifest_digest or run.subject != evidence.digest:
        outcome = badge(Tone.WARNING, "of another package")
    elif run.passed:
        outcome = badge(Tone.PLAIN, "within tolerance")  # no sign of approval: anybody may sign such a run
    else:
        outcome = badge(Tone.BAD, "not within tolerance")
    place = run.place
    runtime = f"{shown(place.runtime, limit=80)} {shown(place.version, limit=80)}, {place.threads} threads"
    where: list[Child] = [code(place.platform), element("div", shown(place.processor, limit=120), class_="more")]
    return code(who_signed(record)), outcome, where, runtime, f"{run.ran:%Y-%m-%d %H:%M:%S} UTC"
