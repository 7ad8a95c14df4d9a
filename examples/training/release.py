"""What every script of this folder does once its model is exported: golden data, package, key, signature, verdict, scores.

The commands are the ones that a person would type, and are printed before they run. One that does not end well ends the script.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

MLSIGN = Path(sys.executable).with_name("mlsign")
POLICY = """\
apiVersion: mlsign/v1
kind: Policy
name: release
extends: {shipped: baseline}
signers: [{name: release, require: 1, any: [{key: release.pub}]}]
golden: {required: true, replay: true}
"""
"""The shipped baseline, a key of one's own, and the golden data scored again before anything else is."""


def release(
    name: str, model: Path, *, inputs: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray], rtol: float, atol: float
) -> None:
    """Packs ``model``, signs, verifies, replays and scores it, and holds the scores against ``expected``.

    ``expected`` is what the training library itself says of ``inputs``, by the names of the model's outputs. An answer of
    onnxruntime would not do: it is what the export has to be checked against, not by.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    np.savez(folder / "rows.inputs.npz", **inputs)
    # Golden data has the types of the model's own outputs: a float64 of the training library is rounded to what the model gives.
    answers = {output: array.astype(np.float32) if array.dtype == np.float64 else array for output, array in expected.items()}
    np.savez(folder / "rows.outputs.npz", **answers)
    (folder / "policy.yaml").write_text(POLICY, encoding="utf-8")

    def run(command: str) -> None:
        print(f"$ {command}", flush=True)
        subprocess.run([MLSIGN, *shlex.split(command)[1:]], cwd=folder, check=True)

    package = shlex.quote(f"{name}-1.0.0")
    run(f"mlsign pack {shlex.quote(str(model.resolve()))} -o {package} --golden rows.inputs.npz --rtol {rtol} --atol {atol}")
    run("mlsign keygen -o release --no-password")
    run(f"mlsign sign {package} --key release.key")
    run(f"mlsign verify {package} --policy policy.yaml")
    run(f"mlsign replay {package} --policy policy.yaml --runtime all")
    run(f"mlsign score {package} --policy policy.yaml --input rows.inputs.npz --output scores.npz")

    with np.load(folder / "scores.npz") as scores:
        assert set(scores.files) == set(expected), f"the model gives {scores.files}, expected were {sorted(expected)}"
        for output, wanted in expected.items():
            found = scores[output]
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
                error = np.max(np.abs(found.astype(np.float64) - wanted), initial=0)
                print(f"{output}: {len(wanted)} rows, largest difference from the training library {error:.1e}")
            else:
                np.testing.assert_array_equal(found, wanted)
                print(f"{output}: {len(wanted)} rows, all equal")
    print(f"what was made is in {folder}")
