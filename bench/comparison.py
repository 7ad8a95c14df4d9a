"""The inspector beside other tools on every vector of ``tests/vectors/onnx``: who catches what, and what it costs.

Writes ``docs/comparison.md``. Every file is judged by a process of its own with limits on time and address space. Tools that
are not among the packages of the project are installed into temporary virtual environments, which are removed at the end;
one that cannot be installed is left out, and the page says so.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from honest import CHOICES, of_the_tests

from mlsign.evidence.catalogue.pages import ENTRIES

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before onnxruntime is imported: it writes files and starts a thread otherwise
ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT / "tests" / "vectors" / "onnx"
INDEX = json.loads((VECTORS / "index.json").read_text(encoding="utf-8"))
TIMEOUT = 30
"""Seconds of the processor. A process that waits instead is ended after ten times as many on the clock."""
ADDRESS_SPACE = 4 * 1024**3
WEIGHTS = 8
"""Bytes of ``w.bin``, from which the vectors with external data take their weights."""

CHECK = """
import os, sys, onnx
try:
    onnx.checker.check_model(sys.argv[1], full_check=True)
except MemoryError:
    raise
except Exception as err:
    print(type(err).__name__, str(err).replace(os.path.dirname(sys.argv[1]), "FOLDER"))
    sys.exit(1)
"""

LOAD = """
import sys, onnxruntime
try:
    onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
except Exception as err:
    print(type(err).__name__)
    sys.exit(1)
"""


class Outcome(Enum):
    """What came of one tool on one file."""

    CAUGHT = "caught"
    UNRELATED = "caught for another reason"
    MISSED = "missed"
    UNDECIDED = "undecided"
    HUNG = "hung"
    CRASHED = "crashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How one process ended. ``seconds`` are those of the processor, which do not depend on what else the machine does."""

    exit_code: int
    hung: bool
    seconds: float
    output: str
    report: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A command that is given a file and the name of a report to write, and how to read what came of it."""

    name: str
    version: str
    command: Callable[[Path, Path], list[str]]
    judge: Callable[[Run], Outcome]
    words: Callable[[Run], str] = lambda _: ""
    """What it says is wrong, for those that say the same of files that are in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A file, and the code of the finding that it was made for; empty for one that is in order."""

    name: str
    path: Path
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One tool on one file, which ``key`` names by their contents. ``reasons`` are the codes of findings of mlsign."""

    key: str
    subject: Subject
    outcome: Outcome
    seconds: float
    words: str = ""
    reasons: frozenset[str] = frozenset()


