"""What a manifest says about its model against what the model is."""

from __future__ import annotations

from mlsign.errors import shown
from mlsign.evidence.findings import Finding, Outcome
from mlsign.formats.manifest import Manifest
from mlsign.onnx.summary import ModelSummary
from mlsign.paths import MANIFEST_NAME

DISAGREES = "MLS110"


def compare_declared(manifest: Manifest, summary: ModelSummary) -> tuple[Finding, ...]:
    """A finding for each fact of the manifest that the model contradicts; one PASS when there is none.

    A manifest is signed, so a false one is either a mistake or a lie of the signer; both are reasons to stop,
    since people decide by what the manifest says.
    """
    model = manifest.model
    facts = (
        ("ir_version", model.ir_version, summary.ir_version),
        ("opset_imports", set(model.opsets), set(summary.opsets)),
        ("inputs", model.inputs, summary.inputs),
        ("outputs", model.outputs, summary.outputs),
        ("operators", set(model.operators), set(summary.operators)),
        ("functions", set(model.functions), set(summary.functions)),
        ("parameter_count", model.parameter_count, summary.parameter_count),
        ("parameter_bytes", model.parameter_bytes, summary.parameter_bytes),
    )
    wrong = tuple(
        Finding(
            code=DISAGREES,
            outcome=Outcome.FAIL,
            message=f"the manifest's model.{name} is not what the model has",
            where=f"{MANIFEST_NAME}:model.{name}",
            expected=_spell(found),
            found=_spell(declared),
            hint="pack the model again with mlsign pack, which fills in the facts by itself",
        )
        for name, declared, found in facts
        if declared != found
    )
    if wrong:
        return wrong
    return (
        Finding(code=DISAGREES, outcome=Outcome.PASS, message="the manifest describes the model as it is", where=MANIFEST_NAME),
    )


def _spell(value: object) -> str:
    if isinstance(value, (set, tuple)):
        return shown(", ".join(sorted(map(str, (_short(item) for item in value)))))
    return shown(value)


def _short(item: object) -> str:
    for names in (("operator", "count"), ("domain", "version"), ("name", "type")):
        if all(hasattr(item, name) for name in names):
            return " ".join(str(getattr(item, name)) for name in names)
    return str(item)
