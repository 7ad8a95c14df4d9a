"""Version n+1 of a model of 1 GiB in 16 files, of which some are other than in version n: packed, signed, verified and admitted.

With a store, or with the memory of version n, and without. Everything is in the page cache. What has changed is written anew before
each round, so that no round finds what the one before has left; files that have not are those of version n.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from contenders import MIB, Command, duration
from models import write_matrices, write_random
from page import heading, progress, row
from workbench import MLSIGN, Workbench, alone, clear

from mlsign import Gate

FILES = 16
SHARES = (0, 1, 4, 16)
SETTLED_SECONDS = 2.5
"""A store remembers a file that it has read when it was left alone for two seconds before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do with version n+1, with what is known of version n and without."""

    name: str
    known: float
    alone: float


def print_incremental(bench: Workbench) -> None:
    """One table: a row for each step and number of files that changed."""
    release = Release(bench)
    rounds = bench.rounds(3)
    heading(f"{FILES} files of {release.bytes // MIB} MiB", "changed", "without", "with", "with beside without")
    for changed in SHARES:
        progress(f"version n+1 with {changed} of {FILES} files changed, {rounds} rounds")
        for steps in zip(*(list(release.steps(changed)) for _ in range(rounds)), strict=True):
            apart, known = median(step.alone for step in steps), median(step.known for step in steps)
            row(steps[0].name, str(changed), duration(apart), duration(known), f"{known / apart:.2f} times as long")


class Release:
    """A model in ``source``, packed as version n into a store, and as often after that as wanted."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self.bytes = (2 if bench.quick else 64) * MIB
        self._source, self._store = bench.folder / "released", bench.folder / "store"
        self._source.mkdir()
        self._names = [f"w{number:02}.bin" for number in range(FILES)]
        for number, name in enumerate(self._names):
            write_random(self._source / name, self.bytes, seed=number)
        write_matrices(self._source / "model.onnx", dict.fromkeys(self._names, self.bytes))
        self._count = 0
        self._once = bench.folder / "once.yaml"
        self._once.write_text(f"{bench.policy.read_text(encoding='utf-8')}hashing: once\n", encoding="utf-8")
        os.sync()
        time.sleep(SETTLED_SECONDS)
        self._old = self._package()
        bench.run(MLSIGN, "pack", self._source / "model.onnx", "-o", self._old, "--store", self._store, "--digest", "blake3")
        bench.run(MLSIGN, "sign", self._old, "--key", bench.private, "--store", self._store)
        self._gate = Gate.load(bench.policy, store=self._store)

    def _package(self) -> Path:
        self._count += 1
        return self._bench.folder / f"released-1.0.{self._count}"

    def _change(self, count: int) -> None:
        """Other bytes in the first files, in place, as a trainer writes them."""
        for name in self._names[:count]:
            with (self._source / name).open("r+b") as file:
                file.write(os.urandom(64))
        os.sync()

    def _recycle(self) -> None:
        """Gives memory back that the machine has had for pages of files: what it has not had before takes longer to be had."""
        junk = self._bench.folder / "junk"
        shutil.copytree(self._source, junk)
        shutil.rmtree(junk)

    def steps(self, changed: int) -> Iterator[Step]:
        """Every step once. A package with files of the store stays: removing it would change the state of what others share."""
        self._change(changed)
        made, copied = self._package(), self._bench.folder / "copied-1.0.0"
        store, model = ("--store", self._store), self._source / "model.onnx"
        key = ("--key", self._bench.private)
        pack = [MLSIGN, "pack", model, "--digest", "blake3", "-o"]
        clear(copied)()
        self._recycle()
        without = _clock("pack", [*pack, copied])
        self._recycle()
        yield Step(name="`mlsign pack`", alone=without, known=_clock("pack", [*pack, made, *store]))
        without = _clock("sign", [MLSIGN, "sign", copied, *key])
        yield Step(name="`mlsign sign`", alone=without, known=_clock("sign", [MLSIGN, "sign", made, *key, *store]))
        without = _clock("verify", [MLSIGN, "verify", copied, "--policy", self._bench.policy])
        known = _clock("verify", [MLSIGN, "verify", made, "--policy", self._once, *store])
        yield Step(name="`mlsign verify`, `hashing: once`", alone=without, known=known)
        with self._gate.admit(self._old) as old:
            without = _timed(lambda: self._gate.admit(copied).close())
            known = _timed(lambda: self._gate.admit(made, sharing=[old]).close())
        yield Step(name="`Gate.admit`, sharing", alone=without, known=known)


def _clock(name: str, argv: list[object]) -> float:
    return Command(name=name, argv=argv).run().clock


def _timed(call: Callable[[], object]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


if __name__ == "__main__":
    alone(print_incremental, about=__doc__)
