"""The start document as a worker reads it: which model, which weights, and what it may use."""

from __future__ import annotations

from dataclasses import dataclass

from mlsign.limits import Limits
from mlsign.strict import Fields, JsonValue

Entry = tuple[str, int]
"""Path and size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The start document."""

    confined: bool
    threads: int
    memory_bytes: int
    load_bytes: int
    limits: Limits
    model: Entry
    weights: tuple[Entry, ...]
    external: frozenset[tuple[str, str, int, int | None]]


def _entry(value: JsonValue, where: str) -> Entry:
    fields = Fields(value, where=where, format_name="start")
    out = (fields.text("path"), fields.integer("size"))
    fields.done()
    return out


def _expected(value: JsonValue, where: str) -> tuple[str, str, int, int | None]:
    fields = Fields(value, where=where, format_name="start")
    length = fields.integer("length") if fields.has("length") else None
    out = (fields.text("name", empty=True), fields.text("location", empty=True), fields.integer("offset"), length)
    fields.done()
    return out


def decode_task(document: JsonValue) -> Task:
    """The task from the start document. Raises ``InputError`` (``start.…``)."""
    fields = Fields(document, where="", format_name="start")
    limits = Limits(max_input_bytes=fields.integer("max_input_bytes"), max_output_bytes=fields.integer("max_output_bytes"))
    task = Task(
        confined=fields.boolean("confined"),
        threads=fields.integer("threads", minimum=1),
        memory_bytes=fields.integer("memory_bytes"),
        load_bytes=fields.integer("load_bytes"),
        limits=limits,
        model=_entry(fields.take("model"), "model"),
        weights=tuple(_entry(item, where) for item, where in fields.items("weights", maximum=limits.max_files)),
        external=frozenset(_expected(i, where) for i, where in fields.items("external", maximum=limits.max_tensors)),
    )
    fields.done()
    return task
