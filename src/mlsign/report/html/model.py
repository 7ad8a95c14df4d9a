"""Sections about the model: its inputs and outputs, and its operators against the policy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from mlsign.errors import shown
from mlsign.interface import OperatorUse, TypeSpec, ValueKind, ValueSpec
from mlsign.onnx.summary import ModelSummary
from mlsign.policy.model import Policy
from mlsign.policy.rules.operators import CUSTOM_DOMAIN, judge_operator
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.node_lists import identifier
from mlsign.report.html.parts import Tone, badge, code, facts, note, section, table, tiles
from mlsign.report.html.sheets import Sheets
from mlsign.report.html.words import name_of, type_words
from mlsign.report.model_facts import run_words
from mlsign.words import counted, size

_MAX_VALUES: Final = 200
_MAX_OPERATORS: Final = 200
_THINNEST: Final = 0.6
_MAX_OPEN: Final = 6
_ELEMENTS: Final = {
    "float": "32-bit floats",
    "double": "64-bit floats",
    "float16": "16-bit floats",
    "bfloat16": "16-bit brain floats",
    **{
        f"{sign}int{bits}": f"{bits}-bit {word}integers"
        for bits in (2, 4, 8, 16, 32, 64)
        for sign, word in (("", ""), ("u", "unsigned "))
    },
    "string": "texts",
    "bool": "true or false",
}
_KINDS: Final = {
    ValueKind.SPARSE_TENSOR: "a sparse tensor",
    ValueKind.SEQUENCE: "any number of values, one after the other",
    ValueKind.MAP: "a value for each of its keys",
    ValueKind.OPTIONAL: "a value that may be missing",
}
_STANDINGS: Final = {"allowed": Tone.GOOD, "denied": Tone.BAD, "unknown domain": Tone.WARNING}


def interface(summary: ModelSummary) -> Element:
    """Inputs and outputs of the model, its size and what a run of it takes."""
    opsets = ", ".join(f"{shown(each.domain, limit=80)} {each.version}" for each in summary.opsets[:20])
    producer = " ".join(shown(part, limit=80) for part in (summary.producer_name, summary.producer_version) if part)
    numbers = [
        ("nodes", f"{summary.node_count:,}"),
        ("different operators", f"{len(summary.operators):,}"),
        ("parameters", short_count(summary.parameter_count)),
        ("weights", size(summary.parameter_bytes)),
    ]
    rows: list[tuple[str, Child]] = [("Format", f"ONNX IR {summary.ir_version}, opset {opsets}")]
    if producer:
        rows.append(("Written by", producer))
    if summary.functions:
        names = ", ".join(shown(each, limit=80) for each in summary.functions[:20])
        rows.append(("Functions", names + (f" and {len(summary.functions) - 20} more" if len(summary.functions) > 20 else "")))
    rows.append(("A run takes", run_words(summary.bounds)))
    return section("interface", "Inputs and outputs", tiles(numbers), *_values(summary), facts(rows))


def short_count(number: int) -> str:
    """``1.2 million``: a number that is large in few digits."""
    for value, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if number >= value:
            return f"{number / value:.3g} {word}" if number < 10**15 else "very many"
    return f"{number:,}"


def _values(summary: ModelSummary) -> Iterator[Element]:
    rows = [(kind, value) for kind, values in (("input", summary.inputs), ("output", summary.outputs)) for value in values]
    if not rows:
        yield note("The model takes nothing and gives nothing.")
        return
    head = ("Kind", "Name", "Type", "In words")
    yield table("Inputs and outputs", head, (_value(kind, value) for kind, value in rows[:_MAX_VALUES]), class_="ends-of-model")
    if len(rows) > _MAX_VALUES:
        yield note(f"{counted(len(rows) - _MAX_VALUES, 'further value')} not listed.")


def _value(kind: str, value: ValueSpec) -> tuple[Child, ...]:
    return kind, code(name_of(value.name)), code(type_words(value.type)), _in_words(value.type)


def _in_words(typed: TypeSpec) -> str:
    """What a type means to whoever calls the model: how long a number is, how many there are, and what a call decides."""
    if typed.kind is not ValueKind.TENSOR:
        return _KINDS.get(typed.kind, "")
    what = _ELEMENTS.get(typed.element, typed.element)
    if typed.shape is None:
        return f"{what}, in any shape"
    open_dims = [dim for dim in typed.shape if not isinstance(dim, int)]
    named = list(dict.fromkeys(shown(dim, limit=24) for dim in open_dims if dim is not None))[:_MAX_OPEN]
    told = f"{what}, one" if not typed.shape else f"{what}, {counted(len(typed.shape), 'dimension')}"
    if not open_dims:
        return told
    each = f" ({', '.join(named)})" if named else ""
    return f"{told}, of which a call decides {len(open_dims)}{each}"


def standing(use: OperatorUse, policy: Policy) -> str:
    """How an operator stands with a policy: a key of ``_STANDINGS``."""
    refusal = judge_operator(use, policy.operators)
    if refusal is None:
        return "allowed"
    return "unknown domain" if refusal.code == CUSTOM_DOMAIN else "denied"


def operators(summary: ModelSummary, policy: Policy, sheets: Sheets | None) -> Element:
    """The operators as bars, those that the policy refuses first, each with a way to its first node."""
    if not summary.operators:
        return section(
            "operators", "Operators against the policy", note("The model has no nodes, so there is nothing to be allowed.")
        )
    uses = [(standing(use, policy), use) for use in summary.operators]
    counts = Counter(word for word, _ in uses)
    uses.sort(key=lambda each: (each[0] == "allowed", -each[1].count, each[1].operator))
    most = max((use.count for _, use in uses), default=1)
    sums = element(
        "p",
        *((badge(tone if counts[word] else Tone.PLAIN, f"{counts[word]} {word}"), " ") for word, tone in _STANDINGS.items()),
        f"by the policy {shown(policy.name)}",
    )
    rows = (
        (_name(use, sheets), bar(use.count, most, _STANDINGS[word]), f"{use.count:,}", badge(_STANDINGS[word], word))
        for word, use in uses[:_MAX_OPERATORS]
    )
    more = note(f"{counted(len(uses) - _MAX_OPERATORS, 'further operator')} not listed.") if len(uses) > _MAX_OPERATORS else None
    chart = table(
        "Operators, how many nodes are each, and what the policy says",
        ("Operator", "How often", "Nodes", "Policy"),
        rows,
        class_="operators tall",
    )
    return section("operators", "Operators against the policy", sums, chart, more, _calls(summary))


def _calls(summary: ModelSummary) -> Element | None:
    calls = summary.function_calls
    if not calls:
        return None
    told = ", ".join(f"{shown(use.operator, limit=80)} ×{use.count}" for use in calls[:20])  # noqa: RUF001 - times
    return note(
        f"Calls of the model's own functions, whose nodes are counted above: {told}{' and more' if len(calls) > 20 else ''}"
    )


def _name(use: OperatorUse, sheets: Sheets | None) -> Element:
    name = code(shown(use.operator, limit=120))
    place = sheets.first.get(shown(use.operator)) if sheets is not None else None
    return name if place is None else element("a", name, href=f"#{identifier(*place)}", title="the first in the graph")


def bar(count: int, most: int, tone: Tone) -> Element:
    """A bar as long as ``count`` is of ``most``."""
    width = max(100 * count / most, _THINNEST)
    rect = element("rect", x=0, y=0, width=f"{width:.1f}", height=10)
    return element(
        "svg",
        rect,
        class_=f"bar {tone.value}" if tone is not Tone.GOOD else "bar",
        viewBox="0 0 100 10",
        preserveAspectRatio="none",
        aria_hidden="true",
        focusable="false",
    )
