"""Pack: a model and what belongs to it into a new package with a manifest."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mlsign.actions.golden.found import Pair, find_golden, open_golden
from mlsign.actions.golden.packed import NO_GOLDEN, Golden, PackedGolden
from mlsign.actions.golden.request import CHECKED_AS_GIVEN, GoldenRequest
from mlsign.actions.inspection.inspect import summarize
from mlsign.actions.packing.ingredients import Ingredient, check_covered, find_included, find_weights, open_model
from mlsign.compare.external import FileFact, check_external, external_path
from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError, shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.manifest import FileEntry, Manifest, ModelFacts, Previous, Provenance, Role
from mlsign.formats.manifest_codec import decode_manifest, decode_name, decode_provenance, encode_manifest
from mlsign.interface import OperatorId, decode_operator
from mlsign.limits import DEFAULT, MIB, Limits
from mlsign.onnx.summary import ExternalTensor, ModelSummary
from mlsign.package.crew import Job, Worker, run_largest_first
from mlsign.package.hashing import is_wide
from mlsign.package.read import read_user_file
from mlsign.package.store_filling import StoreWriter
from mlsign.package.stream import Advance
from mlsign.package.write import copy_file, new_folder, write_file
from mlsign.paths import MANIFEST_NAME, PackagePath
from mlsign.strict import Fields, decode_json
from mlsign.version import decode_version

MODEL_PATH: Final = PackagePath("model.onnx")
_AUTO_BLAKE3_BYTES: Final = 256 * MIB
"""From this total on ``auto`` takes blake3, which is several times faster on more than one core."""
_NAME_VERSION: Final = re.compile(r"(.+?)-v?([0-9]+\.[0-9]+\.[0-9]+.*)")
_DEFAULT_VERSION: Final = "0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class PackRequest:
    """What to pack and what to say about it.

    ``allow`` are operator set names and operators (``domain:Name``), empty for exactly those the model uses;
    ``sets`` the operators behind the names. ``algorithm`` None chooses by size. ``time`` is the packing time to
    record (from ``SOURCE_DATE_EPOCH``), None to record none. ``previous`` is the package of the release before, which the manifest
    then names. Files but the model itself are taken from ``store`` and put into it, as
    further names; it is made where there is none.
    """

    model: Path
    output: Path
    name: str | None = None
    version: str | None = None
    license: str | None = None
    description: str | None = None
    allow: tuple[str, ...] = ()
    sets: Mapping[str, frozenset[OperatorId]] = field(default_factory=lambda: MappingProxyType({}))
    golden: tuple[Path, ...] = ()
    golden_request: GoldenRequest = CHECKED_AS_GIVEN
    rtol: float = 1e-4
    atol: float = 1e-5
    provenance: Path | None = None
    previous: Path | None = None
    include: tuple[Path, ...] = ()
    algorithm: Algorithm | None = None
    time: datetime | None = None
    store: Path | None = None
    limits: Limits = DEFAULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The package that was made."""

    path: Path
    manifest: Manifest
    bytes: int
    golden: PackedGolden


class RefusedToPack(InputError):  # noqa: N818 - named for what happened, as Denied is
    """The model is one that no policy would let in; ``findings`` say why."""

    def __init__(self, path: str, findings: tuple[Finding, ...]) -> None:
        first = findings[0]
        more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
        super().__init__(
            f"will not be packed: {first.code} {first.message}{more}",
            code="pack.refused",
            where=path,
            expected=first.expected,
            found=first.found,
            hint=first.hint or f"docs/findings/{first.code}.md says what this is and how to mend the model",
        )
        self.findings = findings


