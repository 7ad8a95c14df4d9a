"""What may be asked of golden data while a model is packed: that it is made, that it is checked, and within what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from mlsign.actions.scoring.confinement import Confinement
from mlsign.limits import MIB

MAX_DRAWN: Final = 100
"""Sets: each is run twice, and a hundred of drawn inputs show no more than ten."""

MAX_ATOL: Final = 1_000_000.0
"""As in policies: none takes more."""

MIN_MEMORY_BYTES: Final = 64 * MIB
"""As in policies: less address space holds no worker."""


class GoldenCheck(Enum):
    """Whether the model is run on golden data that was given, and has to answer as it says.

    ``AUTO``: where this machine can confine a model. ``ALWAYS``: nothing is packed where it cannot. ``NEVER``: files in ONNX's layout
    are packed as they are.
    """

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRequest:
    """Golden data that is to be made, and how the model is run for it.

    The model answers to each file of ``inputs``, and to so many sets of inputs that are ``drawn``. ``seconds`` are for one run,
    ``memory_bytes`` of None follow the size of the model.
    """

    inputs: tuple[Path, ...] = ()
    drawn: int = 0
    check: GoldenCheck = GoldenCheck.AUTO
    confinement: Confinement = Confinement.REQUIRED
    seconds: float = 60.0
    memory_bytes: int | None = None


CHECKED_AS_GIVEN: Final = GoldenRequest()
"""Nothing is made, and what was given is checked where it can be."""
