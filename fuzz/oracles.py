"""What holds whatever the format: of every refusal, and of all JSON that was not refused."""

import json
import re
import unicodedata
from typing import Any

from mlsign.errors import InputError

_CODE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_MAX_TEXT = 4096


def check_refusal(err: InputError) -> None:
    """Raises ``AssertionError`` when ``err`` would do harm in a terminal or a log."""
    assert _CODE.fullmatch(err.code), err.code
    for text in (err.message, err.where, err.expected, err.found, err.hint):
        assert isinstance(text, str)
        assert len(text) <= _MAX_TEXT, f"{err.code}: {len(text)} characters"
        assert not any(unicodedata.category(char)[0] == "C" for char in text), f"{err.code}: {text!a}"


def plain_json(data: bytes) -> Any:
    """The value of JSON that a decoder took; raises ``AssertionError`` where other readers might see another one."""
    value = json.loads(data, object_pairs_hook=_unique)
    # Raises for half of a surrogate pair, for NaN and for infinities.
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    assert len(out) == len(pairs), "a key stands twice"
    return out
