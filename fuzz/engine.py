"""Coverage-guided fuzzing of one target with Atheris (libFuzzer): ``python fuzz/decode_TARGET.py [SECONDS] [--keep]``.

Owns the two processes and the corpus; what is checked and how inputs are bent belong to the target (``check``,
``mutate``, ``WORDS``, ``MAX_LEN``, ``SEEDS``, ``more_seeds``, ``finish``). A target that runs as a script has imported
mlsign before anything could be instrumented, so ``fuzz`` only starts ``engine.py TARGET …`` and reads its output; that
process imports the target once more, under instrumentation. Without Atheris (other systems, newer Python) plain mutation
takes its place.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import importlib.util
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType

import mutate as plain

HERE = Path(__file__).resolve().parent
CORPORA = HERE / "corpora"
INSTRUMENTED = ["mlsign", "rfc8785"]
STRUCTURED = 0.6
"""How many of the mutations keep to the format; the rest are libFuzzer's own, which breaks it."""
MAX_LEN = 4096
TIMEOUT_SECONDS = 10
RSS_MIB = 1024
COLLECT, KEEP_GOING = "FUZZ_COLLECT", "FUZZ_KEEP_GOING"
"""How the process that fuzzes is told where to collect what does not end it, and whether anything does."""
KEPT_FILES = 200
KEPT_BYTES = 400_000
_ROUTINE = re.compile(r"#\d+\s+(NEW|REDUCE|RELOAD)")
_STATE = re.compile(r"cov: (?P<edges>\d+) ft: (?P<features>\d+) corp: (?P<files>\d+)/(?P<size>\S+)")
_EXECUTIONS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_FINDINGS = ("crash-", "timeout-", "oom-")


def name_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def fuzz(target: str) -> None:
    """The command line of a target; ends the process, with 1 when something was found."""
    parser = argparse.ArgumentParser(description=f"Fuzz the target {target}.")
    parser.add_argument("seconds", nargs="?", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the random numbers; 0 takes a new one each time")
    parser.add_argument(
        "--scratch", type=Path, help="a folder for what the run writes, to go on from later; else a temporary one"
    )
    parser.add_argument("--keep", action="store_true", help="afterwards add to the corpus what reaches code it did not reach")
    parser.add_argument("--renew", action="store_true", help="with --keep: take away what was kept before and is not needed")
    parser.add_argument(
        "--keep-going", action="store_true", help="a target that compares collects all there is instead of stopping"
    )
    options = parser.parse_args()
    module = importlib.import_module(module_of(target))
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: mutation without coverage")
        plain.run(module.check, corpus=target, words=_words(module), seconds=options.seconds, seed=options.seed)
        return
    with contextlib.ExitStack() as stack:
        scratch = options.scratch or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=f"fuzz-{target}-")))
        collected = scratch / "collected"
        collected.mkdir(parents=True, exist_ok=True)
        os.environ[COLLECT] = str(collected)
        os.environ[KEEP_GOING] = "1" if options.keep_going else ""
        done = _run(module, target, scratch, seconds=options.seconds, seed=options.seed)
        if hasattr(module, "finish"):
            done = module.finish(collected) and done
        if options.keep and done:
            print(f"{target}: {_keep(module, target, scratch, renew=options.renew)} files added to the corpus")
    sys.exit(0 if done else 1)


def module_of(target: str) -> str:
    """The module of a target: targets that decode are called by their format alone."""
    return target if (HERE / f"{target}.py").exists() else f"decode_{target}"


def _words(module: ModuleType) -> Sequence[bytes]:
    return getattr(module, "WORDS", plain.JSON_WORDS)


def _seeds(module: ModuleType, target: str) -> list[Path]:
    """The folders that a run begins with and never writes to."""
    return [CORPORA / target, *getattr(module, "SEEDS", ())]