def pack(request: PackRequest, *, advance: Advance | None = None) -> Packed:
    """A new package at ``request.output``; packing the same input twice gives the same bytes.

    The package appears whole or not at all. Raises ``RefusedToPack``, ``InputError`` (``output.exists``,
    ``pack.…``, ``onnx.…``, ``file.…``, ``store.…``), ``TrustError`` (``store.…``) and ``OutsideError`` (``disk.full`` …).
    """
    name, version = _name_and_version(request)
    previous = _previous(request, name=name, version=version, advance=advance)
    ingredients: dict[PackagePath, Ingredient] = {}
    opened = ExitStack()
    try:
        store = None if request.store is None else opened.enter_context(StoreWriter.open(request.store))
        # The model is opened once; what is inspected here is what is copied below, or the copy fails.
        model, mode = open_model(request.model)
        ingredients[MODEL_PATH] = model
        taken = {MODEL_PATH.folded}
        summary = summarize(model.source(), where=str(request.model), limits=request.limits)
        folders, pairs = find_golden(request.golden)
        for item in chain(
            find_weights(request.model, summary, model_path=MODEL_PATH, model_mode=mode),
            open_golden(folders),
            find_included(request.include, opened=opened, limits=request.limits),
        ):
            _add(ingredients, item, taken=taken)
        _check(request, summary, ingredients, store=store)
        allowed = _allowed(request, summary)
        with new_folder(request.output) as folder:
            golden = _golden(request, summary, ingredients, pairs=pairs, opened=opened)
            for item in golden.files:
                _add(ingredients, item, taken=taken)
            algorithm = request.algorithm or _automatic(ingredients)
            digests = _copy(folder, ingredients, algorithm=algorithm, store=store, advance=advance)
            golden.check_copied(digests)
            manifest = Manifest(
                name=name,
                version=decode_version(version, where="--version"),
                license=request.license,
                description=request.description,
                model=_facts(summary),
                allowed_operators=allowed,
                files=tuple(
                    FileEntry(path=path, size=item.size, digest=digests[path], role=item.role)
                    for path, item in sorted(ingredients.items())
                ),
                algorithm=algorithm,
                golden=tuple(packed.golden for packed in golden.packed.sets),
                provenance=_provenance(request),
                previous=previous,
            )
            data = encode_manifest(manifest)
            # What we write is read back by the rules it will be verified under.
            decode_manifest(data, limits=request.limits)
            write_file(folder, PackagePath(MANIFEST_NAME), data)
    finally:
        for item in ingredients.values():
            item.close()
        opened.close()
    return Packed(
        path=request.output,
        manifest=manifest,
        bytes=sum(entry.size for entry in manifest.files),
        golden=golden.packed,
    )


def _name_and_version(request: PackRequest) -> tuple[str, str]:
    """What was given, else what the output's name says (``fraud-1.2.0``), else the output's name and 0.1.0."""
    match = _NAME_VERSION.fullmatch(request.output.name)
    name = request.name or (match.group(1) if match else request.output.name)
    version = request.version or (match.group(2) if match else _DEFAULT_VERSION)
    decode_version(version, where="--version" if request.version else str(request.output))
    return decode_name(name, where="--name" if request.name else str(request.output)), version


def _previous(request: PackRequest, *, name: str, version: str, advance: Advance | None) -> Previous | None:
    if request.previous is None:
        return None
    # Examining a package takes much that packing alone has no use for.
    from mlsign.actions.packing.previous import find_previous

    # A store that is yet to be made has none of its files.
    store = request.store if request.store is not None and request.store.exists() else None
    number = decode_version(version, where="--version")
    return find_previous(request.previous, name=name, version=number, store=store, limits=request.limits, advance=advance)


def _add(ingredients: dict[PackagePath, Ingredient], item: Ingredient, *, taken: set[str]) -> None:
    """Adds a file under a name that no other has; ``taken`` are the names as a system that ignores case sees them."""
    folded = item.path.folded
    reserved = item.path.parts[0].casefold() in {MANIFEST_NAME, "signatures"}
    if folded in taken or reserved:
        item.close()
        raise InputError(
            f"{item.path} is {'a name that mlsign itself uses' if reserved else 'already in the package'}",
            code="pack.collision",
            where=shown(item.origin),
            hint="rename the file, or leave it out",
        )
    taken.add(folded)
    ingredients[item.path] = item


def _check(
    request: PackRequest,
    summary: ModelSummary,
    ingredients: Mapping[PackagePath, Ingredient],
    *,
    store: StoreWriter | None,
) -> None:
    facts = {
        str(path): FileFact(size=item.size, links=_names(item, store=store), role=item.role.value)
        for path, item in ingredients.items()
    }
    wrong = tuple(f for f in check_external(summary, model_path=MODEL_PATH, files=facts) if f.outcome is not Outcome.PASS)
    problems = tuple(
        Finding(code=p.code, outcome=Outcome.FAIL, message=p.message, where=p.where, expected=p.expected, found=p.found)
        for p in summary.problems
    )
    if wrong or problems:
        raise RefusedToPack(str(request.model), wrong + problems)
    by_path: dict[PackagePath, list[ExternalTensor]] = {}
    for tensor in summary.external:
        by_path.setdefault(external_path(MODEL_PATH, tensor.location), []).append(tensor)
    for path, tensors in by_path.items():
        check_covered(ingredients[path], tensors, model=request.model)