def main() -> int:
    """Runs every tool on every file and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, default=ROOT / "docs" / "comparison.md", metavar="FILE", help="where the page goes")
    parser.add_argument("--environments", type=Path, metavar="FOLDER", help="where installed tools are kept for a next run")
    parser.add_argument(
        "--outcomes",
        type=Path,
        metavar="FILE",
        help="keep each single outcome there; a next run takes those of other tools from it where neither tool nor file changed",
    )
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="files that one tool judges at a time")
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="only files with one of these words in their names")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlsign-comparison-") as name:
        folder = Path(name)
        hostile, good, honest = subjects(folder, only=options.only)
        tools, left_out = [mlsign(), checker()], {}
        for package, make in (("modelaudit[onnx]", modelaudit), ("modelscan", modelscan)):
            try:
                tools.append(make(installed(package, options.environments or folder)))
            except subprocess.CalledProcessError:
                left_out[package] = "it could not be installed when this page was made"
        every = [*hostile, *good, *honest]
        known = {}
        if options.outcomes and options.outcomes.exists():
            rows = map(json.loads, options.outcomes.read_text(encoding="utf-8").splitlines())
            known = {row["key"]: row for row in rows if not row["key"].startswith("mlsign ")}
        with ThreadPoolExecutor(options.jobs) as pool:
            results = {
                tool.name: list(pool.map(partial(judged, tool, folder=folder, known=known), every))
                for tool in [*tools, runtime()]
            }
    if options.outcomes:
        for verdict in (v for verdicts in results.values() for v in verdicts):
            row = {"key": verdict.key, "file": verdict.subject.name, "outcome": verdict.outcome.value}
            known[verdict.key] = {**row, "seconds": verdict.seconds, "words": verdict.words}
        options.outcomes.write_text("".join(json.dumps(row) + "\n" for row in known.values()), encoding="utf-8")
    page = Page(tools=tools, left_out=left_out, results=results, hostile=hostile, good=good, honest=honest)
    options.write.write_text(page.render(), encoding="utf-8")
    named = sum(1 for v in results["mlsign"] if v.subject.code and v.subject.code in v.reasons)
    print(f"mlsign names {named} of {len(hostile)} by the code that they were made for")
    return 0


def subjects(folder: Path, *, only: Iterable[str]) -> tuple[list[Subject], list[Subject], list[Subject]]:
    """Vectors with a fault, vectors that are in order, and honest models; all of them as files in ``folder``."""
    shutil.copytree(VECTORS, folder / "vectors")
    (folder / "vectors" / "w.bin").write_bytes(bytes(range(WEIGHTS)))
    every = [
        Subject(name=name, path=folder / "vectors" / f"{name}.onnx", code=next(iter(entry["findings"]), ""))
        for name, entry in INDEX.items()
    ]
    every += [Subject(name=model.name, path=model.path, code="") for model in of_the_tests(folder / "honest")]
    if only:
        every = [subject for subject in every if any(word in subject.name for word in only)]
    hostile = [subject for subject in every if subject.code]
    good = [subject for subject in every if not subject.code and subject.path.parent.name == "vectors"]
    return hostile, good, [subject for subject in every if not subject.code and subject not in good]


def installed(package: str, folder: Path) -> Path:
    """The folder of programs of a virtual environment with this package."""
    programs = folder / package.partition("[")[0] / "bin"
    if not programs.exists():
        print(f"installing {package}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", programs.parent], check=True)
        subprocess.run([programs / "python", "-m", "pip", "install", "--quiet", package], check=True)
    return programs


def judged(tool: Tool, subject: Subject, *, folder: Path, known: dict[str, dict[str, Any]]) -> Verdict:
    """One tool on one file, or what is known of that already."""
    key = f"{tool.name} {tool.version} {hashlib.sha256(subject.path.read_bytes()).hexdigest()}"
    if key in known:
        row = known[key]
        outcome = Outcome(row["outcome"])
        return Verdict(key=key, subject=subject, outcome=outcome, seconds=row["seconds"], words=row.get("words", ""))
    with tempfile.TemporaryDirectory(dir=folder) as home:
        report = Path(home) / "report"
        run = confined(tool.command(subject.path, report), report, home=Path(home))
    outcome = Outcome.HUNG if run.hung else tool.judge(run)
    reasons = mlsign_codes(run) if tool.name == "mlsign" and outcome is Outcome.CAUGHT else frozenset()
    print(f"{tool.name}: {subject.name}: {outcome.value} after {run.seconds:.2f} s", file=sys.stderr)
    words = tool.words(run) if outcome is Outcome.CAUGHT else ""
    return Verdict(key=key, subject=subject, outcome=outcome, seconds=run.seconds, words=words, reasons=reasons)


def confined(command: list[str], report: Path, *, home: Path) -> Run:
    """The command in a session of its own, under the limits, without our environment and home."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "NO_COLOR": "1",
    }
    if "PYTHONPATH" in os.environ:  # another copy of the sources than the installed one
        environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -c 0; ulimit -v {ADDRESS_SPACE // 1024}; ulimit -t {TIMEOUT}; exec "$@"', "sh", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=home,
            start_new_session=True,
        )
        late = threading.Event()

        def end() -> None:
            late.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(10 * TIMEOUT, end)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    return Run(
        exit_code=process.returncode,
        # the kernel ends a process by a count of ticks, which is a little off
        hung=late.is_set() or (process.returncode < 0 and usage.ru_utime + usage.ru_stime > 0.98 * TIMEOUT),
        seconds=usage.ru_utime + usage.ru_stime,
        output=text,
        report=report.read_text(encoding="utf-8") if report.exists() else "",
    )


def mlsign() -> Tool:
    """The inspector under the policy that it has by default."""

    def judge(run: Run) -> Outcome:
        return {0: Outcome.MISSED, 1: Outcome.CAUGHT}.get(run.exit_code, Outcome.CRASHED)

    command = [sys.executable, "-m", "mlsign", "inspect", "--findings", "--format", "json"]
    return Tool(name="mlsign", version=metadata.version("mlsign"), command=lambda path, _: [*command, str(path)], judge=judge)


