"""Every hostile model beside a good one: a difference or an error that says why there is none, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.errors import InputError
from mlsign.report.diff.as_html import render_difference as as_html
from mlsign.report.diff.as_json import render_difference as as_json
from mlsign.report.diff.as_text import render_difference as as_text

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "onnx"
GOOD = VECTORS / "good.onnx"

SPELLED_OTHERWISE = {"good_domain_spelled_out.onnx", "good_same_import_twice.onnx"}
"""The same model in other spellings."""


def test_no_model_is_taken_for_a_good_one_and_none_breaks_a_report() -> None:
    compared = 0
    for path in sorted(VECTORS.rglob("*.onnx")):
        try:
            found = diff(GOOD, path, DiffRequest(run=False))
        except InputError:
            continue
        compared += 1
        assert found.is_same == (path == GOOD or path.name in SPELLED_OTHERWISE), path.name
        json.loads(as_json(found))
        assert "\x1b" not in as_text(found, width=100, color=False) + as_html(found)
    assert compared > 300