def _allowed(request: PackRequest, summary: ModelSummary) -> tuple[OperatorId, ...]:
    used = {use.operator for use in summary.operators}
    if not request.allow:
        return tuple(sorted(used))
    allowed: set[OperatorId] = set()
    for text in request.allow:
        if text in request.sets:
            allowed |= request.sets[text]
        elif ":" in text:
            allowed.add(decode_operator(text, where="--allow"))
        else:
            raise InputError(
                f"{shown(text)} is neither an operator set nor an operator",
                code="pack.allow",
                where="--allow",
                expected=", ".join(sorted(request.sets)),
                hint="write an operator as domain:Name, for instance ai.onnx:Gemm",
            )
    if missing := sorted(used - allowed):
        raise InputError(
            f"the model contains {', '.join(map(str, missing[:8]))}, which --allow leaves out",
            code="pack.allow",
            where=str(request.model),
            hint="allow these operators as well, or find out why the model has them",
        )
    return tuple(sorted(allowed))


def _names(item: Ingredient, *, store: StoreWriter | None) -> int:
    """How many names a weights file has; one, where it is a file of the store, which nobody can write to through any of them."""
    if item.role is not Role.WEIGHTS or item.links == 1:
        return 1
    is_object = store is not None and store.is_object(os.fstat(item.source().fd))
    item.rest()
    return 1 if is_object else item.links


def _automatic(ingredients: Mapping[PackagePath, Ingredient]) -> Algorithm:
    total = sum(item.size for item in ingredients.values())
    return Algorithm.SHA256 if total < _AUTO_BLAKE3_BYTES else Algorithm.BLAKE3


def _copy(
    folder: Path,
    ingredients: Mapping[PackagePath, Ingredient],
    *,
    algorithm: Algorithm,
    store: StoreWriter | None,
    advance: Advance | None,
) -> dict[PackagePath, Digest]:
    digests: dict[PackagePath, Digest] = {}

    def copy(path: PackagePath, item: Ingredient, worker: Worker) -> None:
        supply = None if store is None or item.role is Role.MODEL else store.supply
        with item.source() as source:
            digest = supply and supply(source, algorithm=algorithm, folder=folder, path=path, worker=worker, advance=advance)
            digests[path] = digest or copy_file(folder, path, source, algorithm=algorithm, worker=worker, advance=advance)

    def jobs(*, wide: bool) -> Iterator[tuple[int, Job]]:
        return (
            (item.size, partial(copy, path, item))
            for path, item in ingredients.items()
            if is_wide(item.size, algorithms=(algorithm,)) is wide
        )

    # One after the other where each keeps every processor busy by itself.
    run_largest_first(jobs(wide=True), workers=1)
    run_largest_first(jobs(wide=False))
    return digests


def _facts(summary: ModelSummary) -> ModelFacts:
    return ModelFacts(
        path=MODEL_PATH,
        ir_version=summary.ir_version,
        opsets=summary.opsets,
        inputs=summary.inputs,
        outputs=summary.outputs,
        operators=summary.operators,
        functions=summary.functions,
        parameter_count=summary.parameter_count,
        parameter_bytes=summary.parameter_bytes,
    )


def _golden(
    request: PackRequest,
    summary: ModelSummary,
    ingredients: Mapping[PackagePath, Ingredient],
    *,
    pairs: tuple[Pair, ...],
    opened: ExitStack,
) -> Golden:
    asked = request.golden_request
    if not (request.golden or asked.inputs or asked.drawn):
        return NO_GOLDEN
    from mlsign.actions.golden.making import GoldenMaking

    making = GoldenMaking(summary, ingredients, request=asked, rtol=request.rtol, atol=request.atol, limits=request.limits)
    return making.make(pairs, opened=opened)


def _provenance(request: PackRequest) -> Provenance | None:
    time = None if request.time is None else request.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if request.provenance is None:
        return None if time is None else Provenance(time=time)
    data, _ = read_user_file(request.provenance, max_bytes=request.limits.max_manifest_bytes, what="provenance")
    value = decode_json(data, where=str(request.provenance), max_bytes=request.limits.max_manifest_bytes)
    if isinstance(value, dict) and time is not None:
        value.setdefault("time", time)
    return decode_provenance(Fields(value, where="provenance", format_name="provenance"))
