"""Inputs that no file of arrays holds: whoever gives an ``.npz`` is told what to give."""

import numpy as np
import pytest

from mlsign.errors import InputError
from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.sandbox.tensors import check_feeds

FLOATS = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(None,))
ONE = TypeSpec(kind=ValueKind.TENSOR, element="float", shape=())
MAP = TypeSpec(kind=ValueKind.MAP, element="string", inner=ONE)
SEQUENCE = TypeSpec(kind=ValueKind.SEQUENCE, inner=FLOATS)


@pytest.mark.parametrize("type_", [MAP, SEQUENCE, TypeSpec(kind=ValueKind.OPTIONAL, inner=SEQUENCE)])
def test_an_array_for_a_map_or_a_sequence_points_to_json(type_):
    inputs = (ValueSpec(name="x", type=type_),)
    with pytest.raises(InputError) as caught:
        check_feeds({"x": np.zeros(2, np.float32)}, inputs=inputs)
    assert (caught.value.code, ".json" in caught.value.hint) == ("input.dtype", True)
    with pytest.raises(InputError) as caught:
        check_feeds({"x": "text"}, inputs=inputs)
    assert (caught.value.code, caught.value.hint) == ("input.dtype", "")
