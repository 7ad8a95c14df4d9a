"""What a finding code means: the words of its page, kept beside the code that uses it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEntry:
    """A finding code and its page: a title, what it is, how it is abused (with a CVE where there is one), what to do."""

    code: str
    title: str
    meaning: str
    abuse: str
    action: str
