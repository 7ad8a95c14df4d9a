"""Model cards: what they say, and that nothing foreign in them is markup, HTML, a link, or the end of their head."""

from __future__ import annotations

import dataclasses
import re
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

from mlsign.actions.inspection.claimed_signers import ClaimedSigner
from mlsign.actions.inspection.describe import Description
from mlsign.digest import decode_digest
from mlsign.formats.manifest import (
    FileEntry,
    GoldenInputs,
    GoldenSet,
    MadeBy,
    Manifest,
    ModelFacts,
    Previous,
    Provenance,
    Role,
    TrainingData,
)
from mlsign.interface import OperatorId, OperatorUse, OpsetImport, TypeSpec, ValueKind, ValueSpec
from mlsign.paths import PackagePath
from mlsign.report.model_card import render_card
from mlsign.version import decode_version

DIGEST = decode_digest("sha256:" + "ab" * 32)
HOSTILE = [
    "](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a|b|c",
    "``` \n# boo",
    "`x` **bold** _it_ ~~s~~",
    "---\nlicense: mit\n---",
    "https://evil.example www.evil.example a@b.example",
    "<https://evil.example>",
    "[x]: https://evil.example",
    "\x1b[31m\u202e\u2028\x00",
    "&lt;b&gt; &#106;",
    "    indented",
    "1. one\n- two\n> three\n=== \n***",
    "\\",
    "::error::x ##[error]x",
    '" \\" \' : # {} [] & * ! %',
]


def card(manifest, *signers):
    return render_card(Description(manifest=manifest, signers=signers))


def made(text="plain", **fields):
    spec = ValueSpec(name=text, type=TypeSpec(kind=ValueKind.TENSOR, element="float", shape=(text or None, 4)))
    model = ModelFacts(
        path=PackagePath("model.onnx"),
        ir_version=8,
        opsets=(OpsetImport("ai.onnx", 17), OpsetImport(text, 1)),
        inputs=(spec,),
        outputs=(spec, spec),
        operators=(OperatorUse(OperatorId("ai.onnx", "Gemm"), 1200), OperatorUse(OperatorId(text, text), 1)),
        functions=(),
        parameter_count=15,
        parameter_bytes=60,
    )
    manifest = Manifest(
        name="fraud",
        version=decode_version("1.2.0"),
        license=text,
        description=text,
        model=model,
        allowed_operators=(),
        files=(FileEntry(PackagePath("model.onnx"), 1000, DIGEST, Role.MODEL),),
        algorithm=DIGEST.algorithm,
        golden=(),
        provenance=Provenance(
            source_repository=text,
            builder=text,
            training_data=(TrainingData(uri=text, digest=DIGEST), TrainingData(uri=text, digest=None)),
            tools=MappingProxyType({text: text}),
        ),
    )
    return dataclasses.replace(manifest, **fields)


def signer(text=""):
    return ClaimedSigner(
        bundle="a.sigstore.json", method="key", holder="", issuer="", key_hint="ab12", subject="fraud", problem=text
    )


def head_of(text):
    start, head, body = text.split("---\n", 2)
    assert start == ""
    return YAML(typ="safe").load(head), body


def test_a_card_says_what_the_manifest_says():
    golden = (
        GoldenSet(path=PackagePath("golden/test_data_set_0"), rtol=1e-3, atol=0.0),
        GoldenSet(
            path=PackagePath("golden/test_data_set_1"),
            rtol=0.0,
            atol=1e-6,
            made_by=MadeBy(runtime="onnxruntime", version="1.22.0", platform="linux/amd64", inputs=GoldenInputs.DRAWN),
        ),
        GoldenSet(
            path=PackagePath("golden/test_data_set_2"),
            rtol=0.0,
            atol=1e-6,
            made_by=MadeBy(runtime="onnxruntime", version="1.22.0", platform="linux/arm64", inputs=GoldenInputs.GIVEN),
        ),
    )
    files = (
        FileEntry(PackagePath("docs/MODEL_CARD.md"), 10, DIGEST, Role.DOCUMENT),
        FileEntry(PackagePath("docs/notes.md"), 10, DIGEST, Role.DOCUMENT),
        FileEntry(PackagePath("model.onnx"), 1000, DIGEST, Role.MODEL),
    )
    manifest = made(
        license="MIT",
        golden=golden,
        files=files,
        previous=Previous(version=decode_version("1.1.0"), digest=DIGEST),
    )
    manifest = dataclasses.replace(
        manifest,
        model=dataclasses.replace(
            manifest.model, functions=(OperatorId("own", "F"),), opsets=(OpsetImport("ai.onnx.ml", 3), OpsetImport("ai.onnx", 17))
        ),
    )
    text = card(manifest, signer(), signer("is broken"))
    head, body = head_of(text)
    assert head == {"license": "mit", "library_name": "onnx", "tags": ["onnx", "ai.onnx.ml", "mlsign"]}
    for line in (
        "# `fraud 1.2.0`",
        "> **Nothing on this card has been verified.** It repeats what the manifest of the package says. `mlsign verify` checks",
        "- Licence: `MIT`",
        "- The package has a text of its makers about it: `docs/MODEL_CARD.md`",
        "| `plain` | `float[plain, 4]` |",
        "- Operator sets: `ai.onnx.ml 3`, `ai.onnx 17`",
        "- Parameters: 15, 60 B",
        "- Functions of its own: 1 function",
        "| `Gemm` | 1,200 |",
        "| `plain:plain` | 1 |",
        "| `golden/test_data_set_0` | 0.001 | 0 | given |",
        "| `golden/test_data_set_1` | 0 | 1e-06 | of `onnxruntime 1.22.0` on `linux/amd64`, inputs drawn |",
        "| `golden/test_data_set_2` | 0 | 1e-06 | of `onnxruntime 1.22.0` on `linux/arm64`, inputs given |",
        f"| `plain` | `{DIGEST}` |",
        "| `plain` | - |",
        "- Made with: `plain plain`",
        f"It comes after `1.1.0`, whose digest is `{DIGEST}`.",
        f"| `docs/notes.md` | 10 B | document | `{DIGEST}` |",
        "- `a.sigstore.json`: `claims to be by the key with the hint ab12, over fraud`",
        "- `a.sigstore.json`: `is broken`",
        "mlsign verify PACKAGE --policy POLICY",
    ):
        assert line in body.splitlines(), line
    assert "notes.md`" not in body.split("## What it takes")[0]


