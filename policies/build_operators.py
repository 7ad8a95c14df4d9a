"""Rebuilds ``policies/operators/*.json`` and the reader's table of signatures from the schemas of the installed onnx package.

    python policies/build_operators.py            # write
    python policies/build_operators.py --check    # exit 1 when a file would change

A set is an allow list that policies name, so every operator of ONNX is put somewhere by hand below: what is not
named goes to ``inference-v1``, and the review of a new onnx version is the difference this script makes to that
file. A released set never gains an operator; it gets a successor (``inference-v2``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import onnx.defs

HERE = Path(__file__).parent / "operators"
TABLE = Path(__file__).parent.parent / "src" / "mlsign" / "onnx" / "signature_table.py"
STANDARD = "ai.onnx"

CONTROL_FLOW = ("Loop", "Scan", "SequenceMap")
RANDOM = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
QUANTIZED = (
    "ConvInteger",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
)
SEQUENCE = (
    "ConcatFromSequence",
    "Optional",
    "OptionalGetElement",
    "OptionalHasElement",
    "SequenceAt",
    "SequenceConstruct",
    "SequenceEmpty",
    "SequenceErase",
    "SequenceInsert",
    "SequenceLength",
    "SplitToSequence",
)
IN_NO_SET = (
    "ImageDecoder",  # parses compressed images: codecs are an attack surface of their own
    "NegativeLogLikelihoodLoss",  # losses are for training
    "SoftmaxCrossEntropyLoss",
)

DESCRIPTIONS = {
    "inference-v1": "Operators of ai.onnx that compute tensors from tensors, the same ones every time: arithmetic, neural "
    "network layers, shapes and text. If is here: its branches are inspected like everything else. Loop and Scan, random, "
    "quantized and sequence operators are in sets of their own; training operators and image decoding are in none. "
    "Dropout is here because exporters leave it in; it does nothing unless its training_mode input says so.",
    "ml-v1": "Classical machine learning: every operator of ai.onnx.ml.",
    "quantized-v1": "Integer and quantized arithmetic of ai.onnx.",
    "control-flow-v1": "Operators of ai.onnx that run a graph of their own as often as a value says. How long a model with "
    "them runs can depend on its input; the limits of the sandbox are the backstop.",
    "sequence-v1": "Operators of ai.onnx over sequences and optional values.",
    "random-v1": "Operators of ai.onnx whose result differs from run to run unless a seed is given: golden data cannot hold "
    "for them.",
}


def build() -> dict[str, bytes]:
    """File name to content of every generated set."""
    names: dict[str, set[str]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        names.setdefault(schema.domain or STANDARD, set()).add(schema.name)
    standard = names[STANDARD]
    named = (*CONTROL_FLOW, *RANDOM, *QUANTIZED, *SEQUENCE, *IN_NO_SET)
    gone = [name for name in named if name not in standard]
    if gone or len(set(named)) != len(named):
        raise SystemExit(f"named twice, or not an operator of onnx {onnx.__version__}: {gone}")
    sets = {
        "inference-v1": [f"{STANDARD}:{name}" for name in standard - set(named)],
        "ml-v1": [f"ai.onnx.ml:{name}" for name in names["ai.onnx.ml"]],
        "quantized-v1": [f"{STANDARD}:{name}" for name in QUANTIZED],
        "control-flow-v1": [f"{STANDARD}:{name}" for name in CONTROL_FLOW],
        "sequence-v1": [f"{STANDARD}:{name}" for name in SEQUENCE],
        "random-v1": [f"{STANDARD}:{name}" for name in RANDOM],
    }
    files = {}
    for name, operators in sets.items():
        document = {
            "schema": "mlsign/operator-set/v1",
            "name": name,
            "description": DESCRIPTIONS[name],
            "generated_from": f"onnx {onnx.__version__}",
            "operators": sorted(operators),
        }
        files[f"{name}.json"] = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    return files


TABLE_HEAD = '''"""Inputs, outputs and attributes of every operator of ONNX at every version, generated from {source} by
``policies/build_operators.py``.

A line is an operator, and after it each of its versions: ``since inputs outputs attributes``, or ``since`` alone where
the signature is that of the version before.
``S`` is a single value that must be there, ``O`` an optional one, ``V`` any number, followed by the least number of
values. An attribute is ``name:type``, with ``!`` where it must be there. ``-`` is a version from which on the operator
is withdrawn.
"""

from typing import Final

NEWEST: Final = {newest}
"""The newest version of each domain that the table knows."""

TABLE: Final = """\\
{rows}
"""
'''


def build_table() -> bytes:
    """The module with a signature for each operator and version."""
    history: dict[tuple[str, str], dict[int, str]] = {}
    newest: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        domain = schema.domain or STANDARD
        history.setdefault((domain, schema.name), {})[schema.since_version] = signature(schema)
        newest[domain] = max(newest.get(domain, 0), schema.since_version)
    newest[STANDARD] = onnx.defs.onnx_opset_version()
    rows = []
    for (domain, name), versions in sorted(history.items()):
        row, before = [f"{domain}:{name}"], ""
        for since in sorted(versions):
            row.append(f"{since} {versions[since]}" if versions[since] != before else f"{since}")
            before = versions[since]
        rows.append("|".join(row))
    spelled = "{" + ", ".join(f'"{domain}": {version}' for domain, version in sorted(newest.items())) + "}"
    return TABLE_HEAD.format(source=f"onnx {onnx.__version__}", newest=spelled, rows="\n".join(rows)).encode()


def signature(schema: onnx.defs.OpSchema) -> str:
    """One version of one operator."""
    if schema.deprecated:
        return "-"
    letters = {"Single": "S", "Optional": "O", "Variadic": "V"}
    inputs = "".join(letters[value.option.name] for value in schema.inputs) + str(schema.min_input)
    outputs = "".join(letters[value.option.name] for value in schema.outputs) + str(schema.min_output)
    attributes = (f"{name}:{a.type.value}{'!' if a.required else ''}" for name, a in sorted(schema.attributes.items()))
    return f"{inputs} {outputs} {','.join(attributes)}".rstrip()


def main() -> int:
    changed = []
    for name, content in [*build().items(), (str(TABLE), build_table())]:
        path = HERE / name
        if not path.exists() or path.read_bytes() != content:
            changed.append(name)
            if "--check" not in sys.argv[1:]:
                path.write_bytes(content)
    print(f"{len(changed)} files differ: {', '.join(changed)}" if changed else "nothing to change")
    return 1 if changed and "--check" in sys.argv[1:] else 0


if __name__ == "__main__":
    sys.exit(main())
