"""Codes and their pages."""

import re
from pathlib import Path

import pytest

from mlsign.evidence.catalogue.model_unread import BY_ERROR, code_of_unread
from mlsign.evidence.catalogue.pages import ENTRIES, render_page

SOURCE = Path(__file__).resolve().parents[3] / "src" / "mlsign"


def test_every_code_that_the_source_uses_has_a_page():
    used = {
        code
        for path in SOURCE.rglob("*.py")
        if "catalogue" not in path.parts
        for code in re.findall(r'"(MLS[0-9]{3})"', path.read_text())
    }
    assert used
    assert used <= set(ENTRIES)


def test_pages_are_whole_and_in_order():
    assert list(ENTRIES) == sorted(ENTRIES)
    for code, entry in ENTRIES.items():
        assert re.fullmatch(r"MLS[1-6][0-9]{2}", code)
        assert entry.code == code
        page = render_page(entry)
        assert page.startswith(f"# {code}: {entry.title}\n")
        assert all(len(part) > 5 for part in (entry.meaning, entry.abuse, entry.action))
        assert "## How it is abused" in page
        assert "## What to do" in page


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("onnx.magic.pickle", "MLS320"),
        ("onnx.magic.zip", "MLS321"),
        ("onnx.magic.ort", "MLS322"),
        ("onnx.empty", "MLS323"),
        ("onnx.magic.hdf5", "MLS324"),
        ("onnx.wire.varint", "MLS325"),
        ("onnx.limit.nodes", "MLS326"),
        ("onnx.limit.depth", "MLS327"),
        ("onnx.anything", "MLS309"),
        ("file.read", "MLS309"),
    ],
)
def test_a_model_that_was_not_read_has_the_code_of_its_reason(error: str, code: str) -> None:
    assert code_of_unread(error) == code


def test_every_reason_has_a_page() -> None:
    assert {code_of_unread(error) for error in BY_ERROR} <= set(ENTRIES)
