"""A model in ONNX's own textual syntax, without its weights: one node a line, the same text for the same structure.

``onnx.parser.parse_model`` reads it back, but for what the syntax has no words for. Where something is left out or cannot be
said, a comment on the same line says so. Names of operators, domains, overloads and attributes have no quotes in the syntax: odd ones
stand in quotes all the same, and the parser refuses them rather than reading another name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from mlsign.interface import ONNX_DOMAIN, OpsetImport, ValueSpec
from mlsign.onnx.records import AttributeRecord, FunctionRecord, GraphRecord, ModelRecord, NodeRecord, SparseRecord, TensorRecord
from mlsign.onnx.types import UNTYPED
from mlsign.report.onnx.attributes import attribute_head, attribute_word, holds_graphs, sparse_words, tensor_word
from mlsign.report.onnx.values import MAX_ELEMENTS, values_words
from mlsign.report.onnx.words import is_bare, is_word, name, quoted, string, type_word
from mlsign.words import counted

_STEP: Final = "  "

_Setting: TypeAlias = tuple[str, list[str], list[str]]
"""A key, its value in one or more lines, and notes."""
_Row: TypeAlias = tuple[str, list[str]]
"""An item of a list and notes; without text it is only its notes."""


def render_onnx(model: ModelRecord) -> Iterator[str]:
    """The lines of the text, without their ends."""
    yield f"# values of tensors of more than {MAX_ELEMENTS} elements are left out"
    if model.noted:
        what = counted(model.noted, "part")
        yield f"# {what} of the model say more in doc strings, properties or annotations, left out where the syntax has no words for them"
    if model.has_training:
        yield "# the model has training information, which is left out"
    yield from _settings(
        [
            ("ir_version", [str(model.ir_version)], []),
            ("opset_import", [_opsets(model.opsets)], []),
            *_texts(
                ("producer_name", model.producer_name), ("producer_version", model.producer_version), ("domain", model.domain)
            ),
            *([("model_version", [str(model.model_version)], [])] if model.model_version else []),
            *_texts(("doc_string", model.doc)),
            *_metadata(model.metadata),
        ]
    )
    yield from _graph(model.graph, pad="")
    for function in model.functions:
        yield ""
        yield from _function(function)


def _settings(settings: list[_Setting]) -> Iterator[str]:
    yield "<"
    for index, (key, value, notes) in enumerate(settings):
        comma = "," if index < len(settings) - 1 else ""
        lines = [f"{_STEP}{key}: {value[0]}", *value[1:]]
        yield from lines[:-1]
        yield lines[-1] + comma + remark(notes)
    yield ">"


def _texts(*pairs: tuple[str, str]) -> list[_Setting]:
    out: list[_Setting] = []
    for key, value in pairs:
        notes: list[str] = []
        if value:
            out.append((key, [string(value, key, notes)], notes))
    return out


def _metadata(pairs: Sequence[tuple[str, str]]) -> list[_Setting]:
    if not pairs:
        return []
    rows: list[_Row] = []
    for key, value in pairs:
        notes: list[str] = []
        rows.append((f"{quoted(key)}: {string(value, 'the value', notes)}", notes))
    return [("metadata_props", ["[", *_rows(rows, pad=_STEP * 2), f"{_STEP}]"], [])]


def _opsets(opsets: Iterable[OpsetImport]) -> str:
    return "[" + ", ".join(f"{quoted('' if o.domain == ONNX_DOMAIN else o.domain)}: {o.version}" for o in opsets) + "]"


def remark(notes: Sequence[str]) -> str:
    """Notes as the comment that ends a line; each is ours, with foreign text in quotes."""
    return f"  # {'; '.join(notes)}" if notes else ""


def _rows(rows: Sequence[_Row], *, pad: str) -> Iterator[str]:
    """One item a line, commas between; an item without text is only its notes."""
    last = max((index for index, (text, _) in enumerate(rows) if text), default=-1)
    for index, (text, notes) in enumerate(rows):
        yield f"{pad}{text}{',' if index < last else ''}{remark(notes)}" if text else f"{pad}{remark(notes).strip()}"


def _graph(graph: GraphRecord, *, pad: str, head: str = "", tail: str = "") -> Iterator[str]:
    """A graph between ``head`` and ``tail``, which are what stands around one in an attribute.

    There the syntax has no quotes for its name, which means nothing to a runtime: an odd one is in the comment.
    """
    notes: list[str] = []
    title = name(graph.name)
    if head and not is_bare(graph.name):
        title = "graph"
        notes.append(f"the name of this graph is {quoted(graph.name)}")
    if graph.doc:
        notes.append(f"doc_string: {string(graph.doc, 'doc_string', notes)}")
    rows = [_initializer(tensor) for tensor in graph.initializers]
    rows += [_sparse(sparse) for sparse in graph.sparse_initializers]
    rows += [_value(spec) for spec in graph.values]
    groups = [[_value(spec) for spec in graph.inputs], [_value(spec) for spec in graph.outputs]]
    yield from _body(f"{head}{title} ".lstrip(), groups, rows, notes, graph.nodes, pad=pad, tail=tail)


def _function(function: FunctionRecord) -> Iterator[str]:
    yield from _settings(
        [
            ("domain", [quoted(function.domain)], []),
            *_texts(("overload", function.overload)),
            ("opset_import", [_opsets(function.opsets)], []),
            *_texts(("doc_string", function.doc)),
        ]
    )
    head = f"{name(function.name)} "
    defaults = function.defaults
    if any(holds_graphs(attribute) for attribute in defaults):
        yield f"{head}<"
        yield from (f"{_STEP}{name(word)}," for word in function.attributes)
        yield from _attributes(defaults, pad=_STEP)
        head = "> "
    elif function.attributes or defaults:
        notes: list[str] = []
        words = [*map(name, function.attributes), *(attribute_word(attribute, notes) for attribute in defaults)]
        yield f"{head}<{', '.join(filter(None, words))}>{remark(notes)}"
        head = ""
    groups = [[(name(word), list[str]()) for word in names] for names in (function.inputs, function.outputs)]
    yield from _body(head, groups, [_value(spec) for spec in function.values], [], function.nodes, pad="", tail="")


def _body(
    head: str,
    groups: Sequence[Sequence[_Row]],
    rows: Sequence[_Row],
    notes: list[str],
    nodes: Iterable[NodeRecord],
    *,
    pad: str,
    tail: str,
) -> Iterator[str]:
    """What it takes and gives, the values between, and the nodes. A list of several values has a line for each."""
    line, between = f"{pad}{head}", ""
    for group in groups:
        line += between
        if len(group) > 1 or any(told for _, told in group):
            yield f"{line}("
            yield from _rows(group, pad=pad + _STEP)
            line = f"{pad})"
        else:
            line += f"({''.join(text for text, _ in group)})"
        between = " => "
    yield f"{line}{'' if rows else ' {'}{remark(notes)}"
    if rows:
        yield f"{pad}<"
        yield from _rows(rows, pad=pad + _STEP)
        yield f"{pad}>"
        yield f"{pad}{{"
    for node in nodes:
        yield from _node(node, pad=pad + _STEP)
    yield f"{pad}}}{tail}"


def _value(spec: ValueSpec) -> _Row:
    """A name and its type, where there is one that can be said."""
    word = type_word(spec.type)
    notes = [] if word or spec.type == UNTYPED else [f"its type is {quoted(str(spec.type))}"]
    return f"{word} {name(spec.name)}" if word else name(spec.name), notes


def _initializer(tensor: TensorRecord) -> _Row:
    notes: list[str] = []
    word = tensor_word(tensor)
    if word is None:
        return "", [f"initializer {quoted(tensor.name)} of an unknown type is left out"]
    return f"{word} {name(tensor.name)} = {values_words(tensor, '', notes)}", notes


def _sparse(sparse: SparseRecord) -> _Row:
    return "", [f"sparse initializer {quoted(sparse.name)} is left out: {sparse_words(sparse)}"]


def _node(node: NodeRecord, *, pad: str) -> Iterator[str]:
    notes: list[str] = []
    label = f"[{name(node.name)}] " if node.name else ""
    outputs = ", ".join(map(name, node.outputs))
    head = f"{pad}{label}{outputs}{' ' if outputs else ''}= {_called(node)}"
    inputs = f" ({', '.join(map(name, node.inputs))})"
    if any(holds_graphs(attribute) for attribute in node.attributes):
        yield f"{head}{inputs} <"
        yield from _attributes(node.attributes, pad=pad + _STEP)
        yield f"{pad}>"
        return
    words = ", ".join(word for attribute in node.attributes if (word := attribute_word(attribute, notes)))
    yield f"{head}{f' <{words}>' if words else ''}{inputs}{remark(notes)}"


def _called(node: NodeRecord) -> str:
    """Domain, operator and overload. The syntax has no quotes for them, so the parser refuses odd ones."""
    domain = node.domain if all(map(is_word, node.domain.split("."))) else quoted(node.domain)
    operator = node.operator if is_word(node.operator) else quoted(node.operator)
    overload = node.overload if is_word(node.overload) else quoted(node.overload)
    return f"{f'{domain}.' if node.domain else ''}{operator}{f':{overload}' if node.overload else ''}"


def _attributes(attributes: Sequence[AttributeRecord], *, pad: str) -> Iterator[str]:
    """One attribute a line, graphs in lines of their own."""
    said: list[tuple[AttributeRecord, str, list[str]]] = []
    for attribute in attributes:
        notes: list[str] = []
        word = "" if holds_graphs(attribute) else attribute_word(attribute, notes)
        said.append((attribute, word, notes))
    last = max((index for index, (attribute, word, _) in enumerate(said) if word or holds_graphs(attribute)), default=-1)
    for index, (attribute, word, notes) in enumerate(said):
        comma = "," if index < last else ""
        if holds_graphs(attribute):
            yield from _graphs(attribute, pad=pad, comma=comma)
        else:
            yield f"{pad}{word}{comma}{remark(notes)}" if word else f"{pad}{remark(notes).strip()}"


def _graphs(attribute: AttributeRecord, *, pad: str, comma: str) -> Iterator[str]:
    head = f"{attribute_head(attribute)} = "
    if isinstance(attribute.value, GraphRecord):
        yield from _graph(attribute.value, pad=pad, head=head, tail=comma)
        return
    graphs = [item for item in attribute.value if isinstance(item, GraphRecord)] if isinstance(attribute.value, tuple) else []
    yield f"{pad}{head}["
    for index, graph in enumerate(graphs):
        yield from _graph(graph, pad=pad + _STEP, head=" ", tail="," if index < len(graphs) - 1 else "")
    yield f"{pad}]{comma}"
