"""What is to stand around a model, for the commands that run one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlsign.errors import InputError
from mlsign.sandbox.layers import Wall

if TYPE_CHECKING:
    from mlsign.actions.scoring.confinement import Confinement

Sandbox = Annotated[
    Wall, typer.Option("--sandbox", help="What stands around a model: its own confined process, or gVisor (runsc) around that.")
]


def confinement_of(wall: Wall, *, allow_unsandboxed: bool) -> Confinement:
    """How models have to be confined. Raises ``InputError`` (``usage.sandbox``) for a wall that may be left out."""
    from mlsign.actions.scoring.confinement import Confinement

    if wall is Wall.GVISOR and allow_unsandboxed:
        raise InputError(
            "--sandbox gvisor does not go with --allow-unsandboxed",
            code="usage.sandbox",
            hint="leave one of them out: a wall that was asked for by name is never left out",
        )
    if wall is Wall.GVISOR:
        return Confinement.GVISOR
    return Confinement.WAIVED if allow_unsandboxed else Confinement.REQUIRED
