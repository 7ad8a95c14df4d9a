"""Makes the pictures of reports in docs/images again: ``.venv/bin/python docs/screenshots.py``.

A classifier of tumours, trained here on the data that scikit-learn brings along, packed with golden data and signed, and a later release
of it that somebody else signed; GoogLeNet as onnx brings it along; and two models of the tests: bodies in bodies, and a transformer.
Needs a Chromium, and the development dependencies.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import onnx
from playwright.sync_api import Browser, Page, sync_playwright
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

sys.path[:0] = [str(Path(__file__).parent.parent / "tests" / "browser")]  # models whose pictures the tests look at, too
from graph_models import deep_model, transformer_model  # noqa: E402 - found by the line above

IMAGES = Path(__file__).parent / "images"
GOOGLENET = Path(onnx.__file__).parent / "backend/test/data/light/light_inception_v1.onnx"
POLICY = """apiVersion: mlsign/v1
kind: Policy
name: production
manifest: required
signers:
  - name: release
    require: 1
    any:
      - key: release.pub
operators: {allow: [inference-v1, ml-v1]}
golden: {required: true, replay: true}
"""
PROVENANCE = """{"source_repository": "https://git.example.com/oncology/tumour",
"source_commit": "4f1c0e9a7d2b5c6d8e0f1a2b3c4d5e6f7a8b9c0d", "builder": "https://ci.example.com/train",
"tools": {"scikit-learn": "1.6"}, "time": "2026-01-31T12:00:00Z"}"""


def mlsign(folder: Path, *words: str, codes: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run([sys.executable, "-m", "mlsign", *words], cwd=folder, check=False)  # noqa: S603 - our own command
    if done.returncode not in codes:
        raise SystemExit(done.returncode)


def make_reports(folder: Path) -> None:
    """``tumour.html``, verified by a policy, ``denied.html``, a release that it denies, and pages of bare models."""
    data = load_breast_cancer()
    model = make_pipeline(StandardScaler(), MLPClassifier((32, 16), max_iter=500, random_state=0)).fit(data.data, data.target)
    made = to_onnx(model, data.data[:1].astype("float32"), options={"zipmap": False}, target_opset={"": 17, "ai.onnx.ml": 3})
    (folder / "model.onnx").write_bytes(made.SerializeToString())
    (folder / "provenance.json").write_text(PROVENANCE)
    (folder / "policy.yaml").write_text(POLICY)
    mlsign(folder, "keygen", "-o", "release", "--no-password")
    words = ("--license", "Apache-2.0", "--description", "benign or malignant, from 30 features of a tumour")
    mlsign(folder, "pack", "model.onnx", "-o", "tumour-1.4.0", *words, "--golden-auto", "2", "--provenance", "provenance.json")
    mlsign(folder, "sign", "tumour-1.4.0", "--key", "release.key")
    mlsign(folder, "inspect", "--html", "tumour.html", "tumour-1.4.0", "--policy", "policy.yaml")
    mlsign(folder, "keygen", "-o", "somebody", "--no-password")
    mlsign(folder, "pack", "model.onnx", "-o", "tumour-1.5.0", "--previous", "tumour-1.4.0")
    mlsign(folder, "sign", "tumour-1.5.0", "--key", "somebody.key")
    given = ("tumour-1.5.0", "--policy", "policy.yaml", "--previous", "tumour-1.4.0")
    mlsign(folder, "inspect", "--html", "denied.html", *given, codes=(1,))
    mlsign(folder, "inspect", "--html", "googlenet.html", str(GOOGLENET))
    for name, made_here in (("deep", deep_model()), ("transformer", transformer_model(layers=6))):
        (folder / f"{name}.onnx").write_bytes(made_here.SerializeToString())
        mlsign(folder, "inspect", "--html", f"{name}.html", f"{name}.onnx")


def take(browser: Browser, report: Path, name: str, *, scheme: str, prepare: Callable[[Page], None]) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 780}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(report.as_uri())
    page.wait_for_function("() => document.getElementById('zoom').textContent !== ''")
    prepare(page)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(path=IMAGES / name)
    page.close()


def show(section: str) -> Callable[[Page], None]:
    return lambda page: page.evaluate("(id) => document.getElementById(id).scrollIntoView()", section)


def show_graph(page: Page) -> None:
    """One of the places where branches come together, from far enough away to see them."""
    show("graph")(page)
    page.locator("#search").fill("concat")
    page.locator("#results button").nth(1).click()
    page.locator("#search").fill("")
    page.locator("#out").click()


def show_inside(page: Page) -> None:
    """A node two bodies deep."""
    page.locator("#search").fill("go on")
    page.locator("#search").press("Enter")
    page.locator("#search").evaluate("each => each.blur()")
    show("graph")(page)


def show_tensors(page: Page) -> None:
    """Histograms, with what is said above them."""
    page.locator("#weights h3", has_text="By tensor").evaluate("each => each.scrollIntoView()")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place)
        make_reports(folder)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tumour, googlenet = folder / "tumour.html", folder / "googlenet.html"
        take(browser, tumour, "report-top.png", scheme="light", prepare=lambda _: None)
        take(browser, folder / "denied.html", "report-denied.png", scheme="light", prepare=lambda _: None)
        take(browser, folder / "deep.html", "report-inside.png", scheme="light", prepare=show_inside)
        take(browser, tumour, "report-operators.png", scheme="dark", prepare=show("interface"))
        take(browser, googlenet, "report-graph.png", scheme="dark", prepare=show_graph)
        transformer = folder / "transformer.html"
        take(browser, transformer, "report-parameters.png", scheme="light", prepare=show("weights"))
        take(browser, transformer, "report-weights.png", scheme="light", prepare=show_tensors)
        browser.close()


if __name__ == "__main__":
    main()
