"""From what verification left to what the sandbox takes: limits out of the policy, files out of sealed memory."""

from __future__ import annotations

from collections.abc import Mapping

from mlsign.onnx.summary import ModelSummary
from mlsign.package.sealed import SealedMemory
from mlsign.paths import PackagePath
from mlsign.policy.model import SandboxSettings
from mlsign.sandbox.layers import Isolation, Wall
from mlsign.sandbox.spec import JailedModel, JailSpec, SealedFile


def jail_spec(settings: SandboxSettings, *, wall: Wall = Wall.PROCESS) -> JailSpec:
    """The limits of a worker under these settings."""
    return JailSpec(
        memory_bytes=settings.memory_bytes,
        cpu_seconds=settings.cpu_seconds,
        wall_seconds=settings.wall_seconds,
        threads=settings.threads,
        isolation=Isolation(settings.isolation.value),
        wall=wall,
    )


def jailed_model(sealed: Mapping[PackagePath, SealedMemory], *, model_path: PackagePath, summary: ModelSummary) -> JailedModel:
    """The model at ``model_path``, and every other file in ``sealed`` as its weights."""
    files = {path: SealedFile(path=str(path), fd=memory.fd, size=memory.size) for path, memory in sealed.items()}
    return JailedModel(
        model=files.pop(model_path),
        weights=tuple(files.values()),
        external=summary.external,
        inputs=summary.inputs,
        outputs=summary.outputs,
    )
