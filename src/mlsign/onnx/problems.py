"""The finding codes of the reader and the list they are collected in.

What each code means is written in ``evidence/catalogue/model.py``. Leaves the judgement to policies.
"""

from __future__ import annotations

from typing import Final

from mlsign.errors import shown
from mlsign.onnx.summary import Problem
from mlsign.onnx.wire import Where, place

UNKNOWN_FIELD: Final = "MLS330"
REPEATED_FIELD: Final = "MLS331"
INVALID_UTF8: Final = "MLS332"
IR_VERSION: Final = "MLS333"
NO_GRAPH: Final = "MLS334"
BAD_OPSETS: Final = "MLS335"
DOMAIN_NOT_IMPORTED: Final = "MLS336"
TRAINING_INFO: Final = "MLS337"
RUNTIME_CONFIGURATION: Final = "MLS338"
REPEATED_KEY: Final = "MLS339"
ATTRIBUTE_VALUES: Final = "MLS340"
ATTRIBUTE_NAME: Final = "MLS341"
OPERATOR_NAME: Final = "MLS342"
ATTRIBUTE_REFERENCE: Final = "MLS343"
REPEATED_NAME: Final = "MLS344"
NOT_PRODUCED: Final = "MLS345"
SHADOWED_NAME: Final = "MLS346"
INPUT_SHADOWED: Final = "MLS347"
INTERFACE_TYPE: Final = "MLS348"
EVERY_INPUT_GIVEN: Final = "MLS349"
REPEATED_FUNCTION: Final = "MLS350"
STANDARD_SHADOWED: Final = "MLS351"
RECURSIVE_FUNCTION: Final = "MLS352"
EXPANSION: Final = "MLS353"
CONTROL_CHARACTER: Final = "MLS354"
PAYLOAD_LENGTH: Final = "MLS355"
PAYLOAD_FIELDS: Final = "MLS356"
DIMENSIONS: Final = "MLS357"
ELEMENT_TYPE: Final = "MLS358"
STRING_PAYLOAD: Final = "MLS359"
DATA_LOCATION: Final = "MLS360"
EXTERNAL_KEYS: Final = "MLS361"
MEMORY_ADDRESS: Final = "MLS362"
EXTERNAL_HIDDEN: Final = "MLS363"
SEGMENT: Final = "MLS364"
SPARSE_TENSOR: Final = "MLS365"
TYPE: Final = "MLS366"
INCOMPLETE: Final = "MLS367"
FUNCTION_OPSET: Final = "MLS368"
TREE_ENSEMBLE: Final = "MLS370"
UNKNOWN_OPERATOR: Final = "MLS371"
VALUE_COUNT: Final = "MLS372"
ATTRIBUTE_SIGNATURE: Final = "MLS373"
CLASSICAL_TABLES: Final = "MLS375"
EINSUM: Final = "MLS376"
WINDOW: Final = "MLS377"

MAX_SHOWN_PER_CODE: Final = 16
"""Problems listed for one code; the rest are counted. A hostile file can hold millions."""


class Problems:
    """Problems in the order they were met, bounded for each code."""

    __slots__ = ("_by_code", "_count")

    def __init__(self) -> None:
        self._by_code: dict[str, list[Problem]] = {}
        self._count = 0

    def __len__(self) -> int:
        """How many were met, listed or not."""
        return self._count

    def wants(self, code: str) -> bool:
        """Whether one more of this kind would still be listed; if not, it is counted here.

        Asked before foreign text is put into a message: a file can have millions of faults of one kind.
        """
        if len(self._by_code.get(code, ())) <= MAX_SHOWN_PER_CODE:
            return True
        self._count += 1
        return False

    def add(self, code: str, message: str, where: Where, *, expected: object = "", found: object = "") -> None:
        """Notes one problem. ``message`` is ours; foreign text in it has gone through ``shown``."""
        self._count += 1
        listed = self._by_code.setdefault(code, [])
        if len(listed) < MAX_SHOWN_PER_CODE:
            listed.append(
                Problem(code=code, message=message, where=shown(place(where)), expected=shown(expected), found=shown(found))
            )
        elif len(listed) == MAX_SHOWN_PER_CODE:
            listed.append(Problem(code=code, message="more of the same kind follow and are not listed"))

    def all(self) -> tuple[Problem, ...]:
        """Sorted by code, within one code in the order of the file."""
        return tuple(problem for code in sorted(self._by_code) for problem in self._by_code[code])
