"""Names that would be script or markup in a page that escapes badly are words on ours, also where no content policy helps."""

import re

import pytest
from hostile_names import WORDS, hostile_model, hostile_package
from making import write_policy

from mlsign.actions.inspection.portray import PortrayRequest, portray
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.report.html.portrait import render_portrait

INERT = """() => {
  const every = [...document.querySelectorAll("*")];
  const handlers = every.flatMap((e) => [...e.attributes]).filter((a) => /^on|^style$|^src|^action/.test(a.name));
  return [
    document.scripts.length,
    every.filter((e) => /^(img|iframe|object|embed|link|base|form|template|math|foreignobject)$/i.test(e.localName)).length,
    handlers.map((a) => a.name),
    [...document.links].filter((a) => !a.getAttribute("href").startsWith("#")).length,
    document.title.includes("<script>") ? "" : document.title,
    Object.keys({}).length, ({}).polluted === undefined,
  ];
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory, keys) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    model = folder / "&lt;script&gt; ' onload='alert(1).onnx"
    model.write_bytes(hostile_model())
    package = hostile_package(folder, [keys.release, keys.outsider])
    policy = load_policy(write_policy(folder, {"release": (1, [keys.release.public])}))
    return {
        "model": render_portrait(portray(model, PortrayRequest())),
        "claims": render_portrait(portray(package, PortrayRequest())),
        "verified": render_portrait(portray(package, PortrayRequest(verify=VerifyRequest(policy=policy)))),
    }


@pytest.fixture(params=["with the policy", "without it"])
def guarded(request):
    """The page as it is, and one whose content policy is gone: escaping alone must hold."""

    def change(html: str) -> str:
        if request.param == "with the policy":
            return html
        out, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n', "", html)
        assert count == 1
        return out

    return change


@pytest.mark.parametrize("name", ["model", "claims", "verified"])
def test_hostile_names_change_nothing_of_a_page(show, pages, guarded, name):
    window = show(guarded(pages[name]))
    scripts, foreign, handlers, links, _, keys, clean = window.page.evaluate(INERT)
    assert (scripts, foreign, handlers, links, keys, clean) == (2, 0, [], 0, 0, True)
    window.check_quiet()


def test_hostile_names_stay_words_in_the_picture_and_in_search(show, pages, guarded):
    window = show(guarded(pages["model"]))
    page = window.page
    for word in ("alert(1)", "onerror", "javascript:", "constructor", "__proto__", "202e"):
        page.locator("#search").fill(word)
        assert int(page.locator("#count").text_content().split(" ")[0]) > 0
        page.locator("#results button").first.click()
        assert page.locator("#details h3").first.text_content()
        page.locator("#picture").focus()
        for key in ("Enter", "+", "n", "o", "Backspace", "0"):
            page.locator("#picture").press(key)
    for number in range(page.locator("#sheet option").count()):
        page.locator("#sheet").select_option(str(number))
    page.locator("#weights input").fill("<script>")
    assert page.evaluate(INERT)[:4] == [2, 0, [], 0]
    window.check_quiet()


def test_no_name_makes_a_page_wider(show, pages):
    for html in pages.values():
        for width in (320, 1280):
            page = show(html, viewport={"width": width, "height": 800}).page
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_reorders_or_hides_words_is_spelled_out(pages):
    for html in pages.values():
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\u2029\0\x01\x1b\ud800-\udfff]", html)
        assert html.count("<script") == 2
        assert max(map(len, re.findall(r">([^<]*)<", html))) < 200_000
    assert "\\u{202e}" in pages["model"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages["model"]


def test_a_page_stays_small_whatever_the_names(pages):
    assert all(len(html) < 1_500_000 for html in pages.values())
    assert len(WORDS) * 10 < len(pages["model"])


def test_an_unverified_package_never_looks_verified(show, pages):
    page = show(pages["claims"]).page
    assert page.locator(".verdict.good").count() == 0
    assert "Not verified" in page.locator(".verdict").text_content()
    assert page.locator("#signers .badge.good").count() == 0
    assert "not checked" in page.locator("#signers").text_content()
    assert "alert(2)" not in page.locator("#judged").text_content(), "what judged it says nothing of what packed it says"
    assert "alert(2)" in page.locator("#origin dd").first.text_content()
    assert "nobody has verified" in page.locator("#origin").text_content()
    verified = show(pages["verified"]).page
    assert verified.locator("#signers tbody tr").count() >= 1
