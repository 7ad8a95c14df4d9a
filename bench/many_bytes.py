"""Many bytes: verify, sign and pack of 4 GiB in one file beside the peers and beside hashing alone, whole processes.

Files are random bytes, and are in the page cache. Then the same bytes in several files that are hashed with sha256, beside two
threads that do nothing else.
"""

from __future__ import annotations

import os

from contenders import MIB, Command, duration, in_rounds, python
from goals import at_least, at_most
from models import write_matrices, write_perceptron, write_random
from page import heading, progress, row
from side_by_side import Peer, print_package_tables
from workbench import Workbench, alone, clear

SHA256_FILES = 8
START = "import hashlib, sys, blake3"
BLAKE3 = f"{START}\nprint(blake3.blake3(max_threads=blake3.blake3.AUTO).update_mmap(sys.argv[1]).hexdigest())"
"""What b3sum does: the whole file mapped, all processors."""
SHA256 = """
import hashlib, sys
from concurrent.futures import ThreadPoolExecutor

def digest(path):
    with open(path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

with ThreadPoolExecutor(2) as threads:
    print(*threads.map(digest, sys.argv[1:]))
"""


def print_many_bytes(bench: Workbench) -> None:
    """Both tables."""
    source, package = bench.big()
    hashing = Command(name="blake3, mapped", argv=python(BLAKE3, package / "model.onnx.data"))
    floors = [
        Peer(command=hashing, goal=at_most(1.5)),
        Peer(command=Command(name="python with blake3, nothing hashed", argv=python(START))),
    ]
    size = f"{bench.big_bytes // MIB:,} MiB in one file"
    print_package_tables(bench, size, source, package, floors=floors, faster=5)
    print_sha256(bench)


def print_sha256(bench: Workbench) -> None:
    """Verifying files hashed with sha256, beside two threads that hash them; the start of either is measured, and taken off."""
    source, package, small = bench.folder / "several", bench.folder / "several-1.0.0", bench.folder / "small-1.0.0"
    each = bench.big_bytes // 2 // SHA256_FILES
    progress(f"writing {SHA256_FILES} files of {each // MIB} MiB, packing and signing them")
    weights = {f"w{index}.bin": each for index in range(SHA256_FILES)}
    source.mkdir()
    for index, name in enumerate(weights):
        write_random(source / name, each, seed=index + 1)
    write_matrices(source / "model.onnx", weights)
    bench.pack_and_sign(source, package, "--digest", "sha256")
    write_perceptron(tiny := bench.folder / "model.onnx")
    bench.pack_and_sign(tiny.parent, small, "--digest", "sha256")
    ours, start = bench.verify(package), bench.verify(small)
    contenders = [
        ours,
        Command(name="a small package", argv=start.argv),
        Command(name="sha256, two threads", argv=python(SHA256, *(package / name for name in weights))),
        Command(name="no files", argv=python(SHA256)),
    ]
    samples = in_rounds(contenders, rounds=bench.rounds(3))
    taken = {name: sample.clock for name, sample in samples.items()}
    less = taken[ours.name] - taken["a small package"], taken["sha256, two threads"] - taken["no files"]
    heading(
        f"verify {SHA256_FILES} files of {each // MIB} MiB, sha256", "takes", "its start alone", "less its start", "speed", "goal"
    )
    share = less[1] / less[0]
    cells = duration(taken[ours.name]), duration(taken["a small package"]), duration(less[0])
    row(f"`{ours.name}`", *cells, f"{share:.2f} of two threads", at_least(0.9, "").judged(share))
    row("sha256, two threads", duration(taken["sha256, two threads"]), duration(taken["no files"]), duration(less[1]), "", "")
    clear(source, package, small, tiny)()
    os.sync()


if __name__ == "__main__":
    alone(print_many_bytes, about=__doc__)
