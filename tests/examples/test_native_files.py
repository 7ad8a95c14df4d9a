"""Native files that R and the JVM wrote, converted by the examples: each export answers as R or the JVM did, or is refused.

The files are in ``native_files``, beside the programs that made them; docs/training-tools.md says by which versions.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_training_tools import PAGE, TRAINING, environment_in, python_with
from typer.testing import CliRunner

from mlsign.cli.main import app
from mlsign.errors import InputError

NATIVE = Path(__file__).parent / "native_files"
CONVERT = Path(__file__).with_name("convert_natives.py")
OLD = ("r-xgboost-1.7/iris.model", "xgboost4j-1.7/iris.deprecated", "h2o-3.46/iris.deprecated")
WRONG = r"the export is wrong: it answers [\d]+ of 4096 rows otherwise than the library"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A native file, the rows and answers that belong to it, and the refusal that is expected, if one is."""

    native: str
    beside: str = ""
    flag: str = "-"
    refused: str = ""

    @property
    def library(self) -> str:
        return "lightgbm" if self.native.endswith(".txt") else "xgboost"

    @property
    def arguments(self) -> tuple[str, str, str]:
        folder, _, name = self.native.partition("/")
        return self.native, f"{folder}/{self.beside or name.partition('.')[0]}", self.flag


R = (
    *("iris.json", "airquality.json"),
    *(f"{name}.ubj" for name in ("iris", "softmax", "swapped", "stopped", "insects", "sparse", "raw")),
)
CASES = (
    *(Case(native=f"{folder}/{name}") for folder in ("r-xgboost-1.7", "r-xgboost-3.2") for name in R),
    Case(native="r-xgboost-3.2/iris.model"),
    *(Case(native=f"{name.partition('/')[0]}/iris.anew.ubj") for name in OLD),
    *(Case(native=f"xgboost4j-1.7/{name}") for name in ("iris.json", "iris.ubj", "zeros.ubj")),
    Case(native="xgboost4j-1.7/stopped.ubj", flag="all-rounds"),
    *(Case(native=f"lightgbm-jvm-4.7/{name}.txt") for name in ("iris", "virginica", "holes", "categories")),
)
REFUSED = (
    *(Case(native=name, refused="binary format, which XGBoost 3.0 is the last to read") for name in OLD),
    *(Case(native=f"r-xgboost-{version}/dart.ubj", refused="the booster is dart, which no") for version in ("1.7", "3.2")),
    *(Case(native=f"r-xgboost-{version}/linear.ubj", refused="the booster is gblinear, which no") for version in ("1.7", "3.2")),
    *(Case(native=f"r-xgboost-{v}/{name}.ubj", refused=WRONG) for v in ("1.7", "3.2") for name in ("forest", "hinge")),
    *(Case(native=f"lightgbm-jvm-4.7/{name}.txt", refused=WRONG) for name in ("zeros", "forest", "steep", "each", "linear")),
)
OTHER_MEANINGS = (
    Case(native="xgboost4j-1.7/stopped.ubj"),
    Case(native="r-xgboost-3.2/stopped.ubj", flag="all-rounds"),
    Case(native="xgboost4j-1.7/zeros.ubj", beside="zeros-as-they-are"),
)
"""Converted as the wrong side would read them: rounds behind the best, and 0 where it stood for missing."""


@cache
def outcomes(library: str) -> Mapping[str, dict[str, Any]]:
    """What becomes of every case of a library, in one process."""
    cases = [case for case in (*CASES, *REFUSED, *OTHER_MEANINGS) if case.library == library]
    return convert_all(library, *(case.arguments for case in cases))


def convert_all(library: str, *cases: tuple[str, str, str]) -> Mapping[str, dict[str, Any]]:
    python = python_with(library, "onnxmltools", "pandas")
    if not python:
        pytest.skip(f"{library} and onnxmltools are not both installed; MLSIGN_TRAINING_PYTHON names no Python that has them")
    command = [python, str(CONVERT), library, str(NATIVE), *(word for case in cases for word in case)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {line.pop("case"): line for line in lines}


def outcome(case: Case) -> dict[str, Any]:
    return outcomes(case.library)[" ".join(case.arguments)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.native)
def test_an_export_answers_as_r_and_the_jvm_did(case: Case) -> None:
    found = outcome(case)
    assert "refused" not in found, found
    assert found["rows"] >= 32
    assert {name.partition(" ")[0] for name in found["wrong"]} == {"onnxruntime", "reference"}
    assert set(found["wrong"].values()) == {0}, found


@pytest.mark.slow
@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.native)
def test_what_has_no_right_export_is_refused(case: Case) -> None:
    assert re.search(case.refused, outcome(case).get("refused", ""))


@pytest.mark.slow
@pytest.mark.parametrize("case", OTHER_MEANINGS, ids=lambda case: case.native)
def test_what_the_file_does_not_say_shows_in_the_answers(case: Case) -> None:
    found = outcome(case)["wrong"]
    assert found.get("onnxruntime probabilities", found.get("onnxruntime variable")) > 20


