"""How a pool's workers are started: from descriptors of its own, no weaker than the first one, and warm.

Workers are replaced long after the pool was made, when the admitted model may have been closed; so the sealed
memory is held by copies of its descriptors.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from mlsign.errors import InputError, JailError
from mlsign.sandbox.arrays import Array
from mlsign.sandbox.jail import Jail
from mlsign.sandbox.layers import Layer
from mlsign.sandbox.pool.warm import zeros
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile
from mlsign.sandbox.tensors import check_feeds

_OF_THE_MODEL: Final = frozenset({"sandbox.model.run", "sandbox.memory", "sandbox.output.size", "sandbox.output.kind"})
"""What zeros that nobody chose may well lead to, and what leaves the worker as it was."""


class Starter:
    """Starts workers for one model until it is closed."""

    def __init__(
        self, model: JailedModel, *, spec: JailSpec, allow_unsandboxed: bool, warm_up: Mapping[str, Array] | bool
    ) -> None:
        """Raises ``InputError`` (``input.…``) for warm-up feeds that the model does not take, ``JailError`` (``sandbox.spawn``)."""
        self.layers: tuple[Layer, ...] = ()
        self._spec = spec
        self._allow_unsandboxed = allow_unsandboxed
        self._chosen = not isinstance(warm_up, bool)
        if isinstance(warm_up, bool):
            self._feeds = zeros(model.inputs) if warm_up else None
        else:
            check_feeds(warm_up, inputs=model.inputs, limits=spec.limits)
            self._feeds = copy.deepcopy(dict(warm_up))  # whoever gave them may use the arrays for something else
        self._fds: list[int] = []
        try:
            self._model = replace(model, model=self._held(model.model), weights=tuple(map(self._held, model.weights)))
        except OSError as err:
            self.close()
            raise JailError(f"the pool cannot hold the model: {err.strerror}", code="sandbox.spawn") from err

    def _held(self, file: SealedFile) -> SealedFile:
        self._fds.append(os.dup(file.fd))
        return replace(file, fd=self._fds[-1])

    def start(self) -> Jail:
        """A worker that is ready for calls. Raises ``JailError`` as ``Jail.start`` does, ``sandbox.layer`` for one with fewer
        layers than the first, and whatever ended it during its warm-up run.
        """
        # What a worker does must not get its successor out of the walls: only the first may find that there are none to be had.
        jail = Jail.start(self._model, spec=self._spec, allow_unsandboxed=self._allow_unsandboxed and not _confined(self.layers))
        try:
            _check_no_weaker(jail.layers, than=self.layers)
            self.layers = self.layers or jail.layers  # before the model is run for the first time
            self._warm_up(jail)
        except BaseException:
            jail.close()
            raise
        return jail

    def _warm_up(self, jail: Jail) -> None:
        if self._feeds is None:
            return
        try:
            jail.run(self._feeds)
        except InputError:  # zeros that do not fit each other, such as shapes that are tied in a way no declaration says
            if self._chosen:
                raise
        except JailError as err:
            if not self._chosen and err.code in _OF_THE_MODEL and jail.alive():
                return
            hint = "give feeds of your own for the warm-up, or none: warm_up=False"
            raise JailError(f"the warm-up run failed: {err.message}", code=err.code, where=err.where, hint=hint) from err

    def close(self) -> None:
        """The descriptors are closed. May be called again."""
        while self._fds:
            os.close(self._fds.pop())


def _confined(layers: tuple[Layer, ...]) -> bool:
    return any(layer.in_force for layer in layers)


def _check_no_weaker(layers: tuple[Layer, ...], *, than: tuple[Layer, ...]) -> None:
    """Raises ``JailError`` (``sandbox.layer``)."""
    in_force = {layer.name for layer in layers if layer.in_force}
    gone = [layer.name for layer in than if layer.in_force and layer.name not in in_force]
    if gone:
        names = ", ".join(gone)
        raise JailError(f"not in force any more: {names}", code="sandbox.layer", where=gone[0], expected=names)
