"""The trust root that a verification rests on: a file, the cache, or the one inside the installed ``sigstore``.

Opens at most five small files and imports nothing heavy. Says where the root is from and when it was last confirmed;
whether that is recent enough is for whoever decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from mlsign.digest import Digest, sha256
from mlsign.errors import InputError, OutsideError, naming, shown, shown_path
from mlsign.formats.trusted_root import CLIENT_MEDIA_TYPE, MAX_TRUSTED_ROOT_BYTES, TrustedRoot, decode_trusted_root
from mlsign.limits import DEFAULT, Limits
from mlsign.roots.cache import Cached, Instance, check_pin, read_instance
from mlsign.roots.embedded import INSTANCES, PUBLIC_GOOD, find_embedded
from mlsign.strict import decode_json, encode_json

TRUSTED_ROOT_NAME: Final = "trusted_root.json"
SIGNING_CONFIG_NAME: Final = "signing_config.v0.2.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustData:
    """A trust root as it was received (a ``trusted_root.json``, or the client configuration that it is in).

    ``fetched`` is when the repository last confirmed it, ``expires`` the end of the metadata it rests on; None where
    there is no such time, as for a file.
    """

    content: bytes
    source: str
    digest: Digest
    fetched: datetime | None
    expires: datetime | None
    pinned: bool


def load_trust_data(
    *, instance: str = PUBLIC_GOOD, file: Path | None = None, state: Path | None = None, limits: Limits = DEFAULT
) -> TrustData:
    """The trust root in ``file``, else in the cache of ``instance``, else the one that comes with ``sigstore``.

    A damaged cache is never passed over: what comes with ``sigstore`` may be older. Raises ``InputError``
    (``usage.name``, ``trust_root.missing``, ``trust_root.kind``, ``trust_root.size``, ``trust.instance``), ``TrustError``
    (``trust.cache.…``, ``trust.pin``) and ``OutsideError``.
    """
    if file is not None:
        content = read_root_file(file)
        return TrustData(
            content=content, source=f"file {shown(file)}", digest=sha256(content), fetched=None, expires=None, pinned=False
        )
    found = read_instance(instance, state=state, limits=limits)
    data = _from_cache(found, found.cached) if found.cached is not None else _from_package(found)
    check_pin(found.pin, data.digest, name=instance)
    return data


def decode_trust_data(data: TrustData, *, limits: Limits = DEFAULT) -> TrustedRoot:
    """The trust root that ``data`` is. Raises ``InputError`` (``root.…``, ``json.…``, ``base64``), which names the source."""
    with naming(data.source, hint="expected is a trusted_root.json, or the client configuration that holds one"):
        return decode_trusted_root(data.content, limits=limits)


def load_signing_config(
    *, instance: str = PUBLIC_GOOD, file: Path | None = None, state: Path | None = None, limits: Limits = DEFAULT
) -> bytes | None:
    """The signing configuration that goes with ``load_trust_data``, or None where that has none. Raises alike."""
    if file is not None:
        return split_config(read_root_file(file), limits=limits)
    found = read_instance(instance, state=state, limits=limits)
    if found.cached is not None:
        return found.cached.signing_config
    _check_known(instance)
    return find_embedded(instance).read(SIGNING_CONFIG_NAME)


def read_root_file(file: Path) -> bytes:
    """A trust root that the user named; links are followed.

    Raises ``InputError`` (``trust_root.missing``, ``trust_root.kind``, ``trust_root.size``), ``OutsideError`` (``file.read``).
    """
    try:
        if not file.is_file():
            raise InputError(
                "is no regular file, expected a trust root" if file.exists() else "there is no trust root file of this name",
                code="trust_root.kind" if file.exists() else "trust_root.missing",
                where=shown_path(file),
            )
        with file.open("rb") as opened:
            content = opened.read(MAX_TRUSTED_ROOT_BYTES + 1)
    except OSError as err:
        raise OutsideError(f"cannot be read: {err.strerror}", code="file.read", where=shown_path(file)) from err
    if len(content) > MAX_TRUSTED_ROOT_BYTES:
        raise InputError(f"has more than {MAX_TRUSTED_ROOT_BYTES} bytes", code="trust_root.size", where=shown_path(file))
    return content


def split_config(content: bytes, *, limits: Limits = DEFAULT) -> bytes | None:
    """The signing configuration inside a client configuration; None when ``content`` is a trust root alone."""
    value = decode_json(content, max_bytes=MAX_TRUSTED_ROOT_BYTES, limits=limits)
    if not isinstance(value, dict) or value.get("mediaType") != CLIENT_MEDIA_TYPE or "signingConfig" not in value:
        return None
    return encode_json(value["signingConfig"])


def _from_cache(found: Instance, cached: Cached) -> TrustData:
    record = cached.record
    return TrustData(
        content=cached.trusted_root,
        source=f"cache of {found.name}",
        digest=record.trusted_root.digest,
        fetched=record.fetched,
        expires=record.expires,
        pinned=found.pin is not None,
    )


def _from_package(found: Instance) -> TrustData:
    _check_known(found.name)
    embedded = find_embedded(found.name)
    content = embedded.read(TRUSTED_ROOT_NAME)
    return TrustData(
        content=content,
        source=f"embedded with sigstore {embedded.version}",
        digest=sha256(content),
        fetched=None,
        expires=None,
        pinned=found.pin is not None,
    )


def _check_known(name: str) -> None:
    if name not in INSTANCES:
        raise InputError(
            f"nothing is known of the instance {name}",
            code="trust.instance",
            where=name,
            expected=f"{', '.join(INSTANCES)}, or one that was fetched or imported",
            hint=f"mlsign trust update --name {name} --tuf-url URL --tuf-root FILE, or mlsign trust import FILE --name {name}",
        )
