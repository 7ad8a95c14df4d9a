"""Adding a bundle to a package that stays open from the first look at it until the bundle is there."""

from __future__ import annotations

from mlsign.formats.bundle import Bundle, encode_bundle
from mlsign.limits import Limits
from mlsign.package.read import OpenPackage
from mlsign.package.scan import FoundFile
from mlsign.package.write import add_signature


def add_bundle(package: OpenPackage, bundle: Bundle, *, files: tuple[FoundFile, ...], limits: Limits) -> str:
    """Writes the bundle beside those that are there, and returns its path within the package.

    Making it took as long as people and services take: nothing is written when the content is no longer ``files``, or
    when others have filled ``signatures/``. Raises ``InputError`` (``file.changed``, ``package.bundles``), ``OutsideError``.
    """
    data = encode_bundle(bundle)
    package.check_room(len(data), limits=limits)
    package.check_unchanged(files, limits=limits)
    return add_signature(package, data)
