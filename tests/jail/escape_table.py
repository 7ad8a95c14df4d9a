"""What came of every attempt and every takeover in every setting, and the tables of it in ``docs/sandbox.md``."""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import attempts_files
import attempts_kernel
import attempts_memory
import attempts_network
import attempts_processes
from attempt import WORKS, Attempt
from attempts import ATTEMPTS
from surroundings import ORDINARY, SETTINGS, SYSTEM_ROOT
from takeovers import ANSWER, TAKEOVERS

from mlsign.sandbox import landlock

GROUPS = (
    ("Files and descriptors", attempts_files.ATTEMPTS),
    ("Networks", attempts_network.ATTEMPTS),
    ("Other processes", attempts_processes.ATTEMPTS),
    ("Memory", attempts_memory.ATTEMPTS),
    ("The rest of the kernel", attempts_kernel.ATTEMPTS),
)
AS_ROOT = SYSTEM_ROOT and shutil.which("setpriv") is not None
AT_ONCE = 2
"""Settings, each in a process of its own, of which some work all the time."""
SHOWN = ("root", "user", "container")
HEAD = (
    "| what is tried | outside | root | ordinary user | no user namespaces | denied by | with the filter left out |",
    "|---|---|---|---|---|---|---|",
)
TAKEOVER_HEAD = (
    "| what a worker does that was taken over | what works | root | ordinary user | no user namespaces | by |",
    "|---|---|---|---|---|---|",
)


def once(deed: Callable[[str], Any]) -> Callable[[str], Any]:
    """Done once for each argument. What it failed with is raised again: many tests ask for it, and it may have taken its time."""

    @functools.cache
    def result(mode: str) -> tuple[Any, Exception | None]:
        try:
            return deed(mode), None
        except Exception as err:  # noqa: BLE001  raised below
            return None, err

    def again(mode: str) -> Any:
        found, err = result(mode)
        if err is not None:
            raise err.with_traceback(None)  # or it would grow each time
        return found

    return again


def in_each(deed: Callable[[str], Any], settings: Iterable[str]) -> dict[str, Any]:
    """What came of it in each of these settings that can be entered here."""
    entered = [setting for setting in settings if SYSTEM_ROOT or setting in ("user", "here")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(entered, pool.map(deed, entered), strict=True))


@once
def outcomes(mode: str) -> dict[str, dict[str, dict[str, str]]]:
    """For each setting: how every attempt ended, and why this machine cannot make it at all."""
    inmate = Path(__file__).with_name("inmate.py")

    def come(setting: str) -> dict[str, dict[str, str]]:
        # What other layers are there for is looked at everywhere; the walls behind the filter, where the table shows them.
        only = (
            [each.name for each in ATTEMPTS if each.layer != "seccomp"] if mode == "unfiltered" and setting not in SHOWN else []
        )
        return output_of([sys.executable, "-W", "ignore", inmate, setting, mode, *only])

    # Where there are no walls, it does not matter which are missing.
    return in_each(come, ("root", "user") if mode == "outside" else SETTINGS)


def output_of(command: list[str | Path], *, seconds: float = 240) -> Any:
    # No pipes: what it leaves behind would hold them open.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        done = subprocess.run(command, stdout=said, stderr=complaints, timeout=seconds, cwd="/")
        said.seek(0)
        complaints.seek(0)
        assert done.returncode == 0, complaints.read().decode()
        return json.load(said)


def ended(attempt: Attempt, setting: str, mode: str) -> str:
    return outcomes(mode)[setting][attempt.name]["ended"]


def impossible(attempt: Attempt) -> str:
    return outcomes("outside")["root" if SYSTEM_ROOT else "user"][attempt.name]["impossible"]


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


TAKEOVER_SETTINGS = {
    "inside": ("root", "user", "container", "nested"),
    "control": ("root" if AS_ROOT else "user",),
    "attempts": ("root" if AS_ROOT else "user", "container"),
    "reference": ("root" if AS_ROOT else "user", "container"),
    "gvisor": ("here",),
}


@once
def takeovers(mode: str) -> dict[str, dict[str, dict[str, Any]]]:
    """For each setting: how every takeover ended for the parent of a real worker, or its control, or attempts made by one."""
    runner = Path(__file__).with_name("takeover_runner.py")

    def come(setting: str) -> dict[str, dict[str, Any]]:
        prefix = ORDINARY if setting == "user" and SYSTEM_ROOT else ()
        command = [*prefix, sys.executable, "-W", "ignore", runner, "here" if prefix else setting, mode]
        return output_of(command, seconds=250 if mode == "gvisor" else 90)

    return in_each(come, TAKEOVER_SETTINGS[mode])


def takeover_rows() -> Iterator[str]:
    for each in TAKEOVERS:
        control = takeovers("control")["root"][each.name]["ended"]
        assert control == each.works, each.name
        inside = (takeovers("inside")[setting][each.name]["ended"] for setting in SHOWN)
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
