"""What the two scripts that read native files share: rows and answers of a CSV, and the trial of an export on its library's answers.

Converters guess what a native file does not say outright, and some guess wrong without a word (see docs/training-tools.md). So an
export is tried on rows that lie on both sides of every threshold of the trees, and with missing values, before it is packed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise

import numpy as np
import onnxruntime

TRIED_ROWS = 4096
MISSING_SHARE = 0.1


def asked_files(options: argparse.ArgumentParser, files: list[Path]) -> list[Path]:
    """The native file, the rows and the answers, or nothing; another number of files, or one that is none, ends the script."""
    if len(files) not in {0, 3}:
        options.error("expected the native file, rows.csv and answers.csv, or nothing")
    for path in files:
        if not path.is_file():
            options.error(f"{path}: there is no such file")
    return files


def read_table(rows_file: Path, answers_file: Path, *, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows in float32, and the answers in as many rows, though R may have written those of several classes as one column."""
    rows, answers = read_numbers(rows_file).astype(np.float32), read_numbers(answers_file)
    if rows.shape[1] != columns:
        sys.exit(f"{rows_file}: the rows have {rows.shape[1]} columns, the model {columns}")
    if len(answers) != len(rows) and (answers.shape[1] > 1 or answers.size % len(rows)):
        sys.exit(f"{answers_file}: answers to {len(answers)} rows, expected to {len(rows)}")
    return rows, answers.reshape(len(rows), -1)


def read_numbers(path: Path) -> np.ndarray:
    """The numbers of a CSV without a header; ``NA``, as R writes it, and an empty field are missing (NaN)."""
    try:
        return np.loadtxt(path, delimiter=",", ndmin=2, converters=number)
    except ValueError as error:
        sys.exit(f"{path}: expected numbers without a header, between commas, NA where one is missing: {error}")


def number(text: str) -> float:
    return np.nan if text.strip() in {"NA", ""} else float(text)


def table_of(answers: np.ndarray, *, classes: bool) -> np.ndarray:
    """A column for each class, as exports have it: of two classes both libraries give the probability of the second one alone."""
    return np.hstack([1 - answers, answers]) if classes and answers.shape[1] == 1 else answers


def rows_at_splits(splits: Iterable[tuple[int, float]], codes: Iterable[tuple[int, int]], *, columns: int) -> np.ndarray:
    """Rows of what the trees split at, the next float32 on either side, 0, 1 and NaN, mixed; half of them without NaN.

    ``splits`` are pairs of a column and a threshold, ``codes`` pairs of a column of categories and a code.
    """
    values = [{np.float32(0), np.float32(1)} for _ in range(columns)]
    for column, threshold in splits:
        near = np.float32(threshold)
        values[column] |= {near, np.nextafter(near, np.float32(-np.inf)), np.nextafter(near, np.float32(np.inf))}
    for column, code in codes:
        values[column] |= {np.float32(code), np.float32(code + 1)}
    draw = np.random.default_rng(1)
    rows = np.stack([draw.choice(sorted(choices), size=TRIED_ROWS) for choices in values], axis=1)
    rows[: TRIED_ROWS // 2][draw.random((TRIED_ROWS // 2, columns)) < MISSING_SHARE] = np.nan
    return rows


def try_export(model: bytes, *, output: str, rows: np.ndarray, library: Callable[[np.ndarray], np.ndarray]) -> None:
    """Ends the script unless the export answers ``rows`` as the library does, which a correct export of trees always can."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run([output], {"rows": rows})[0]
    wanted = library(rows).reshape(found.shape)
    wrong = ~np.isclose(found, wanted, rtol=1e-4, atol=1e-5).reshape(len(rows), -1).all(axis=1)
    if not wrong.any():
        print(f"the export answers {len(rows)} rows at the splits of its trees as the library does")
        return
    whole = ~np.isnan(rows).any(axis=1)
    kind = "rows" if (wrong & whole).any() else "rows with missing values, and none without,"
    row = int(np.argmax(wrong & whole if (wrong & whole).any() else wrong))
    sys.exit(
        f"the export is wrong: it answers {wrong.sum()} of {len(rows)} {kind} otherwise than the library, "
        f"one of them {found[row]} instead of {wanted[row]}"
    )
