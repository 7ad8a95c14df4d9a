"""Fuzz target: what the ONNX reader takes without a word, onnx takes too, and both it and onnxruntime read the same from it.

``python fuzz/differential_onnx.py [SECONDS] [--keep-going]``. A reader that is laxer than the library is how a reviewed
model and a running one come apart. With ``--keep-going`` every kind of disagreement is collected in a folder and
told at the end instead of ending the run at the first.
"""

from __future__ import annotations

import atexit
import hashlib
import importlib.util
import json
import os
import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import decode_onnx
from onnx_facts import as_document, seen_facts
from onnx_oracle import Library
from runtime_oracle import MEMORY_BYTES, Loaded, Runtime

from mlsign.interface import ValueKind, ValueSpec
from mlsign.onnx.summary import ModelSummary, Unbounded

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpora" / "differential_onnx"
WORDS = decode_onnx.WORDS
MAX_LEN = 4096
SEEDS = (HERE / "corpora" / "onnx", HERE.parent / "tests" / "vectors" / "onnx")
STRUCTURED = 0.95
WHOLE = 0.8
"""How many of those mutations know the schema."""
POOL = 3000
RUNTIME_EVERY = 20
"""Loading in a worker takes ten times as long as all the rest: one accepted model of so many is loaded."""
SMALL_OPERATIONS = 10_000_000
"""A run that is said to take no more has to come to its end within the time that a worker is given."""
LARGE_OPERATIONS = 1_000_000_000
TIMEOUT_SECONDS = 90
"""The library and the runtime have limits of their own, and answer for themselves."""
COLLECTED = Path(os.environ["FUZZ_COLLECT"]) if os.environ.get("FUZZ_COLLECT") else None
KEEP_GOING = bool(os.environ.get("FUZZ_KEEP_GOING"))
WORKER_ENDS = "worker ends"
FALSE_OUTPUT = "runtime: output declared falsely"
TOLD = (WORKER_ENDS, FALSE_OUTPUT)
"""Kinds that end no run. A worker that dies is the runtime's doing, and what the sandbox is for. Where a constant, an
initializer or an input is an output too, runtimes go by its value and not by what is declared of the output; the sandbox
refuses such a model, or its answer (``sandbox.interface``, ``sandbox.output``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """What is different, and the words for it."""

    kind: str
    message: str

    @property
    def key(self) -> str:
        """The same for all disagreements of one kind: of the library's words the first line, without names and numbers."""
        if self.kind.startswith(("facts", "runtime")):
            return self.kind
        line = self.message.strip().partition("\n")[0]
        line = re.sub(r"\([^()]*\)", "(…)", line)
        line = re.sub(r"'([^']*)'", lambda m: m[0] if m[1] in _fields() else "'…'", line)
        line = re.sub(r'"[^"]*"', "'…'", line)
        line = re.sub(r"((?:[Nn]ame|[Tt]ype|node|attribute|operator|for|input|output): ?)\S*", r"\1…", line)
        line = re.sub(r"(No Op registered for|Unrecognized attribute:|Nodes? in a graph|to be deprecated in) \S*", r"\1 …", line)
        return f"{self.kind}: {re.sub(r'-?[0-9]+', '…', line)[:200]}"


@cache
def _fields() -> frozenset[str]:
    """The names of all fields there are in the format."""
    from mlsign.onnx import schema

    messages = [value for value in vars(schema).values() if isinstance(value, schema.Message)]
    names = {name for message in messages for name in message.names.values()}
    return frozenset(names | {"type", "elem_type", "shape", "name", "value_info", "graph", "ir_version", "opset_import"})


@cache
def library() -> Library:
    found = Library()
    atexit.register(found.close)
    return found


@cache
def runtime() -> Runtime:
    found = Runtime()
    atexit.register(found.close)
    return found


