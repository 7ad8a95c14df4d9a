"""Fuzz target: signed golden runs. Only ``InputError`` may escape, and what is read is what the document says."""

import random

from json_tree import STRINGS, bent
from oracles import check_refusal, plain_json

from mlsign.errors import InputError
from mlsign.formats.golden_run import ANNOTATION, SCHEMA, GoldenRunStatement, decode_golden_run, encode_golden_run
from mlsign.limits import Limits

FIELDS = (
    *("_type", "predicateType", "subject", "predicate", "name", "digest", "sha256", "result", "configuration", "annotations"),
    *(
        "passedTests",
        "warnedTests",
        "failedTests",
        "url",
        ANNOTATION,
        "schema",
        "ran",
        "mlsign",
        "platform",
        "processor",
        "runtime",
    ),
    *("version", "threads", "confinement", "wall", "layers", "sets", "path", "rtol", "atol", "outcome", "outputs", "compared"),
    *("unequal", "too_far", "absolute", "relative", "ulps", "worst"),
)
VALUES = (
    *("https://in-toto.io/Statement/v1", "https://in-toto.io/attestation/test-result/v0.1", SCHEMA, "PASSED", "FAILED", "WARNED"),
    *("passed", "failed", "unknown", "linux/amd64", "linux/arm64", "golden/test_data_set_0", "onnxruntime", "ab" * 32),
)
WORDS = tuple(f'"{word}"'.encode() for word in (*FIELDS, *VALUES, *STRINGS) if word.isascii() and word.isprintable())
TIGHT = Limits(max_json_depth=9, max_json_values=60)


def decoded(data: bytes, *, limits: Limits) -> GoldenRunStatement | None:
    try:
        return decode_golden_run(data, limits=limits)
    except InputError as err:
        check_refusal(err)
        return None


def check(data: bytes) -> None:
    """Decodes ``data`` as a statement, with wide and with tight limits, and holds it against another reader of JSON."""
    run = decoded(data, limits=Limits())
    assert decoded(data, limits=TIGHT) in (None, run)
    if run is None:
        return
    assert decode_golden_run(encode_golden_run(run)) == run
    given = plain_json(data)
    predicate = given["predicate"]
    ours = predicate["configuration"][0]["annotations"][ANNOTATION]
    # Whoever reads the fields of the specification alone comes to the same as a policy.
    assert (predicate["result"] == "PASSED") is run.passed
    assert bool(predicate["failedTests"]) is not run.passed
    assert sorted((*predicate["passedTests"], *predicate["failedTests"])) == sorted(str(found.path) for found in run.sets)
    assert run.subject.hex == given["subject"][0]["digest"]["sha256"]
    assert run.manifest.hex == predicate["configuration"][0]["digest"]["sha256"]
    assert (run.place.platform, run.place.runtime) == (ours["platform"], ours["runtime"]["name"])
    # A set that passed compared something, and nothing that is told of an output is of no set.
    assert all(found.compared and found.outputs for found in run.sets if str(found.path) in predicate["passedTests"])
    assert sum(told["compared"] for told in ours["outputs"]) <= sum(found.compared for found in run.sets)
    assert [(found.rtol, found.atol) for found in run.sets] == [(each["rtol"], each["atol"]) for each in ours["sets"]]


def mutate(data: bytes, rng: random.Random) -> bytes:
    return bent(data, rng, words=(*FIELDS, *VALUES, *STRINGS))


if __name__ == "__main__":
    from engine import fuzz

    fuzz("golden_run")
