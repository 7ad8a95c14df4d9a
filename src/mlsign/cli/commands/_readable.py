"""What ``inspect --text`` and ``inspect --card`` do."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Final

from mlsign.cli.console import progress, put

_LINES: Final = 10_000
"""Written at once."""


def put_text(path: Path) -> None:
    """Prints the structure of the model in ONNX's textual syntax."""
    from mlsign.actions.inspection.outline import outline
    from mlsign.report.onnx.text import render_onnx

    with progress("inspecting", path):
        structure = outline(path)
    lines = render_onnx(structure)
    while part := list(islice(lines, _LINES)):
        put("\n".join(part))


def put_card(path: Path) -> None:
    """Prints the model card of a package."""
    from mlsign.actions.inspection.describe import describe
    from mlsign.report.model_card import render_card

    put(render_card(describe(path)))