def accepted(data: bytes) -> ModelSummary | None:
    """The summary, where the reader has nothing to say against the model."""
    found = decode_onnx.read(data)
    return found if isinstance(found, ModelSummary) and not found.problems else None


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def against_library(data: bytes, summary: ModelSummary) -> list[Disagreement]:
    """Where onnx refuses what was accepted, or reads something else from it."""
    said = library().ask(data, check=not summary.external)
    if said.ended:
        return [Disagreement(kind="onnx ends", message=said.ended)]
    if said.facts is None:
        return [Disagreement(kind="onnx cannot parse", message=said.parse)]
    ours = json.loads(json.dumps(as_document(seen_facts(summary))))
    out = [
        Disagreement(kind=f"facts: {key}", message=f"onnx reads {said.facts[key]!a}, we {ours[key]!a}")
        for key in ours
        if ours[key] != said.facts[key]
    ]
    if said.check:
        out.append(Disagreement(kind="onnx refuses", message=said.check))
    return out


def against_runtime(summary: ModelSummary, loaded: Loaded) -> list[Disagreement]:
    """Where onnxruntime, if it loads the model, sees another interface; where a run ends the worker, and nobody said so."""
    out = []
    for side, specs, seen in (("inputs", summary.inputs, loaded.inputs), ("outputs", summary.outputs, loaded.outputs)):
        if seen is None:
            continue
        if [spec.name for spec in specs] != [name for name, _, _ in seen]:
            out.append(Disagreement(kind=f"runtime: names of {side}", message=f"{seen!a} {specs!a}"))
            continue
        kind = "runtime: an input" if side == "inputs" else FALSE_OUTPUT
        for spec, (name, type_, shape) in zip(specs, seen, strict=True):
            same_type = spec.type.kind is not ValueKind.TENSOR or type_ == f"tensor({spec.type.element})"
            if not same_type or not same_shape(spec, shape, exactly=side == "inputs"):
                out.append(Disagreement(kind=kind, message=f"{name!a} is {type_} {shape!a}, we read {spec.type}"))
    return out + ends(summary, loaded)


def ends(summary: ModelSummary, loaded: Loaded) -> list[Disagreement]:
    """A worker that died, or ran out of time or memory, over a model whose run was said to have bounds."""
    bounds = summary.bounds
    assert bounds is not None
    unknown = ", ".join(sorted({item.kind.value for item in bounds.unknown}))
    if Unbounded.MISUSE.value in unknown:
        return []
    small = not unknown and bounds.peak_bytes < MEMORY_BYTES // 4 and max(bounds.operations, bounds.steps * 10) < SMALL_OPERATIONS
    memory = any(words in loaded.run for words in ("bad_alloc", "Failed to allocate memory", "bad allocation"))
    slow = loaded.ended.startswith("no answer")
    if loaded.ended and (small or not slow):
        return [Disagreement(kind=WORKER_ENDS, message=f"{loaded.ended}, {unknown or 'nothing'} unknown")]
    if memory and small:
        return [Disagreement(kind=WORKER_ENDS, message=f"no memory, bounded by {bounds.peak_bytes}: {loaded.run}")]
    return []


def is_long(summary: ModelSummary) -> bool:
    """Whether a worker would spend all its time on a run, as was said: nothing is learned from that."""
    bounds = summary.bounds
    return bounds is not None and max(bounds.operations, bounds.steps * 10) > LARGE_OPERATIONS


def same_shape(spec: ValueSpec, shape: list[int | str | None], *, exactly: bool) -> bool:
    """The shape that was declared; no shape and no dimensions look the same in the runtime.

    Of an output it may know more than was declared, and it forgets what its own inference contradicts.
    """
    declared = spec.type.shape
    if spec.type.kind is not ValueKind.TENSOR:
        return True
    if not exactly and (not declared or not shape):
        return True
    if declared is None:
        return shape == []
    if len(shape) != len(declared):
        return False
    return all(ours == theirs or (not exactly and None in (ours, theirs)) for ours, theirs in zip(declared, shape, strict=True))


_POOL: dict[bytes, None] = {}
"""Models that were accepted. libFuzzer's corpus is mostly refusals, and what is bent from a refusal is one again."""
COUNTS = "counts.json"
_COUNTS = {"tried": 0, "accepted": 0, "loaded": 0, "refused by the runtime": 0, "external": 0}


