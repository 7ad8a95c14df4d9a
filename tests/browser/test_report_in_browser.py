"""The page of ``inspect --html`` in a real browser: it is quiet, its picture works without a mouse, and nothing of it needs a script
but the picture.
"""

import re
from itertools import pairwise

import pytest
from graph_models import fan_model, long_model, nested_model
from making import make_package, write_policy
from onnx import helper

from mlsign.actions.inspection.portray import PortrayRequest, portray
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.verification.verify import VerifyRequest
from mlsign.report.html.portrait import render_portrait


@pytest.fixture(scope="module")
def nested(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("nested") / "nested.onnx"
    path.write_bytes(nested_model().SerializeToString())
    return render_portrait(portray(path, PortrayRequest()))


@pytest.fixture(scope="module")
def verified(tmp_path_factory, keys) -> str:
    folder = tmp_path_factory.mktemp("verified")
    package = make_package(folder, signers=[keys.release])
    policy = load_policy(write_policy(folder, {"release": (1, [keys.release.public])}))
    return render_portrait(portray(package, PortrayRequest(verify=VerifyRequest(policy=policy))))


@pytest.fixture(scope="module")
def tall(tmp_path_factory, keys) -> str:
    """A package whose golden data was replayed, with a signer who does not count: every kind of table is there."""
    folder = tmp_path_factory.mktemp("tall")
    package = make_package(folder, signers=[keys.release, keys.outsider])
    rest = "golden: {required: true, replay: true}\n"
    policy = load_policy(write_policy(folder, {"release": (1, [keys.release.public])}, rest=rest))
    page = render_portrait(portray(package, PortrayRequest(verify=VerifyRequest(policy=policy))))
    assert all(words in page for words in ("Signatures that were not counted", "Golden test data, replayed", "Absolute"))
    return page


def press(window, *keys: str) -> None:
    window.page.locator("#picture").focus()
    for key in keys:
        window.page.keyboard.press(key)


def percent(window) -> int:
    return int(window.page.locator("#zoom").text_content().removesuffix(" %"))


def pixels(window) -> int:
    """How many colours there are in the picture: one that is empty has one."""
    return window.page.evaluate(
        """() => { const seen = document.getElementById("picture"), copy = new OffscreenCanvas(seen.width, seen.height);
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(seen, 0, 0);
        return new Set(new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer)).size; }"""
    )


MOST_OF_A_PATH = """() => {
  const of = CanvasRenderingContext2D.prototype, { beginPath, moveTo } = of;
  let lines = 0;
  window.most = 0;
  of.beginPath = function () { lines = 0; return beginPath.call(this); };
  of.moveTo = function (...place) { window.most = Math.max(window.most, ++lines); return moveTo.call(this, ...place); };
}"""
"""Counts the lines of the path that has most of them."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_quiet_and_draw_in_both_schemes(show, nested, verified, scheme):
    for html in (nested, verified):
        window = show(html, color_scheme=scheme)
        assert pixels(window) > 20
        window.check_quiet()
        background = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
        light = sum(map(int, re.findall(r"\d+", background))) > 380
        assert light is (scheme == "light")


def test_the_verdict_is_the_first_thing_on_the_page(show, nested, verified):
    assert show(verified).page.locator(".verdict").text_content() == "✓Allowed by the policy tests"
    assert show(nested).page.locator(".verdict").text_content() == "✗Not verified: no signature was checked"


def test_the_picture_zooms_moves_and_steps_by_keyboard(show, nested):
    window = show(nested)
    before = percent(window)
    press(window, "+", "+")
    assert percent(window) > before
    press(window, "-", "-", "-", "-")
    assert percent(window) < before
    press(window, "Home", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "n")
    assert window.page.locator("#details h3").first.text_content() == "x"
    press(window, "n")
    assert window.page.locator("#details h3").first.text_content() == "MatMul"
    press(window, "Enter")
    assert window.page.evaluate("document.activeElement.id") == "details"
    assert "embed/MatMul" in window.page.locator("#details").text_content()
    assert "x float[N, 30]" in window.page.locator("#details").text_content()
    press(window, "p", "0")
    window.check_quiet()


def test_the_wheel_zooms_only_a_picture_that_has_the_focus(show, nested):
    window = show(nested)
    window.page.locator("#picture").scroll_into_view_if_needed()
    box = window.page.locator("#picture").bounding_box()
    window.page.mouse.move(box["x"] + 80, box["y"] + box["height"] / 2)
    before = percent(window)
    window.page.mouse.wheel(0, -100)
    window.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert percent(window) == before
    window.page.locator("#picture").focus()
    window.page.mouse.wheel(0, -100)
    window.page.wait_for_function(f"() => document.getElementById('zoom').textContent !== '{before} %'")


def test_search_jumps_to_nodes_of_every_graph_by_keyboard(show, nested):
    window = show(nested)
    press(window, "/")
    window.page.keyboard.type("tanh")
    assert window.page.locator("#count").text_content() == "1 found"
    window.page.keyboard.press("Enter")
    assert window.page.locator("#details h3").first.text_content() == "Tanh"
    assert window.page.locator("#sheet").evaluate("each => each.selectedOptions[0].textContent") == "body of Loop refine/Loop"
    press(window, "Backspace")
    assert window.page.locator("#details h3").first.text_content() == "Loop"
    window.page.locator("#search").fill("vendor unsafe")
    assert window.page.locator("#results button").all_text_contents() == ["FastConv · vendor/FastConv"]
    window.page.keyboard.press("Enter")
    facts = window.page.locator("#details dl").text_content()
    assert facts.startswith("Operatorcom.vendor:FastConvNode"), "any domain may have one of a known name"
    window.page.locator("#search").fill("gate/Greater")
    window.page.keyboard.press("Enter")
    assert window.page.locator("#details dl").text_content().startswith("Node")
    window.page.locator("#search").fill("no such thing")
    assert window.page.locator("#count").text_content() == "0 found"
    window.check_quiet()


def test_bodies_and_functions_open_from_their_nodes(show, nested):
    window = show(nested)
    for words, opened in (
        ("gate/If", ["else_branch of If gate/If", "then_branch of If gate/If"]),
        ("embed/Swish", ["function acme.nn:Swish"]),
    ):
        window.page.locator("#search").fill(words)
        window.page.locator("#results button").first.click()
        buttons = window.page.locator("#details button", has_text="Open")
        assert buttons.all_text_contents() == [f"Open {each}" for each in opened]
        buttons.first.click()
        assert window.page.locator("#details h3").first.text_content() == opened[0]
        assert pixels(window) > 10
        window.page.locator("#sheet").select_option("0")
    window.check_quiet()


def test_a_finding_leads_to_its_node(show, nested):
    window = show(nested)
    window.page.locator("#findings a.place").first.click()
    window.page.locator("#details h3", has_text="FastConv").wait_for()  # a browser tells of links in its own time
    assert "✗ MLS" in window.page.locator("#details").text_content()
    assert window.page.locator("tr:target").text_content().startswith("6")
    window.check_quiet()


def test_a_click_chooses_and_a_drag_moves(show, nested):
    window = show(nested)
    press(window, "Home")
    window.page.locator("#picture").scroll_into_view_if_needed()
    box = window.page.locator("#picture").bounding_box()
    middle = box["x"] + box["width"] / 2
    window.page.mouse.click(middle, box["y"] + 58)
    assert window.page.locator("#details h3").first.text_content() == "x"
    window.page.mouse.move(middle, box["y"] + 200)
    window.page.mouse.down()
    window.page.mouse.move(middle, box["y"] + 100, steps=4)
    window.page.mouse.up()
    window.page.mouse.click(box["x"] + 10, box["y"] + 58)
    assert window.page.locator("#details h3").first.text_content() == "main graph"
    window.check_quiet()


def test_a_line_goes_down_beside_the_boxes_that_it_passes(show, nested, tmp_path):
    path = tmp_path / "blocks.onnx"
    path.write_bytes(long_model(400).SerializeToString())
    for html, least in ((nested, 1), (render_portrait(portray(path, PortrayRequest())), 100)):
        lanes, hits = show(html).page.evaluate(
            """() => {
            const { data, sheets } = graphModelOf(JSON.parse(document.getElementById("graph-data").textContent));
            let lanes = 0, hits = 0;
            for (const s of sheets) for (let i = 0; i < s.lines; i++) {
              if (Number.isNaN(s.lane[i])) continue;
              lanes++;
              for (let y = s.y[s.from[i]] + data.row; y < s.y[s.to[i]]; y += data.row)
                hits += (s.rows.get(y) ?? []).filter((box) => Math.abs(s.x[box] - s.lane[i]) <= s.w[box] / 2).length;
            }
            return [lanes, hits];
            }"""
        )
        assert lanes >= least
        assert hits == 0


def test_a_name_never_looks_like_two(show, tmp_path):
    name = "x; y float[9]"
    graph = helper.make_graph(
        [helper.make_node("Relu", [name], ["out"], mode='a"; safe="yes')],
        "g",
        [helper.make_tensor_value_info(name, 1, [1])],
        [helper.make_tensor_value_info("out", 1, [1])],
    )
    path = tmp_path / "two.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    window = show(render_portrait(portray(path, PortrayRequest())))
    press(window, "n", "n")
    assert window.page.locator("#details dd").all_text_contents() == [
        "0",
        f"{name} float[1]",
        "out float[1]",
        'mode="a"; safe="yes"',
    ]
    assert window.page.locator("#n0-0 td:nth-child(4) br").count() == 0
    window.check_quiet()


def test_what_a_page_is_about_is_never_taken_for_its_verdict(show, tmp_path):
    path = tmp_path / "Allowed by the policy production.onnx"
    path.write_bytes(nested_model().SerializeToString())
    page = show(render_portrait(portray(path, PortrayRequest()))).page
    assert page.title().startswith("Not verified: Allowed by the policy")
    assert page.locator("header > *").first.text_content() == "Report on"


def test_the_filter_of_weights_says_how_many_are_left(show, nested):
    window = show(nested)
    window.page.locator("#weights input").fill("then")
    assert window.page.locator("#weights-told").text_content() == "1 of 8 shown"
    assert window.page.locator("#weights-table tbody tr:visible").count() == 1
    window.check_quiet()


def test_without_scripts_everything_but_the_picture_is_there(show, nested):
    window = show(nested, script=False)
    page = window.page
    assert not page.locator("#picture").is_visible()
    assert not page.locator("#search").is_visible()
    for words in ("embed/MatMul", "step/Tanh", "Sigmoid", "MLS303", "w_then", "com.vendor:FastConv", 'mode="unsafe"'):
        assert words in page.locator("main").text_content()
    page.locator("#lists > summary").click()
    page.locator("#lists details summary").first.click()
    assert page.locator("#n0-4").is_visible()
    assert page.locator("#n0-4 a").all_text_contents() == ["opens else_branch of If gate/If", "opens then_branch of If gate/If"]
    window.check_quiet()


def test_headings_tables_and_names_are_in_order_for_those_who_listen(show, nested, verified):
    for html in (nested, verified):
        page = show(html).page
        levels = page.evaluate(
            "[...document.querySelectorAll('h1,h2,h3,h4')].filter((h) => h.offsetParent).map((h) => +h.localName[1])"
        )
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert page.evaluate("[...document.querySelectorAll('th')].every((cell) => cell.scope)")
        assert page.evaluate("[...document.querySelectorAll('thead th')].every((cell) => cell.textContent.trim())")
        assert page.evaluate(
            "[...document.querySelectorAll('input,select,canvas')].every((e) => e.labels?.length || e.ariaLabel || e.ariaHidden)"
        )
        assert page.evaluate(
            "new Set([...document.querySelectorAll('[id]')].map((e) => e.id)).size === document.querySelectorAll('[id]').length"
        )
        assert page.evaluate("[...document.querySelectorAll('a')].every((a) => document.getElementById(a.hash.slice(1)))")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0


def test_nothing_is_wider_than_a_narrow_screen(show, nested):
    for width in (320, 700, 1280):
        page = show(nested, viewport={"width": width, "height": 800}).page
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_light_and_whole(show, nested):
    window = show(nested, color_scheme="dark")
    document = window.page.pdf()
    assert document.startswith(b"%PDF")
    window.page.emulate_media(media="print")
    assert window.page.evaluate("getComputedStyle(document.body).color") == "rgb(23, 32, 42)"
    assert not window.page.locator(".contents").is_visible()
    assert not window.page.locator("#search").is_visible()
    assert window.page.locator("#picture").is_visible()
    window.check_quiet()


def test_no_table_is_cut_on_paper(show, nested, verified, tall):
    """An A4 page between the margins that browsers leave has some 700 pixels."""
    for html in (nested, verified, tall):
        page = show(html, viewport={"width": 700, "height": 990}).page
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        cut = page.evaluate(
            """() => [...document.querySelectorAll("table, dl, figure, canvas")].filter((e) => e.checkVisibility())
              .filter((e) => e.scrollWidth > e.parentElement.clientWidth + 1 || e.getBoundingClientRect().right > 701)
              .map((e) => [e.className, e.caption?.textContent, e.scrollWidth])"""
        )
        assert cut == []
        assert page.evaluate("[...document.querySelectorAll('.scroll')].every((e) => e.scrollHeight <= e.clientHeight + 1)")
        assert page.evaluate("getComputedStyle(document.querySelector('#findings tr')).breakInside") == "avoid"
        assert page.evaluate("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"


def test_findings_are_open_on_paper_and_folded_up_again(show, nested):
    page = show(nested).page
    folded = page.locator("#findings details")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert folded.evaluate("each => each.open")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert not folded.evaluate("each => each.open")


def test_motion_is_only_for_those_who_want_it(show, nested):
    assert show(nested).page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    lively = show(nested, reduced_motion="no-preference").page
    assert lively.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "smooth"


def test_ten_thousand_nodes_stay_small_and_usable(show, tmp_path):
    path = tmp_path / "long.onnx"
    path.write_bytes(long_model(10_000).SerializeToString())
    html = render_portrait(portray(path, PortrayRequest()))
    assert len(html.encode()) < 5_000_000
    window = show(html)
    window.page.locator("#search").fill("layer.2499/add")
    assert window.page.locator("#results button").all_text_contents() == ["Add · /encoder/layer.2499/Add"]
    window.page.locator("#results button").click()
    assert window.page.locator("#details h3").first.text_content() == "Add"
    press(window, "0", "+", "-", "ArrowDown")
    assert pixels(window) > 1
    assert window.page.locator("#lists details").count() == 100
    window.check_quiet()


def test_ten_thousand_lines_from_one_node_are_drawn(show, tmp_path):
    path = tmp_path / "fan.onnx"
    path.write_bytes(fan_model(10_000).SerializeToString())
    window = show(render_portrait(portray(path, PortrayRequest())))
    assert pixels(window) > 1
    window.page.evaluate(MOST_OF_A_PATH)
    press(window, "n", "0")
    assert window.page.locator("#details h3").first.text_content() == "x"
    window.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert 0 < window.page.evaluate("window.most") <= 200, "a path that crosses itself in thousands of places is slow to fill"
    assert "and more" in window.page.locator("#details").text_content()
    window.check_quiet()


def test_a_model_without_nodes_and_one_that_cannot_be_read_have_quiet_pages(show, tmp_path, keys):
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(helper.make_model(helper.make_graph([], "nothing", [], [])).SerializeToString())
    window = show(render_portrait(portray(empty, PortrayRequest())))
    press(window, "n", "p", "Enter", "o", "+", "0", "Home", "Backspace")
    window.page.locator("#search").fill("x")
    assert window.page.locator("#count").text_content() == "0 found"
    window.check_quiet()
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"\x80\x04pickled")
    policy = load_policy(write_policy(tmp_path, {"release": (1, [keys.release.public])}))
    window = show(render_portrait(portray(broken, PortrayRequest(verify=VerifyRequest(policy=policy)))))
    assert window.page.locator(".verdict").text_content() == "✗Denied by the policy tests"
    assert "no graph to be shown" in window.page.locator("#graph").text_content()
    window.check_quiet()
