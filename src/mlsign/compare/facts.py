"""What two releases say and are made of, field by field: their manifests, files, signers, operators and metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from mlsign.formats.manifest import GoldenSet, Manifest, Provenance
from mlsign.interface import OperatorId, OperatorUse, OpsetImport
from mlsign.onnx import problems
from mlsign.onnx.records import ModelRecord
from mlsign.onnx.summary import ModelSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field that is not the same; None where it was or is not there. Values are spelled for people and as found, not escaped."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorChange:
    """How many nodes are an operator, before and after; ``before`` of 0 is an operator that was added."""

    operator: OperatorId
    before: int
    after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanges:
    """Files by path: those that only the second has, only the first has, and those of both that are not the same bytes."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names, of signers for instance, that both have, only the first has, and only the second has."""

    both: tuple[str, ...]
    removed: tuple[str, ...]
    added: tuple[str, ...]


Facts = Mapping[str, str | None]
_WHOLLY_READ: Final = frozenset(
    (
        *(problems.IR_VERSION, problems.NO_GRAPH, problems.BAD_OPSETS, problems.DOMAIN_NOT_IMPORTED, problems.TRAINING_INFO),
        *(problems.RUNTIME_CONFIGURATION, problems.ATTRIBUTE_NAME, problems.OPERATOR_NAME),
        *(problems.NOT_PRODUCED, problems.INTERFACE_TYPE, problems.EVERY_INPUT_GIVEN, problems.STANDARD_SHADOWED),
        *(problems.RECURSIVE_FUNCTION, problems.EXPANSION, problems.CONTROL_CHARACTER, problems.INCOMPLETE),
        *(problems.FUNCTION_OPSET, problems.TREE_ENSEMBLE, problems.UNKNOWN_OPERATOR, problems.VALUE_COUNT),
        *(problems.ATTRIBUTE_SIGNATURE, problems.CLASSICAL_TABLES, problems.EINSUM, problems.WINDOW),
    )
)
"""Codes of problems with something that is compared all the same. Behind the others there is what a record has no place for: fields that
nobody knows, values of which readers take one or another, names that are spelled alike or stand for several things.
"""
_K = TypeVar("_K")


def changed_fields(before: Facts, after: Facts) -> tuple[FieldChange, ...]:
    """The fields that are not the same, in the order of the first and then of the second."""
    return tuple(
        FieldChange(field=name, before=before.get(name), after=after.get(name))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    )


def compare_manifests(before: Manifest | None, after: Manifest | None) -> tuple[FieldChange, ...]:
    """What the manifests say differently, without files and without what is compared on the models themselves."""
    return changed_fields(_manifest(before), _manifest(after))


def _manifest(manifest: Manifest | None) -> Facts:
    if manifest is None:
        return {"manifest": None}
    return {
        "manifest": "present",
        "name": manifest.name,
        "version": manifest.version.text,
        "license": manifest.license,
        "description": manifest.description,
        "previous": None if manifest.previous is None else f"{manifest.previous.version.text} {manifest.previous.digest}",
        "digest": manifest.algorithm.value,
        **{f"allowed_operators {operator}": "allowed" for operator in manifest.allowed_operators},
        **{f"golden {found.path}": _golden(found) for found in manifest.golden},
        **_provenance(manifest.provenance),
    }


def _golden(found: GoldenSet) -> str:
    made = found.made_by
    by = "" if made is None else f", made by {made.runtime} {made.version} on {made.platform} from {made.inputs.value} inputs"
    return f"rtol {found.rtol:g}, atol {found.atol:g}{by}"


def _provenance(found: Provenance | None) -> Facts:
    if found is None:
        return {}
    return {
        "provenance.source_repository": found.source_repository,
        "provenance.source_commit": found.source_commit,
        "provenance.builder": found.builder,
        "provenance.time": found.time,
        **{f"provenance.training_data {data.uri}": str(data.digest or "no digest") for data in found.training_data},
        **{f"provenance.tools {tool}": version for tool, version in found.tools.items()},
    }


def compare_files(before: Mapping[str, object], after: Mapping[str, object]) -> FileChanges:
    """Files held against each other by what tells their bytes apart, digests for instance."""
    return FileChanges(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(path for path in before.keys() & after.keys() if before[path] != after[path])),
    )


def compare_names(before: Iterable[str], after: Iterable[str]) -> Names:
    """Sets of names; the order does not matter."""
    old, new = set(before), set(after)
    return Names(both=tuple(sorted(old & new)), removed=tuple(sorted(old - new)), added=tuple(sorted(new - old)))


def unread_problems(found: Names) -> tuple[FieldChange, ...]:
    """The problems of two models behind which there is something that nobody compares; ``found`` are problems, each after its code."""
    hidden = [problem for problem in found.both if problem.partition(" ")[0] not in _WHOLLY_READ]
    return tuple(FieldChange(field=problem, before="present", after="present, and not compared") for problem in hidden)


def compare_operators(before: ModelSummary, after: ModelSummary) -> tuple[OperatorChange, ...]:
    """Operators whose counts differ, calls of the model's own functions among them; added and removed ones first."""

    def uses(summary: ModelSummary) -> dict[OperatorId, int]:
        return {use.operator: use.count for use in _uses(summary)}

    changes = [OperatorChange(operator=name, before=a, after=b) for name, a, b in _both(uses(before), uses(after), 0)]
    return tuple(sorted(changes, key=lambda change: (0 not in (change.before, change.after), change.operator)))


def _uses(summary: ModelSummary) -> Iterator[OperatorUse]:
    yield from summary.operators
    yield from summary.function_calls


def _both(before: Mapping[_K, int], after: Mapping[_K, int], missing: int) -> Iterator[tuple[_K, int, int]]:
    for key in dict.fromkeys((*before, *after)):
        old, new = before.get(key, missing), after.get(key, missing)
        if old != new:
            yield key, old, new


def compare_opsets(before: Iterable[OpsetImport], after: Iterable[OpsetImport]) -> tuple[FieldChange, ...]:
    """Domains whose version differs; of a domain that is imported several times all versions count."""

    def versions(opsets: Iterable[OpsetImport]) -> Facts:
        found: dict[str, dict[str, None]] = {}
        for opset in opsets:
            found.setdefault(opset.domain, {})[str(opset.version)] = None
        return {domain: ", ".join(each) for domain, each in found.items()}

    return changed_fields(versions(before), versions(after))


def compare_metadata(before: ModelRecord, after: ModelRecord) -> tuple[FieldChange, ...]:
    """What the model files say of themselves beside the graph: the format's version, the producer, properties, words for people."""
    return changed_fields(_metadata(before), _metadata(after))


def _metadata(model: ModelRecord) -> Facts:
    spell: Callable[[str], str | None] = lambda text: text or None  # noqa: E731 - what is empty is not there
    return {
        "ir_version": str(model.ir_version),
        "producer_name": spell(model.producer_name),
        "producer_version": spell(model.producer_version),
        "domain": spell(model.domain),
        "model_version": str(model.model_version),
        "graph.name": spell(model.graph.name),
        "doc_string": spell(model.doc),
        "training_info": "present" if model.has_training else None,
        **_properties(model.metadata),
    }


def _properties(metadata: Iterable[tuple[str, str]]) -> Facts:
    """Properties by key; of a key that is there several times each one, as programs take the first or the last."""
    seen: Counter[str] = Counter()
    out: dict[str, str | None] = {}
    for key, value in metadata:
        seen[key] += 1
        out[f"metadata {key}" if seen[key] == 1 else f"metadata[{seen[key]}] {key}"] = value
    return out
