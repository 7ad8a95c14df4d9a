"""Trust update: the newest trust root that a TUF repository vouches for, into the cache."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlsign.actions.trust.cache import Kept, keep, make_seed
from mlsign.errors import InputError
from mlsign.roots.cache import OpenInstance
from mlsign.roots.embedded import INSTANCES, PUBLIC_GOOD, find_embedded
from mlsign.roots.record import Origin, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """``url`` and ``tuf_root`` are kept, so that an instance needs them once; the embedded instances never do."""

    name: str = PUBLIC_GOOD
    url: str | None = None
    tuf_root: Path | None = None
    state: Path | None = None


def update_trust(request: UpdateRequest, *, now: datetime) -> Kept:
    """The cache holds what the repository vouches for at ``now``; after an error it holds what it held before.

    Raises ``InputError`` (``usage.…``, ``trust.bootstrap``, ``root.…``), ``TrustError`` (``trust.…``), ``OutsideError``
    (``trust.network``, ``trust.busy``, ``trust.cache.…``).
    """
    with OpenInstance.open(request.name, state=request.state) as instance:
        url = request.url or _known_url(request.name, instance.record)
        seed = make_seed(instance, name=request.name, tuf_root=request.tuf_root)
        from mlsign.roots.refresh import fetch_root

        got = fetch_root(url, seed, now=now)
        return keep(
            instance, seed, got, name=request.name, origin=Origin.REPOSITORY, url=request.url, now=now, state=request.state
        )


def _known_url(name: str, record: Record | None) -> str:
    if record is not None and record.url is not None:
        return record.url
    if name in INSTANCES:
        return find_embedded(name).url
    raise InputError(
        f"nothing is known of the repository of {name}", code="usage.tuf_url", hint="give its address with --tuf-url URL, once"
    )
