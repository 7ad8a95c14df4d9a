"""Writes what is generated: policy.md, cli.md, errors.md, one page for each finding code, and the schema of evidence.

``--check`` writes nothing and ends with 1 when a page is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import build_cli
import build_errors
import build_evidence
import build_policy

from mlsign.evidence.catalogue.pages import ENTRIES, render_page

HERE = Path(__file__).resolve().parent


def pages() -> dict[Path, str]:
    """Every generated page by its path."""
    out = {
        HERE / "policy.md": build_policy.build(),
        HERE / "cli.md": build_cli.build(),
        HERE / "errors.md": build_errors.build(),
        HERE.parent / "schemas" / "evidence.v1.schema.json": build_evidence.build(),
    }
    for entry in ENTRIES.values():
        out[HERE / "findings" / f"{entry.code}.md"] = render_page(entry)
    return out


def main() -> int:
    """Writes what differs and removes pages of codes that are gone; 1 if ``--check`` finds a difference."""
    wanted = pages()
    gone = set((HERE / "findings").glob("*.md")) - wanted.keys()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    for path in sorted([*stale, *gone]):
        print(f"{path.relative_to(HERE.parent)}{' has no source' if path in gone else ''}")
    if "--check" in sys.argv[1:]:
        return 1 if stale or gone else 0
    (HERE / "findings").mkdir(exist_ok=True)
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
