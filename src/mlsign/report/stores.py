"""What a store holds, and whether it still is what it was, as text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from mlsign.actions.stores.check_store import CheckedObject
from mlsign.package.store import StoredObject
from mlsign.package.store_pruning import Kept
from mlsign.report.findings_as_json import dump
from mlsign.words import counted, size

SCHEMA = "mlsign/store-report/v1"


def render_list_text(things: Sequence[Kept]) -> str:
    """A line for each object, and one for all."""
    lines = [f"{each.thing.digest}  {size(each.thing.size)}, in {counted(each.packages, 'package')}" for each in things]
    total = sum(each.thing.size for each in things)
    return "\n".join([*lines, f"{counted(len(things), 'object')}, {size(total)}"])


def render_list_json(things: Sequence[Kept]) -> str:
    """The same for programs."""
    objects = [{**_object(each.thing), "packages": each.packages} for each in things]
    return dump({"schema": SCHEMA, "objects": objects})


def render_checked_text(checked: Sequence[CheckedObject]) -> str:
    """What is wrong with which object, and how many are in order."""
    wrong = [each for each in checked if each.problem is not None]
    lines = [f"✗ {each.problem.message}" for each in wrong if each.problem is not None]
    if wrong:
        lines.append("remove these files from the store, and look at every package that they are in")
    return "\n".join([*lines, f"{counted(len(checked) - len(wrong), 'object')} in order, {len(wrong)} not"])


def render_checked_json(checked: Sequence[CheckedObject]) -> str:
    """The same for programs."""
    objects = [
        {
            **_object(each.thing),
            "problem": None if each.problem is None else {"code": each.problem.code, "message": each.problem.message},
        }
        for each in checked
    ]
    return dump({"schema": SCHEMA, "objects": objects})


def _object(thing: StoredObject) -> dict[str, object]:
    return {"path": str(thing), "digest": str(thing.digest), "size": thing.size}