@pytest.mark.linux
@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [
        Case(native="r-xgboost-1.7/stopped.ubj"),
        Case(native="r-xgboost-3.2/airquality.json"),
        Case(native="xgboost4j-1.7/stopped.ubj", flag="all-rounds"),
        Case(native="h2o-3.46/iris.anew.ubj"),
        Case(native="lightgbm-jvm-4.7/holes.txt"),
    ],
    ids=lambda case: case.native,
)
def test_from_the_file_to_a_package_that_answers_as_before(case: Case, tmp_path: Path) -> None:
    done = convert(case, tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert " is allowed by the policy release" in done.stdout
    assert "answers as its golden test data says" in done.stdout
    assert re.search(r"^\w+: \d+ rows, largest difference from the training library", done.stdout, re.MULTILINE)
    assert all(f"✓ {runtime} " in done.stdout for runtime in ("onnxruntime", "reference"))


@pytest.mark.linux
@pytest.mark.slow
def test_answers_of_another_reading_are_not_packed(tmp_path: Path) -> None:
    """XGBoost4J took 0 for missing, and the rows say 0: the package would answer otherwise, so there is none."""
    done = convert(OTHER_MEANINGS[2], tmp_path)
    assert done.returncode != 0
    assert "the model answers otherwise" in done.stderr
    assert "$ mlsign sign" not in done.stdout


def convert(case: Case, place: Path) -> subprocess.CompletedProcess[str]:
    """The script as a person would run it, with the files of ``case``."""
    python = python_with(case.library, "onnxmltools", "pandas")
    if not python:
        pytest.skip(
            f"{case.library} and onnxmltools are not both installed; MLSIGN_TRAINING_PYTHON names no Python that has them"
        )
    native, beside, flag = case.arguments
    files = [str(NATIVE / name) for name in (native, f"{beside}.rows.csv", f"{beside}.answers.csv")]
    command = [python, str(TRAINING / f"convert_{case.library}_file.py"), *(() if flag == "-" else (f"--{flag}",)), *files]
    return subprocess.run(command, cwd=place, env=environment_in(place), capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_files_that_are_not_whole_or_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    model = (NATIVE / "lightgbm-jvm-4.7/iris.txt").read_text(encoding="utf-8")
    rows = (NATIVE / "lightgbm-jvm-4.7/iris.rows.csv").read_text(encoding="utf-8")
    answers = (NATIVE / "lightgbm-jvm-4.7/iris.answers.csv").read_text(encoding="utf-8")
    fewer = model[: model.index("\nTree=10\n")] + model[model.index("\nend of trees") :]
    broken = {
        "no end": (model[: model.index("end of trees")], rows, answers, "not a whole LightGBM model"),
        "fewer trees": (fewer, rows, answers, "not a whole LightGBM model in text: it has 10 trees"),
        "a header": (model, f"a,b,c,d\n{rows}", answers, "expected numbers without a header"),
        "many columns": (model, rows.replace("\n", ",1\n"), answers, "the rows have 5 columns, the model 4"),
        "few answers": (model, rows, answers[: answers.index("\n", 900) + 1], r"answers to \d\d rows, expected to 150"),
        "another model": ("{}", rows, answers, "not a whole LightGBM model in text: it has 0 trees"),
    }
    for name, (text, *tables, _) in broken.items():
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
        for kind, table in zip(("rows", "answers"), tables, strict=True):
            (tmp_path / f"{name}.{kind}.csv").write_text(table, encoding="utf-8")
    found = convert_all("lightgbm", *((str(tmp_path / f"{name}.txt"), str(tmp_path / name), "-") for name in broken))
    assert len(found) == len(broken)
    for outcome_, (*_, refusal) in zip(found.values(), broken.values(), strict=True):
        assert re.search(refusal, outcome_.get("refused", "")), (outcome_, refusal)


@pytest.mark.slow
def test_what_xgboost_does_not_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_bytes((NATIVE / "r-xgboost-3.2/iris.json").read_bytes()[:9000])
    files = [
        str(tmp_path / "cut.json"),
        *(str(NATIVE / name) for name in ("r-xgboost-3.2/iris.rds", "lightgbm-jvm-4.7/iris.txt")),
    ]
    found = convert_all("xgboost", *((file, "r-xgboost-3.2/iris", "-") for file in files))
    assert len(found) == len(files)
    assert all("not a model that XGBoost reads" in each.get("refused", "") for each in found.values()), found


def kind_of(native: str) -> str:
    if native in {f"{folder}/iris.rds" for folder in ("r-xgboost-1.7", "r-xgboost-3.2")}:
        return "compressed with gzip, and inside is R serialization"
    if native in OLD:
        return "an XGBoost model in the binary format of before"
    if native.endswith(".txt"):
        return "a LightGBM model"
    return f"an XGBoost model ({'JSON' if native.endswith('.json') else 'UBJSON'})"


MODELS = sorted(
    path.relative_to(NATIVE).as_posix() for path in NATIVE.glob("*/*") if path.suffix != ".csv" and path.name != "versions.txt"
)


@pytest.mark.parametrize("native", MODELS)
def test_packing_names_what_r_and_the_jvm_wrote(native: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["pack", str(NATIVE / native), "-o", str(tmp_path / "out")])
    assert isinstance(done.exception, InputError)
    assert kind_of(native) in str(done.exception)


def test_every_file_is_tried() -> None:
    tried = {case.native for case in (*CASES, *REFUSED)}
    assert tried == {native for native in MODELS if not native.endswith(".rds")}


def test_the_page_names_what_wrote_the_files() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for folder in ("r-xgboost-1.7", "r-xgboost-3.2"):
        language, package = (NATIVE / folder / "versions.txt").read_text(encoding="utf-8").splitlines()
        assert re.search(r"R version ([\d.]+)", language)[1] in page  # type: ignore[index]  # a file of this repository
        assert package.removeprefix("xgboost ") in page
    assert all(f"`{folder.name}`" in page for folder in NATIVE.iterdir() if folder.is_dir())
