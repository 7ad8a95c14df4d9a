"""The page about scoring names every element type, and the array that it really comes in."""

import re
from pathlib import Path

import numpy as np

from mlsign.tensors.dtypes import DTYPES, FOREIGN, RAW_DTYPES
from mlsign.tensors.elements import ELEMENTS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "scoring.md").read_text(encoding="utf-8")


def rows() -> dict[str, str]:
    """The description of its array for each element."""
    table = PAGE.split("## Elements")[1].split("\n## ")[0]
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    return {element: array for elements, array in lines for element in re.findall(r"`(\w+)`", elements)}


def test_every_element_is_told() -> None:
    assert rows().keys() == ELEMENTS.keys() | {"string"}


def test_the_array_is_the_one_that_is_taken() -> None:
    for element, array in rows().items():
        if element in RAW_DTYPES:
            assert array.strip().startswith(str(RAW_DTYPES[element])), element
            assert "ml_dtypes" in array
        elif element in DTYPES and element.startswith(("float", "double", "bool")):
            assert str(DTYPES[element]) in array, element
        elif element in DTYPES:
            assert str(np.dtype(element)) == str(DTYPES[element])
            assert "of the same name" in array, element
    assert FOREIGN.keys() == RAW_DTYPES.keys()
