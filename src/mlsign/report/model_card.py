"""A model card in Markdown: what the manifest of a package says, in the order in which people ask.

The head is YAML as model hubs read it (https://huggingface.co/docs/hub/model-cards#model-card-metadata). Nothing on the card
has been verified, and it says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from mlsign.formats.manifest import GoldenInputs, GoldenSet, Manifest, ModelFacts, Provenance, Role
from mlsign.interface import ONNX_DOMAIN, ValueSpec
from mlsign.report.card_words import code, quoted_prose, yaml_text
from mlsign.report.claims import who_claims
from mlsign.report.workflow import inert
from mlsign.words import counted, size

if TYPE_CHECKING:
    from mlsign.actions.inspection.claimed_signers import ClaimedSigner
    from mlsign.actions.inspection.describe import Description

_MAX_ROWS: Final = 1000
_CARDS: Final = ("readme", "model_card", "model-card", "modelcard", "card")
"""How the files are called in which people write about a model."""
_HUB_LICENSES: Final = frozenset(
    {
        *("apache-2.0", "mit", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "isc", "ms-pl"),
        *("cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
        *("cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "zlib"),
        *("ecl-2.0", "epl-1.0", "epl-2.0", "eupl-1.1", "eupl-1.2", "lppl-1.3c", "mpl-2.0", "ncsa", "ofl-1.1", "osl-3.0", "wtfpl"),
        *("postgresql", "unlicense"),
    }
)
"""Those of SPDX's identifiers that hubs know, in lower case; every other licence is ``other`` with a name."""
_ML_DOMAIN: Final = "ai.onnx.ml"
_UNVERIFIED: Final = (
    "> **Nothing on this card has been verified.** It repeats what the manifest of the package says. `mlsign verify` checks\n"
    "> signatures, files and the model itself, and says whose word it is."
)


def render_card(description: Description) -> str:
    """The card of a package."""
    manifest = description.manifest
    parts = [
        *_head(manifest),
        "",
        f"# {code(f'{manifest.name} {manifest.version}')}",
        "",
        _UNVERIFIED,
        *_about(manifest),
        *_interface(manifest.model),
        *_inside(manifest.model),
        *_golden(manifest.golden),
        *_provenance(manifest.provenance),
        *_lineage(manifest),
        *_files(manifest),
        *_signers(description.signers),
    ]
    return inert("\n".join(parts) + "\n")


def _head(manifest: Manifest) -> list[str]:
    lines = ["---"]
    if manifest.license:
        known = manifest.license.casefold()
        lines += (
            [f"license: {known}"]
            if known in _HUB_LICENSES
            else ["license: other", f"license_name: {yaml_text(manifest.license)}"]
        )
    lines += ["library_name: onnx", "tags:", "- onnx"]
    if any(opset.domain == _ML_DOMAIN for opset in manifest.model.opsets):
        lines.append(f"- {_ML_DOMAIN}")
    return [*lines, "- mlsign", "---"]


def _about(manifest: Manifest) -> list[str]:
    lines = ["", "In the words of whoever packed it:", "", quoted_prose(manifest.description)] if manifest.description else []
    lines += ["", f"- Licence: {code(manifest.license or 'none stated')}"]
    for path in _cards(manifest):
        lines.append(f"- The package has a text of its makers about it: {code(path)}")
    return lines


def _cards(manifest: Manifest) -> list[str]:
    documents = [str(file.path) for file in manifest.files if file.role is Role.DOCUMENT]
    return [path for path in documents if path.rpartition("/")[2].casefold().startswith(_CARDS)][:10]


def _interface(model: ModelFacts) -> list[str]:
    return ["", "## What it takes and gives", "", *_values("Input", model.inputs), "", *_values("Output", model.outputs)]


def _values(title: str, values: Sequence[ValueSpec]) -> list[str]:
    return _table((title, "Type"), [(code(value.name), code(value.type)) for value in values[:_MAX_ROWS]], of=len(values))


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, of: int) -> list[str]:
    """A table of the rows, and how many of all are not in it."""
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    return [*lines, "", f"{of - len(rows):,} more are not listed."] if of > len(rows) else lines


