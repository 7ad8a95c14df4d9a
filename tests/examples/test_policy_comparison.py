"""The page that holds policies against those of other tools names fields, options and commands that this version has."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.main import get_command

from mlsign.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "policy-comparison.md").read_text(encoding="utf-8")
SCHEMA = json.loads((ROOT / "schemas" / "policy.v1.schema.json").read_text(encoding="utf-8"))
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in PAGE.splitlines() if line.startswith("| ")]
WITHOUT_FIELD = {"what matches no policy": "denied"}
"""What holds by itself, in words alone."""


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field with its part of the schema, as docs/policy.md writes it."""
    for name, part in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        yield here, part
        yield from fields(part, here)
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")
    for part in schema.get("oneOf", ()):
        yield from fields(part, path)


FIELDS = list(fields(SCHEMA))


def found(name: str) -> list[dict[str, Any]]:
    """The parts of the schema that a field may be, named whole or by its end."""
    return [part for path, part in FIELDS if path == name or path.endswith(f".{name}")]


def options(group: Any) -> set[str]:
    own = {name for parameter in group.params for name in parameter.opts}
    return own.union(*(options(command) for command in getattr(group, "commands", {}).values()))


def check(code: str) -> bool:
    """Whether this version has what a piece of the page names: an option, a command, or a field with or without a value."""
    top = get_command(app)
    if code.startswith("--"):
        return code in options(top)
    if code.startswith("mlsign "):
        for word in code.split()[1:]:
            top = getattr(top, "commands", {}).get(word)
        return top is not None
    name, value = re.fullmatch(r"([^:]+)(?:: (.+))?", code).groups()
    parts = found(name)
    if value is None:
        return bool(parts)
    plain = json.loads(value) if re.fullmatch(r"\d+|true|false", value) else value
    return any(jsonschema.Draft202012Validator(part).is_valid(plain) for part in parts)


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[0])
def test_what_the_page_says_of_mlsign_is_there(row: list[str]) -> None:
    codes = re.findall(r"`([^`]+)`", row[1])
    assert codes or WITHOUT_FIELD.get(row[0]) == row[1]
    assert [code for code in codes if not check(code)] == []


@pytest.mark.parametrize(
    "code", ["--no-such", "mlsign policy tests", "signer", "keyless.claim", "mode: warn", "any[].key: 3", "rollback: 1", "igners"]
)
def test_what_is_not_there_would_be_noticed(code: str) -> None:
    assert not check(code)


def test_every_row_has_a_cell_for_each_tool() -> None:
    assert ROWS[0] == ["what a team wants to say", "mlsign", "model_signing", "policy-controller", "Kyverno", "slsa-verifier"]
    assert len(ROWS) > 20
    assert {len(row) for row in ROWS} == {6}


def test_every_letter_has_a_source_and_every_source_a_letter() -> None:
    sources = re.findall(r"^- \(([a-z])\) ", PAGE, re.MULTILINE)
    used = {
        letter for row in ROWS for group in re.findall(r"\(([a-z](?:, [a-z])*)\)", " ".join(row)) for letter in group.split(", ")
    }
    assert sources == [chr(ord("a") + place) for place in range(len(sources))]
    assert used == set(sources)


def test_what_another_tool_has_comes_with_its_source() -> None:
    bare = [cell for row in ROWS[1:] for cell in row[2:] if not re.search(r"\([a-z](, [a-z])*\)$", cell)]
    assert set(bare) == {"–", "– (it has none)"}
