"""A rule of a policy that its author wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_CONDITION_CHARS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A package is denied, with ``message``, unless ``when`` is known to be false of it."""

    id: str
    when: str
    message: str
