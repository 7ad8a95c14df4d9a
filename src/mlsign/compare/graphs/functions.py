"""Functions of two models: which one is which, and what is different about them beside their nodes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mlsign.compare.facts import FieldChange, compare_opsets
from mlsign.compare.graphs.bodies import Body, function_body
from mlsign.compare.graphs.keys import FunctionKey, Keys, function_key
from mlsign.onnx.records import FunctionRecord, ModelRecord, NodeRecord
from mlsign.words import counted


def functions_of(model: ModelRecord) -> dict[FunctionKey, FunctionRecord]:
    return {function_key(function): function for function in model.functions}


def matched_functions(
    before: Mapping[FunctionKey, FunctionRecord], after: Mapping[FunctionKey, FunctionRecord], keys: tuple[Keys, Keys]
) -> dict[FunctionKey, FunctionKey]:
    """Which function is which: those of one name that do the same, then those that alone do the same, then those of one name."""
    does = ({key: keys[0].structure(key) for key in before}, {key: keys[1].structure(key) for key in after})
    pairs = {key: key for key in before if key in after and does[0][key] == does[1][key]}
    left = {key: does[0][key] for key in before if key not in pairs}
    there = {key: does[1][key] for key in after if key not in pairs}
    lone = _lone_numbers(left), _lone_numbers(there)
    pairs.update({key: lone[1][number] for number, key in lone[0].items() if number in lone[1]})
    taken = set(pairs.values())
    pairs.update({key: key for key in before if key not in pairs and key in after and key not in taken})
    return pairs


def _lone_numbers(does: Mapping[FunctionKey, int]) -> dict[int, FunctionKey]:
    count = Counter(does.values())
    return {number: key for key, number in does.items() if count[number] == 1}


def named(key: FunctionKey) -> str:
    return ":".join(part for part in key if part)


def changed_signature(before: FunctionRecord, after: FunctionRecord) -> Iterator[FieldChange]:
    """What a function takes and gives where that is something else; the names of inputs and outputs say nothing."""

    def spell(function: FunctionRecord) -> str:
        attributes = _attributes(function)
        told = f"{counted(len(attributes), 'attribute')}: {', '.join(attributes)}" if attributes else "no attributes"
        return f"{counted(len(function.inputs), 'input')}, {counted(len(function.outputs), 'output')}, {told}"

    name = f"function {named(function_key(after))}"
    sizes = ((len(each.inputs), len(each.outputs), _attributes(each)) for each in (before, after))
    if next(sizes) != next(sizes):
        yield FieldChange(field=name, before=spell(before), after=spell(after))
    for change in compare_opsets(before.opsets, after.opsets):
        yield FieldChange(field=f"{name} opset {change.field}", before=change.before, after=change.after)


def _attributes(function: FunctionRecord) -> list[str]:
    return sorted((*function.attributes, *(each.name for each in function.defaults)))


def defaults_body(function: FunctionRecord) -> Body:
    """The values that a function has for attributes, as a call that gives them."""
    call = NodeRecord(
        name="",
        domain=function.domain,
        operator=function.name,
        overload=function.overload,
        inputs=(),
        outputs=(),
        attributes=function.defaults,
    )
    alone = replace(function, inputs=(), outputs=(), nodes=(call,), notes=None, value_notes=())
    return function_body(alone, where=f"function {named(function_key(function))} defaults")


def defined_twice(model: ModelRecord) -> list[str]:
    """Functions of which runtimes may take any of several."""
    count = Counter(map(function_key, model.functions))
    return [named(key) for key, number in count.items() if number > 1]
