"""What a log says of a change, in one line that stays short."""

from dataclasses import replace

import pytest

from mlsign.compare.facts import FieldChange, FileChanges
from mlsign.compare.releases import Bytes, ReleaseChange
from mlsign.interface import OperatorId
from mlsign.report.log.words import change_words

NOTHING = ReleaseChange(
    model=Bytes.SAME,
    weights=Bytes.SAME,
    added=(),
    removed=(),
    counts=0,
    opsets=(),
    breaking=0,
    compatible=0,
    parameters=(1, 1),
    files=FileChanges(added=(), removed=(), changed=()),
    allowed=(),
    disallowed=(),
)


@pytest.mark.parametrize(
    ("model", "weights", "words"),
    [
        (Bytes.SAME, Bytes.SAME, "model and weights are the same bytes"),
        (Bytes.SAME, Bytes.NONE, "model and weights are the same bytes"),
        (Bytes.SAME, Bytes.CHANGED, "weights changed, the model file is the same bytes"),
        (Bytes.CHANGED, Bytes.NONE, "the model file changed, which the weights are in"),
        (Bytes.CHANGED, Bytes.SAME, "the model file changed, weights in other files did not"),
        (Bytes.CHANGED, Bytes.CHANGED, "the model file and weights changed"),
        (
            Bytes.CHANGED,
            Bytes.UNKNOWN,
            "whether model and weights changed cannot be told: the digests are of different algorithms",
        ),
        (Bytes.UNKNOWN, Bytes.SAME, "whether model and weights changed cannot be told: the digests are of different algorithms"),
    ],
)
def test_bytes(model, weights, words):
    assert change_words(replace(NOTHING, model=model, weights=weights)) == words


def test_everything_else():
    change = replace(
        NOTHING,
        added=tuple(OperatorId("d", f"Op{number}") for number in range(9)),
        counts=1,
        opsets=(FieldChange(field="ai.onnx", before="17", after=None),),
        breaking=1,
        compatible=1,
        parameters=(1, 2000),
        files=FileChanges(added=("a\x1b",), removed=("b",), changed=("c",)),
        disallowed=(OperatorId("d", "Gone"),),
    )
    assert change_words(change).split("; ") == [
        "model and weights are the same bytes",
        "operators +d:Op0, +d:Op1, +d:Op2, +d:Op3, +d:Op4, +d:Op5 and 3 more",
        "1 operator in other numbers",
        "opsets ai.onnx 17 to none",
        "interface: 1 breaking, 1 compatible change",
        "parameters 1 to 2,000",
        "files +a\\u{1b}, -b, ~c",
        "allows -d:Gone",
    ]
