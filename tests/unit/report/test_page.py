"""Pages of text beside those of a layout library, which reports are no longer made with: every line breaks where it would."""

import io
import random

import pytest
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from mlsign.errors import shown
from mlsign.report.page import BAD, BOLD, DIM, Facts, Page, broken, columns_of
from mlsign.report.workflow import inert

ALPHABETS = (
    "abc de  fgh/-.,:xyz  é…×✓·",
    "abc de" + " " * 10,
    "abcdefghij",
    "abc 日本語テキスト漢字ｆｕ한글 e\u0301a\u0300",
    "日本語テキスト漢字ｆｕ한글",
    "a ",
)


class OfTheLibrary:
    def __init__(self, width: int) -> None:
        self._out = io.StringIO()
        self._console = Console(
            file=self._out,
            width=max(60, min(width, 120)),
            color_system=None,
            highlight=False,
            markup=False,
            emoji=False,
            _environ={},  # which says of some terminals that they are 80 columns wide, whatever it is told
        )

    def line(self, *parts: str) -> None:
        self._console.print(Padding(Text.assemble(*parts), (0, 0, 0, 2)))

    def rows(self, rows: list[tuple[str, str]], *, label: int, gap: int, padding: tuple[int, int, int, int]) -> None:
        table = Table.grid(padding=(0, gap))
        table.add_column(no_wrap=True, min_width=label)
        table.add_column(overflow="fold")
        for row in rows:
            table.add_row(*row)
        self._console.print(Padding(table, padding))

    def text(self) -> str:
        return inert("\n".join(line.rstrip() for line in self._out.getvalue().split("\n")))


def words(choice: random.Random) -> str:
    alphabet = choice.choice(ALPHABETS)
    return shown("".join(choice.choice(alphabet) for _ in range(choice.choice((0, 1, 5, 30, 80, 200, 600)))), limit=600)


@pytest.mark.parametrize("seed", range(150))
def test_lines_break_as_the_library_breaks_them(seed: int) -> None:
    choice = random.Random(seed)  # noqa: S311 - the same texts in every run
    width = choice.choice((40, 60, 61, 77, 80, 100, 119, 120, 200))
    ours, theirs = Page(width=width, color=False), OfTheLibrary(width)
    for _ in range(6):
        parts = [words(choice) for _ in range(choice.randrange(1, 4))]
        ours.line(*parts)
        theirs.line(*parts)
        value = words(choice)
        ours.detail("expected", value)
        theirs.rows([("expected", value)], label=8, gap=1, padding=(0, 0, 0, 12))
        rows, facts = [(choice.choice(("", "Digest", "Signed by")), words(choice)) for _ in range(4)], Facts()
        for row in rows:
            facts.add(*row)
        ours.facts(facts)
        theirs.rows(rows, label=10, gap=2, padding=(1, 0, 0, 2))
    assert ours.text() == theirs.text()


def test_a_text_is_broken_into_itself() -> None:
    choice = random.Random(1)  # noqa: S311
    for _ in range(300):
        text, width = words(choice), choice.randrange(2, 60)
        parts = list(broken(text, width))
        assert "".join(parts) == text
        assert all(columns_of(part.rstrip()) <= width for part in parts)


def test_styles_change_no_word_and_no_break() -> None:
    text = "one two three " * 20
    plain, colored = Page(width=60, color=False), Page(width=60, color=True)
    for page in (plain, colored):
        page.heading("A heading")
        page.line((text, BAD), (" code ", DIM), text)
        page.detail("where", text)
    assert "\x1b" not in plain.text()
    bare = colored.text()
    for style in (BOLD, DIM, BAD):
        assert f"\x1b[{style}m" in bare
        bare = bare.replace(f"\x1b[{style}m", "")
    bare = bare.replace("\x1b[0m", "")
    assert [line.rstrip() for line in bare.split("\n")] == plain.text().split("\n")
    # No style reaches into the next line, which something else may write.
    assert all(line.count("\x1b[") % 2 == 0 for line in colored.text().split("\n"))


def test_no_more_rows_than_a_person_reads() -> None:
    facts, page = Facts(), Page(width=80, color=False)
    facts.add_each("Files", [f"file {number}" for number in range(20)])
    page.facts(facts)
    lines = page.text().split("\n")
    assert lines[1] == "  Files       file 0"
    assert lines[-2] == "              and 8 more"
    assert len(lines) == 1 + 12 + 1 + 1


@pytest.mark.parametrize("text", ["one " * 60, "x" * 300, f"a {'x' * 97} b {'y' * 100} c", f"{'字' * 70} {'z' * 98}"])
def test_what_does_not_fit_stands_further_in(text: str) -> None:
    first, *others = broken(text, 100, hang=4)
    assert "".join((first, *others)) == text
    assert columns_of(first.rstrip()) <= 100
    assert all(columns_of(part.rstrip()) <= 96 for part in others)
    page = Page(width=102, color=False)
    page.line(text, hang=4)
    lines = page.text().splitlines()
    assert len(lines) == 1 + len(others)
    assert all(line.startswith(" " * 6) and columns_of(line) <= 102 for line in lines[1:])