def _run(module: ModuleType, target: str, scratch: Path, *, seconds: int, seed: int) -> bool:
    """Runs the fuzzer; whether it ran to the end of its time and found nothing."""
    corpus, artifacts, dictionary = scratch / "corpus", scratch / "artifacts", scratch / "dictionary"
    for folder in (corpus, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    for data in getattr(module, "more_seeds", list)():
        (corpus / name_of(data)).write_bytes(data)
    dictionary.write_text("".join(_quoted(word) for word in _words(module) if word))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines, status = _child(
        target,
        [
            str(corpus),
            *map(str, _seeds(module, target)),
            f"-max_total_time={seconds}",
            f"-artifact_prefix={artifacts}/",
            f"-seed={seed}",
            f"-dict={dictionary}",
            "-print_final_stats=1",
            "-reload=0",
        ],
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    _tell(target, lines, cpu=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    found = [path for path in sorted(artifacts.iterdir()) if path.name.startswith(_FINDINGS)]
    for path in found:
        data = path.read_bytes()
        kept = CORPORA / target / f"crash-{name_of(data)}"
        kept.write_bytes(data)
        path.unlink()
        print(f"{target}: {path.name.partition('-')[0]}, kept as {kept.relative_to(HERE.parent)}")
    return not found and status == 0


def _tell(target: str, lines: Sequence[str], *, cpu: float) -> None:
    states = [match for line in lines if (match := _STATE.search(line))]
    executions = [match[1] for line in lines if (match := _EXECUTIONS.search(line))]
    if not states or not executions:
        print(f"{target}: the fuzzer did not finish, {cpu:.0f} CPU seconds")
        return
    last = states[-1]
    print(
        f"{target}: {executions[-1]} executions, {last['edges']} edges, {last['features']} features, "
        f"corpus of {last['files']} files ({last['size']}), {cpu:.0f} CPU seconds"
    )


def _quoted(word: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n'


def _child(target: str, arguments: Iterable[str]) -> tuple[list[str], int]:
    """The lines of the process that fuzzes, and its exit status; all but the routine lines are passed on."""
    seconds = getattr(importlib.import_module(module_of(target)), "TIMEOUT_SECONDS", TIMEOUT_SECONDS)
    limits = (f"-timeout={seconds}", f"-rss_limit_mb={RSS_MIB}")
    command = [sys.executable, "-X", "faulthandler", str(HERE / "engine.py"), target, *arguments, *limits]
    lines = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:  # noqa: S603 - ourselves
        assert process.stderr is not None
        for line in process.stderr:
            if not _ROUTINE.match(line):
                lines.append(line)
                print(line, end="", file=sys.stderr, flush=True)
    return lines, process.returncode


def _keep(module: ModuleType, target: str, scratch: Path, *, renew: bool) -> int:
    """Adds to the corpus the smallest inputs of the run that reach new edges, then those that reach them more often.

    libFuzzer measures (the inner half of its ``-merge``, into a control file); the choice is made here, because a
    full merge keeps every input with a new count of some loop, and those are hundreds.
    """
    folder = CORPORA / target
    if renew:
        for path in sorted(folder.glob("reach-*")):
            path.replace(scratch / "corpus" / path.name.removeprefix("reach-"))
    old = [path for place in _seeds(module, target) for path in sorted(place.iterdir()) if path.stat().st_size]
    new = sorted(
        (path for path in (scratch / "corpus").iterdir() if path.stat().st_size), key=lambda p: (p.stat().st_size, p.name)
    )
    control = scratch / "merge"
    paths = [*old, *new]
    control.write_text("\n".join([str(len(paths)), str(len(old)), *map(str, paths), ""]))
    _child(target, ["-merge_inner=1", f"-merge_control_file={control}"])
    features: dict[int, list[int]] = {}
    for line in control.read_text().splitlines():
        if line.startswith("FT "):
            index, *numbers = map(int, line.split()[1:])
            features[index] = numbers
    chosen: list[int] = []
    # A feature is an edge and one of eight classes of how often it was taken.
    for grain in (8, 1):
        reached = {index: {feature // grain for feature in found} for index, found in features.items()}
        seen = set().union(*(found for index, found in reached.items() if index < len(old) or index in chosen))
        left = {index: found for index, found in reached.items() if index >= len(old) and index not in chosen}
        chosen += _cover(left, seen, cost=lambda index: paths[index].stat().st_size)
    return sum(_added(paths[index].read_bytes(), folder) for index in chosen)


def _added(data: bytes, folder: Path) -> bool:
    """Whether there was room for ``data``, and it stands in the corpus now."""
    sizes = [path.stat().st_size for path in folder.iterdir()]
    if len(sizes) + 1 > KEPT_FILES or sum(sizes) + len(data) > KEPT_BYTES:
        return False
    (folder / f"reach-{name_of(data)}").write_bytes(data)
    return True


def _cover(left: dict[int, set[int]], seen: set[int], *, cost: Callable[[int], int]) -> list[int]:
    """Greedy set cover: always the input with the most that was not seen, the smaller one among equals."""
    chosen = []
    gain = {i: len(found - seen) for i, found in left.items()}
    while gain:
        best = max(gain, key=lambda i: (gain[i], -cost(i)))
        fresh = len(left[best] - seen)
        if fresh < gain[best]:  # stale: others have covered some of it since
            gain[best] = fresh
            continue
        if not fresh:
            break
        chosen.append(best)
        seen |= left[best]
        del gain[best]
    return chosen


def _mutator(module: ModuleType) -> Callable[[bytes, int, int], bytes]:
    import atheris

    structured = getattr(module, "mutate", None)
    share = getattr(module, "STRUCTURED", STRUCTURED)

    def custom(data: bytes, max_size: int, seed: int) -> bytes:
        if structured is not None:
            rng = random.Random(seed)  # noqa: S311 - libFuzzer's seed, so that a run repeats
            if rng.random() < share:
                out = structured(data, rng)
                if 0 < len(out) <= max_size:
                    return out
        return atheris.Mutate(data, max_size)  # another function once the fuzzer runs: looked up at each call

    return custom


def main() -> None:
    """``engine.py TARGET LIBFUZZER_OPTIONS…``: the process that fuzzes."""
    import atheris

    target = sys.argv[1]
    sys.path.insert(0, str(HERE))
    with atheris.instrument_imports(include=INSTRUMENTED):
        module = importlib.import_module(module_of(target))
    limit = getattr(module, "MAX_LEN", MAX_LEN)
    atheris.Setup([sys.argv[0], f"-max_len={limit}", *sys.argv[2:]], module.check, custom_mutator=_mutator(module))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
