"""The lines that say what ``diff`` found, the same in text and HTML: most important first, everything foreign escaped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from mlsign.compare.interfaces import ChangeKind, Effect
from mlsign.errors import shown
from mlsign.report.diff.lines import Line, Section, Sign, change_of, field_line, text_of
from mlsign.report.diff.models import behaviour_lines, graph_lines, renames_of, weight_lines
from mlsign.words import counted, size

if TYPE_CHECKING:
    from mlsign.actions.comparison.difference import Difference, Side
    from mlsign.compare.interfaces import InterfaceChange
    from mlsign.evidence.findings import Finding

MANY: Final = 12
"""Lines of one kind that a person reads before asking for more."""


def subject_of(side: Side) -> str:
    """What one of the two is called."""
    return shown(f"{side.name} {side.version}" if side.name is not None else side.path)


def headline_of(found: Difference) -> str:
    """What all of it comes to, in one sentence."""
    if found.is_same:
        return "the same: the model files are the same bytes" if found.same_model else "the same in everything that is compared"
    if found.same_model:
        alone = (found.before.name is None) is not (found.after.name is None)
        return f"the same model, {'in a package and by itself' if alone else 'in another package'}"
    if found.is_renamed_only:
        return f"renamed but identical: {renames_of(found)}, and nothing else of the models differs"
    parts = []
    if found.interface:
        parts.append("the interface changed, " + ("breaking" if found.is_breaking else "compatible"))
    if found.problems.added:
        parts.append("problems appeared")
    if found.opsets:
        parts.append("opsets changed")
    if not found.graph.is_same:
        parts.append("the graph changed")
    if not found.weights.is_same:
        kinds = {change.difference.change.value if change.difference is not None else "" for change in found.weights.changed}
        parts.append(f"weights were {kinds.pop()}" if kinds in ({"quantized"}, {"pruned"}) else "weights changed")
    if not (parts or found.behaviour.is_same):
        parts.append("answers differ, or could not be compared")
    return ", ".join(parts) or "graph and weights are the same, and what is said of them is not"


def sections_of(found: Difference, *, most: int | None = MANY) -> tuple[Section, ...]:
    """Every section that has something to say, with at most so many lines of each kind."""
    every = (
        ("Decision", _decision(found)),
        ("Problems", _problems(found)),
        ("Interface", (_interface(change) for change in found.interface)),
        ("Operators", _operators(found)),
        ("Graph", graph_lines(found)),
        ("Weights", weight_lines(found)),
        ("Behaviour", behaviour_lines(found.behaviour)),
        ("Manifest", (field_line(change) for change in found.manifest)),
        ("Signers", _signers(found)),
        ("Files", _files(found)),
        ("Metadata", (field_line(change) for change in found.metadata)),
        ("Notes", _notes(found)),
    )
    told = ((title, list(lines)) for title, lines in every)
    return tuple(_section(title, lines, most) for title, lines in told if lines)


def _section(title: str, lines: list[Line], most: int | None) -> Section:
    if most is None:
        return Section(title=title, lines=tuple(lines))
    kept: list[Line] = []
    count = dict.fromkeys(Sign, 0)
    for line in lines:
        count[line.sign] += 1
        if count[line.sign] <= most or line.loud:
            kept.append(line)
    return Section(title=title, lines=tuple(kept), more=len(lines) - len(kept))


def _decision(found: Difference) -> Iterator[Line]:
    if found.policy is None:
        return
    old, new = (report.decision.verdict.value for report in (found.policy.before, found.policy.after))
    if found.policy.alters_decision:
        yield Line(sign=Sign.CHANGED, text=f"{old} → {new}: the change alters the decision", loud=True)
    else:
        yield Line(sign=Sign.SAME, text=f"{new}, as before: the change does not alter the decision")
    for sign, findings in ((Sign.ADDED, found.policy.appeared), (Sign.REMOVED, found.policy.disappeared)):
        yield from (Line(sign=sign, text=_finding(finding)) for finding in findings)


def _finding(finding: Finding) -> str:
    return f"{shown(finding.code)} {text_of(finding.message)}"


def _problems(found: Difference) -> Iterator[Line]:
    """What is wrong with only one of the models: few who change a model do that, and attackers do."""
    yield from (Line(sign=Sign.ADDED, text=text_of(problem), loud=True) for problem in found.problems.added)
    yield from (Line(sign=Sign.REMOVED, text=text_of(problem)) for problem in found.problems.removed)


def _interface(change: InterfaceChange) -> Line:
    loud = change.effect is Effect.BREAKING
    what = f"{change.side.value} {text_of(change.name)}".strip()
    match change.kind:
        case ChangeKind.ADDED:
            sign, text = Sign.ADDED, f"{what}: {text_of(change.after)}"
        case ChangeKind.REMOVED:
            sign, text = Sign.REMOVED, f"{what}: {text_of(change.before)}"
        case ChangeKind.RENAMED:
            sign, text = Sign.CHANGED, f"{what} is called {text_of(change.after)} now"
        case ChangeKind.ORDER:
            sign, text = Sign.CHANGED, f"order of {what}s: {change_of(change.before, change.after)}"
        case _:
            sign, text = Sign.CHANGED, f"{what}: {change_of(change.before, change.after)}"
    return Line(sign=sign, text=f"{change.effect.value}: {text} ({change.reason})", loud=loud)


def _operators(found: Difference) -> Iterator[Line]:
    for change in found.operators:
        sign = Sign.ADDED if not change.before else Sign.REMOVED if not change.after else Sign.CHANGED
        count = f"{change.before} → {change.after}" if sign is Sign.CHANGED else counted(max(change.before, change.after), "time")
        yield Line(sign=sign, text=f"{text_of(change.operator)}: {count}")
    for opset in found.opsets:
        yield Line(sign=field_line(opset).sign, text=f"opset of {field_line(opset).text}")


def _signers(found: Difference) -> Iterator[Line]:
    if not (found.signers.added or found.signers.removed):
        return
    note = "genuine signatures of signers whom the policy names" if found.authenticated else "claims, which nobody has checked"
    yield Line(sign=Sign.NOTE, text=note)
    yield from (Line(sign=Sign.ADDED, text=text_of(name)) for name in found.signers.added)
    yield from (Line(sign=Sign.REMOVED, text=text_of(name)) for name in found.signers.removed)


def _files(found: Difference) -> Iterator[Line]:
    if found.files is None:
        return
    for sign, paths in (
        (Sign.ADDED, found.files.added),
        (Sign.REMOVED, found.files.removed),
        (Sign.CHANGED, found.files.changed),
    ):
        yield from (Line(sign=sign, text=text_of(path)) for path in paths)


def _notes(found: Difference) -> Iterator[Line]:
    if found.notes:
        yield Line(sign=Sign.NOTE, text="doc strings, properties and annotations: they change nothing of what a model computes")
    yield from (field_line(change) for change in found.notes)


def sizes_of(found: Difference) -> str:
    """How large both models are."""
    parts = (f"{size(side.model_bytes)}, {side.parameters:,} parameters" for side in (found.before, found.after))
    return " → ".join(parts)
