"""Prune a store: objects that are in no package are removed."""

from __future__ import annotations

from pathlib import Path

from mlsign.package.store import Store, StoredObject
from mlsign.package.store_pruning import prune


def prune_store(path: Path) -> tuple[StoredObject, ...]:
    """The objects that were removed. Raises as ``Store.open``, and ``OutsideError`` (``store.busy``, ``disk.write``)."""
    with Store.open(path) as store:
        return prune(store)
