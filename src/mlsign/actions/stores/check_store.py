"""Check a store: every object read and hashed again, whatever is written down of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mlsign.errors import InputError, MlsignError, TrustError
from mlsign.package.store import Store, StoredObject
from mlsign.package.store_pruning import check_object

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedObject:
    """An object, and what is wrong with it, if anything is."""

    thing: StoredObject
    problem: MlsignError | None


def check_store(path: Path, *, advance: Advance | None = None) -> tuple[CheckedObject, ...]:
    """Every object, in order; what is in order is known again, whatever has touched it. Raises as ``Store.open``, ``OutsideError``."""
    with Store.open(path) as store:
        return tuple(CheckedObject(thing=thing, problem=_problem(store, thing, advance)) for thing in store.objects())


def _problem(store: Store, thing: StoredObject, advance: Advance | None) -> MlsignError | None:
    try:
        check_object(store, thing, advance=advance)
    except (InputError, TrustError) as err:
        return err
    return None
