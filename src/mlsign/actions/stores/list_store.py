"""List a store: what it holds, and in how many packages each file is."""

from __future__ import annotations

from pathlib import Path

from mlsign.package.store import Store
from mlsign.package.store_pruning import Kept, kept


def list_store(path: Path) -> tuple[Kept, ...]:
    """Every object, by algorithm, size and digest. Raises as ``Store.open``. Nothing is read of the objects themselves."""
    with Store.open(path) as store:
        return tuple(kept(store))