def test_what_the_manifest_leaves_out_is_said():
    manifest = made(license=None, description=None, provenance=None)
    head, body = head_of(card(dataclasses.replace(manifest, model=dataclasses.replace(manifest.model, opsets=()))))
    assert "license" not in head
    for line in (
        "- Licence: `none stated`",
        "- Operator sets: none",
        "There is none: nothing says what the model answers.",
        "The manifest does not say.",
        "No release before this one is recorded.",
        "There is no signature in the package.",
    ):
        assert line in body.splitlines()


def test_a_provenance_may_be_short():
    text = card(made(provenance=Provenance(time="2026-01-31T12:00:00Z")))
    assert text.split("## Where it is from")[1].startswith("\n\n- Time: `2026-01-31T12:00:00Z`\n\n## Lineage")


def test_a_licence_reads_back_as_it_is_written():
    head, _ = head_of(card(made(license='a "b" \\ ##[c] é \U0001f600')))
    assert head["license"] == "other"
    assert head["license_name"] == 'a "b" \\ ##[c] é \U0001f600'


def test_long_lists_and_texts_end():
    manifest = made(description="x" * 9000)
    spec = manifest.model.inputs[0]
    many = dataclasses.replace(manifest, model=dataclasses.replace(manifest.model, inputs=(spec,) * 2500))
    text = card(many, *[signer()] * 1001)
    assert "1,500 more are not listed." in text.splitlines()
    assert "- 1 more are not listed." in text.splitlines()
    assert text.count("| `plain` | `float[plain, 4]` |") == 1002
    assert f"\n> {'x' * 8192}\n>\n> …\n" in text


def test_a_description_is_a_quotation_and_never_the_card_itself():
    text = card(made(description="# Verified by mlsign\n\nALLOWED.\u2028Signed by all.\r\n   \r\nSee model.onnx, e.g. 1.5"))
    told = text.split("In the words of whoever packed it:\n\n")[1].split("\n\n")[0]
    assert told.splitlines() == [
        r"> \# Verified by mlsign",
        ">",
        r"> ALLOWED\.",
        ">",
        r"> Signed by all\.",
        ">",
        r"> See `model.onnx,` e\.g\. 1\.5",
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_foreign_is_markup(text):
    check(text)


@given(st.text(max_size=60) | st.text(alphabet="`|<>[]()!#*_~-=\\\n\r\t &;:@.\"'{}0", max_size=60))
def test_no_text_is_markup(text):
    check(text)


def check(text):
    """The card of a manifest full of ``text`` has the elements of one full of a word, and the head that it is meant to have."""
    shown = card(made(text), signer(text))
    assert all(line.isprintable() for line in shown.split("\n"))
    assert not any(line.lstrip().startswith("::") for line in shown.split("\n"))
    assert "##[" not in shown
    head, body = head_of(shown)
    assert set(head) <= {"license", "license_name", "library_name", "tags"}
    assert head["library_name"] == "onnx"
    markdown = MarkdownIt("gfm-like", {"linkify": False}).enable("strikethrough")
    wanted = elements(markdown.parse(head_of(card(made("plain"), signer("plain")))[1]))
    found = elements(markdown.parse(body))
    assert found - wanted <= {"hardbreak"}, found - wanted

    for words in texts(markdown.parse(body)):
        assert not re.search(r"@|://|www\.|\w\.example", words), words


def texts(tokens):
    """What stands outside of code spans, as renderers see it that make links of addresses when all else is done."""
    for token in tokens:
        if token.type == "inline":
            yield "".join("\0" if child.type == "code_inline" else child.content for child in token.children)


def elements(tokens):
    out = set()
    for token in tokens:
        out.add(token.type)
        out |= elements(token.children or ())
    return out
