"""What starting takes: whole processes, from the start of the interpreter to the end of the command, on a small model.

Beside ours are those of the peer, the interpreter alone, and the libraries of the command line alone. All have their bytecode, as what
is installed has: it is compiled before, and ``PYTHONDONTWRITEBYTECODE`` is taken out of the environment of the children. One of each in
every round; medians, and ratios of the same round.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from contenders import BIN, ROOT, Command, Samples, duration, environment, in_rounds, of_bytes, python
from goals import Goal
from page import heading, progress, row

sys.path[:0] = [str(ROOT / "tests")]  # a small model, as the tests have it

MLSIGN, PEER = BIN / "mlsign", BIN / "model_signing"
ROUNDS = 25
QUICK_ROUNDS = 2
INTERPRETER, LIBRARIES = "python -c pass", "python -c 'import typer, rich'"
GOALS: Mapping[str, float] = {"mlsign --help": 0.110, "mlsign verify": 0.200, "mlsign inspect": 0.150}
"""Seconds."""
PEERS: Mapping[str, str] = {"mlsign --help": "model_signing --help", "mlsign verify": "model_signing verify key"}


def print_startup_table(*, quick: bool) -> None:
    """A row for each process, ours beside those of the peer that do the same."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    compile_bytecode()
    with tempfile.TemporaryDirectory(prefix="bench-startup-") as folder:
        commands = make_commands(Path(folder))
        progress(f"starting {', '.join(command.name for command in commands)}, {rounds} rounds")
        samples = in_rounds(commands, rounds=rounds)
    heading("process", "takes", "of the processor", "peak memory", "beside the peer", "beside the libraries", "goal")
    for name, sample in samples.items():
        row(f"`{name}`", *measured(name, sample, samples))


def measured(name: str, sample: Samples, samples: Mapping[str, Samples]) -> tuple[str, ...]:
    """The cells of a row: what was measured, and for commands of ours how that is beside others."""
    taken = (duration(sample.clock), duration(sample.processor), of_bytes(sample.peak))
    if name not in GOALS:
        return (*taken, "", "", "")
    peer = f"{samples[PEERS[name]].over(sample):.1f} times faster" if name in PEERS else ""
    goal = Goal(limit=GOALS[name], words=f"under {duration(GOALS[name])}")
    return (*taken, peer, f"{sample.over(samples[LIBRARIES]):.1f} times as long", goal.judged(sample.clock))


def compile_bytecode() -> None:
    """Programs have their bytecode, as those that are installed do."""
    compile_all = [sys.executable, "-m", "compileall", "-q", ROOT / "src" / "mlsign"]
    subprocess.run(compile_all, check=True, env=environment())


def make_commands(folder: Path) -> list[Command]:
    """Everything that is measured, ready to run: a signed package of a small model, a policy that names the key, and the same for the peer."""
    from making import write_model

    model, package, policy, signature = (
        folder / "small" / "model.onnx",
        folder / "small-1.0.0",
        folder / "policy.yaml",
        folder / "small.sig",
    )
    private, public = folder / "keys" / "release.key", folder / "keys" / "release.pub"
    write_model(model)
    private.parent.mkdir()
    shutil.copy(ROOT / "policies" / "baseline.yaml", policy)
    for command in (
        (MLSIGN, "keygen", "-o", private.with_suffix(""), "--no-password"),
        (MLSIGN, "pack", model, "-o", package),
        (MLSIGN, "sign", package, "--key", private),
        (PEER, "sign", "key", model.parent, "--private_key", private, "--signature", signature),
    ):
        subprocess.run([str(word) for word in command], check=True, capture_output=True, env=environment())
    check = [PEER, "verify", "key", model.parent, "--public_key", public, "--signature", signature]
    return [
        Command(name="mlsign --help", argv=[MLSIGN, "--help"]),
        Command(name="mlsign verify", argv=[MLSIGN, "verify", package, "--policy", policy]),
        Command(name="mlsign inspect", argv=[MLSIGN, "inspect", model]),
        Command(name="model_signing --help", argv=[PEER, "--help"]),
        Command(name="model_signing verify key", argv=check),
        Command(name=INTERPRETER, argv=python("pass")),
        Command(name=LIBRARIES, argv=python("import typer, rich")),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: to see that it works")
    print_startup_table(quick=parser.parse_args().quick)
