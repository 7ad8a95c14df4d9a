"""The weights: a histogram for each of the largest tensors, drawn as it was counted, and where in the model they are taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log1p
from typing import Final

from mlsign.actions.inspection.weights import Weight, Weights
from mlsign.errors import shown
from mlsign.onnx.records import TensorRecord
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.layers import layers
from mlsign.report.html.node_lists import identifier
from mlsign.report.html.parts import Tone, badge, code, note, section, table
from mlsign.report.html.sheets import Sheets
from mlsign.report.html.words import name_of, type_words
from mlsign.tensors.statistics import Histogram, Statistics
from mlsign.words import counted, size

_WIDTH: Final = 176
_HEIGHT: Final = 40
_MAX_NAMED: Final = 5
_FAR: Final = 8
"""Deviations from the mean from which on a value is told to be far out: of normal numbers none ever is."""


def weights(found: Weights, sheets: Sheets | None) -> Element:
    """The section, with sums by layer, and a box that filters the tensors where scripts run."""
    if not found.measured:
        empty = "The model stores no numbers: what it does stands in its operators and their attributes alone."
        return section("weights", "Weights", note(empty))
    field = element(
        "label",
        "Filter",
        element(
            "input",
            type="search",
            data_filters="weights-table",
            data_tells="weights-told",
            autocomplete="off",
            spellcheck="false",
        ),
        class_="field",
    )
    told = element("output", id="weights-told", aria_live="polite")
    uses = _uses(sheets) if sheets is not None else _Uses(first={}, idle=frozenset())
    rows = (_row(weight, uses) for weight in found.measured)
    head = ("Tensor", "Type", "Size", "Values", "In numbers")
    left = found.left_out
    return section(
        "weights",
        "Weights",
        _warnings(found),
        *(layers(sheets) if sheets is not None else ()),
        element("h3", "By tensor"),
        note(
            "Each histogram counts all values of a tensor in equal bins from its smallest to its largest. Dark bars are to scale; "
            "light ones behind them grow with the logarithm, so that a few values far out can be seen."
        ),
        element("div", field, told, class_="row needs-script"),
        table("Weights by size, the largest first", head, rows, class_="tall weights", identifier="weights-table"),
        note(f"{counted(left, 'smaller tensor')} not measured.") if left else None,
    )


def _warnings(found: Weights) -> Element | None:
    """What in the values themselves a person should look at before anything else."""
    bad = [
        each for each in found.measured if each.statistics is not None and (each.statistics.nans or each.statistics.infinities)
    ]
    if not bad:
        return None
    names = [code(name_of(each.record.name, limit=60)) for each in bad[:_MAX_NAMED]]
    told = [part for name in names for part in (", ", name)][1:]
    more = f" and {len(bad) - _MAX_NAMED} more" if len(bad) > _MAX_NAMED else ""
    return element(
        "p", badge(Tone.BAD, f"{counted(len(bad), 'tensor')} not finite"), " NaN or infinite values in ", *told, more, "."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Uses:
    """The first node that takes a tensor, and tensors of graphs that nothing takes. By the tensors themselves: names may be given twice."""

    first: Mapping[int, tuple[int, int]]
    idle: frozenset[int]


def _uses(sheets: Sheets) -> _Uses:
    first: dict[int, tuple[int, int]] = {}
    given: set[int] = set()
    stored: set[int] = set()
    for number, sheet in enumerate(sheets.sheets):
        stored |= {id(sheet.types.get(name)) for name in sheet.stored}
        given |= {id(sheet.types.get(name)) for name in sheet.outputs}
        for index, node in enumerate(sheet.nodes):
            for name in node.inputs:
                record = sheet.types.get(name)
                if isinstance(record, TensorRecord):
                    first.setdefault(id(record), (number, index))
    # Of nodes that are not shown nobody here knows what they take.
    return _Uses(first=first, idle=frozenset() if sheets.left_out else frozenset(stored - given - set(first)))


def _row(weight: Weight, uses: _Uses) -> tuple[Child | list[Child], ...]:
    record = weight.record
    home = element("small", shown(weight.home, limit=120), class_="home")
    name: list[Child] = [code(name_of(record.name)), home]
    place = uses.first.get(id(record))
    if place is not None:
        name.append(element("a", "show in the graph", href=f"#{identifier(*place)}", class_="place home"))
    elif id(record) in uses.idle:
        name.append(badge(Tone.WARNING, "no node takes it"))
    kind = code(type_words(record))
    if weight.statistics is None:
        return name, kind, size(record.size), "", [badge(Tone.WARNING, "not read"), f" {shown(weight.problem, limit=300)}"]
    statistics = weight.statistics
    picture = histogram(statistics.histogram) if statistics.histogram is not None else "–"  # noqa: RUF001 - a dash
    return name, kind, size(record.size), picture, list(_numbers(statistics))


def histogram(counted_in: Histogram) -> Element:
    """Bars from the lowest to the highest value, with these two beneath: to scale, and behind them by the logarithm of each count."""
    counts = counted_in.counts
    low, high = number(counted_in.low), number(counted_in.high)
    fullest = counts.index(max(counts)) if counts else 0
    width = (counted_in.high - counted_in.low) / max(len(counts), 1)
    words = f"values from {low} to {high}, most near {number(counted_in.low + width * (fullest + 0.5))}"
    most = max(counts, default=0) or 1
    svg = element(
        "svg",
        element("path", d=_bars([log1p(count) / log1p(most) for count in counts]), class_="log"),
        element("path", d=_bars([count / most for count in counts])),
        element("line", x1=0, x2=_WIDTH, y1=_HEIGHT, y2=_HEIGHT),
        class_="histogram",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=words,
    )
    ends = element("div", element("span", low), element("span", high), class_="ends", aria_hidden="true")
    return element("div", svg, ends)


def _bars(heights: list[float]) -> str:
    """A path with a bar for each height above 0, of 1 at most; the lowest can still be seen."""
    step = _WIDTH / len(heights) if len(heights) > 1 else 6
    start = 0.0 if len(heights) > 1 else _WIDTH / 2 - 3
    return "".join(
        f"M{start + index * step:.4g} {_HEIGHT}v{-max(_HEIGHT * height, 0.5):.3g}h{max(step - 0.4, 0.5):.3g}V{_HEIGHT}z"
        for index, height in enumerate(heights)
        if height
    )


def number(value: float) -> str:
    """Four digits say what a person looks for."""
    spelled = f"{value:,}" if isinstance(value, int) and abs(value) < 10**7 else f"{value:.4g}"
    return spelled.replace("-", "−")  # noqa: RUF001 - a minus is as wide as the digits


def _numbers(statistics: Statistics) -> Iterator[Child]:
    lines = []
    if statistics.histogram is None and statistics.minimum is not None and statistics.maximum is not None:
        lines += [("lowest", number(statistics.minimum)), ("highest", number(statistics.maximum))]
    if statistics.mean is not None:
        lines.append(("mean", number(statistics.mean)))
    if statistics.deviation is not None:
        lines.append(("deviation", number(statistics.deviation)))
        far = _farthest(statistics)
        if far is not None and far >= _FAR:
            lines.append(("farthest", f"{far:,.3g} deviations from the mean"))
    if statistics.zeros:
        lines.append(("zeros", share(statistics.zeros, statistics.count)))
    if statistics.distinct is not None:
        lines.append(("distinct", f"{statistics.distinct:,}"))
    for name, value in lines:
        yield element("div", element("span", f"{name} ", class_="name"), value, class_="line")
    for count, word in ((statistics.nans, "NaN"), (statistics.infinities, "infinite")):
        if count:
            yield badge(Tone.BAD, f"{count:,} {word}")


def _farthest(statistics: Statistics) -> float | None:
    """How many deviations the value farthest from the mean is away from it."""
    low, high, mean = statistics.minimum, statistics.maximum, statistics.mean
    if low is None or high is None or mean is None or not statistics.deviation:
        return None
    return max(high - mean, mean - low) / statistics.deviation


def share(part: int, whole: int) -> str:
    """``12.5 %``; few among many as their number."""
    return f"{100 * part / whole:.3g} %" if whole and part / whole >= 0.001 else f"{part:,}"
