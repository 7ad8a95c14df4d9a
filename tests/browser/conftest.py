"""A real browser for the pages that reports are: one for each module, and a window of its own for each test.

The browser's library keeps an event loop running in this thread for as long as it is used, where no test of another module could
run one of its own: it is ended with the last test of the module.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where there is no browser, these tests are skipped, and say so."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and CHROMIUM is None:
            item.add_marker(pytest.mark.skip(reason="there is no Chromium to open pages in"))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    own = {"HOME": str(tmp_path_factory.mktemp("home")), "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}  # it writes to all of them
    with sync_playwright() as playwright:
        # The sandbox of the browser needs what containers do not give; pages are ours, and of this machine.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], env=os.environ | own)
        yield browser
        browser.close()


@dataclass
class Window:
    """A page and everything that a quiet page has none of."""

    page: Page
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def check_quiet(self) -> None:
        """Nothing was complained of, loaded or asked; what broke the content policy is an error of the console."""
        assert (self.errors, self.requests, self.dialogs) == ([], [], [])


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Window]]:
    """Opens a page from its text, as a file, and waits until its picture is there. ``options`` are those of a context."""
    contexts: list[BrowserContext] = []

    def open_page(html: str, *, script: bool = True, **options: object) -> Window:
        path = tmp_path / f"page-{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        settings = {
            "viewport": {"width": 1280, "height": 900},
            "java_script_enabled": script,
            "reduced_motion": "reduce",
            **options,
        }
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        window = Window(page=page)
        page.on("console", lambda message: window.errors.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: window.errors.append(str(error)))
        page.on("request", lambda request: window.requests.append(request.url) if request.url != path.as_uri() else None)
        page.on("dialog", lambda dialog: (window.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        if script and page.locator("#picture").count():
            page.wait_for_function("() => document.getElementById('zoom').textContent !== ''")
        return window

    yield open_page
    for context in contexts:
        context.close()
