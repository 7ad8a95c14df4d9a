"""Fuzz target: what ``diff`` calls the same is the same, whatever two models hold; and it ends with an answer or an ``InputError``.

An input is two models: four bytes say how long the first one is. They are held against each other in both directions, by the whole of
``diff`` but running them, and its answer against what ``same_models`` reads from the same bytes.
"""

from __future__ import annotations

import atexit
import json
import random
import shutil
import tempfile
from functools import cache
from pathlib import Path

import decode_onnx
import onnx_tree
import wire_tree
from oracles import check_refusal
from same_models import canonical, parts
from wire_tree import Field

from mlsign.actions.comparison.diff import DiffRequest, diff
from mlsign.actions.comparison.difference import Difference
from mlsign.errors import InputError
from mlsign.onnx import schema
from mlsign.report.diff.as_html import render_difference as as_html
from mlsign.report.diff.as_json import render_difference as as_json
from mlsign.report.diff.as_text import render_difference as as_text

WORDS = decode_onnx.WORDS
MAX_LEN = 4096
STRUCTURED = 0.95
SEEDS = ()
REQUEST = DiffRequest(run=False, limits=decode_onnx.LIMITS)
_HEAD = 4


@cache
def folder() -> Path:
    """Where the two files are put, in memory where there is such a place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own within
    path = Path(tempfile.mkdtemp(prefix="fuzz-diff-", dir=memory if memory.is_dir() else None))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    for name in ("weights.bin", "w.bin", "x"):
        (path / name).write_bytes(bytes(range(256)) * 16)
    return path


def joined(first: bytes, second: bytes) -> bytes:
    return len(first).to_bytes(_HEAD, "big") + first + second


def split(data: bytes) -> tuple[bytes, bytes]:
    """The two models; with a length that is too large the second is empty."""
    end = _HEAD + int.from_bytes(data[:_HEAD], "big")
    return data[_HEAD:end], data[end:]


def compared(first: Path, second: Path) -> Difference | None:
    try:
        return diff(first, second, REQUEST)
    except InputError as err:
        check_refusal(err)
        return None


def check(data: bytes) -> None:
    """Raises ``AssertionError`` where two models are called the same and are not, and where the two directions disagree."""
    models = split(data)
    paths = [folder() / f"{name}.onnx" for name in "ab"]
    for path, model in zip(paths, models, strict=True):
        path.write_bytes(model)
    found, back = compared(*paths), compared(*reversed(paths))
    assert (found is None) is (back is None)
    if found is None or back is None:
        return
    assert (found.is_same, found.is_renamed_only) == (back.is_same, back.is_renamed_only)
    assert models[0] == models[1] or not found.same_model
    if found.is_same and not found.same_model:
        assert canonical(models[0]) == canonical(models[1]), "two models are called the same"
    if found.is_renamed_only:
        assert parts(models[0]) == parts(models[1]), "two models are called renamed"
    json.loads(as_json(found))
    assert "\x1b" not in as_text(found, width=100, color=False) + as_html(found)


def more_seeds() -> list[bytes]:
    """Every model of the reader's corpus and a neighbour of it."""
    rng = random.Random(1)  # noqa: S311 - a seed that repeats is the point
    places = [Path(__file__).resolve().parent / "corpora" / "onnx", *decode_onnx.SEEDS]
    models = [
        path.read_bytes() for place in places for path in sorted(place.glob("*.onnx")) if path.stat().st_size < MAX_LEN // 2
    ]
    return [joined(model, onnx_tree.bent(model, rng)) for model in models]


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Two models that are near each other: one is the other with little changed, or in another order or spelling."""
    first, second = split(data)
    kind = rng.random()
    if kind < 0.3:
        return joined(first, onnx_tree.bent(first, rng))
    if kind < 0.5:
        return joined(first, _spelled(first, rng))
    if kind < 0.65:
        both = decode_onnx.mutate(first, rng, whole=0.8)
        return joined(both, _spelled(both, rng))
    if kind < 0.8:
        return joined(first, wire_tree.bent(first, rng, words=WORDS))
    if kind < 0.9:
        return joined(first, onnx_tree.bent(second, rng))
    return joined(second, first)


def _spelled(data: bytes, rng: random.Random) -> bytes:
    """One field moved, doubled, put aside or given a companion that readers may or may not count, somewhere in a model."""
    tree = onnx_tree.parsed(data, schema.MODEL)
    if not tree:
        return data
    message, fields = rng.choice([place for place in onnx_tree.places(tree) if place[1]])
    at = rng.randrange(len(fields))
    field = fields[at]
    match rng.randrange(6):
        case 0:
            fields.insert(rng.randrange(len(fields)), fields.pop(at))
        case 1:
            fields.insert(at, Field(field.number, field.wire, _other(field, rng)))
        case 2:
            fields.append(Field(field.number, field.wire, _other(field, rng)))
        case 3:
            fields.insert(at, Field(rng.choice((29, 60, 61)), 2, rng.randbytes(2)))
        case 4:
            number = rng.choice(list(getattr(schema, message).names))
            fields.append(Field(number, 2, rng.choice((b"", b"a", rng.choice(WORDS)))))
        case _:
            field.value = _other(field, rng)
    return wire_tree.written(tree)


def _other(field: Field, rng: random.Random) -> int | bytes | list[Field]:
    if isinstance(field.value, int):
        return rng.choice(wire_tree.NUMBERS)
    if isinstance(field.value, list):
        return [each for each in field.value if rng.random() < 0.7]
    if field.wire in (1, 5):
        return rng.randbytes(len(field.value))
    return rng.choice((b"", field.value[:-1], field.value + b"z", rng.choice(WORDS)))


if __name__ == "__main__":
    from engine import fuzz

    fuzz("differential_diff")
