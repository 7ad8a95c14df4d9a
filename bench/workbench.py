"""Where the sections work: one folder on the disk with a key, a policy, and what takes long to make and several of them use."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from contenders import BIN, GIB, MIB, ROOT, Command, environment
from models import write_matrices, write_random
from page import progress

MLSIGN, PEER = BIN / "mlsign", BIN / "model_signing"


class Workbench:
    """The folder, how much there is to do: little where it is ``quick``; and the folder for pictures, if they are wanted."""

    def __init__(self, folder: Path, *, quick: bool, pictures: Path | None) -> None:
        self.folder = folder
        self.quick = quick
        self.pictures = pictures
        self.private, self.public = folder / "keys" / "release.key", folder / "keys" / "release.pub"
        self.policy = folder / "policy.yaml"
        self.private.parent.mkdir()
        self.run(MLSIGN, "keygen", "-o", self.private.with_suffix(""), "--no-password")
        shutil.copy(ROOT / "policies" / "baseline.yaml", self.policy)

    def rounds(self, many: int) -> int:
        return 1 if self.quick else many

    @property
    def big_bytes(self) -> int:
        """How large the weights are: 4 GiB, which is all that the policy allows."""
        return 32 * MIB if self.quick else 4 * GIB

    def big(self) -> tuple[Path, Path]:
        """A model whose weights lie in one file, and a signed package of it; made when first asked for."""
        source, package = self.folder / "big", self.folder / "big-1.0.0"
        if not package.exists():
            progress(f"writing a model of {self.big_bytes // MIB} MiB, packing and signing it")
            source.mkdir()
            write_random(source / "model.onnx.data", self.big_bytes)
            write_matrices(source / "model.onnx", {"model.onnx.data": self.big_bytes})
            self.pack_and_sign(source, package)
        return source, package

    def pack_and_sign(self, source: Path, package: Path, *more: object) -> None:
        self.run(MLSIGN, "pack", source / "model.onnx", "-o", package, *more)
        self.run(MLSIGN, "sign", package, "--key", self.private)
        os.sync()  # what is still to be written does not get into what is measured

    def verify(self, package: Path, *, policy: Path | None = None) -> Command:
        return Command(name="mlsign verify", argv=[MLSIGN, "verify", package, "--policy", policy or self.policy])

    def policy_without_limits(self) -> Path:
        """The shipped baseline without its caps on sizes and on what reading may cost, so that the largest are read to the end."""
        text = self.policy.read_text(encoding="utf-8")
        text = re.sub(r"^  limits:\n(?:    .*\n)+", "", text, flags=re.MULTILINE)
        text = re.sub(r"max_nodes: \d+", "max_nodes: 2000000", text)
        path = self.folder / "without-limits.yaml"
        path.write_text(re.sub(r"max_parameter_bytes: \S+", "max_parameter_bytes: 1TiB", text), encoding="utf-8")
        return path

    def run(self, *command: object) -> None:
        """Runs a command that must succeed. Ends the benchmark with what it said when it does not."""
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment(), check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


def clear(*paths: Path) -> Callable[[], None]:
    """What removes files and folders that may be there."""

    def remove() -> None:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    return remove


@contextlib.contextmanager
def workbench(*, quick: bool, where: Path, pictures: Path | None) -> Iterator[Workbench]:
    """One that is removed at the end; programs have their bytecode, as those that are installed do."""
    compile_all = [sys.executable, "-m", "compileall", "-q", ROOT / "src" / "mlsign", ROOT / "bench"]
    subprocess.run(compile_all, check=True, env=environment())
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=where) as folder:
        yield Workbench(Path(folder), quick=quick, pictures=pictures)


def alone(section: Callable[[Workbench], None], *, about: str, argv: Sequence[str] | None = None) -> None:
    """The command line of a section that needs a workbench."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="very little of everything: to see that it works")
    parser.add_argument("--dir", type=Path, default=ROOT, help="where to make the temporary folder; it is removed at the end")
    parser.add_argument("--pictures", type=Path, help="draw what there is to be drawn into this folder")
    options = parser.parse_args(argv)
    with workbench(quick=options.quick, where=options.dir, pictures=options.pictures) as bench:
        section(bench)
