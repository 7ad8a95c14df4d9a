"""The field ``sandbox`` of a policy: what the scoring worker gets."""

from __future__ import annotations

from typing import Final

from mlsign.limits import MIB
from mlsign.policy.decoding.fields import PolicyFields, read_bytes, read_choice, read_integer, read_seconds
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.model import Isolation, SandboxSettings

MAX_THREADS: Final = 256
MAX_SECONDS: Final = 24 * 3600.0
MIN_MEMORY_BYTES: Final = 64 * MIB
"""Less address space than this holds no scoring worker at all."""


def decode_sandbox(node: Node, path: str) -> SandboxSettings:
    fields = PolicyFields(node, path=path, names=("memory", "cpu", "wall", "threads", "isolation"))
    default = SandboxSettings()
    cpu = fields.optional("cpu", lambda n, p: read_seconds(n, p, maximum=MAX_SECONDS))
    wall = fields.optional("wall", lambda n, p: read_seconds(n, p, maximum=MAX_SECONDS))
    memory = fields.optional("memory", lambda n, p: read_bytes(n, p, minimum=MIN_MEMORY_BYTES))
    threads = fields.optional("threads", lambda n, p: read_integer(n, p, minimum=1, maximum=MAX_THREADS))
    isolation = fields.optional("isolation", lambda n, p: read_choice(n, p, Isolation))
    return SandboxSettings(
        memory_bytes=memory or default.memory_bytes,
        cpu_seconds=cpu or default.cpu_seconds,
        wall_seconds=wall or default.wall_seconds,
        threads=threads or default.threads,
        isolation=isolation or default.isolation,
    )
