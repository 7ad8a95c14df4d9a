"""What a worker is warmed up with where nobody chose anything."""

import numpy as np

from mlsign.interface import TypeSpec, ValueKind, ValueSpec
from mlsign.sandbox.pool.warm import zeros
from mlsign.sandbox.tensors import check_feeds
from mlsign.tensors.dtypes import DTYPES, RAW_DTYPES


def tensor(element: str, shape) -> TypeSpec:
    return TypeSpec(kind=ValueKind.TENSOR, element=element, shape=shape)


def inputs(*types: TypeSpec) -> tuple[ValueSpec, ...]:
    return tuple(ValueSpec(name=f"i{index}", type=type_) for index, type_ in enumerate(types))


def test_every_element_has_zeros_that_the_model_takes():
    specs = inputs(*(tensor(element, ("n", None, 3)) for element in (*DTYPES, *RAW_DTYPES, "string")))
    made = zeros(specs)
    check_feeds(made, inputs=specs)
    assert {array.shape for array in made.values()} == {(1, 1, 3)}
    assert not any(np.any(array) for array in made.values() if array.dtype != object)


def test_scalars_empties_and_shapes_that_say_nothing():
    specs = inputs(tensor("float", ()), tensor("float", (0, 2)), tensor("float", None))
    made = zeros(specs)
    assert [array.shape for array in made.values()] == [(), (0, 2), (1,)]
    check_feeds(made, inputs=specs)


def test_what_may_be_empty_is():
    sequence = TypeSpec(kind=ValueKind.SEQUENCE, inner=tensor("float", ("n",)))
    specs = inputs(sequence, TypeSpec(kind=ValueKind.OPTIONAL, inner=tensor("float", ("n",))))
    assert zeros(specs) == {"i0": [], "i1": None}
    check_feeds(zeros(specs), inputs=specs)


def test_nothing_is_made_up_for_what_is_not_known():
    table = TypeSpec(kind=ValueKind.MAP, element="int64", inner=tensor("float", ()))
    assert zeros(inputs(tensor("float", (1,)), table)) is None
    assert zeros(inputs(tensor("undefined", (1,)))) is None
    assert zeros(inputs(TypeSpec(kind=ValueKind.SPARSE_TENSOR, element="float", shape=(1,)))) is None
