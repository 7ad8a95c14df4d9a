"""What the two scripts that read native files share: rows and answers of a CSV, and the trial that holds an export to its library.

Converters guess what a native file does not say outright, and some guess wrong without a word (see docs/training-tools.md). So an
export is tried on rows that lie on both sides of every threshold of the trees, and with missing values, before it is packed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import onnxruntime

TRIED_ROWS = 4096
MISSING_SHARE = 0.1


def read_numbers(path: Path, *, columns: int | None = None) -> np.ndarray:
    """The rows of a CSV without a header; ``NA``, as R writes it, and an empty field are missing (NaN)."""
    try:
        table = np.loadtxt(
            path, delimiter=",", ndmin=2, converters=lambda text: np.nan if text.strip() in {"NA", ""} else float(text)
        )
    except ValueError as error:
        sys.exit(f"{path}: expected numbers without a header, between commas, NA where one is missing: {error}")
    if columns is not None and table.shape[1] != columns:
        sys.exit(f"{path}: the rows have {table.shape[1]} columns, the model {columns}")
    return table


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
