"""Many files: verify, sign and pack of 10,000 files of 100 kB beside the peers and beside hashing alone, whole processes."""

from __future__ import annotations

import os

from contenders import Command, python
from models import write_files, write_perceptron
from page import progress
from side_by_side import Peer, print_package_tables
from workbench import Workbench, alone, clear

FILE_BYTES = 100_000
HASHING = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from {module} import {function} as digest

def hashed(path):
    with open(path, "rb", buffering=0) as file:
        return digest(file.read()).hexdigest()

paths = [os.path.join(folder, name) for folder, _, names in os.walk(sys.argv[1]) for name in names]
with ThreadPoolExecutor(2) as threads:
    print(len(list(threads.map(hashed, paths))))
"""


def print_many_files(bench: Workbench) -> None:
    """Everything, in a tree that is removed again."""
    count = 200 if bench.quick else 10_000
    source, package = bench.folder / "many", bench.folder / "many-1.0.0"
    progress(f"writing {count:,} files, packing and signing them")
    write_files(source / "data", count=count, size=FILE_BYTES)
    write_perceptron(source / "model.onnx")
    extra = ["--include", source / "data"]
    bench.pack_and_sign(source, package, *extra)
    floors = [
        Peer(command=Command(name=f"{name}, two threads", argv=python(HASHING.format(module=module, function=name), source)))
        for module, name in (("blake3", "blake3"), ("hashlib", "sha256"))
    ]
    what = f"{count:,} files of {FILE_BYTES // 1000} kB"
    print_package_tables(bench, what, source, package, extra=extra, floors=floors, faster=2.5)
    clear(source, package)()
    os.sync()


if __name__ == "__main__":
    alone(print_many_files, about=__doc__)
