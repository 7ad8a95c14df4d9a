"""A trust root from a TUF repository, over the network or from a folder that somebody carried here.

Signatures, thresholds, the succession of roots, expiry and the consistency of what is offered are checked by the
``tuf`` library, in a folder that is thrown away. What was seen before comes in as a seed; what to keep is for ``cache``.
"""

from __future__ import annotations

import contextlib
import errno
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp  # type: ignore[attr-defined]
from tuf.ngclient import TargetFile, Updater, UpdaterConfig  # type: ignore[attr-defined]

from mlsign.errors import InputError, MlsignError, OutsideError, TrustError, shown
from mlsign.formats.trusted_root import MAX_TRUSTED_ROOT_BYTES
from mlsign.roots.fetchers import FOLDER_BASE, FolderFetcher, NetworkFetcher
from mlsign.roots.load import SIGNING_CONFIG_NAME, TRUSTED_ROOT_NAME
from mlsign.roots.record import MAX_URL_CHARS, Versions, fits_path
from mlsign.services import overheard
from mlsign.strict import MAX_SAFE_INTEGER

_FIRST_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ROOT: Final = re.compile(r"([1-9][0-9]{0,9})\.root\.json", re.ASCII)
_R = TypeVar("_R", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """What to start from: a TUF root that is trusted, and metadata that was verified before, by repository path.

    ``file`` is where a person has the root from, for messages.
    """

    bootstrap: bytes
    file: str = ""
    metadata: tuple[tuple[str, bytes], ...] = ()
    versions: Versions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refreshed:
    """What the repository vouches for: two files and all metadata, each with its path; ``expires`` is the earliest of all."""

    trusted_root: tuple[str, bytes]
    signing_config: tuple[str, bytes] | None
    metadata: tuple[tuple[str, bytes], ...]
    versions: Versions
    expires: datetime


def fetch_root(url: str, seed: Seed, *, now: datetime) -> Refreshed:
    """The trust root that the repository at ``url`` vouches for at ``now``.

    Raises ``InputError`` (``usage.url``, ``trust.bootstrap``), ``TrustError`` (``trust.expired``, ``trust.rollback``,
    ``trust.signatures``, ``trust.mismatch``, ``trust.repository``), ``OutsideError`` (``trust.network``).
    """
    _check_url(url)
    with overheard("urllib3"):  # it warns of every retry; the one error that comes of them is enough
        return _follow(NetworkFetcher(), url.rstrip("/") + "/", seed, now=now, judged_at=now)


def read_root(folder: Path, seed: Seed, *, now: datetime) -> Refreshed:
    """As ``fetch_root``, from a folder with the files of a repository.

    A timestamp that ran out on the way is accepted, everything else must be valid at ``now``: the caller sees from
    ``expires`` that it is stale. Raises also ``InputError`` (``trust.mirror``).
    """
    fetcher = FolderFetcher(folder)
    with contextlib.ExitStack() as stack:
        stack.enter_context(fetcher)
        stack.enter_context(_translated(fetcher))
        raw = fetcher.download_bytes(f"{FOLDER_BASE}timestamp.json", UpdaterConfig().timestamp_max_length)
        claimed = _decode(raw, Timestamp).expires
        # Only which moment to ask about is taken from the unverified timestamp; all checks follow, and once more at now.
        judged_at = now if now < claimed else max(claimed, _FIRST_MOMENT) - timedelta(seconds=1)
        return _follow(fetcher, FOLDER_BASE, seed, now=now, judged_at=judged_at)


def _follow(fetcher: NetworkFetcher | FolderFetcher, base: str, seed: Seed, *, now: datetime, judged_at: datetime) -> Refreshed:
    """The client workflow of TUF (specification, section 5), by the library, and what came of it."""
    with tempfile.TemporaryDirectory(prefix="mlsign-trust-") as work, _translated(fetcher):
        metadata, targets = Path(work, "metadata"), Path(work, "targets")
        # 1. What was seen before: roots in their order, and the newest of the others.
        _sow(metadata, seed)
        targets.mkdir()
        # 2. The root that is trusted already.
        updater = _begin(metadata, targets, base, seed, fetcher)
        _judge_at(updater, judged_at)
        # 3. Roots, timestamp, snapshot, targets.
        updater.refresh()
        # 4. The two files.
        consistent = _decode((metadata / "root.json").read_bytes(), Root).consistent_snapshot is True
        trusted_root = _download(updater, TRUSTED_ROOT_NAME, consistent=consistent)
        signing_config = _download(updater, SIGNING_CONFIG_NAME, consistent=consistent)
        if trusted_root is None:
            raise TrustError(
                f"the repository is in order and has no {TRUSTED_ROOT_NAME}",
                code="trust.repository",
                hint="ask whoever runs it whether this is a repository for Sigstore clients",
            )
        return _collect(metadata, trusted_root, signing_config, consistent=consistent, now=now, offline=fetcher.offline)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        plain = url.isascii() and url.isprintable() and not {"@", "?", "#", " "} & set(url)
        plain = plain and len(url) <= MAX_URL_CHARS
        good = plain and parts.scheme in {"https", "http"} and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good:
        raise InputError(
            "is no address of a TUF repository",
            code="usage.url",
            where=shown(url),
            expected=f"https://HOST/PATH without a user name, query or fragment, of at most {MAX_URL_CHARS} characters",
        )


def _begin(metadata: Path, targets: Path, base: str, seed: Seed, fetcher: NetworkFetcher | FolderFetcher) -> Updater:
    try:
        return Updater(
            metadata_dir=str(metadata),
            metadata_base_url=base,
            target_dir=str(targets),
            target_base_url=f"{base}targets/",
            fetcher=fetcher,
            config=UpdaterConfig(app_user_agent="mlsign"),
            bootstrap=seed.bootstrap,
        )
    except exceptions.RepositoryError as err:
        raise InputError(
            f"the TUF root to start from is none: {shown(err)}",
            code="trust.bootstrap",
            where=seed.file,
            hint="--tuf-root takes the root.json of the repository, from somebody you trust",
        ) from err


def _judge_at(updater: Updater, moment: datetime) -> None:
    """Expiry is judged at ``moment``. The library takes its own clock and offers no argument for it."""
    trusted = updater._trusted_set  # noqa: SLF001 - there is no public way; checked, so that a change there is not missed
    if not isinstance(getattr(trusted, "reference_time", None), datetime):
        raise OutsideError(
            "the installed tuf library keeps its time elsewhere",
            code="trust.library",
            hint="install the version that mlsign asks for",
        )
    trusted.reference_time = moment


def _sow(metadata: Path, seed: Seed) -> None:
    history = metadata / "root_history"
    history.mkdir(parents=True)
    for path, data in seed.metadata:
        if _ROOT.fullmatch(path):
            (history / path).write_bytes(data)
    # The library looks for the newest of a role under its bare name; in a repository it often has a version in front.
    kept = dict(seed.metadata)
    for role in ("timestamp", "snapshot", "targets"):
        versioned = f"{getattr(seed.versions, role)}.{role}.json" if seed.versions else ""
        if (found := kept.get(versioned) or kept.get(f"{role}.json")) is not None:
            (metadata / f"{role}.json").write_bytes(found)


def _download(updater: Updater, name: str, *, consistent: bool) -> tuple[str, bytes] | None:
    info: TargetFile | None = updater.get_targetinfo(name)
    if info is None:
        return None
    if info.length > MAX_TRUSTED_ROOT_BYTES:
        raise _refused(f"{name} has {info.length} bytes, allowed are {MAX_TRUSTED_ROOT_BYTES}", code="trust.repository")
    data = Path(updater.download_target(info)).read_bytes()
    prefix = f"{next(iter(info.hashes.values()))}." if consistent else ""
    return f"targets/{prefix}{name}", data


def _collect(
    metadata: Path,
    trusted_root: tuple[str, bytes],
    signing_config: tuple[str, bytes] | None,
    *,
    consistent: bool,
    now: datetime,
    offline: bool,
) -> Refreshed:
    """Everything that was verified, read back from where the library left it."""
    root = _decode((metadata / "root.json").read_bytes(), Root)
    files: list[tuple[str, bytes]] = []
    history = {int(match[1]): path for path in (metadata / "root_history").iterdir() if (match := _ROOT.fullmatch(path.name))}
    files += [(path.name, path.read_bytes()) for version, path in sorted(history.items()) if version <= root.version]
    versions, expires = {"root": root.version}, {"root": root.expires}
    for path in sorted(metadata.glob("*.json")):
        role = unquote(path.name.removesuffix(".json"))
        if role == "root":
            continue
        data = path.read_bytes()
        signed = _decode_role(role, data)
        versions[role], expires[role] = signed.version, signed.expires
        prefix = f"{signed.version}." if consistent and role != "timestamp" else ""
        if not fits_path(f"{prefix}{path.name}"):
            raise _unkept(path.name)
        files.append((f"{prefix}{path.name}", data))
    for role, version in versions.items():
        if version > MAX_SAFE_INTEGER:
            raise _refused(f"{role} has version {shown(version)}, allowed is up to {MAX_SAFE_INTEGER}", code="trust.repository")
    for role, end in expires.items():
        # What was carried here took its time: the timestamp may have run out meanwhile, and only that.
        if end <= now and not (offline and role == "timestamp"):
            raise _expired(f"{role} ran out at {end:%Y-%m-%d %H:%M} UTC")
    return Refreshed(
        trusted_root=trusted_root,
        signing_config=signing_config,
        metadata=tuple(files),
        versions=Versions(**{role: versions[role] for role in ("root", "timestamp", "snapshot", "targets")}),
        expires=min(expires.values()),
    )


def _decode_role(role: str, data: bytes) -> Timestamp | Snapshot | Targets:
    if role == "timestamp":
        return _decode(data, Timestamp)
    return _decode(data, Snapshot) if role == "snapshot" else _decode(data, Targets)


def _decode(data: bytes, kind: type[_R]) -> _R:
    signed = Metadata[_R].from_bytes(data).signed
    if not isinstance(signed, kind):
        raise exceptions.RepositoryError(f"expected {kind.type}, got {signed.type}")
    return signed


@contextlib.contextmanager
def _translated(source: NetworkFetcher | FolderFetcher) -> Iterator[None]:
    """What the library raises, in our words and families."""
    try:
        yield
    except exceptions.ExpiredMetadataError as err:
        raise _expired(shown(err)) from err
    except exceptions.BadVersionNumberError as err:
        raise _refused(f"the versions on offer go back, or do not fit together: {shown(err)}", code="trust.rollback") from err
    except exceptions.UnsignedMetadataError as err:
        raise _refused(f"too few of the trusted keys signed: {shown(err)}", code="trust.signatures") from err
    except (exceptions.LengthOrHashMismatchError, exceptions.DownloadLengthMismatchError) as err:
        raise _refused(f"a file is not the one that was signed for: {shown(err)}", code="trust.mismatch") from err
    except exceptions.RepositoryError as err:
        raise _refused(f"the repository is not in order: {shown(err)}", code="trust.repository") from err
    except exceptions.DownloadError as err:
        raise _unreached(source, err) from err
    except OSError as err:
        if err.errno == errno.ENAMETOOLONG:
            raise _unkept(Path(str(err.filename2 or err.filename)).name) from err
        raise OutsideError(f"cannot be written: {err.strerror}", code="disk.write", where=shown(err.filename)) from err


def _unreached(source: NetworkFetcher | FolderFetcher, err: exceptions.DownloadError) -> MlsignError:
    if isinstance(source, FolderFetcher):
        return InputError(
            f"has no readable {shown(source.asked)}: {shown(err)}",
            code="trust.mirror",
            where=shown(source.where),
            hint="export again on the connected machine (mlsign trust export FOLDER) and carry the whole folder over",
        )
    return OutsideError(
        f"cannot be fetched: {shown(err)}",
        code="trust.network",
        where=shown(source.asked),
        hint="nothing was changed; try again, or carry a folder over: mlsign trust export there, mlsign trust import here",
    )


def _unkept(name: str) -> TrustError:
    return _refused(f"a role has a name that no file can have here: {shown(name, limit=40)}", code="trust.repository")


def _expired(message: str) -> TrustError:
    return _refused(
        message,
        code="trust.expired",
        hint="somebody may keep newer states from you: ask another mirror, export again, and look at this machine's clock",
    )


def _refused(
    message: str, *, code: str, hint: str = "nothing was changed; ask another mirror, or whoever runs this one"
) -> TrustError:
    return TrustError(message, code=code, hint=hint)
