"""A model, and everything else that a report shows, full of what would be script or markup in a page that escapes badly."""

import hashlib
import json
import shutil
from pathlib import Path

from making import canonical, make_package, put_signatures, statement_over
from onnx import TensorProto, helper

WORDS = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    '"><img src=x onerror=alert(3)>',
    "'><svg/onload=alert(4)>",
    "javascript:alert(5)",
    "</title></style><iframe src=https://example.org/>",
    "<!--",
    "-->",
    "]]>",
    "{{7*7}}${7*7}",
    "a\u202eb\u2066c",
    "line\u2028sep\u2029",
    "tab\tnew\nline\r",
    "nul\x01\x1b[31m",
    "😀🏴\U000e0067",
    "NUL@@@SUR",
    "__proto__",
    "constructor",
)
"""``@@@`` becomes a lone surrogate, which no text can hold, in the bytes of the model."""
_SURROGATE = b"\xed\xa0\x80"


def hostile_model() -> bytes:
    """Each word as a name of everything, and one name of nearly a megabyte in parts that the limits let through."""
    nodes, functions, tensors, opsets = [], [], [], []
    inputs = [helper.make_tensor_value_info(f"in{word}", TensorProto.FLOAT, [f"d{word}", 2]) for word in WORDS]
    for index, word in enumerate(WORDS):
        name = f"{word}{index}"
        body = helper.make_graph(
            [helper.make_node("Identity", [f"in{word}"], [f"inner{name}"], name=word)],
            word,
            [],
            [helper.make_tensor_value_info(f"inner{name}", TensorProto.FLOAT, None)],
            doc_string=word,
        )
        node = helper.make_node(
            word,
            [f"in{word}", f"t{name}"],
            [f"out{name}"],
            name=name,
            domain=name,
            doc_string=word,
            **{word: word, f"b{word}": body},
        )
        node.attribute.extend([helper.make_attribute(f"s{word}", list(WORDS)), helper.make_attribute(f"n{word}", [1.5] * 40)])
        nodes.append(node)
        tensors.append(helper.make_tensor(f"t{name}", TensorProto.FLOAT, [2], [float("nan"), 1.0]))
        functions.append(
            helper.make_function(
                f"f{name}",
                word or "f",
                [f"x{word}"],
                [f"y{word}"],
                [helper.make_node("Identity", [f"x{word}"], [f"y{word}"], name=word)],
                [helper.make_opsetid("", 17)],
            )
        )
        opsets.append(helper.make_opsetid(name, 1))
    long = "<script>alert(9)</script>" * 2600  # just below what a name may have
    nodes.append(helper.make_node("Concat", ["a" + long], ["b" + long], name=long, axis=0))
    outputs = [helper.make_tensor_value_info(f"out{word}{index}", TensorProto.FLOAT, None) for index, word in enumerate(WORDS)]
    graph = helper.make_graph(nodes, WORDS[0], inputs, outputs, tensors, doc_string=WORDS[1])
    model = helper.make_model(graph, functions=functions, opset_imports=[helper.make_opsetid("", 17), *opsets], ir_version=8)
    model.producer_name, model.producer_version, model.domain, model.doc_string = (
        WORDS[2],
        WORDS[0],
        WORDS[1],
        "d" * 1_000_000 + WORDS[0],
    )
    for word in WORDS:
        model.metadata_props.add(key=word, value=word)
    external = TensorProto(name="ext", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    external.external_data.add(key="location", value="<img src=x onerror=alert(6)>")
    model.graph.initializer.append(external)
    return model.SerializeToString().replace(b"@@@", _SURROGATE)


def hostile_package(folder: Path, signers: list) -> Path:
    """A package whose files, manifest and signatures have such names, signed over as it then is."""
    package = make_package(folder, name="fraud-1.2.0")
    manifest = json.loads((package / "mlsign.json").read_bytes())
    extra = [
        f"docs/{word}"
        for word in (
            "&lt;script&gt;",
            "' onload='alert(1)",
            "&#60;img src=x onerror=alert(1)&#62;",
            "javascript&colon;alert(5)",
            "😀${7}",
        )
    ]
    for name in extra:
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        digest = hashlib.sha256(name.encode()).hexdigest()
        manifest["files"].append({"path": name, "size": len(name.encode()), "digest": f"sha256:{digest}", "role": "document"})
    manifest["files"].sort(key=lambda entry: entry["path"])
    manifest["description"] = WORDS[1] + WORDS[2]
    manifest["license"] = "MIT"
    manifest["provenance"] = {
        "source_repository": WORDS[4],
        "builder": WORDS[2],
        "tools": dict.fromkeys(WORDS[:6], WORDS[1]),
        "training_data": [{"uri": word} for word in WORDS[:6]],
    }
    (package / "mlsign.json").write_bytes(canonical(manifest))
    shutil.rmtree(package / "signatures", ignore_errors=True)
    put_signatures(package, canonical(statement_over(package)), signers)
    (package / "signatures" / "<script>alert(8)<").write_bytes(b"{}")
    (package / "signatures" / 'a"><img src=x onerror=alert(7)>').write_bytes(b"<script>alert(1)</script>")
    return package