def disagreements(data: bytes, *, load: bool) -> list[Disagreement]:
    """All there is to find about ``data``; a model that the reader does not take has nothing to disagree about."""
    _COUNTS["tried"] += 1
    summary = accepted(data)
    if summary is None:
        return []
    _COUNTS["accepted"] += 1
    if len(_POOL) < POOL:
        _POOL[data] = None
    _COUNTS["external"] += bool(summary.external)
    out = against_library(data, summary)
    if load and not summary.external and not is_long(summary):
        loaded = runtime().load(data)
        _COUNTS["loaded"] += loaded.inputs is not None
        _COUNTS["refused by the runtime"] += bool(loaded.refused)
        out += against_runtime(summary, loaded)
    return out


def check(data: bytes) -> None:
    """Raises ``AssertionError`` on a disagreement, or collects it; some kinds are always collected."""
    load = sys.platform == "linux" and (_COUNTS["accepted"] + 1) % RUNTIME_EVERY == 0
    for one in disagreements(data, load=load):
        if COLLECTED is not None and (KEEP_GOING or one.kind in TOLD):
            collect(data, one, COLLECTED)
        elif one.kind not in TOLD:
            raise AssertionError(f"{one.kind}: {one.message}")
    if COLLECTED is not None and _COUNTS["tried"] % 500 == 0:
        (COLLECTED / COUNTS).write_text(json.dumps(_COUNTS))


def collect(data: bytes, one: Disagreement, folder: Path) -> None:
    """Counts the disagreement, and keeps the smallest input of its kind."""
    name = name_of(one.key.encode())
    record = folder / f"{name}.json"
    old = json.loads(record.read_text()) if record.exists() else {"key": one.key, "count": 0, "size": 1 << 30, "message": ""}
    old["count"] += 1
    if len(data) < old["size"]:
        old["size"], old["message"] = len(data), one.message
        (folder / f"{name}.onnx").write_bytes(data)
    record.write_text(json.dumps(old))


def collected(folder: Path) -> list[tuple[dict[str, Any], Path]]:
    """What was collected and the model to each, the most frequent first."""
    paths = [path for path in folder.glob("*.json") if path.name != COUNTS]
    records = [(json.loads(path.read_text()), path.with_suffix(".onnx")) for path in paths]
    return sorted(records, key=lambda item: -item[0]["count"])


def table(folder: Path) -> str:
    """What was collected: how often, which kind, an example, and the words in full."""
    lines = []
    for record, path in collected(folder):
        lines += [f"{record['count']:7d}  {record['key']}", f"         {path} ({record['size']} bytes)"]
        lines += [f"         | {line}" for line in record["message"].strip().splitlines() if line.strip()]
    return "\n".join(lines)


def finish(folder: Path) -> bool:
    """Tells what was collected and keeps the examples; whether there was no disagreement."""
    counts = folder / COUNTS
    if counts.exists():
        print("differential_onnx:", ", ".join(f"{count} {name}" for name, count in json.loads(counts.read_text()).items()))
    good = True
    for record, path in collected(folder):
        data, ends = path.read_bytes(), record["key"].startswith(WORKER_ENDS)
        if ends or not record["key"].startswith(TOLD):
            (CORPUS / f"{'ends' if ends else 'crash'}-{name_of(data)}").write_bytes(data)
        good = good and record["key"].startswith(TOLD)
    print(table(folder) or "differential_onnx: no disagreement")
    return good


def more_seeds() -> Iterator[bytes]:
    """The small models of the onnx library's own tests."""
    found = importlib.util.find_spec("onnx")
    assert found is not None
    assert found.origin is not None
    for path in sorted(Path(found.origin).parent.rglob("*.onnx")):
        if path.stat().st_size <= MAX_LEN:
            yield path.read_bytes()


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Mostly models that are others; some that are none, for the places where the reader is laxer than it thinks."""
    if data not in _POOL and _POOL:
        data = rng.choice(list(_POOL))
    return decode_onnx.mutate(data, rng, whole=WHOLE)


if __name__ == "__main__":
    from engine import fuzz

    fuzz("differential_onnx")
