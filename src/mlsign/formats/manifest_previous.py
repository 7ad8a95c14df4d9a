"""The release before, as a manifest names it."""

from __future__ import annotations

from mlsign.digest import Algorithm, decode_digest
from mlsign.errors import shown
from mlsign.formats.manifest import Previous
from mlsign.strict import Fields, JsonValue
from mlsign.version import Version, decode_version


def decode_previous(item: Fields, *, version: Version) -> Previous:
    """The release before ``version``. Raises ``InputError`` (``manifest.previous``, ``version.…``, ``digest.…``)."""
    previous = Previous(
        version=decode_version(item.text("version"), where=f"{item.where}.version"),
        digest=decode_digest(item.text("digest"), where=f"{item.where}.digest"),
    )
    if previous.digest.algorithm is not Algorithm.SHA256:
        found = previous.digest.algorithm.value
        raise item.wrong(f"is {found}, the digest of a package is sha256", code="previous", name="digest", found=found)
    if not previous.version < version:
        message = f"is {shown(previous.version)}, which is not lower than {version}"
        raise item.wrong(message, code="previous", name="version", found=previous.version)
    item.done()
    return previous


def encode_previous(previous: Previous) -> JsonValue:
    return {"version": previous.version.text, "digest": str(previous.digest)}
