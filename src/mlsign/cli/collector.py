"""How often Python looks for cycles: seldom in a command, which ends soon, and as it usually does in one that stays."""

from __future__ import annotations

import gc
from typing import Final

_USUALLY: Final = gc.get_threshold()
_SELDOM: Final = 100_000
"""Objects made before the first look, not 700: what is imported lives to the end, and looking at it again and again takes a tenth of
a short run."""


def collect_seldom() -> None:
    """From now on what is made is looked at only when there is much of it."""
    gc.set_threshold(_SELDOM)


def collect_as_usual() -> None:
    """From now on as often as Python does by itself, and never again what is there by now: it was made to stay."""
    gc.freeze()
    gc.set_threshold(*_USUALLY)


def leave() -> None:
    """What the process still holds is not looked through once more before it ends."""
    gc.freeze()
