"""What a worker says before it has seen anything of a model, read by a parent that believes none of it."""

import pytest

from mlsign.errors import JailError
from mlsign.sandbox.handshake import decode_confined
from mlsign.sandbox.runtimes import RuntimeName
from mlsign.strict import encode_json

HONEST = {
    "layers": [
        {"name": "seccomp", "in_force": True, "detail": "allowlist"},
        {"name": "landlock", "in_force": False, "detail": ""},
    ],
    "runtime": "onnxruntime",
    "version": "1.32.0",
    "threads": 2,
}


def test_an_honest_report_is_taken():
    found = decode_confined(encode_json(HONEST), runtime=RuntimeName.ONNXRUNTIME)
    assert (found.version, found.threads) == ("1.32.0", 2)
    assert [(layer.name, layer.in_force) for layer in found.layers] == [("seccomp", True), ("landlock", False)]


def test_one_of_another_runtime_than_was_asked_for_is_refused():
    with pytest.raises(JailError) as caught:
        decode_confined(encode_json(HONEST), runtime=RuntimeName.REFERENCE)
    assert (caught.value.code, caught.value.expected, caught.value.found) == ("sandbox.frame", "reference", "onnxruntime")


@pytest.mark.parametrize(
    "change",
    [
        {"runtime": "other"},
        {"runtime": 1},
        {"version": ""},
        {"version": "1" * 101},
        {"version": None},
        {"threads": 0},
        {"threads": True},
        {"threads": "2"},
        {"layers": {}},
        {"layers": ["seccomp"]},
        {"layers": [{"name": "seccomp", "in_force": 1, "detail": ""}]},
        {"layers": HONEST["layers"] * 51},
        {"more": 1},
    ],
    ids=str,
)
def test_a_report_that_says_anything_else_is_refused(change):
    with pytest.raises(JailError) as caught:
        decode_confined(encode_json(HONEST | change), runtime=RuntimeName.ONNXRUNTIME)
    assert caught.value.code == "sandbox.frame"


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"threads":2}', encode_json(HONEST) + b" ", b"\xff"])
def test_what_is_no_report_is_refused(body):
    with pytest.raises(JailError) as caught:
        decode_confined(body, runtime=RuntimeName.ONNXRUNTIME)
    assert caught.value.code == "sandbox.frame"
