"""Trust pin: a trust root fixed to one digest, until somebody says otherwise."""

from __future__ import annotations

from pathlib import Path

from mlsign.digest import Digest
from mlsign.errors import InputError
from mlsign.roots.cache import OpenInstance
from mlsign.roots.embedded import PUBLIC_GOOD
from mlsign.roots.load import decode_trust_data, load_trust_data


def read_root_digest(file: Path) -> Digest:
    """The digest of the trust root in ``file``: of a file that is none, no one is asked and nothing is pinned.

    Raises ``InputError`` (``trust_root.…``, ``root.…``, ``json.…``, ``base64``), ``OutsideError`` (``file.read``).
    """
    data = load_trust_data(file=file)
    decode_trust_data(data)
    return data.digest


def pin_trust(digest: Digest | None = None, *, name: str = PUBLIC_GOOD, state: Path | None = None) -> Digest:
    """The instance is fixed to ``digest``, without one to what it is now; the root may come later than its pin.

    Raises ``InputError`` (``usage.name``, ``trust.instance``, ``usage.sha256``), ``TrustError`` (``trust.cache.…``, ``trust.pin``),
    ``OutsideError``.
    """
    if digest is None:
        digest = load_trust_data(instance=name, state=state).digest
    elif digest.algorithm.value != "sha256":
        raise InputError(
            "trust roots are pinned by their sha256 digest", code="usage.sha256", expected="sha256:…", found=str(digest)
        )
    with OpenInstance.open(name, state=state) as instance:
        instance.set_pin(digest)
    return digest


def unpin_trust(*, name: str = PUBLIC_GOOD, state: Path | None = None) -> Digest | None:
    """The instance may change again; the result is what it was fixed to. Raises as ``pin_trust``."""
    with OpenInstance.open(name, state=state) as instance:
        before = instance.pin
        instance.set_pin(None)
    return before
