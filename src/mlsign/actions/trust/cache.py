"""What updating and importing share: the root to start from, and the steps from what was got to what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, OutsideError, TrustError, shown
from mlsign.formats.trusted_root import decode_trusted_root
from mlsign.roots.cache import OpenInstance
from mlsign.roots.embedded import INSTANCES, find_embedded
from mlsign.roots.load import TrustData, load_trust_data, read_root_file
from mlsign.roots.record import MAX_STORED_BYTES, Origin, Record, Stored, Versions, check_versions

if TYPE_CHECKING:
    from mlsign.roots.refresh import Refreshed, Seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is in the cache now, and the digest of what was there before."""

    data: TrustData
    before: Digest | None
    versions: Versions | None


def make_seed(instance: OpenInstance, *, name: str, tuf_root: Path | None) -> Seed:
    """What an update of this instance starts from: the embedded TUF root, else the one it began with, else ``tuf_root``.

    Raises ``InputError`` (``usage.tuf_root``, ``trust_root.…``), ``TrustError`` (``trust.bootstrap.changed``,
    ``trust.cache.missing``), ``OutsideError`` (``trust.library`` where there is no ``tuf``).
    """
    try:
        from mlsign.roots.refresh import Seed
    except ModuleNotFoundError as err:
        raise OutsideError(
            f"the package {err.name}, which reads TUF repositories, is not installed",
            code="trust.library",
            hint="install mlsign again with everything it asks for",
        ) from err
    return Seed(
        bootstrap=_bootstrap(instance, name=name, tuf_root=tuf_root),
        file=shown(tuf_root) if tuf_root is not None else "",
        metadata=instance.read_metadata(),
        versions=instance.record.versions if instance.record else None,
    )


def _bootstrap(instance: OpenInstance, *, name: str, tuf_root: Path | None) -> bytes:
    if name in INSTANCES:
        if tuf_root is not None:
            raise InputError(
                f"{name} has its TUF root from the sigstore package",
                code="usage.tuf_root",
                hint="give your own instance a name of its own with --name",
            )
        return find_embedded(name).read("root.json")
    known = instance.record.bootstrap if instance.record else None
    if tuf_root is None:
        if known is None:
            raise InputError(
                f"nothing is known of the instance {name} to start from",
                code="usage.tuf_root",
                hint="give the root.json of its TUF repository with --tuf-root FILE, once",
            )
        data = instance.read_file(known, max_bytes=MAX_STORED_BYTES)
        if data is None:
            raise TrustError(
                "the TUF root that this instance began with is missing or changed",
                code="trust.cache.missing",
                where=name,
                hint="give it again with --tuf-root FILE",
            )
        return data
    data = read_root_file(tuf_root)
    if known is not None and sha256(data) != known:
        raise TrustError(
            f"the instance {name} began with another TUF root",
            code="trust.bootstrap.changed",
            where=shown(tuf_root),
            expected=str(known),
            found=str(sha256(data)),
            hint="leave out --tuf-root, or give the other instance a name of its own with --name",
        )
    return data


def keep(
    instance: OpenInstance,
    seed: Seed,
    got: Refreshed,
    *,
    name: str,
    origin: Origin,
    url: str | None,
    now: datetime,
    state: Path | None,
) -> Kept:
    """Puts what a repository vouches for into the cache.

    Raises ``InputError`` (``root.…``, ``json.…``), ``TrustError`` (``trust.rollback``, ``trust.pin``) and ``OutsideError``.
    """
    before = instance.record
    # 1. Nothing older than what was seen, also where the metadata that showed it is gone.
    check_versions(got.versions, seen=before.versions if before else None, name=name)
    # 2. A root that this version can read: else the next verification would be the one to find out.
    decode_trusted_root(got.trusted_root[1])
    # 3. The pin is checked where the cache is replaced.
    record = Record(
        name=name,
        origin=origin,
        stored=now,
        fetched=now if origin is Origin.REPOSITORY else None,
        expires=got.expires,
        url=url or (before.url if before else None),
        trusted_root=stored(*got.trusted_root),
        signing_config=stored(*got.signing_config) if got.signing_config else None,
        bootstrap=sha256(seed.bootstrap),
        versions=got.versions,
        metadata=tuple(stored(path, data) for path, data in got.metadata),
    )
    configs = (got.signing_config[1],) if got.signing_config else ()
    instance.replace(record, (got.trusted_root[1], *configs, *(data for _, data in got.metadata)))
    return Kept(
        data=load_trust_data(instance=name, state=state),
        before=before.trusted_root.digest if before else None,
        versions=got.versions,
    )


def stored(path: str, data: bytes) -> Stored:
    """The entry of a record for a file with these bytes."""
    return Stored(path=path, digest=sha256(data), size=len(data))
