"""MLS3xx from the reader: everything that can be wrong with a model file itself."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue import model_file, model_graph, model_operators, model_run, model_tensor, model_unread
from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    model_unread.ENTRIES
    + model_file.ENTRIES
    + model_graph.ENTRIES
    + model_tensor.ENTRIES
    + model_operators.ENTRIES
    + model_run.ENTRIES
)
