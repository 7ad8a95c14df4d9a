"""Admit: 4 GiB verified in sealed memory, ``Gate.admit`` in this process, beside copying the weights into memory and nothing else.

The weights are in the page cache. Each contender has fresh memory, and gives it back before the next.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from contenders import MIB, Call, duration, in_rounds
from goals import at_most
from page import heading, progress, row
from workbench import Workbench, alone

from mlsign import Gate

GOAL = at_most(1.25)
PIECE_BYTES = 16 * MIB
ENOUGH_SECONDS = 50
COPIES = {"copy, one thread": 1, "copy, two threads": 2}


def print_admit(bench: Workbench) -> None:
    """One table."""
    _, package = bench.big()
    gate = Gate.load(bench.policy)
    weights = package / "model.onnx.data"
    contenders = [Call(name="admit", call=lambda: gate.admit(package).close())]
    contenders += [Call(name=name, call=partial(copy, weights, threads=threads)) for name, threads in COPIES.items()]
    rounds = bench.rounds(5)
    progress(f"admitting {bench.big_bytes // MIB} MiB beside copying them, up to {rounds + 1} rounds")
    samples = in_rounds(contenders, rounds=rounds, seconds=ENOUGH_SECONDS)
    ours = samples["admit"]
    heading(f"admit {bench.big_bytes // MIB:,} MiB", "takes", "of the processors", "`Gate.admit` beside it", "goal")
    row("`Gate.admit`", duration(ours.clock), duration(ours.processor), "", "")
    faster = min(COPIES, key=lambda name: samples[name].clock)
    for name in COPIES:
        ratio = ours.over(samples[name])
        goal = GOAL.judged(ratio) if name == faster else ""
        row(name, duration(samples[name].clock), duration(samples[name].processor), f"{ratio:.2f} times as long", goal)


def copy(path: Path, *, threads: int) -> None:
    """The bytes of a file into fresh memory, a share of them by each thread, as the kernel copies them (``sendfile``)."""
    source, target = os.open(path, os.O_RDONLY), os.memfd_create("bench", os.MFD_CLOEXEC)
    try:
        size = os.fstat(source).st_size
        os.ftruncate(target, size)
        share = -(-size // threads)
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(copy_part, source, target, n * share, min((n + 1) * share, size)) for n in range(threads)]:
                done.result()
    finally:
        os.close(source)
        os.close(target)


def copy_part(source: int, target: int, offset: int, stop: int) -> None:
    """One share, through a description of the memory of its own, which has a position of its own."""
    own = os.open(f"/proc/self/fd/{target}", os.O_WRONLY)
    try:
        os.lseek(own, offset, os.SEEK_SET)
        while offset < stop:
            offset += os.sendfile(own, source, offset, min(PIECE_BYTES, stop - offset))
    finally:
        os.close(own)


if __name__ == "__main__":
    alone(print_admit, about=__doc__)