def runtime() -> Tool:
    """onnxruntime with its own defaults, the referee: what it takes is what a scorer would run. A warning is undecided."""

    def judge(run: Run) -> Outcome:
        if run.exit_code == 0 and "[W:onnxruntime" in run.output:
            return Outcome.UNDECIDED
        return {0: Outcome.MISSED, 1: Outcome.CAUGHT}.get(run.exit_code, Outcome.CRASHED)

    command = [sys.executable, "-c", LOAD]
    return Tool(
        name="onnxruntime",
        version=metadata.version("onnxruntime"),
        command=lambda path, _: [*command, str(path)],
        judge=judge,
    )


def mlsign_codes(run: Run) -> frozenset[str]:
    """The codes of what did not pass."""
    (model,) = json.loads(run.output)["models"]
    return frozenset(finding["code"] for finding in model["findings"] if finding["outcome"] != "pass")


def checker() -> Tool:
    """The checker of the onnx package, shape inference included. Any exception of it counts as caught."""

    def judge(run: Run) -> Outcome:
        return {0: Outcome.MISSED, 1: Outcome.CAUGHT}.get(run.exit_code, Outcome.CRASHED)

    def judge_exception(run: Run) -> Outcome:
        return Outcome.CRASHED if "MemoryError" in run.output else judge(run)

    command = [sys.executable, "-c", CHECK]
    return Tool(
        name="onnx.checker",
        version=metadata.version("onnx"),
        command=lambda path, _: [*command, str(path)],
        judge=judge_exception,
        words=lambda run: run.output.strip(),
    )


def modelaudit(programs: Path) -> Tool:
    """Caught is an issue above the severity info. Exit code 2 without one is its word for an analysis that was not complete."""

    def judge(run: Run) -> Outcome:
        if run.exit_code not in {0, 1, 2} or not run.report:
            return Outcome.CRASHED
        if any(issue["severity"] not in {"info", "debug"} for issue in json.loads(run.report)["issues"]):
            return Outcome.CAUGHT
        return Outcome.UNDECIDED if run.exit_code else Outcome.MISSED

    command = [str(programs / "modelaudit"), "scan", "--format", "json", "--no-cache", "--quiet"]
    return Tool(
        name="modelaudit",
        version=version(programs, "modelaudit"),
        command=lambda path, report: [*command, "--output", str(report), str(path)],
        judge=judge,
    )


def modelscan(programs: Path) -> Tool:
    """Caught is exit code 1, which every issue gives. Exit code 3 is its word for a file that it does not look at."""

    def judge(run: Run) -> Outcome:
        known = {0: Outcome.MISSED, 1: Outcome.CAUGHT, 3: Outcome.UNDECIDED}
        return known.get(run.exit_code, Outcome.CRASHED)

    command = [str(programs / "modelscan"), "--reporting-format", "json"]
    return Tool(
        name="modelscan",
        version=version(programs, "modelscan"),
        command=lambda path, report: [*command, "--output-file", str(report), "--path", str(path)],
        judge=judge,
    )


def version(programs: Path, package: str) -> str:
    """What of the package is installed there."""
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([programs / "python", "-c", ask], check=True, capture_output=True, text=True).stdout.strip()


INTRODUCTION = """# Beside other tools

What `mlsign inspect --findings` catches on {hostile} small hostile models, beside three other tools that look at models, and
what each of them refuses of {good} small models that are in order and of {honest} honest ones. onnxruntime loads {loaded} of the
hostile models without a warning and {warned} with one; with {crashed} it never comes back, or takes its process down. The page is
made by

    python bench/comparison.py

**What this can show, and what not.** The hostile models are [the vectors of this project](../tests/vectors/build_onnx.py): each
has one fault, and this reader was written for them, so that it finds them all says little. They show what the others were not
written for, class by class. The other tools have other aims. `onnx.checker` holds a model against the specification for people
who write exporters. modelscan looks for code in pickles and their like, and has no reader of ONNX. modelaudit has scanners for some
forty formats; of ONNX it looks at external data, operators of other domains, sizes of tensors and how weights are distributed, and
in all files at what a pickle would call, at secrets and at network addresses. mlsign does none of the latter: a pickle is refused as
one, whatever it calls, and nothing is said about the values of weights. None of the three takes a list of allowed operators.
"""

CLASSES = """A class is the finding that a vector was made for. `+1r` is one more that was refused for another reason, with the same
words as vectors that are in order; `+1u` is one more answer that leaves it undecided."""

ALARMS = """A vector that is in order has one thing in it that is rare and allowed. Most of those for single operators are careless
in others (shapes that do not go with the operator), as they are made for the reader of attributes alone; so only those count that
onnxruntime loads without a warning. The honest models are those of `tests/honest`, which run in onnxruntime on inputs of several
sizes."""

