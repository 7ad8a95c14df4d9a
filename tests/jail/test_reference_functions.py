"""Functions in models on the reference evaluator: what it makes of their names, and of what calls leave out."""

import numpy as np
import pytest
from jail_models import X, graph_model, tensor
from onnx import ModelProto, helper
from test_reference_hostile import REFERENCE, branch_of, refused


def test_an_attribute_of_a_call_does_not_take_the_place_of_what_makes_up_the_evaluator(memory):
    """``impl`` would put a subgraph in the place of what the function does, by the name of ``_run_impl``."""
    for name in ("_run_impl", "impl", "run", "parent"):
        model = calling(negation())
        model.graph.node[0].attribute.append(helper.make_attribute(name, branch_of("z")))
        assert "a name of the evaluator" in refused(memory, model).message


def negation(name: str = "F", *, domain: str = "own", **more):
    return helper.make_function(
        domain, name, ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], [helper.make_opsetid("", 17)], **more
    )


def calling(*functions) -> ModelProto:
    model = graph_model([helper.make_node("F", ["x"], ["y"], domain="own")], [tensor("x")], [tensor("y")])
    model.functions.extend(functions)
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model


@pytest.mark.parametrize("name", ["__dict__", "__class__", "run_params", "op_type", "_run", "impl"])
def test_an_attribute_of_a_function_is_not_read_from_there(memory, name):
    """The evaluator would read it from its own object where the call has no such attribute."""
    assert "a name of the evaluator" in refused(memory, calling(negation(attributes=[name]))).message


def test_a_function_with_the_name_of_an_operator_does_not_loosen_what_is_refused(memory):
    """The evaluator runs its own operator all the same."""
    for name in ("f", "g", "choose_act"):
        model = graph_model([helper.make_node("RNN", ["x"], ["y"], hidden_size=1)], [tensor("x")], [tensor("y")])
        model.graph.node[0].attribute.append(helper.make_attribute(name, "id"))
        model.functions.append(negation("RNN", domain=""))
        assert "a name of the evaluator" in refused(memory, model).message


def test_functions_that_differ_in_their_overload_are_refused_instead_of_mistaken(memory):
    second = negation()
    second.overload = "other"
    assert "overloads" in refused(memory, calling(negation(), second)).message


def test_defaults_of_functions_that_are_graphs_with_calls_of_it_are_not_followed(memory, start):
    """Taken for granted in each call, they would have calls in them that lack them, without end."""
    inner = helper.make_graph([helper.make_node("F", ["x"], ["z"], domain="own")], "g", [], [tensor("z")])
    one, many = helper.make_attribute("one", inner), helper.make_attribute("many", [inner])
    jail = start(calling(negation(attribute_protos=[one, many])), runtime=REFERENCE)
    assert np.array_equal(jail.run({"x": X})["y"], -X)
