"""Where the page of a finding code is. Apart from the pages themselves, which reports do not read."""

from __future__ import annotations

from typing import Final

_PAGES: Final = "docs/findings"
_NAMES: Final = "urn:mlsign:finding"


def page_of(code: str) -> str:
    """Where the page of a code is in the sources of mlsign: the address that reports give."""
    return f"{_PAGES}/{code}.md"


def name_of(code: str) -> str:
    """The same for formats that want an absolute URI: a name that never changes and hangs on no host."""
    return f"{_NAMES}:{code}"
