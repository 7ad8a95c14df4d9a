"""The statement of a golden run: what is written comes back, what is not exactly that is refused, and both readings agree."""

import json
import sys
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mlsign.digest import Algorithm, Digest
from mlsign.errors import InputError
from mlsign.formats.golden_run import (
    ANNOTATION,
    MAX_TOLD,
    GoldenRunStatement,
    RunOutput,
    RunPlace,
    RunSet,
    SetOutcome,
    decode_golden_run,
    encode_golden_run,
    size_of,
)
from mlsign.formats.predicate_types import MAX_GOLDEN_RUN_BYTES, PredicateType, claimed_predicate
from mlsign.paths import PackagePath

SET = RunSet(
    path=PackagePath("golden/test_data_set_0"),
    rtol=1e-4,
    atol=0.0,
    outcome=SetOutcome.PASSED,
    outputs=2,
    compared=8,
    unequal=0,
    too_far=0,
)
FAILED = replace(SET, path=PackagePath("golden/test_data_set_1"), outcome=SetOutcome.FAILED, unequal=1, too_far=3)
UNKNOWN = replace(SET, path=PackagePath("golden/test_data_set_2"), outcome=SetOutcome.UNKNOWN, outputs=0, compared=0)
OUTPUT = RunOutput(name="y", sets=1, worst=SET.path, compared=6, unequal=0, too_far=0, absolute=2.0**-23, relative=1.5e-8, ulps=1)
LABELS = RunOutput(name="label", sets=1, worst=SET.path, compared=2, unequal=0, too_far=0)
RUN = GoldenRunStatement(
    name="fraud-1.2.0",
    subject=Digest(algorithm=Algorithm.SHA256, value=b"s" * 32),
    manifest=Digest(algorithm=Algorithm.SHA256, value=b"m" * 32),
    ran=datetime(2026, 11, 1, 12, 30, 5, tzinfo=UTC),
    place=RunPlace(
        platform="linux/arm64",
        processor="Neoverse N1",
        runtime="onnxruntime",
        version="1.32.0",
        threads=2,
        wall="process",
        layers=("seccomp", "landlock"),
    ),
    sets=(SET,),
    outputs=(OUTPUT, LABELS),
    mlsign="0.1.0",
)
FAR = replace(
    OUTPUT, sets=2, worst=FAILED.path, compared=12, too_far=3, absolute=sys.float_info.max, relative=2.0, ulps=2**53 - 1
)
BAD = replace(RUN, sets=(SET, FAILED, UNKNOWN), outputs=(FAR, replace(LABELS, sets=2, worst=FAILED.path, compared=4, unequal=1)))


@pytest.mark.parametrize(
    "run",
    [
        RUN,
        BAD,
        replace(BAD, sets=(FAILED, UNKNOWN, SET)),
        replace(RUN, sets=(UNKNOWN,), outputs=()),
        replace(RUN, place=replace(RUN.place, processor="", layers=(), platform="linux/arm/v7")),
        *(
            replace(BAD, outputs=(replace(FAR, absolute=value), BAD.outputs[1]))
            for value in (0.0, 1e16, 1e20, 9.9e20, 1e21, 1e300)
        ),
    ],
)
def test_a_run_comes_back_as_it_was_written(run: GoldenRunStatement) -> None:
    data = encode_golden_run(run)
    assert decode_golden_run(data) == run
    assert encode_golden_run(decode_golden_run(data)) == data
    assert claimed_predicate(data) is PredicateType.GOLDEN_RUN


