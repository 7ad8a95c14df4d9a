"""Commands as processes of their own, and what each took: peak resident memory and processor time."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
# The peak of a process is never below the memory of whoever forked it, so a small one does, which has loaded the program once.
_START = """
import json, os, sys
from mlsign.actions.policies import check_policy
from mlsign.cli.main import main
folder, commands, took = sys.argv[1], json.load(sys.stdin), {}
for name, arguments in commands.items():
    pid = os.fork()
    if pid == 0:
        out = os.open(f"{folder}/output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        sys.argv = ["mlsign", *arguments]
        main()
        os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    with open(f"{folder}/output") as file:
        text = " ".join(file.read().split())
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    took[name] = [os.waitstatus_to_exitcode(status), text, peak, usage.ru_utime + usage.ru_stime]
json.dump(took, sys.stdout)
"""


@dataclass(frozen=True)
class Run:
    """What a command came to; ``text`` is both of its streams, words divided by single spaces."""

    code: int
    text: str
    peak_bytes: int
    processor_seconds: float


def run_each(folder: Path, commands: Mapping[str, list[str]]) -> dict[str, Run]:
    """``mlsign`` once with each of these lists of arguments; ``folder`` is for what they print."""
    done = subprocess.run(
        [sys.executable, "-c", _START, str(folder)],
        input=json.dumps(commands).encode(),
        capture_output=True,
        check=True,
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "200"},
    )
    return {name: Run(*took) for name, took in json.loads(done.stdout).items()}


def run_mlsign(folder: Path, *arguments: object) -> Run:
    """``mlsign`` with these arguments, as a process of its own."""
    return run_each(folder, {"one": [*map(str, arguments)]})["one"]
