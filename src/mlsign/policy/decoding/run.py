"""The ``model.run`` and ``model.limits`` sections of a policy."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mlsign.policy.decoding.fields import PolicyFields, read_bytes, read_choice, read_integer, refusal
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.model import RunSettings, Unbounded

MAX_COUNT: Final = 10**18
MAX_OPEN_DIMENSION: Final = 1_000_000

LIMITS: Final = MappingProxyType(
    {
        "nodes": "max_nodes",
        "edges": "max_edges",
        "graphs": "max_graphs",
        "functions": "max_functions",
        "expanded_nodes": "max_expanded_nodes",
        "graph_depth": "max_graph_depth",
        "type_depth": "max_type_depth",
        "tensors": "max_tensors",
        "sparse_elements": "max_sparse_elements",
        "sparse_indices": "max_sparse_indices",
        "attributes": "max_attributes",
        "dimensions": "max_dimensions",
        "fields": "max_fields",
        "name_bytes": "max_name_bytes",
        "skeleton_bytes": "max_skeleton_bytes",
        "model_bytes": "max_model_bytes",
        "evaluations": "max_evaluations",
    }
)
"""What a policy may tighten: its name there, and in ``Limits``."""
_BYTES: Final = frozenset(("name_bytes", "skeleton_bytes", "model_bytes"))


def decode_run(node: Node, path: str) -> RunSettings:
    """Caps on one run; what is left out has the default, which denies."""
    names = ("max_bytes", "max_steps", "max_operations", "open_dimension", "unknown_sizes", "unknown_turns")
    fields = PolicyFields(node, path=path, names=names)
    default = RunSettings()
    max_bytes = fields.optional("max_bytes", lambda n, p: read_bytes(n, p, minimum=0))
    steps = fields.optional("max_steps", lambda n, p: read_integer(n, p, minimum=1, maximum=MAX_COUNT))
    operations = fields.optional("max_operations", lambda n, p: read_integer(n, p, minimum=1, maximum=MAX_COUNT))
    size = fields.optional("open_dimension", lambda n, p: read_integer(n, p, minimum=1, maximum=MAX_OPEN_DIMENSION))
    sizes = fields.optional("unknown_sizes", lambda n, p: read_choice(n, p, Unbounded))
    turns = fields.optional("unknown_turns", lambda n, p: read_choice(n, p, Unbounded))
    return RunSettings(
        max_bytes=default.max_bytes if max_bytes is None else max_bytes,
        max_steps=steps or default.max_steps,
        max_operations=operations or default.max_operations,
        open_dimension=size or default.open_dimension,
        unknown_sizes=sizes or default.unknown_sizes,
        unknown_turns=turns or default.unknown_turns,
    )


def decode_limits(node: Node, path: str) -> MappingProxyType[str, int]:
    """Tighter numbers for what reading a model may cost, by their names in ``Limits``."""
    fields = PolicyFields(node, path=path, names=tuple(LIMITS))
    out: dict[str, int] = {}
    for name, target in LIMITS.items():
        value = fields.optional(
            name,
            (lambda n, p: read_bytes(n, p, minimum=1)) if name in _BYTES else (lambda n, p: read_integer(n, p, minimum=1)),
        )
        if value is not None:
            out[target] = value
    if not out:
        raise refusal("sets no limit", node.place, path, code="model.limits", hint="leave it out, or set one of its fields")
    return MappingProxyType(out)
