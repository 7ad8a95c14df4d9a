"""Writes the tables of attempts to escape in ``sandbox.md``, from a real run of the suite under ``tests/jail``.

Needs Linux, and root for the settings that root alone enters; other pages are written by ``build.py`` without any of that.
A test of the suite fails when the tables are not what it sees.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE / "sandbox.md"
BEGIN, END = "<!-- attempts: made by docs/build_sandbox.py -->\n", "<!-- end of attempts -->"


def written() -> str:
    """The tables that stand in the page."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def build() -> str:
    """The tables as the suite sees them now."""
    folder = str(HERE.parent / "tests" / "jail")
    sys.path.insert(0, folder)
    try:
        import escape_table  # noqa: PLC0415  it belongs to the tests
    finally:
        sys.path.remove(folder)
    return f"\n{escape_table.render()}\n"


def main() -> int:
    """Writes the page again; 1 if it has no place for the tables."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        print(f"{PAGE.name} has no marks around the tables", file=sys.stderr)
        return 1
    PAGE.write_text(f"{before}{begin}{build()}{end}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
