"""The page of ``diff --format html`` in a real browser: quiet in both schemes, and hostile names are words there, too."""

import re

import pytest
from graph_models import nested_model
from hostile_names import hostile_model

from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.report.diff.as_html import render_difference


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("compared")
    one, other, hostile = (folder / name for name in ("one.onnx", "other.onnx", "hostile.onnx"))
    model = nested_model()
    one.write_bytes(model.SerializeToString())
    model.graph.node[0].name = "renamed"
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    other.write_bytes(model.SerializeToString())
    hostile.write_bytes(hostile_model())
    pairs = {"honest": (one, other), "to hostile": (one, hostile), "from hostile": (hostile, one)}
    return {name: render_difference(diff(*pair, DiffRequest())) for name, pair in pairs.items()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_quiet_and_has_a_verdict(show, pages, scheme):
    window = show(pages["honest"], color_scheme=scheme)
    assert window.page.locator(".verdict").text_content().startswith("~"), "a change is nothing unknown"
    assert window.page.locator("header > *").first.text_content() == "Comparison of", "names of models may read like a verdict"
    assert window.page.locator("#compared dd").count() == 2, "a model that lies alone is named once"
    assert "w0" in window.page.locator("main").text_content()
    window.check_quiet()


@pytest.mark.parametrize("name", ["to hostile", "from hostile"])
@pytest.mark.parametrize("guarded", [True, False])
def test_hostile_names_are_words(show, pages, name, guarded):
    html = pages[name]
    if not guarded:
        html, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n', "", html)
        assert count == 1
    window = show(html)
    page = window.page
    assert page.evaluate("document.scripts.length") == pages["honest"].count("<script")
    assert page.locator("img, iframe, object, embed, link, base, form").count() == 0
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every((e) => [...e.attributes].every((a) => !/^on|^style$|^src/.test(a.name)))"
    )
    assert page.evaluate("[...document.links].every((a) => a.getAttribute('href').startsWith('#'))")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\0\x01\x1b\ud800-\udfff]", html)
    window.check_quiet()


def test_it_fits_narrow_screens_and_prints(show, pages):
    for width in (320, 1280):
        page = show(pages["to hostile"], viewport={"width": width, "height": 800}).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.pdf().startswith(b"%PDF")
