"""Where a policy comes from: the files that it was combined from, what it loosens of its parents, and who signed it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlsign.digest import Digest, sha256
from mlsign.identity import Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One policy of a chain: what it calls itself, where it was read relative to the first, and the sha256 of its bytes."""

    name: str
    source: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Loosened:
    """A field in which ``child`` is looser than ``parent``, because it says so. ``tight`` and ``loose`` are the two values."""

    field: str
    reason: str
    parent: str
    child: str
    tight: str
    loose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """``chain`` starts with the policy itself and ends with the one that extends none; ``signer`` is None where nobody was asked for."""

    chain: tuple[Link, ...] = ()
    loosened: tuple[Loosened, ...] = ()
    signer: Identity | None = None


def chain_digest(digests: Iterable[Digest]) -> Digest:
    """The digest of a policy: of its bytes where it extends none, else of the lines of digests of the chain, the child first."""
    found = tuple(digests)
    return found[0] if len(found) == 1 else sha256("".join(f"{digest}\n" for digest in found).encode("ascii"))
