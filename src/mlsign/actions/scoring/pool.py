"""Pool: an admitted model in several confined processes, for programs that serve."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from mlsign.actions.scoring.confinement import Confinement
from mlsign.actions.scoring.jailing import jail_spec, jailed_model
from mlsign.actions.verification.admit import AdmittedModel
from mlsign.interface import ValueSpec
from mlsign.sandbox.layers import Layer

if TYPE_CHECKING:
    from mlsign.sandbox.pool.pool import PoolHealth


class WorkerPool:
    """One model in several confined workers, for calls from any thread, any event loop, and after a fork.

    A call that no worker is free for waits its turn: who came first is served first. A worker that ends is replaced; who was
    at a call with it gets a ``JailError`` within its deadline, and nobody else notices. The admitted model may be closed as
    soon as the pool is made. Use it as a context manager, or close it.
    """

    def __init__(
        self,
        model: AdmittedModel,
        *,
        workers: int | None = None,
        max_waiting: int = 64,
        warm_up: Mapping[str, Any] | bool = True,
        confinement: Confinement = Confinement.REQUIRED,
    ) -> None:
        """The first worker is ready, and the others follow; there are as many as usable cores unless ``workers`` says otherwise.

        Each runs the model once before it takes calls: with the feeds in ``warm_up``, or with zeros of the declared shapes. At
        most ``max_waiting`` calls wait. Raises ``JailError`` where the first worker cannot be confined (unless confinement is
        waived by name) or started, ``InputError`` (``input.…``) for warm-up feeds that the model does not take.
        """
        # Brings in numpy, which verifying alone does not need.
        from mlsign.sandbox.pool.pool import Pool

        self.inputs: tuple[ValueSpec, ...] = model.summary.inputs
        self.outputs: tuple[ValueSpec, ...] = model.summary.outputs
        self._pool = Pool(
            jailed_model(model.sealed, model_path=model.model_path, summary=model.summary),
            workers=usable_cores() if workers is None else workers,
            # A caller that looks for the answer instead of sleeping keeps the interpreter from the other callers.
            spec=replace(jail_spec(model.report.policy.sandbox, wall=confinement.wall), busy=False),
            max_waiting=max_waiting,
            warm_up=warm_up,
            allow_unsandboxed=confinement is Confinement.WAIVED,
        )

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Each layer of the sandbox and whether it is in force; no worker that comes later has fewer than the first."""
        return self._pool.layers

    def run(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]:
        """Outputs by name for arrays by name, within ``timeout`` seconds of waiting and running together.

        Raises ``InputError`` (``input.…``) for arrays that the model does not take. ``JailError`` means that there is no answer:
        ``sandbox.pool.full`` when too many calls wait already, ``sandbox.pool.deadline`` when no worker became free in time,
        ``sandbox.pool.unavailable`` when none can be started, ``sandbox.pool.closed``; any other code is what became of this
        call, and the next one has another worker if it needs one.
        """
        return self._pool.run(inputs, timeout=timeout)

    async def run_async(
        self,
        inputs: Mapping[str, Any],
        *,
        timeout: float | None = None,  # noqa: ASYNC109  as ``run`` has it; cancelling from outside would cost the worker
    ) -> dict[str, Any]:
        """``run`` without blocking the event loop. Cancelled, the call leaves the line; one that runs costs its worker."""
        return await self._pool.run_async(inputs, timeout=timeout)

    def health(self) -> PoolHealth:
        """Workers, calls and failures as they stand. Waits for nothing."""
        return self._pool.health()

    def close(self, drain_seconds: float = 0.0) -> None:
        """Takes no more calls, refuses those that wait, gives those that run so long to finish, and ends all workers.

        From the thread of an event loop it cannot wait for that loop's own calls: run it in another thread to let them finish.
        """
        self._pool.close(drain_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def usable_cores() -> int:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