def _inside(model: ModelFacts) -> list[str]:
    opsets = ", ".join(code(f"{opset.domain} {opset.version}") for opset in model.opsets[:_MAX_ROWS])
    lines = [
        "",
        "## What is in it",
        "",
        f"- Format: ONNX, IR version {model.ir_version}",
        f"- Operator sets: {opsets or 'none'}",
        f"- Parameters: {model.parameter_count:,}, {size(model.parameter_bytes)}",
    ]
    if model.functions:
        lines.append(f"- Functions of its own: {counted(len(model.functions), 'function')}")
    rows = [
        (code(use.operator.name if use.operator.domain == ONNX_DOMAIN else use.operator), f"{use.count:,}")
        for use in model.operators[:_MAX_ROWS]
    ]
    return [*lines, "", *_table(("Operator", "Nodes"), rows, of=len(model.operators))]


def _golden(sets: Sequence[GoldenSet]) -> list[str]:
    lines = ["", "## Golden data", ""]
    if not sets:
        return [*lines, "There is none: nothing says what the model answers."]
    rows = [(code(item.path), f"{item.rtol:g}", f"{item.atol:g}", _made_by(item)) for item in sets[:_MAX_ROWS]]
    told = "`mlsign replay` scores these inputs and compares the answers; a label has to be the same."
    return [*lines, told, "", *_table(("Test data", "rtol", "atol", "Expected outputs"), rows, of=len(sets))]


def _made_by(item: GoldenSet) -> str:
    made = item.made_by
    if made is None:
        return "given"
    inputs = "drawn" if made.inputs is GoldenInputs.DRAWN else "given"
    return f"of {code(f'{made.runtime} {made.version}')} on {code(made.platform)}, inputs {inputs}"


def _provenance(provenance: Provenance | None) -> list[str]:
    lines = ["", "## Where it is from", ""]
    if provenance is None:
        return [*lines, "The manifest does not say."]
    facts = (
        ("Source", provenance.source_repository),
        ("Commit", provenance.source_commit),
        ("Built by", provenance.builder),
        ("Time", provenance.time),
    )
    lines += [f"- {label}: {code(value)}" for label, value in facts if value]
    lines += [f"- Made with: {code(f'{tool} {version}')}" for tool, version in list(provenance.tools.items())[:_MAX_ROWS]]
    if provenance.training_data:
        data = provenance.training_data
        rows = [(code(item.uri), code(item.digest or "")) for item in data[:_MAX_ROWS]]
        lines += ["", *_table(("Training data", "Digest"), rows, of=len(data))]
    return lines


def _lineage(manifest: Manifest) -> list[str]:
    lines = ["", "## Lineage", ""]
    previous = manifest.previous
    if previous is None:
        return [*lines, "No release before this one is recorded."]
    return [*lines, f"It comes after {code(previous.version)}, whose digest is {code(previous.digest)}."]


def _files(manifest: Manifest) -> list[str]:
    rows = [(code(file.path), size(file.size), file.role.value, code(file.digest)) for file in manifest.files[:_MAX_ROWS]]
    return ["", "## Files", "", *_table(("File", "Size", "For", "Digest"), rows, of=len(manifest.files))]


def _signers(signers: Sequence[ClaimedSigner]) -> list[str]:
    lines = ["", "## Signatures", ""]
    if not signers:
        lines.append("There is no signature in the package.")
    for signer in signers[:_MAX_ROWS]:
        claim = signer.problem or f"claims to be by {who_claims(signer)}, over {signer.subject}"
        lines.append(f"- {code(signer.bundle)}: {code(claim)}")
    if len(signers) > _MAX_ROWS:
        lines.append(f"- {len(signers) - _MAX_ROWS:,} more are not listed.")
    return [
        *lines,
        "",
        "Claims cost nothing. This checks them, under a policy that says whom you believe:",
        "",
        "```sh",
        "mlsign verify PACKAGE --policy POLICY",
        "```",
    ]
