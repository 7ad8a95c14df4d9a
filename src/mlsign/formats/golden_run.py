"""The statement of a golden run: somebody ran this package on its golden test data, where, with what, and what came of it.

An in-toto test result v0.1 (https://in-toto.io/attestation/test-result/v0.1), whose one configuration is the manifest, which
lists the sets. What the specification has no field for stands in an annotation of that configuration, which is ours and read exactly:
a policy asks for platform, runtime and sets, and must not find two readings of them.

Its size is that of the list of sets: what was compared is told set by set, and errors by output over all sets.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from mlsign.digest import Algorithm, Digest, decode_hex
from mlsign.formats.claimed_time import read_time, spell_time
from mlsign.formats.platform import PLATFORM
from mlsign.formats.predicate_types import MAX_GOLDEN_RUN_BYTES, TEST_RESULT_TYPE, golden_run_limits
from mlsign.formats.statement import STATEMENT_TYPE
from mlsign.limits import DEFAULT, Limits
from mlsign.paths import MANIFEST_NAME, PackagePath, decode_path
from mlsign.strict import Fields, JsonValue, decode_json, encode_json

ANNOTATION: Final = "mlsign_golden_run"
SCHEMA: Final = "mlsign/golden-run/v1"
CONFINING: Final = ("descriptors", "no_new_privs", "rlimits", "seccomp")
"""Layers without which a model could have written its own result, as the sandbox names them."""
MAX_SETS: Final = 10_000
MAX_TOLD: Final = 100
"""Outputs whose errors are told; of more, those that are furthest off. Sets count all."""
_MAX_TEXT: Final = 2048
MAX_NAME: Final = 256
_MAX_LAYERS: Final = 64
_PASSED, _FAILED = "PASSED", "FAILED"
_PREDICATE_FIELDS: Final = ("result", "configuration", "url", "passedtests", "warnedtests", "failedtests")
_DESCRIPTOR_FIELDS: Final = ("name", "uri", "digest", "content", "downloadlocation", "mediatype", "annotations")


class SetOutcome(Enum):
    """What came of one set. ``UNKNOWN``: there was no answer, or nothing to compare."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutput:
    """How far one output was off in so many ``sets``, and ``worst`` in that one of them.

    Largest errors are None where nothing was measured. ``name`` is escaped and cut.
    """

    name: str
    sets: int
    worst: PackagePath
    compared: int
    unequal: int
    too_far: int
    absolute: float | None = None
    relative: float | None = None
    ulps: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSet:
    """One set, the tolerances that its answers were held to, and how many outputs and elements of them were."""

    path: PackagePath
    rtol: float
    atol: float
    outcome: SetOutcome
    outputs: int
    compared: int
    unequal: int
    too_far: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlace:
    """Where a model was run, and with what.

    ``processor`` is empty where its name is not known. ``threads`` is how many the runtime computed with, ``wall`` what stood around
    it and ``layers`` which parts of the confinement were in force.
    """

    platform: str
    processor: str
    runtime: str
    version: str
    threads: int
    wall: str
    layers: tuple[str, ...]

    @property
    def confined(self) -> bool:
        """The model could not have written its own result."""
        return set(self.layers).issuperset(CONFINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRunStatement:
    """A run of the package with the digest ``subject`` and a manifest with the sha256 ``manifest``, as its signer claims it.

    ``outputs`` are all, or the ``MAX_TOLD`` that are furthest off. ``ran`` is the signer's own word, ``mlsign`` the version that ran it.
    """

    name: str
    subject: Digest
    manifest: Digest
    ran: datetime
    place: RunPlace
    sets: tuple[RunSet, ...]
    outputs: tuple[RunOutput, ...]
    mlsign: str

    @property
    def passed(self) -> bool:
        """There was something to run, and all of it is within its tolerances."""
        return bool(self.sets) and all(found.outcome is SetOutcome.PASSED for found in self.sets)


def decode_golden_run(payload: bytes, *, limits: Limits = DEFAULT) -> GoldenRunStatement:
    """The statement. Raises ``InputError`` (``json.…``, ``golden_run.…``, ``digest.…``, ``path.…``).

    Fields that the specification does not know are ignored, as it asks; what is ours is read exactly, and must agree with the result.
    """
    value = decode_json(payload, where="statement", max_bytes=MAX_GOLDEN_RUN_BYTES, limits=golden_run_limits(limits))
    top = Fields(value, where="", format_name="golden_run")
    top.literal("_type", allowed=(STATEMENT_TYPE,))
    top.literal("predicateType", allowed=(TEST_RESULT_TYPE,))
    item, where = top.items("subject", maximum=1, minimum=1)[0]
    subject = Fields(item, where=where, format_name="golden_run")
    name, digest = subject.text("name", maximum=_MAX_TEXT), _sha256(subject)
    predicate = top.fields("predicate")
    result = predicate.literal("result", allowed=(_PASSED, _FAILED))
    item, where = predicate.items("configuration", maximum=1, minimum=1)[0]
    found = _decode_run(Fields(item, where=where, format_name="golden_run"), name=name, subject=digest, limits=limits)
    _check_result(predicate, result, found)
    subject.done_but_extensible(_DESCRIPTOR_FIELDS)
    predicate.done_but_extensible(_PREDICATE_FIELDS)
    top.done_but_extensible(("_type", "predicatetype", "subject", "predicate"))
    return found


def _sha256(owner: Fields) -> Digest:
    digests = owner.fields("digest")
    found = decode_hex(Algorithm.SHA256, digests.text("sha256"), where=f"{digests.where}.sha256")
    digests.done_but_extensible(("sha256",))
    return found


def _decode_run(configuration: Fields, *, name: str, subject: Digest, limits: Limits) -> GoldenRunStatement:
    manifest = _sha256(configuration)
    annotations = configuration.fields("annotations")
    run = annotations.fields(ANNOTATION)
    run.literal("schema", allowed=(SCHEMA,))
    found = GoldenRunStatement(
        name=name,
        subject=subject,
        manifest=manifest,
        ran=read_time(run, "ran"),
        place=_decode_place(run),
        sets=run.each("sets", lambda item: _decode_set(item, limits=limits), maximum=MAX_SETS, minimum=1),
        outputs=run.each("outputs", lambda item: _decode_output(item, limits=limits), maximum=MAX_TOLD),
        mlsign=run.text("mlsign", maximum=128),
    )
    run.done()
    _check_outputs(run, found)
    annotations.done_but_extensible((ANNOTATION,))
    configuration.optional("name", lambda field: configuration.text(field, maximum=_MAX_TEXT, empty=True))
    configuration.done_but_extensible(_DESCRIPTOR_FIELDS)
    return found


def _decode_place(run: Fields) -> RunPlace:
    runtime, confinement = run.fields("runtime"), run.fields("confinement")
    found = RunPlace(
        platform=run.text("platform", maximum=MAX_NAME),
        processor=run.text("processor", maximum=_MAX_TEXT, empty=True),
        runtime=runtime.text("name", maximum=MAX_NAME),
        version=runtime.text("version", maximum=MAX_NAME),
        threads=run.integer("threads", minimum=1),
        wall=confinement.text("wall", maximum=MAX_NAME),
        layers=confinement.texts("layers", maximum=_MAX_LAYERS, length=MAX_NAME),
    )
    if not PLATFORM.fullmatch(found.platform):
        raise run.wrong("is not spelled as linux/amd64", code="platform", name="platform", found=found.platform)
    for fields in (runtime, confinement):
        fields.done()
    return found


def _decode_set(item: Fields, *, limits: Limits) -> RunSet:
    found = RunSet(
        path=_path(item, "path", limits=limits),
        rtol=item.number("rtol", maximum=1.0),
        atol=item.number("atol"),
        outcome=SetOutcome(item.literal("outcome", allowed=tuple(outcome.value for outcome in SetOutcome))),
        outputs=item.integer("outputs"),
        compared=item.integer("compared"),
        unequal=item.integer("unequal"),
        too_far=item.integer("too_far"),
    )
    if found.outcome is SetOutcome.PASSED and (found.unequal or found.too_far or not found.compared or not found.outputs):
        raise item.wrong("passed with elements that are off, or without any", code="result", name="outcome")
    return found


def _path(item: Fields, name: str, *, limits: Limits) -> PackagePath:
    return decode_path(item.text(name, maximum=limits.max_path_bytes), where=f"{item.where}.{name}", limits=limits)


def _decode_output(item: Fields, *, limits: Limits) -> RunOutput:
    return RunOutput(
        name=item.text("name", maximum=MAX_NAME, empty=True),
        sets=item.integer("sets", minimum=1),
        worst=_path(item, "worst", limits=limits),
        compared=item.integer("compared"),
        unequal=item.integer("unequal"),
        too_far=item.integer("too_far"),
        absolute=item.optional("absolute", lambda field: item.number(field, maximum=sys.float_info.max)),
        relative=item.optional("relative", lambda field: item.number(field, maximum=sys.float_info.max)),
        ulps=item.optional("ulps", item.integer),
    )


def _check_outputs(run: Fields, found: GoldenRunStatement) -> None:
    """Sets and outputs count the same elements: all of them where every output is told, and no more where some are not."""
    sums = (
        ("sets", sum(each.sets for each in found.outputs), sum(each.outputs for each in found.sets)),
        *(
            (name, sum(getattr(each, name) for each in found.outputs), sum(getattr(each, name) for each in found.sets))
            for name in ("compared", "unequal", "too_far")
        ),
    )
    for name, told, wanted in sums:
        if told > wanted or (told < wanted and len(found.outputs) < MAX_TOLD):
            raise run.wrong(f"do not come to the {name} of its sets", code="result", name="outputs", found=str(told))
    paths = {each.path for each in found.sets}
    if odd := next((each for each in found.outputs if each.worst not in paths or each.sets > len(paths)), None):
        raise run.wrong("are of other sets", code="result", name="outputs", found=odd.worst)


def _check_result(predicate: Fields, result: str, found: GoldenRunStatement) -> None:
    """Whoever reads the fields of the specification alone, and we, come to the same."""
    paths = [str(each.path) for each in found.sets]
    if twice := [path for path, count in Counter(paths).items() if count > 1]:
        raise predicate.wrong("names a set twice", code="result", name="configuration", found=twice[0])
    for name, passed in (("passedTests", True), ("failedTests", False)):
        wanted = [str(each.path) for each in found.sets if (each.outcome is SetOutcome.PASSED) is passed]
        if list(predicate.texts(name, maximum=MAX_SETS)) != wanted:
            raise predicate.wrong("is not what its sets came to", code="result", name=name)
    if (result == _PASSED) is not found.passed:
        raise predicate.wrong(f"is {result}, which is not what its sets came to", code="result", name="result", found=result)


def encode_golden_run(run: GoldenRunStatement, *, limits: Limits = DEFAULT) -> bytes:
    """The canonical payload bytes. Raises as ``decode_golden_run`` does: what nobody could read is not signed."""
    payload = encode_json(_document(run))
    decode_golden_run(payload, limits=limits)
    return payload


def size_of(run: GoldenRunStatement) -> int:
    """How many bytes the payload has, whether or not it could be read."""
    return len(encode_json(_document(run)))


def _document(run: GoldenRunStatement) -> JsonValue:
    passed: list[JsonValue] = [str(found.path) for found in run.sets if found.outcome is SetOutcome.PASSED]
    failed: list[JsonValue] = [str(found.path) for found in run.sets if found.outcome is not SetOutcome.PASSED]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": run.name, "digest": {"sha256": run.subject.hex}}],
        "predicateType": TEST_RESULT_TYPE,
        "predicate": {
            "result": _PASSED if run.passed else _FAILED,
            "configuration": [
                {
                    "name": MANIFEST_NAME,
                    "digest": {"sha256": run.manifest.hex},
                    "annotations": {ANNOTATION: _encode_run(run)},
                }
            ],
            "passedTests": passed,
            "failedTests": failed,
        },
    }


def _encode_run(run: GoldenRunStatement) -> dict[str, Any]:
    place = run.place
    return {
        "schema": SCHEMA,
        "ran": spell_time(run.ran),
        "mlsign": run.mlsign,
        "platform": place.platform,
        "processor": place.processor,
        "runtime": {"name": place.runtime, "version": place.version},
        "threads": place.threads,
        "confinement": {"wall": place.wall, "layers": list(place.layers)},
        "sets": [
            {
                "path": str(found.path),
                "rtol": found.rtol,
                "atol": found.atol,
                "outcome": found.outcome.value,
                "outputs": found.outputs,
                "compared": found.compared,
                "unequal": found.unequal,
                "too_far": found.too_far,
            }
            for found in run.sets
        ],
        "outputs": [_encode_output(output) for output in run.outputs],
    }


def _encode_output(output: RunOutput) -> dict[str, Any]:
    errors = {"absolute": output.absolute, "relative": output.relative, "ulps": output.ulps}
    return {
        "name": output.name,
        "sets": output.sets,
        "worst": str(output.worst),
        "compared": output.compared,
        "unequal": output.unequal,
        "too_far": output.too_far,
        **{name: value for name, value in errors.items() if value is not None},
    }