def test_others_read_the_result_off_the_fields_of_the_specification() -> None:
    document = json.loads(encode_golden_run(BAD))
    assert document["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    predicate = document["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["passedTests"] == ["golden/test_data_set_0"]
    assert predicate["failedTests"] == ["golden/test_data_set_1", "golden/test_data_set_2"]
    assert predicate["configuration"][0]["name"] == "mlsign.json"
    assert predicate["configuration"][0]["digest"] == {"sha256": "6d" * 32}
    assert json.loads(encode_golden_run(RUN))["predicate"]["result"] == "PASSED"


def test_only_what_ran_and_passed_everywhere_has_passed() -> None:
    assert RUN.passed
    assert not replace(RUN, sets=()).passed
    assert not replace(RUN, sets=(SET, FAILED)).passed
    assert not replace(RUN, sets=(SET, UNKNOWN)).passed


def changed(path: tuple[Any, ...], value: Any, run: GoldenRunStatement = RUN) -> bytes:
    """The document with the field at ``path`` changed, or left out for ``...``."""
    document = json.loads(encode_golden_run(run))
    found = document
    for name in path[:-1]:
        found = found[name]
    if value is ...:
        del found[path[-1]]
    else:
        found[path[-1]] = value
    return json.dumps(document).encode()


CONFIGURATION = ("predicate", "configuration", 0)
OURS = (*CONFIGURATION, "annotations", ANNOTATION)
SETS = (*OURS, "sets")
OUTPUTS = (*OURS, "outputs")
REFUSED: dict[str, tuple[tuple[Any, ...], Any, str]] = {
    "another statement": (("_type",), "https://in-toto.io/Statement/v0.1", "golden_run.value"),
    "another predicate": (("predicateType",), "https://slsa.dev/provenance/v1", "golden_run.value"),
    "no subject": (("subject",), [], "golden_run.length"),
    "two subjects": (("subject",), [{"name": "a", "digest": {"sha256": "00" * 32}}] * 2, "golden_run.length"),
    "a subject without a sha256": (("subject", 0, "digest"), {"sha1": "00" * 20}, "golden_run.missing"),
    "a subject with a digest in capitals": (("subject", 0, "digest", "sha256"), "AB" * 32, "digest.hex"),
    "no result": (("predicate", "result"), ..., "golden_run.missing"),
    "warned": (("predicate", "result"), "WARNED", "golden_run.value"),
    "a result in small letters": (("predicate", "result"), "passed", "golden_run.value"),
    "a result that is not what the sets came to": (("predicate", "result"), "FAILED", "golden_run.result"),
    "a test that passed and is no set": (("predicate", "passedTests"), ["golden/x"], "golden_run.result"),
    "a test less that passed": (("predicate", "passedTests"), [], "golden_run.result"),
    "a test that passed twice": (("predicate", "passedTests"), ["golden/test_data_set_0"] * 2, "golden_run.result"),
    "a test that failed too": (("predicate", "failedTests"), ["golden/test_data_set_0"], "golden_run.result"),
    "no failed tests at all": (("predicate", "failedTests"), ..., "golden_run.missing"),
    "no configuration": (("predicate", "configuration"), [], "golden_run.length"),
    "two configurations": (("predicate", "configuration"), [{}, {}], "golden_run.length"),
    "another spelling of a field": (("predicate", "Result"), "PASSED", "golden_run.unknown"),
    "another spelling at the top": (("PredicateType",), "x", "golden_run.unknown"),
    "another spelling in the subject": (("subject", 0, "Digest"), {}, "golden_run.unknown"),
    "another spelling in the configuration": ((*CONFIGURATION, "Annotations"), {}, "golden_run.unknown"),
    "another spelling of our annotation": ((*CONFIGURATION, "annotations", ANNOTATION.upper()), {}, "golden_run.unknown"),
    "a manifest without digest": ((*CONFIGURATION, "digest"), ..., "golden_run.missing"),
    "no annotations": ((*CONFIGURATION, "annotations"), ..., "golden_run.missing"),
    "annotations of others": (OURS, ..., "golden_run.missing"),
    "another version": ((*OURS, "schema"), "mlsign/golden-run/v2", "golden_run.value"),
    "a field of ours that there is not": ((*OURS, "surprise"), 1, "golden_run.unknown"),
    "no time": ((*OURS, "ran"), ..., "golden_run.missing"),
    "a local time": ((*OURS, "ran"), "2026-01-31T12:00:00+01:00", "golden_run.time"),
    "no such day": ((*OURS, "ran"), "2026-02-30T12:00:00Z", "golden_run.time"),
    "a kernel's name": ((*OURS, "platform"), "Linux/x86-64", "golden_run.platform"),
    "no architecture": ((*OURS, "platform"), "linux", "golden_run.platform"),
    "a platform with a line break": ((*OURS, "platform"), "linux/amd64\n", "golden_run.platform"),
    "a platform in other letters": ((*OURS, "platform"), "lіnux/amd64", "golden_run.platform"),
    "no threads": ((*OURS, "threads"), 0, "golden_run.range"),
    "true threads": ((*OURS, "threads"), True, "golden_run.type"),
    "another field of the runtime": ((*OURS, "runtime", "build"), "x", "golden_run.unknown"),
    "another field of the confinement": ((*OURS, "confinement", "waived"), False, "golden_run.unknown"),
    "no set": (SETS, [], "golden_run.length"),
    "a set that climbs": ((*SETS, 0, "path"), "../golden", "path.escapes"),
    "a tolerance below nothing": ((*SETS, 0, "rtol"), -1, "golden_run.range"),
    "a relative tolerance above one": ((*SETS, 0, "rtol"), 1.5, "golden_run.range"),
    "an outcome of another kind": ((*SETS, 0, "outcome"), "excellent", "golden_run.value"),
    "passed, and off": ((*SETS, 0, "too_far"), 1, "golden_run.result"),
    "passed, and unequal": ((*SETS, 0, "unequal"), 1, "golden_run.result"),
    "passed, and nothing compared": ((*SETS, 0, "compared"), 0, "golden_run.result"),
    "passed, and no output": ((*SETS, 0, "outputs"), 0, "golden_run.result"),
    "a set that lists outputs": ((*SETS, 0, "outputs"), [], "golden_run.type"),
    "no outputs at all": ((*OURS, "outputs"), ..., "golden_run.missing"),
    "outputs that are left out": ((*OURS, "outputs"), [], "golden_run.result"),
    "fewer elements in outputs than in sets": ((*OUTPUTS, 0, "compared"), 5, "golden_run.result"),
    "more elements in outputs than in sets": ((*OUTPUTS, 0, "compared"), 7, "golden_run.result"),
    "off in outputs and not in sets": ((*OUTPUTS, 0, "too_far"), 1, "golden_run.result"),
    "unequal in outputs and not in sets": ((*OUTPUTS, 1, "unequal"), 1, "golden_run.result"),
    "an output of more sets than there are": ((*OUTPUTS, 0, "sets"), 2, "golden_run.result"),
    "an output of no set": ((*OUTPUTS, 0, "sets"), 0, "golden_run.range"),
    "an output that is worst in another set": ((*OUTPUTS, 0, "worst"), "golden/test_data_set_9", "golden_run.result"),
    "an output that is worst outside": ((*OUTPUTS, 0, "worst"), "../golden", "path.escapes"),
    "a field of an output that there is not": ((*OUTPUTS, 0, "mean"), 0, "golden_run.unknown"),
    "an error below nothing": ((*OUTPUTS, 0, "absolute"), -1, "golden_run.range"),
    "half an ULP": ((*OUTPUTS, 0, "ulps"), 0.5, "golden_run.type"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_exactly_a_run_is_refused(name: str) -> None:
    path, value, code = REFUSED[name]
    with pytest.raises(InputError) as caught:
        decode_golden_run(changed(path, value))
    assert caught.value.code == code


def test_a_set_stands_once() -> None:
    twice = deepcopy(json.loads(encode_golden_run(RUN)))
    run = twice["predicate"]["configuration"][0]["annotations"][ANNOTATION]
    run["sets"] *= 2
    run["outputs"] *= 2
    twice["predicate"]["passedTests"] *= 2
    with pytest.raises(InputError) as caught:
        decode_golden_run(json.dumps(twice).encode())
    assert (caught.value.code, "twice" in caught.value.message) == ("golden_run.result", True)


@pytest.mark.parametrize(
    "path",
    [
        ("reviewed",),
        ("subject", 0, "annotations2"),
        ("predicate", "duration"),
        (*CONFIGURATION, "comment"),
        (*CONFIGURATION, "annotations", "acme"),
        ("subject", 0, "digest", "sha512"),
        (*CONFIGURATION, "digest", "gitBlob"),
    ],
)
def test_what_the_specification_leaves_open_is_ignored(path: tuple[Any, ...]) -> None:
    assert decode_golden_run(changed(path, "x")) == RUN


def test_a_configuration_needs_no_name() -> None:
    assert decode_golden_run(changed((*CONFIGURATION, "name"), ...)) == RUN


def test_nothing_is_encoded_that_nobody_could_read() -> None:
    for odd in (replace(RUN, sets=()), replace(RUN, place=replace(RUN.place, platform="x")), replace(RUN, sets=(SET, SET))):
        with pytest.raises(InputError):
            encode_golden_run(odd)


def test_an_output_is_of_no_more_sets_than_there_are() -> None:
    """Two outputs of one set are as many as one of two sets, and yet another thing."""
    one = replace(OUTPUT, sets=2, compared=8)
    with pytest.raises(InputError) as caught:
        encode_golden_run(replace(RUN, outputs=(one,)))
    assert caught.value.code == "golden_run.result"


def test_of_many_outputs_those_that_are_told_come_to_no_more_than_the_sets_say() -> None:
    told = tuple(replace(OUTPUT, name=f"y{number}") for number in range(MAX_TOLD))
    many = replace(RUN, sets=(replace(SET, outputs=1000, compared=6000),), outputs=told)
    assert decode_golden_run(encode_golden_run(many)) == many
    for less in (replace(many, sets=(replace(SET, outputs=99, compared=6000),)), replace(many, outputs=told[1:])):
        with pytest.raises(InputError) as caught:
            encode_golden_run(less)
        assert caught.value.code == "golden_run.result"
    with pytest.raises(InputError) as caught:
        encode_golden_run(replace(many, outputs=(*told, OUTPUT)))
    assert caught.value.code == "golden_run.length"


def test_the_size_is_told_of_what_is_too_large_to_be_read() -> None:
    assert size_of(RUN) == len(encode_golden_run(RUN))
    sets = tuple(replace(SET, path=PackagePath(f"golden/test_data_set_{number}")) for number in range(9_000))
    assert size_of(replace(RUN, sets=sets)) > MAX_GOLDEN_RUN_BYTES


def test_a_payload_says_what_it_calls_itself() -> None:
    data = encode_golden_run(RUN)
    assert claimed_predicate(data) is PredicateType.GOLDEN_RUN
    assert claimed_predicate(data.replace(b"test-result/v0.1", b"test-result/v0.2")) is None
    assert claimed_predicate(b'{"predicateType": "x", "y": "https://in-toto.io/attestation/test-result/v0.1"}') is None
    assert claimed_predicate(b"https://in-toto.io/attestation/test-result/v0.1") is None
    assert claimed_predicate(data + b" " * MAX_GOLDEN_RUN_BYTES) is None
