"""What came of every attempt and every takeover in every setting, and the tables of it in ``docs/sandbox.md``."""

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attempts_files
import attempts_kernel
import attempts_memory
import attempts_network
import attempts_processes
from attempt import WORKS, Attempt
from surroundings import ORDINARY, SYSTEM_ROOT
from takeovers import ANSWER, TAKEOVERS

from mlsign.sandbox import landlock

GROUPS = (
    ("Files and descriptors", attempts_files.ATTEMPTS),
    ("Networks", attempts_network.ATTEMPTS),
    ("Other processes", attempts_processes.ATTEMPTS),
    ("Memory", attempts_memory.ATTEMPTS),
    ("The rest of the kernel", attempts_kernel.ATTEMPTS),
)
SHOWN = ("root", "user", "container")
HEAD = (
    "| what is tried | outside | root | ordinary user | no user namespaces | denied by | with the filter left out |",
    "|---|---|---|---|---|---|---|",
)
TAKEOVER_HEAD = (
    "| what a worker does that was taken over | what works | root | ordinary user | no user namespaces | by |",
    "|---|---|---|---|---|---|",
)


@functools.cache
def outcomes(setting: str, mode: str) -> dict[str, dict[str, str]]:
    """How every attempt ended in this setting, and why this machine cannot make it at all."""
    inmate = Path(__file__).with_name("inmate.py")
    command = [sys.executable, "-W", "ignore", inmate, setting, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def ended(attempt: Attempt, setting: str, mode: str) -> str:
    return outcomes(setting, mode)[attempt.name]["ended"]


def impossible(attempt: Attempt) -> str:
    return outcomes("root" if SYSTEM_ROOT else "user", "outside")[attempt.name]["impossible"]


def machine() -> str:
    """What the tables depend on beyond this repository."""
    kernel, processor = os.uname().release, os.uname().machine
    release = ".".join(kernel.split(".")[:2])
    return f"Linux {release} on {processor} with Landlock version {landlock.abi()}"


def outside(attempt: Attempt) -> str:
    if reason := impossible(attempt):
        return f"not tried: {reason}"
    assert ended(attempt, "root", "outside") == WORKS, attempt.name
    return "works" if ended(attempt, "user", "outside") == WORKS else "works for root"


def behind(attempt: Attempt) -> str:
    """What answers where seccomp is left out: the other layers, in the order in which the kernel comes by them."""
    if attempt.layer != "seccomp":
        return "the same"
    answers = {setting: ended(attempt, setting, "unfiltered") for setting in SHOWN}
    said = {setting: "nothing" if answer == WORKS else answer for setting, answer in answers.items()}
    if len(set(said.values())) == 1:
        return said["root"]
    if said["root"] == said["user"]:
        return f"{said['root']}; without namespaces {said['container']}"
    return "; ".join(f"{setting} {answer}" for setting, answer in said.items())


@functools.cache
def takeovers(setting: str, mode: str) -> dict[str, dict[str, Any]]:
    """How every takeover ended for the parent of a real worker, or its control (``mode``: inside or control)."""
    prefix = ORDINARY if setting == "user" and SYSTEM_ROOT else ()
    runner = Path(__file__).with_name("takeover_runner.py")
    command = [*prefix, sys.executable, "-W", "ignore", runner, "here" if prefix else setting, mode]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd="/")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def takeover_rows() -> Iterator[str]:
    for each in TAKEOVERS:
        control = takeovers("root", "control")[each.name]["ended"]
        assert control == each.works, each.name
        inside = (takeovers(setting, "inside")[each.name]["ended"] for setting in SHOWN)
        works = each.control if control == ANSWER else f"{each.control}: {control}"
        yield f"| {' | '.join((each.tries, works, *inside, each.by))} |"


def rows(attempts: tuple[Attempt, ...]) -> Iterator[str]:
    for attempt in attempts:
        inside = (ended(attempt, setting, "inside") for setting in SHOWN)
        cells = (attempt.tries, outside(attempt), *inside, attempt.layer, behind(attempt))
        yield f"| {' | '.join(cells)} |"


def render() -> str:
    """All tables, as they stand between the marks of the page."""
    every = [attempt for _, attempts in GROUPS for attempt in attempts]
    missing = sum(impossible(attempt) != "" for attempt in every)
    made = f"Made on {machine()}: {len(every)} attempts, {missing} of which this machine cannot make even outside"
    lines = [f"{made}, and {len(TAKEOVERS)} takeovers."]
    for title, attempts in GROUPS:
        lines += ["", f"### {title}", "", *HEAD, *rows(attempts)]
    lines += ["", "### Against the parent", "", *TAKEOVER_HEAD, *takeover_rows()]
    return "\n".join(lines) + "\n"
