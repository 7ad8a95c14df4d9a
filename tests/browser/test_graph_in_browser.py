"""Finding one's way in the picture of a graph: the map, the trail, links to nodes, and search that walks."""

import re
from urllib.parse import quote

import pytest
from graph_models import deep_model, long_model, nested_model, recursive_model, transformer_model
from hostile_names import WORDS, hostile_model
from onnx import helper

from mlsign.actions.inspection.portray import PortrayRequest, portray
from mlsign.report.html.portrait import render_portrait

MODEL = """() => graphModelOf(JSON.parse(document.getElementById("graph-data").textContent))"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("graphs")
    made = {
        "nested": nested_model(),
        "deep": deep_model(),
        "transformer": transformer_model(),
        "long": long_model(2_000),
        "recursive": recursive_model(),
    }
    for name, model in made.items():
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    (folder / "hostile.onnx").write_bytes(hostile_model())
    return {path.stem: render_portrait(portray(path, PortrayRequest())) for path in folder.iterdir()}


def chosen(page) -> str:
    return page.locator("#details h3").first.text_content()


def trail(page) -> list[str]:
    return page.locator("#trail li").all_text_contents()


def colours_of(page, identifier: str) -> set[int]:
    return set(
        page.evaluate(
            """(id) => { const seen = document.getElementById(id), copy = new OffscreenCanvas(seen.width, seen.height);
            const context = copy.getContext("2d", { willReadFrequently: true });
            context.drawImage(seen, 0, 0);
            return [...new Set(new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer))]; }""",
            identifier,
        )
    )


def drawn(page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_search_counts_and_walks_forwards_and_backwards(show, pages):
    window = show(pages["nested"])
    page = window.page
    page.locator("#search").fill("identity")
    count = page.locator("#count")
    assert count.text_content() == "2 found"
    field = page.locator("#search")
    field.press("Enter")
    first = page.locator("#details").text_content()
    assert count.text_content() == "1 of 2"
    assert page.locator("#results [aria-current]").count() == 1
    field.press("Enter")
    assert count.text_content() == "2 of 2"
    assert page.locator("#details").text_content() != first
    field.press("Enter")
    assert (count.text_content(), page.locator("#details").text_content()) == ("1 of 2", first), "round and round"
    field.press("Shift+Enter")
    assert count.text_content() == "2 of 2"
    assert page.evaluate("document.activeElement.id") == "search", "one can go on typing"
    field.press("Escape")
    assert (field.input_value(), count.text_content(), page.locator("#results li").count()) == ("", "", 0)
    field.fill("nothing like that")
    field.press("Enter")
    field.press("Shift+Enter")
    assert count.text_content() == "0 found"
    window.check_quiet()


def test_search_walks_beyond_what_is_listed(show, pages):
    page = show(pages["long"]).page
    page.locator("#search").fill("relu")
    assert page.locator("#count").text_content() == "500 found, the first 60 listed"
    page.locator("#search").press("Shift+Enter")
    assert page.locator("#count").text_content() == "500 of 500"
    assert "/encoder/layer.499/Relu" in page.locator("#details").text_content()


def test_what_is_found_is_ringed_in_the_picture(show, pages):
    page = show(pages["nested"]).page
    page.locator("#picture").scroll_into_view_if_needed()
    drawn(page)
    before = colours_of(page, "picture")
    page.locator("#search").fill("embed/MatMul")
    drawn(page)
    assert colours_of(page, "picture") - before
    page.locator("#search").fill("")
    drawn(page)
    assert colours_of(page, "picture") == before


def test_the_trail_says_where_one_is_and_leads_back(show, pages):
    window = show(pages["deep"])
    page = window.page
    assert not page.locator("#trail").is_visible(), "the main graph is where one begins"
    page.locator("#search").fill("innermost")
    page.locator("#search").press("Enter")
    assert trail(page) == ["main graph", "body of Scan outer", "body of Loop middle", "then_branch of If inner"]
    assert page.locator("#trail [aria-current]").text_content() == "then_branch of If inner"
    page.locator("#trail button", has_text="body of Scan outer").click()
    assert chosen(page) == "Loop", "the node that one was inside of"
    assert trail(page) == ["main graph", "body of Scan outer"]
    page.locator("#picture").focus()
    page.keyboard.press("o")
    assert trail(page)[-1] == "body of Loop middle"
    page.keyboard.press("Backspace")
    page.keyboard.press("Backspace")
    assert not page.locator("#trail").is_visible()
    assert chosen(page) == "Scan"
    window.check_quiet()


def test_a_function_leads_back_to_the_node_that_it_was_opened_from(show, pages):
    window = show(pages["nested"])
    page = window.page
    page.locator("#search").fill("embed/Swish")
    page.locator("#search").press("Enter")
    page.locator("#details button", has_text="Open").click()
    assert trail(page) == ["main graph", "function acme.nn:Swish"]
    assert page.evaluate("document.activeElement.id") == "picture"
    page.keyboard.press("Backspace")
    assert "embed/Swish" in page.locator("#details").text_content()
    window.check_quiet()


def test_functions_that_call_each_other_have_a_trail_that_ends(show, pages):
    window = show(pages["recursive"])
    page = window.page
    page.locator("#picture").focus()
    page.keyboard.press("n")
    page.keyboard.press("n")
    for _ in range(6):
        page.keyboard.press("o")
        page.keyboard.press("n")
        page.keyboard.press("n")
        assert len(trail(page)) <= 3
    for _ in range(9):
        page.keyboard.press("Backspace")
    window.check_quiet()


def test_a_model_that_is_not_all_in_view_has_a_map_to_move_by(show, pages):
    window = show(pages["long"])
    page = window.page
    small = page.locator("#map")
    small.scroll_into_view_if_needed()
    assert small.is_visible()
    assert len(colours_of(page, "map")) > 4
    page.locator("#picture").focus()
    page.keyboard.press("Enter")
    assert "layer.0/" in page.locator("#details").text_content()
    box = small.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    page.locator("#picture").focus()
    page.keyboard.press("0")
    drawn(page)
    assert not small.is_visible(), "all of it is in view"
    window.check_quiet()


def test_a_click_on_the_map_goes_there(show, pages):
    page = show(pages["long"]).page
    page.locator("#map").scroll_into_view_if_needed()
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    page.locator("#picture").press("Enter")
    assert re.search(r"layer\.4\d\d/", page.locator("#details").text_content())


@pytest.mark.parametrize(
    ("link", "name", "inside"),
    [
        ("#n0-8", "head/Gemm", []),
        ("#node=head/Gemm", "head/Gemm", []),
        (f"#node={quote('step/Tanh', safe='')}", "step/Tanh", ["main graph", "body of Loop refine/Loop"]),
        ("#s2", None, ["main graph", "then_branch of If gate/If"]),
        ("#node=no/such", None, []),
        ("#node=%E0%A4%A", None, []),
        ("#node=", None, []),
        ("#n0-99999", None, []),
        ("#n99999999999999999999-0", None, []),
        ("#s99", None, []),
        ("#<script>alert(1)</script>", None, []),
    ],
)
def test_a_link_leads_to_a_node_or_nowhere(show, pages, link, name, inside):
    window = show(pages["nested"])
    window.page.evaluate("(link) => { location.hash = link; }", link)
    window.page.wait_for_function("(link) => location.hash !== ''", arg=link)
    if name is not None:  # a browser tells of links in its own time
        window.page.locator("#details dl", has_text=name).wait_for()
    drawn(window.page)
    assert window.page.locator("#trail").is_visible() is bool(inside)
    assert not inside or trail(window.page) == inside
    if name is not None:
        assert name in window.page.locator("#details dl").text_content()
        assert window.page.evaluate("document.activeElement.id") == "details", "where the words are"
        assert window.page.locator("#picture").is_visible()
        assert 0 <= window.page.locator("#picture").bounding_box()["y"] < 500
    window.check_quiet()


def test_a_chosen_node_says_by_which_link_it_is_found(show, pages):
    window = show(pages["nested"])
    page = window.page
    page.locator("#search").fill("head/Gemm")
    page.locator("#search").press("Enter")
    link = page.locator("#details a", has_text="link to this node")
    assert link.get_attribute("href") == "#n0-8"
    link.click()
    assert page.url.endswith("#n0-8")
    page.wait_for_function("document.activeElement.id === 'details'")
    page.locator("#picture").press("n")
    assert chosen(page) == "Softmax"
    page.evaluate("document.querySelector('a[href=\"#n0-8\"]').click()")
    assert chosen(page) == "Gemm", "the link of where one has been leads there again"
    window.check_quiet()


def test_a_node_shows_the_histograms_of_its_weights_and_leads_to_its_finding(show, pages):
    window = show(pages["nested"])
    page = window.page
    page.locator("#search").fill("embed/MatMul")
    page.locator("#search").press("Enter")
    assert page.locator("#details h4").first.text_content() == "Weights w0"
    assert page.locator("#details svg.histogram").count() == 1
    page.locator("#search").fill("vendor/FastConv")
    page.locator("#search").press("Enter")
    links = page.locator("#details .badge a")
    assert links.all_text_contents() == ["MLS303", "MLS381"]
    links.first.click()
    assert page.locator("#findings tr:target th").text_content() == "MLS303"
    page.locator("#weights-table a", has_text="show in the graph").first.click()
    page.locator("#details h4", has_text="Weights w_then").wait_for()
    page.locator(".operators a", has_text="Softmax").click()
    page.locator("#details h3", has_text="Softmax").wait_for()
    assert chosen(page) == "Softmax"
    window.check_quiet()


def test_constants_of_a_transformer_are_told_in_the_nodes_that_take_them(show, pages):
    window = show(pages["transformer"])
    page = window.page
    boxes, weights, wide = page.evaluate(
        f"""() => {{ const {{ data, sheets: [s] }} = ({MODEL})();
        const of = (i) => data.operators[s.nodes[i]];
        return [s.nodes.filter((_, i) => of(i) === "Constant" && s.w[s.first + i]).length,
          s.nodes.map((_, i) => of(i) === "Reshape" ? data.texts[s.weights[i]] : "").filter(Boolean),
          s.nodes.every((_, i) => s.w[s.first + i] || of(i) === "Constant")]; }}"""
    )
    assert (boxes, wide) == (0, True)
    assert set(weights) == {"{0, -1, 4, 16}", "{0, -1, 64}"}
    page.locator("#search").fill("constant value")
    page.locator("#search").press("Enter")
    assert chosen(page) == "Constant"
    assert "in the nodes that take it" in page.locator("#details").text_content()
    page.locator("#details button").first.click()
    assert chosen(page) == "Reshape"
    assert "told in the boxes that take them" in page.locator("#graph").text_content()
    window.check_quiet()


def test_the_legend_counts_each_node_once(show, pages):
    for name in ("nested", "deep", "transformer", "long"):
        page = show(pages[name]).page
        words = " ".join(page.locator(".legend li").all_text_contents()).replace(",", "")
        counts = sum(int(each) for each in re.findall(r" (\d+)(?: |$)", words))
        folded = re.search(r"(\d+) constants? told", page.locator("#graph").text_content())
        total = re.search(r"All nodes as lists \(([\d,]+)\)", page.locator("#graph").text_content()).group(1)
        assert counts + (int(folded.group(1)) if folded else 0) == int(total.replace(",", ""))


@pytest.mark.parametrize("guarded", [True, False])
def test_hostile_names_stay_words_everywhere_in_the_picture(show, pages, guarded):
    html = pages["hostile"]
    if not guarded:
        html, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n', "", html)
        assert count == 1
    window = show(html)
    page = window.page
    scripts = page.evaluate("document.scripts.length")
    for word in WORDS:
        page.evaluate("(link) => { location.hash = link; }", f"#node={quote(word, safe='', errors='surrogatepass')}")
        page.evaluate("(link) => { location.hash = link; }", f"#node={word.replace('@@@', '')}")
    page.locator("#search").fill("alert")
    for key in ("Enter", "Enter", "Shift+Enter", "Enter", "Enter"):
        page.locator("#search").press(key)
        drawn(page)
    for box in range(page.evaluate(f"() => ({MODEL})().sheets[0].count")):
        page.locator("#picture").focus()
        page.keyboard.press("n")
        if box % 3 == 0:
            page.keyboard.press("o")
            assert page.locator("#trail").evaluate(
                "each => [...each.querySelectorAll('*')].every((e) => /^(LI|B|BUTTON)$/.test(e.tagName))"
            )
            page.keyboard.press("Backspace")
    assert page.evaluate("document.scripts.length") == scripts
    assert page.locator("img, iframe, object, embed, link, base, form").count() == 0
    assert page.evaluate("[...document.links].every((a) => a.getAttribute('href').startsWith('#'))")
    assert page.evaluate(
        "[...document.querySelectorAll('*')].every((e) => [...e.attributes].every((a) => !/^on|^src|^action/.test(a.name)))"
    )
    window.check_quiet()


def test_a_digest_is_copied_or_marked(show, pages):
    window = show(pages["nested"])
    page = window.page
    text = page.locator("code[data-copy]").first.text_content()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("button.copy").first.click()
    page.wait_for_function("() => document.querySelector('button.copy').textContent === 'Copied'")
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.locator("button.copy").first.click()
    assert page.locator("button.copy").first.text_content().startswith("Marked")
    assert page.evaluate("getSelection().toString().trim()") == text
    window.check_quiet()


def test_on_paper_a_graph_that_can_be_read_is_shown_whole_and_one_is_back_where_one_was(show, pages):
    page = show(pages["nested"]).page
    page.locator("#picture").press("+")
    before = page.locator("#zoom").text_content()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("#zoom").text_content() != before
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("#zoom").text_content() == before


def test_nothing_of_a_graph_makes_a_page_wider(show, pages):
    for name in ("nested", "transformer", "deep"):
        for width in (320, 1280):
            page = show(pages[name], viewport={"width": width, "height": 800}).page
            page.locator("#search").fill("a")
            page.locator("#search").press("Shift+Enter")
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_model_of_weights_alone_says_so(show, tmp_path):
    path = tmp_path / "alone.onnx"
    graph = helper.make_graph([], "g", [], [], [helper.make_tensor("w", 1, [2], [1.0, 2.0])])
    path.write_bytes(helper.make_model(graph).SerializeToString())
    window = show(render_portrait(portray(path, PortrayRequest())))
    assert "no node takes it" in window.page.locator("#weights").text_content()
    assert "takes nothing and gives nothing" in window.page.locator("#interface").text_content()
    assert "has no nodes" in window.page.locator("#operators").text_content()
    window.check_quiet()


def test_what_is_chosen_stays_when_the_picture_is_away_for_a_while(show, pages):
    """As when a page is printed, or its window is made very small."""
    page = show(pages["nested"]).page
    page.locator("#search").fill("head/Gemm")
    page.locator("#search").press("Enter")
    for display in ("none", ""):
        page.evaluate("(how) => { document.querySelector('.graph').style.display = how; }", display)
        drawn(page)
    assert chosen(page) == "Gemm"
