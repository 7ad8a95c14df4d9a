"""Trust export: the repository behind a cached trust root, as a folder to carry to a machine without a network."""

from __future__ import annotations

from pathlib import Path

from mlsign.errors import InputError
from mlsign.roots.cache import read_instance, read_repository
from mlsign.roots.embedded import PUBLIC_GOOD
from mlsign.roots.mirror import write_mirror
from mlsign.roots.record import Origin, Record


def export_trust(folder: Path, *, name: str = PUBLIC_GOOD, state: Path | None = None) -> Record:
    """``folder`` is new and holds what ``import_trust_folder`` reads.

    Raises ``InputError`` (``trust.export``, ``output.exists``), ``TrustError`` (``trust.cache.…``), ``OutsideError``.
    """
    cached = read_instance(name, state=state).cached
    if cached is None or cached.record.origin is Origin.FILE:
        raise InputError(
            "there is no repository to export: nothing was fetched yet"
            if cached is None
            else "there is no repository to export: this trust root was imported as a file",
            code="trust.export",
            where=name,
            hint="mlsign trust update fetches one; a trust root file is carried as it is, with its digest",
        )
    write_mirror(folder, read_repository(cached.record, state=state))
    return cached.record
