"""The lock is for everybody: every package that runs native code has a hash for more than one machine and Python."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PINS = {
    m[1]: m[0].count("--hash=sha256:")
    for m in re.finditer(r"^([a-z0-9._-]+)==(?:.*\\\n)(?:    --hash=.*\n)+", LOCK, re.MULTILINE)
}

ONE_FOR_ALL = {"flatbuffers", "tritonclient"}
"""Released as one pure wheel, without its source."""


def test_everything_that_the_project_names_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    named = [
        *project["project"]["dependencies"],
        *(item for extra in project["project"]["optional-dependencies"].values() for item in extra),
        *project["dependency-groups"]["dev"],
    ]
    wanted = {re.match(r"[A-Za-z0-9._-]+", item)[0].lower().replace("_", "-").replace(".", "-") for item in named}
    assert wanted <= PINS.keys()


def test_every_package_has_the_hashes_of_more_than_one_file():
    """A pure package has its wheel and its source; one of native code a wheel for each machine. One hash is one machine's."""
    assert {name for name, count in PINS.items() if count < 2} <= ONE_FOR_ALL


def test_the_conditions_in_rules_can_be_evaluated_wherever_tests_run():
    # No fewer than three versions of Python on four machines; there is no source to build it from.
    assert PINS["cel-expr-python"] >= 12
