"""Every colour of text can be told from what is behind it, in both schemes (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from importlib.resources import files

import pytest

from mlsign.report.html import families

STYLE = files("mlsign.report.html").joinpath("style.css").read_text("utf-8")
TEXT = [
    *((ink, back) for ink in ("ink", "soft", "link", "good", "bad", "warning") for back in ("page", "card", "sunk")),
    *((tone, f"{tone}-back") for tone in ("good", "bad", "warning")),
    *((f"{tone}-back", tone) for tone in ("good", "bad", "warning")),
    *(
        ("soft", "plain-back"),
        ("plain-back", "soft"),
        ("ink", "node"),
        ("soft", "node"),
        ("ink", "value"),
        ("ink", "inner"),
        ("soft", "inner"),
    ),
    *(("bad", "bad-back"), ("ink", "warning-back"), ("soft", "bad-back")),
]
FAMILIES = [f"family-{name}" for name in families.FAMILIES]
LINES = [(family, back) for family in FAMILIES for back in ("node", "inner", "bad-back", "card", "sunk")] + [
    ("warning", "sunk"),
    ("inner-line", "inner"),
    ("strong-line", "node"),
    ("edge", "node"),
]
LINES += [(line, back) for line in ("strong-line", "link", "bar", "inner-line", "bad", "edge") for back in ("card", "sunk")]


def colours(scheme: str) -> dict[str, str]:
    light, dark = re.findall(r":root(?:[^{]*)\{([^}]*--page[^}]*)\}", STYLE)
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", light))
    return found if scheme == "light" else found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", dark))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("pairs", "least"), [(TEXT, 4.5), (LINES, 3)], ids=["text", "lines"])
def test_colours_can_be_told_apart(scheme, pairs, least):
    of = colours(scheme)
    weak = {
        f"{one} on {other}": round(contrast(of[one], of[other]), 2)
        for one, other in pairs
        if contrast(of[one], of[other]) < least
    }
    assert weak == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_colour_that_a_family_has_is_its_own(scheme):
    of = colours(scheme)
    assert len({of[family] for family in FAMILIES}) == len(FAMILIES)
    assert all(f".{family} {{ fill: var(--{family}); }}" in STYLE for family in FAMILIES), "swatches of the legend"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bars_to_scale_stand_out_from_those_behind_them(scheme):
    """What the light bars say is said in words too; the dark ones must be told from them."""
    of = colours(scheme)
    assert contrast(of["bar"], of["log"]) > 1.8
    assert contrast(of["log"], of["card"]) > 1.8


def test_there_are_no_colours_but_those_that_are_held_here():
    """A colour that is no variable is looked at by nobody."""
    plain = re.sub(r":root[^{]*\{[^}]*--page[^}]*\}", "", STYLE)
    assert set(re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", plain)) <= {"#fff"}


def test_what_has_the_focus_is_outlined_and_nothing_takes_that_away():
    assert ":focus-visible { outline: 3px solid var(--link)" in STYLE
    assert not re.search(r"outline(-width)?: *(0|none)", STYLE)


def test_nothing_is_loaded_from_elsewhere():
    assert not re.search(r"url\(|@import|https?:|expression\(", STYLE)
