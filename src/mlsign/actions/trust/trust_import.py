"""Trust import: a trust root that was carried here, into the cache.

A folder with a TUF repository proves itself. A file proves nothing: somebody has to know its digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlsign.actions.trust.cache import Kept, keep, make_seed, stored
from mlsign.digest import Digest
from mlsign.errors import TrustError, shown
from mlsign.roots.cache import OpenInstance
from mlsign.roots.embedded import PUBLIC_GOOD
from mlsign.roots.load import SIGNING_CONFIG_NAME, TRUSTED_ROOT_NAME, decode_trust_data, load_trust_data, split_config
from mlsign.roots.record import Origin, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFileRequest:
    """``digest`` is of the whole file, from somebody who knows what it should be."""

    digest: Digest
    name: str = PUBLIC_GOOD
    state: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportFolderRequest:
    """``tuf_root`` is needed once, for an instance that nothing is known of."""

    name: str = PUBLIC_GOOD
    tuf_root: Path | None = None
    state: Path | None = None


def import_trust_folder(folder: Path, request: ImportFolderRequest, *, now: datetime) -> Kept:
    """The cache holds what the repository in ``folder`` vouches for, checked as an update is, without a network.

    A timestamp that ran out is accepted: the ``expires`` of the result then lies before ``now``. Raises as
    ``update_trust``, and ``InputError`` (``trust.mirror``).
    """
    with OpenInstance.open(request.name, state=request.state) as instance:
        seed = make_seed(instance, name=request.name, tuf_root=request.tuf_root)
        from mlsign.roots.refresh import read_root

        got = read_root(folder, seed, now=now)
        return keep(instance, seed, got, name=request.name, origin=Origin.FOLDER, url=None, now=now, state=request.state)


def import_trust_file(file: Path, request: ImportFileRequest, *, now: datetime) -> Kept:
    """The cache holds the trust root, or client configuration, in ``file``; versions that were seen stay known.

    Raises ``InputError`` (``trust_root.…``, ``root.…``, ``json.…``), ``TrustError`` (``trust.digest``, ``trust.pin``) and
    ``OutsideError``.
    """
    data = load_trust_data(file=file)
    content, found = data.content, data.digest
    if found != request.digest:
        raise TrustError(
            f"digest is {found}, expected {request.digest}",
            code="trust.digest",
            where=shown(file),
            expected=str(request.digest),
            found=str(found),
            hint="this is not the file that the digest is of: get both again from where you have them",
        )
    decode_trust_data(data)
    config = split_config(content)
    with OpenInstance.open(request.name, state=request.state) as instance:
        before = instance.record
        kept = instance.read_metadata()
        record = Record(
            name=request.name,
            origin=Origin.FILE,
            stored=now,
            fetched=None,
            expires=None,
            url=before.url if before else None,
            trusted_root=stored(TRUSTED_ROOT_NAME, content),
            signing_config=stored(SIGNING_CONFIG_NAME, config) if config is not None else None,
            bootstrap=before.bootstrap if before else None,
            versions=before.versions if before else None,
            metadata=tuple(stored(path, data) for path, data in kept),
        )
        instance.replace(record, (content, *((config,) if config is not None else ()), *(data for _, data in kept)))
    return Kept(
        data=load_trust_data(instance=request.name, state=request.state),
        before=before.trusted_root.digest if before else None,
        versions=record.versions,
    )
