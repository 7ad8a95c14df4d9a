"""How a model has to be confined while it runs: what whoever runs one asks for."""

from __future__ import annotations

from enum import Enum

from mlsign.sandbox.layers import Wall


class Confinement(Enum):
    """How a model has to be confined.

    ``REQUIRED``: it is, or does not run. ``WAIVED``: it may run where, and only where, it cannot be. ``GVISOR``: as required, and
    inside gVisor, for which ``runsc`` has to be installed.
    """

    REQUIRED = "required"
    WAIVED = "waived"
    GVISOR = "gvisor"

    @property
    def wall(self) -> Wall:
        """What stands around the worker."""
        return Wall.GVISOR if self is Confinement.GVISOR else Wall.PROCESS
