"""A store with one object in it that a package is linked to, and what attackers do to such things."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from mlsign.digest import Algorithm, Digest
from mlsign.package.file_source import FileSource
from mlsign.package.store import Store, StoredObject
from mlsign.package.store_filling import StoreWriter
from mlsign.paths import PackagePath

SIZE = 1_048_576
WEIGHTS = PackagePath("weights.bin")


@dataclass(frozen=True)
class Stocked:
    """``source`` was packed into ``package`` from ``store``, as the object ``thing``."""

    store: Path
    source: Path
    package: Path
    thing: StoredObject

    @property
    def linked(self) -> Path:
        return self.package / WEIGHTS

    @property
    def object(self) -> Path:
        return self.store / str(self.thing)

    @property
    def record(self) -> Path:
        return self.store / "records" / "/".join(self.thing.folder) / self.thing.digest.hex

    def known(self) -> dict[Algorithm, Digest]:
        """What the store knows of the file in the package."""
        with Store.open(self.store) as store:
            return dict(store.recall(os.stat(self.linked), self.thing))


def inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def settle(path: Path) -> None:
    """As if the file had lain there for a while: the change time is the kernel's, so there is no way but to wait."""
    while time.time_ns() - max(path.stat().st_ctime_ns, path.stat().st_mtime_ns) < 2_100_000_000:
        time.sleep(0.1)


def supply(store: Path, source: Path, folder: Path, *, algorithm: Algorithm = Algorithm.BLAKE3) -> Digest | None:
    """Packs one file from the store, as ``mlsign pack`` does for each."""
    folder.mkdir(exist_ok=True)
    with StoreWriter.open(store) as writer, FileSource(os.open(source, os.O_RDONLY), where=str(source)) as opened:
        return writer.supply(opened, algorithm=algorithm, folder=folder, path=WEIGHTS)


def stock(folder: Path) -> Stocked:
    source, package, store = folder / "source.bin", folder / "package", folder / "store"
    source.write_bytes(os.urandom(SIZE))
    digest = supply(store, source, package)
    assert digest is not None
    return Stocked(store=store, source=source, package=package, thing=StoredObject(digest=digest, size=SIZE))


def write_in_place(path: Path, *, forge: bool = True) -> None:
    """Changes one byte as the owner can, and sets the modification time back to what it was."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(1000)
        byte = file.read(1)
        file.seek(1000)
        file.write(bytes([byte[0] ^ 1]))
    path.chmod(before.st_mode & 0o777)
    if forge:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_mtime_ns == before.st_mtime_ns
