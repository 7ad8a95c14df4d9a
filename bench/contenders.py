"""Runs what is compared, in rounds: each contender once in every round, one after the other, so that what else the machine does
hurts all of them alike. A contender is a whole process, or a call in this one.
"""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
KIB, MIB, GIB = 1024, 1024**2, 1024**3
MEASURE = """
import os, sys, time
started = time.perf_counter()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)])
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
# A process of its own, because the peak of a child is never below the memory of the process that started it.


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One run: seconds on the clock, seconds of the processors, bytes of memory at the peak (0 for a call)."""

    clock: float
    processor: float
    peak: int = 0


class Contender(Protocol):
    """What takes part: something with a name that can be run."""

    @property
    def name(self) -> str: ...

    def run(self) -> Taken: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A whole process, from its start to its end, and what is done before it, which does not count."""

    name: str
    argv: Sequence[object]
    before: Callable[[], object] = lambda: None
    allowed: frozenset[int] = frozenset({0})

    def run(self) -> Taken:
        """Ends the benchmark when the command ends with an exit code that is not ``allowed``."""
        self.before()
        command = [str(word) for word in self.argv]
        with tempfile.TemporaryFile() as log:
            done = subprocess.run(
                [sys.executable, "-S", "-c", MEASURE, *command],
                stdout=subprocess.PIPE,
                stderr=log,
                check=True,
                text=True,
                env=environment(),
            )
            code, clock, processor, kibibytes = done.stdout.split()
            if int(code) not in self.allowed:
                log.seek(0)
                said = log.read().decode(errors="replace")
                raise SystemExit(f"{' '.join(command)} ended with {code}:\n{said}")
        return Taken(clock=float(clock), processor=float(processor), peak=int(kibibytes) * KIB)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call in this process, so many ``times`` in a row, of which one is counted; what is done before each turn does not count."""

    name: str
    call: Callable[[], object]
    before: Callable[[], object] = lambda: None
    times: int = 1

    def run(self) -> Taken:
        self.before()
        clock, processor = time.perf_counter(), time.process_time()
        for _ in range(self.times):
            self.call()
        processor, clock = time.process_time() - processor, time.perf_counter() - clock
        return Taken(clock=clock / self.times, processor=processor / self.times)


@dataclass(slots=True)
class Samples:
    """The runs of one contender: medians, and the highest peak."""

    runs: list[Taken] = field(default_factory=list)

    @property
    def clock(self) -> float:
        return statistics.median(run.clock for run in self.runs)

    @property
    def processor(self) -> float:
        return statistics.median(run.processor for run in self.runs)

    @property
    def peak(self) -> int:
        return max(run.peak for run in self.runs)

    def over(self, other: Samples) -> float:
        """How many times as long on the clock as another that ran in the same rounds: the median of the ratios of each round."""
        return statistics.median(a.clock / b.clock for a, b in zip(self.runs, other.runs, strict=True))


def in_rounds(
    contenders: Sequence[Contender], *, rounds: int, warm_up: int = 1, seconds: float = math.inf
) -> Mapping[str, Samples]:
    """The samples of each, by its name; the first rounds only warm up. After so many ``seconds`` no other round begins, but one
    always counts."""
    samples = {contender.name: Samples() for contender in contenders}
    started = time.monotonic()
    for number in range(warm_up + rounds):
        if number > warm_up and time.monotonic() - started > seconds:
            break
        for contender in contenders:
            taken = contender.run()
            if number >= warm_up:
                samples[contender.name].runs.append(taken)
    return samples


def until_enough(contender: Contender, *, rounds: int, seconds: float) -> Samples:
    """One alone, some rounds long; what has taken so many ``seconds`` of the clock is not run again."""
    samples = Samples()
    while len(samples.runs) < rounds and sum(run.clock for run in samples.runs) < seconds:
        samples.runs.append(contender.run())
    return samples


def environment() -> dict[str, str]:
    """Of the children: as a shell has it, with bytecode, and without what onnxruntime does in the background."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"ORT_DISABLE_TELEMETRY": "1"}


def python(code: str, *words: object) -> list[object]:
    """A command line that runs a few lines of Python."""
    return [sys.executable, "-c", code, *words]


def duration(seconds: float) -> str:
    """Seconds with a unit that fits."""
    if math.isnan(seconds):
        return ""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    if seconds >= 0.1:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds * 1e3:.2f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} us"


def of_bytes(size: float) -> str:
    """Bytes with a unit that fits, in powers of ten as the goals are."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}" if unit == "GB" else f"{size / factor:.0f} {unit}"
    return f"{size:.0f} B"
