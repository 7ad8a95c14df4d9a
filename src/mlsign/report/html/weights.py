"""The weights: a histogram for each of the largest tensors, drawn as it was counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mlsign.actions._weights import Weight, Weights
from mlsign.errors import shown
from mlsign.report.html.elements import Child, Element, element
from mlsign.report.html.parts import Tone, badge, code, note, section, table
from mlsign.report.html.words import name_of, type_words
from mlsign.tensors.statistics import Histogram, Statistics
from mlsign.words import counted, size

_WIDTH: Final = 176
_HEIGHT: Final = 40


def weights(found: Weights) -> Element:
    """The section, with a box that filters it where scripts run."""
    if not found.measured:
        return section("weights", "Weights", note("The model stores no numbers."))
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
    rows = (_row(weight) for weight in found.measured)
    head = ("Tensor", "Type", "Size", "Values", "In numbers")
    left = found.left_out
    return section(
        "weights",
        "Weights",
        note(
            "Each histogram counts all values of a tensor in equal bins from its smallest to its largest; the tallest bar is the fullest bin."
        ),
        element("div", field, told, class_="row needs-script"),
        table("Weights by size, the largest first", head, rows, class_="tall weights", identifier="weights-table"),
        note(f"{counted(left, 'smaller tensor')} not measured.") if left else None,
    )


def _row(weight: Weight) -> tuple[Child | list[Child], ...]:
    record = weight.record
    name: list[Child] = [code(name_of(record.name)), element("small", shown(weight.home, limit=120), class_="home")]
    kind = code(type_words(record))
    if weight.statistics is None:
        return name, kind, size(record.size), "", [badge(Tone.WARNING, "not read"), f" {shown(weight.problem, limit=300)}"]
    statistics = weight.statistics
    picture = histogram(statistics.histogram) if statistics.histogram is not None else "–"  # noqa: RUF001 - a dash
    return name, kind, size(record.size), picture, list(_numbers(statistics))


def histogram(counted_in: Histogram) -> Element:
    """Bars from the lowest to the highest value, with these two beneath."""
    counts = counted_in.counts
    most = max(counts, default=0) or 1
    step = _WIDTH / len(counts) if len(counts) > 1 else 6
    start = 0.0 if len(counts) > 1 else _WIDTH / 2 - 3
    bars = "".join(
        f"M{start + index * step:.4g} {_HEIGHT}v{-max(_HEIGHT * count / most, 0.5):.3g}h{max(step - 0.4, 0.5):.3g}V{_HEIGHT}z"
        for index, count in enumerate(counts)
        if count
    )
    low, high = number(counted_in.low), number(counted_in.high)
    fullest = counts.index(max(counts)) if counts else 0
    width = (counted_in.high - counted_in.low) / max(len(counts), 1)
    words = f"values from {low} to {high}, most near {number(counted_in.low + width * (fullest + 0.5))}"
    svg = element(
        "svg",
        element("path", d=bars),
        element("line", x1=0, x2=_WIDTH, y1=_HEIGHT, y2=_HEIGHT),
        class_="histogram",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=words,
    )
    ends = element("div", element("span", low), element("span", high), class_="ends", aria_hidden="true")
    return element("div", svg, ends)


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
    if statistics.zeros:
        lines.append(("zeros", share(statistics.zeros, statistics.count)))
    if statistics.distinct is not None:
        lines.append(("distinct", f"{statistics.distinct:,}"))
    for name, value in lines:
        yield element("div", element("span", f"{name} ", class_="name"), value, class_="line")
    for count, word in ((statistics.nans, "NaN"), (statistics.infinities, "infinite")):
        if count:
            yield badge(Tone.BAD, f"{count:,} {word}")


def share(part: int, whole: int) -> str:
    """``12.5 %``; few among many as their number."""
    return f"{100 * part / whole:.3g} %" if whole and part / whole >= 0.001 else f"{part:,}"
