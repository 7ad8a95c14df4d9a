"""Nothing foreign gets out of the place in a page where it is put."""

import base64
import hashlib
import json
import re

import pytest

from mlsign.report.html.document import Page, document, encode_data
from mlsign.report.html.elements import MAX_TEXT_CHARS, element, render_element
from mlsign.report.html.parts import Tone, badge, code, contents, facts, headline, note, section, table, tiles

HOSTILE = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "<!--",
    "]]>",
    "&lt;script&gt;",
    "a\u202eb\u2066c",
    "nul\0\x1b[31m\r\n",
    "\ud800 alone \udfff",
    "line\u2028and\u2029paragraph",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_and_attributes_are_escaped_and_visible(text):
    out = render_element(element("p", text, title=text))
    assert out.count("<") == out.count(">") == 2
    assert out.count('"') == 2
    assert "'" not in out
    assert not re.search("[\u2028\u2029\u202e\u2066\0\x1b\r\n\ud800-\udfff]", out)
    out.encode("utf-8")


def test_long_texts_are_cut_short():
    out = render_element(element("p", "x" * 1_000_000))
    assert len(out) < MAX_TEXT_CHARS + 100
    assert "1000000 characters" in out


@pytest.mark.parametrize(
    "name", ["script", "style", "iframe", "object", "img", "base", "form", "meta", "link", "p onclick", "P", ""]
)
def test_elements_that_run_or_load_something_cannot_be_made(name):
    with pytest.raises(ValueError, match="is no element of a report"):
        element(name)


@pytest.mark.parametrize("name", ["onclick", "style", "srcdoc", "src", "action", "formaction", "data_", "x y", "xlink:href"])
def test_attributes_that_run_or_load_something_cannot_be_made(name):
    with pytest.raises(ValueError, match="is no attribute of a report"):
        element("p", **{name: "1"})


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://example.org/", "#", "#a b", "#a\n", "data:text/html,x", None, 7, "//x"]
)
def test_links_stay_on_the_page(link):
    with pytest.raises(ValueError, match="leads away from the page"):
        element("a", "x", href=link)


def test_attributes_are_left_out_bare_or_spelled():
    out = render_element(element("input", disabled=True, hidden=False, title=None, class_="a", aria_label="b", data_graph=0))
    assert out == '<input disabled="" class="a" aria-label="b" data-graph="0">'


def test_children_are_elements_texts_and_sequences_of_them():
    inner = element("b", "x")
    assert render_element(element("p", "a", None, 1, inner, ["c", None, inner])) == "<p>a1<b>x</b>c<b>x</b></p>"


@pytest.mark.parametrize("text", HOSTILE)
def test_data_ends_no_script(text):
    out = encode_data({text: [text, 1, 2.5, True, None]})
    assert not set("<>&\u2028\u2029") & set(out)
    assert out.isascii()
    assert next(iter(json.loads(out).values()))[1:] == [1, 2.5, True, None]


def test_data_has_no_number_that_json_has_not():
    assert encode_data([float("nan"), float("inf"), -1.5]) == "[null,null,-1.5]"


def test_the_policy_names_what_is_embedded_and_nothing_else():
    page = document(
        Page(
            title="</title><script>alert(1)</script>", body=[element("main", id="report")], scripts=("tables.js",), data={"d": 1}
        )
    )
    assert page.startswith("<!doctype html>")
    assert '<html lang="en">' in page
    policy = re.search('http-equiv="Content-Security-Policy" content="([^"]*)"', page).group(1)
    assert policy.startswith("default-src 'none'; ")
    for kind in ("style", "script"):
        (text,) = re.findall(f"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert page.count("<script") == 2


def test_a_page_without_a_script_lets_none_run():
    page = document(Page(title="t", body=[]))
    assert "script-src 'none'" in page
    assert "<script" not in page


def test_parts_say_in_words_and_signs_what_colours_say():
    assert "✗" in render_element(badge(Tone.BAD, "denied"))
    top = render_element(headline(Tone.WARNING, "Not verified", subject="m", explained=("a", element("b", "c"))))
    assert "<h1>m</h1>" in top
    assert "Not verified" in top
    assert 'href="#a"' in render_element(contents([("a", "A")]))
    assert '<dt>n<dd>1<dd><code dir="ltr">2</code>' in render_element(facts([("n", ("1", code(2)))]))
    assert '<h2 id="a-title">A</h2>' in render_element(section("a", "A", note("x"), tiles([("n", "1")])))
    rows = render_element(table("Caption", ["One", "Two"], [("1", ("2", "3"))], class_="tall", identifier="t"))
    assert '<th scope="col">One' in rows
    assert '<th scope="row">1<td>23' in rows