METHOD = """
## How it was measured

- Every file is judged by a process of its own, with {timeout} s of the processor and {space} GiB of address space; one that uses them
  up hung. {machine}. Times are those of the processor, start of the process included; most of it is the start of Python and its
  imports.
- The vectors lie in one folder together with a `w.bin` of {weights} bytes, from which those with external data take their weights.
- **mlsign**: `mlsign inspect --findings`, policy `baseline`; caught is exit code 1. {named} of {hostile} vectors are refused by the
  code that they were made for; the rest by another. Models in order are counted as refused only for something other than what a
  policy has words for ({choices}: operators, versions, and sizes or turns that only a run decides); {chosen} of the honest models
  are refused for nothing but that.
- **onnx.checker**: `onnx.checker.check_model(path, full_check=True)`; caught is any exception but `MemoryError`, one of the parser
  included. Many vectors are careless in what is declared around the fault, shapes above all, and the checker refuses them for that,
  with the fault or without. Where it says word for word what it says of a vector that is in order, the model counts as caught for
  another reason.
- **modelaudit**, installed as `modelaudit[onnx]`: `modelaudit scan --format json --no-cache`; caught is an issue of any severity above `info`. Exit code 2 without
  such an issue, which stands for an analysis that could not be completed, is undecided: a pipeline that goes by the exit code stops
  there, too.
- **modelscan**: `modelscan --reporting-format json`; caught is exit code 1, an issue of any severity. Exit code 3, no supported file,
  is undecided. It goes by the extension, and the files here are named `.onnx`.
- **onnxruntime** {runtime}, the referee: whether an `InferenceSession` on the file can be made with the options it has by default.
- Crashed is a process that a signal ended, that ran out of memory, or that gave an answer its documentation does not have.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """All that the page is made from."""

    tools: list[Tool]
    left_out: dict[str, str]
    results: dict[str, list[Verdict]]
    hostile: list[Subject]
    good: list[Subject]
    honest: list[Subject]

    def render(self) -> str:
        """The page."""
        loaded = self.outcomes("onnxruntime", self.hostile)
        introduction = INTRODUCTION.format(
            hostile=len(self.hostile),
            good=len(self.loadable()),
            honest=len(self.honest),
            loaded=loaded[Outcome.MISSED],
            warned=loaded[Outcome.UNDECIDED],
            crashed=loaded[Outcome.CRASHED] + loaded[Outcome.HUNG],
        )
        lines = [introduction, *self.summary()]
        lines += [f"\n{name} is not in the table: {why}." for name, why in self.left_out.items()]
        lines += ["", "## By class", "", *self.classes()]
        lines += ["", "## What others let pass", "", *self.gaps()]
        lines += ["", "## Models in order that are refused", "", *self.alarms()]
        ours = self.results["mlsign"]
        chosen = [v for v in ours if v.subject in self.honest and v.outcome is Outcome.CAUGHT and v.reasons <= CHOICES]
        method = METHOD.format(
            timeout=TIMEOUT,
            space=ADDRESS_SPACE // 1024**3,
            weights=WEIGHTS,
            hostile=len(self.hostile),
            chosen=len(chosen),
            choices=", ".join(sorted(CHOICES)),
            named=sum(1 for v in ours if v.subject.code and v.subject.code in v.reasons),
            runtime=metadata.version("onnxruntime"),
            machine=f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}",
        )
        return "\n".join(lines) + "\n" + method

    def outcomes(self, tool: str, subjects: list[Subject]) -> Counter[Outcome]:
        """How often what came out."""
        usual = {v.words for v in self.results[tool] if v.subject in self.good and v.words}
        return Counter(
            Outcome.UNRELATED if v.outcome is Outcome.CAUGHT and v.words in usual else v.outcome
            for v in self.results[tool]
            if v.subject in subjects
        )

    def loadable(self) -> list[Subject]:
        """The vectors in order that onnxruntime loads without a warning: nobody can say that they are not."""
        return [v.subject for v in self.results["onnxruntime"] if v.subject in self.good and v.outcome is Outcome.MISSED]

    def refused(self, tool: str, subjects: list[Subject]) -> list[Subject]:
        """Those that were refused although they are in order. An answer that is none is not counted."""
        return [
            v.subject
            for v in self.results[tool]
            if v.subject in subjects and v.outcome is Outcome.CAUGHT and not (v.reasons and v.reasons <= CHOICES)
        ]

    def summary(self) -> list[str]:
        """One line for each tool."""
        order = (Outcome.CAUGHT, Outcome.UNRELATED, Outcome.UNDECIDED, Outcome.MISSED, Outcome.HUNG, Outcome.CRASHED)
        columns = ["tool", f"caught of {len(self.hostile)}", *(outcome.value for outcome in order[1:])]
        columns += [
            f"vectors in order, refused of {len(self.loadable())}",
            f"honest models, refused of {len(self.honest)}",
            "median time",
        ]
        lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        for tool in self.tools:
            counts = self.outcomes(tool.name, self.hostile)
            seconds = statistics.median(v.seconds for v in self.results[tool.name])
            cells = [counts[outcome] for outcome in order]
            cells += [len(self.refused(tool.name, group)) for group in (self.loadable(), self.honest)]
            lines.append(f"| {tool.name} {tool.version} | {' | '.join(map(str, cells))} | {seconds:.2f} s |")
        return lines

    def by_code(self) -> dict[str, list[Subject]]:
        """The vectors of each class."""
        out: dict[str, list[Subject]] = {}
        for subject in sorted(self.hostile, key=lambda s: s.code):
            out.setdefault(subject.code, []).append(subject)
        return out

    def classes(self) -> list[str]:
        """One line for each class: how many each tool caught."""
        lines = [
            CLASSES,
            "",
            f"| class | vectors | {' | '.join(tool.name for tool in self.tools)} | onnxruntime loads |",
            f"|---|---|{'---|' * len(self.tools)}---|",
        ]
        for code, members in self.by_code().items():
            cells = []
            for tool in self.tools:
                counts = self.outcomes(tool.name, members)
                marks = [str(counts[Outcome.CAUGHT])]
                marks += [f"+{counts[o]}{mark}" for o, mark in ((Outcome.UNRELATED, "r"), (Outcome.UNDECIDED, "u")) if counts[o]]
                marks += [f"{counts[o]} {o.value}" for o in (Outcome.HUNG, Outcome.CRASHED) if counts[o]]
                cells.append(" ".join(marks))
            loads = self.outcomes("onnxruntime", members)
            cells.append(str(loads[Outcome.MISSED] + loads[Outcome.UNDECIDED]))
            lines.append(f"| [{code}](findings/{code}.md) {ENTRIES[code].title} | {len(members)} | {' | '.join(cells)} |")
        return lines

    def gaps(self) -> list[str]:
        """The classes of which no other tool caught anything, and what each of them hung or crashed on."""
        classes = self.by_code()
        caught = {
            tool.name: {code for code, members in classes.items() if self.outcomes(tool.name, members)[Outcome.CAUGHT]}
            for tool in self.tools
        }
        others = [tool.name for tool in self.tools[1:]]
        nobody = [code for code in classes if not any(code in caught[name] for name in others)]
        lines = [f"None of the others caught a single model in {len(nobody)} of {len(classes)} classes:", ""]
        lines += [f"- {ENTRIES[code].title} ([{code}](findings/{code}.md))" for code in nobody]
        lines += ["", "By tool:", ""]
        for name in others:
            line = f"- **{name}** caught at least one model in {len(caught[name])} of the classes."
            for what in (Outcome.HUNG, Outcome.CRASHED):
                ends = [f"`{v.subject.name}`" for v in self.results[name] if v.outcome is what]
                line += f" It {what.value} on {', '.join(ends)}." if ends else ""
            lines.append(line)
        for what in (Outcome.HUNG, Outcome.CRASHED):
            ends = [f"`{v.subject.name}`" for v in self.results["onnxruntime"] if v.outcome is what]
            lines += [f"- onnxruntime, loading them, {what.value} on {', '.join(ends)}."] if ends else []
        ours = [f"`{v.subject.name}`" for v in self.results["mlsign"] if v.subject.code and v.outcome is not Outcome.CAUGHT]
        return [*lines, f"- **mlsign** let {', '.join(ours)} pass." if ours else "- **mlsign** caught all of them."]

    def alarms(self) -> list[str]:
        """For each tool the names of models that it refused although they are in order."""
        lines = [ALARMS, ""]
        for tool in self.tools:
            names = [f"`{s.name}`" for group in (self.loadable(), self.honest) for s in self.refused(tool.name, group)]
            lines.append(f"- **{tool.name}**: {', '.join(names) or 'none'}.")
        return lines


if __name__ == "__main__":
    raise SystemExit(main())
