"""The models that serve: by name and version, replaced one at a time and whole.

What it holds never changes in place. Whoever looked a model up goes on with that one, and its pool is drained before it is closed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from mlsign.actions.verification.admit import AdmittedModel
from mlsign.errors import InputError, shown
from mlsign.serving.carriage import Interface
from mlsign.version import Version


class Health(Protocol):
    """How a pool is doing."""

    @property
    def workers(self) -> int: ...
    @property
    def ready(self) -> int: ...
    @property
    def busy(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def calls(self) -> int: ...
    @property
    def failures(self) -> int: ...
    @property
    def restarts(self) -> int: ...


class Pool(Protocol):
    """What answers calls of one model: ``mlsign.WorkerPool``."""

    async def run_async(self, inputs: Mapping[str, Any], *, timeout: float | None = None) -> dict[str, Any]: ...  # noqa: ASYNC109  its own
    def health(self) -> Health: ...
    def close(self, drain_seconds: float = 0.0) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What a model was loaded from, what let it in, and how it is confined.

    The path that was asked for, digests of package and policy, and which layers of the sandbox are in force or missing.
    """

    path: Path
    digest: str
    policy: str
    policy_digest: str
    layers: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A model that serves, with the memory that it was admitted in, which the next one may share. ``opening`` is how each of its
    answers begins.
    """

    name: str
    version: Version
    interface: Interface
    origin: Origin
    pool: Pool
    model: AdmittedModel
    opening: str

    def close(self, drain_seconds: float = 0.0) -> None:
        """Its workers end, after calls that run had so long to finish, and its memory is given back."""
        try:
            self.pool.close(drain_seconds)
        finally:
            self.model.close()


def opening_of(name: str, version: Version) -> str:
    """How each answer of a model begins: written once and not for every answer."""
    return f'"model_name":{json.dumps(name)},"model_version":{json.dumps(str(version))}'


class Shelf:
    """All models of a server. Changed by one thread, read by any: each change is one assignment."""

    def __init__(self) -> None:
        self._models: Mapping[str, tuple[Served, ...]] = MappingProxyType({})

    @property
    def models(self) -> tuple[Served, ...]:
        """Every model that serves, by name, the highest version first."""
        return tuple(served for versions in self._models.values() for served in versions)

    def versions(self, name: str) -> tuple[Served, ...]:
        """The versions of a name, the highest first. Raises ``InputError`` (``serve.model``)."""
        found = self._models.get(name)
        if not found:
            known = ", ".join(map(shown, sorted(self._models))) or "none"
            raise InputError(f"there is no model {shown(name)}, served are {known}", code="serve.model", found=shown(name))
        return found

    def find(self, name: str, version: str | None) -> Served:
        """The model of that version, or the highest. Raises ``InputError`` (``serve.model``)."""
        found = self.versions(name)
        if version is None:
            return found[0]
        for served in found:
            if served.version.text == version:
                return served
        known = ", ".join(served.version.text for served in found)
        message = f"there is no version {shown(version)} of {shown(name)}, served are {known}"
        raise InputError(message, code="serve.model", found=shown(version))

    def put(self, served: Served, *, instead_of: Served | None = None) -> None:
        """The model serves from now on, and ``instead_of`` does not any more. Raises ``InputError`` (``serve.twice``)."""
        others = [each for each in self.models if each is not instead_of]
        if any(each.name == served.name and each.version.text == served.version.text for each in others):
            raise InputError(
                f"{shown(served.name)} {served.version} is served from another package already",
                code="serve.twice",
                where=shown(served.origin.path),
                hint="serve one of the two, or give them different versions",
            )
        self._set([*others, served])

    def take(self, served: Served) -> None:
        """The model does not serve any more."""
        self._set([each for each in self.models if each is not served])

    def _set(self, models: list[Served]) -> None:
        names = sorted({served.name for served in models})
        # Build metadata does not count in precedence; the text decides there, so that the order never depends on who came first.
        ranked = sorted(models, key=lambda served: (served.version.precedence, served.version.text), reverse=True)
        self._models = MappingProxyType({name: tuple(s for s in ranked if s.name == name) for name in names})
