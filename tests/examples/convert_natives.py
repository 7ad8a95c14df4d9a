"""Converts native files by the scripts of examples/training, and says as JSON how each export answers; run where their libraries are.

Usage: convert_natives.py XGBOOST_OR_LIGHTGBM FOLDER [MODEL ROWS_AND_ANSWERS FLAG]...
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator

TRAINING = Path(__file__).resolve().parents[2] / "examples" / "training"
RTOL, ATOL = 1e-5, 1e-6
"""As in the scripts."""


def answers(content: bytes, rows: np.ndarray, names: list[str]) -> dict[str, list[Any]]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return {
        "onnxruntime": session.run(names, {"rows": rows}),
        "reference": ReferenceEvaluator(content).run(names, {"rows": rows}),
    }


def outcome(script: Any, native: Path, beside: Path, flag: str) -> dict[str, Any]:
    """Why there is no export, or the number of rows and, by runtime and output, of answers that are not the library's."""
    files = (native, beside.with_name(f"{beside.name}.rows.csv"), beside.with_name(f"{beside.name}.answers.csv"))
    try:
        content, rows, expected = script.convert(*files, **({"all_rounds": True} if flag == "all-rounds" else {}))
    except SystemExit as refused:
        return {"refused": str(refused)}
    wrong = {}
    for runtime, found in answers(content, rows, list(expected)).items():
        for (name, wanted), have in zip(expected.items(), found, strict=True):
            same = np.isclose(have, wanted, rtol=RTOL, atol=ATOL) if wanted.dtype.kind == "f" else have == wanted
            assert have.shape == wanted.shape, (runtime, name, have.shape, wanted.shape)
            wrong[f"{runtime} {name}"] = int(np.sum(~same))
    return {"rows": len(rows), "wrong": wrong}


def main() -> None:
    library, folder, *cases = sys.argv[1:]
    sys.path.insert(0, str(TRAINING))
    script = importlib.import_module(f"convert_{library}_file")
    for native, beside, flag in zip(cases[::3], cases[1::3], cases[2::3], strict=True):
        print(
            json.dumps({"case": f"{native} {beside} {flag}"} | outcome(script, Path(folder, native), Path(folder, beside), flag))
        )


if __name__ == "__main__":
    main()
