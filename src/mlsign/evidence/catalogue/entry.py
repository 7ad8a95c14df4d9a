"""What a finding code means: the words of its page, kept beside the code that uses it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEntry:
    """A finding code and its page: a title, what it is, how it is abused (with a CVE where there is one), what to do."""

    code: str
    title: str
    meaning: str
    abuse: str
    action: str


EXPORT_AGAIN: Final = (
    "Export the model again with a current exporter and pack that file. No honest exporter writes this, so if the model "
    "came from somebody else, do not use it and tell them what was found."
)
"""What to do about a file that no honest tool writes."""
