"""What holds for every refusal, whatever the format: a stable code, and no foreign text that could act or flood."""

import re
import unicodedata

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
