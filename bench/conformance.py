"""The test models of ONNX as a conformance run: each is packed with its golden data and replayed on both runtimes.

FOLDER is an unpacked wheel of onnx 1.17.0, whose ``backend/test/data`` holds over a thousand models with inputs and expected outputs.
Each is inspected under the shipped policies, packed, and replayed in the sandbox by onnxruntime and by the reference evaluator, within
the tolerances of ONNX's own tests. With ``--write`` the page ``docs/conformance.md`` is made of what came out.

    pip download --no-deps --only-binary=:all: --python-version 3.11 --platform manylinux2014_x86_64 onnx==1.17.0
    python -m zipfile -e onnx-1.17.0-*.whl onnx117
    python bench/conformance.py onnx117 --write docs/conformance.md
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from conformance_models import Model, find_models
from conformance_page import render
from conformance_run import Result, run

AT_ONCE = 2


def main() -> int:
    """Runs every model, and prints or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="an unpacked wheel of onnx 1.17.0")
    parser.add_argument("--write", type=Path, metavar="FILE", help="where to write the page; otherwise it is printed")
    parser.add_argument("--only", metavar="TEXT", default="", help="models with this in their name")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlsign-conformance-") as made:
        models = [model for model in find_models(options.folder, made=Path(made)) if options.only in model.name]
        if not models:
            parser.error(f"there are no models in {options.folder}")
        page = render(run_all(models))
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    else:
        print(page)
    return 0


def run_all(models: list[Model]) -> list[Result]:
    """What became of each, in their order; two at a time, each process with a zygote for each runtime."""
    out = []
    with ProcessPoolExecutor(AT_ONCE) as pool:
        for at, result in enumerate(pool.map(run, models, chunksize=8), start=1):
            out.append(result)
            if at % 100 == 0:
                print(f"{at} of {len(models)}", file=sys.stderr, flush=True)
    return out


if __name__ == "__main__":
    raise SystemExit(main())
