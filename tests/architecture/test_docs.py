"""The pages say what the program does: generated ones are up to date, links lead somewhere, commands are accepted."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.rglob("*.md"), *(ROOT / "examples").rglob("*.md"), ROOT / "README.md", ROOT / "SECURITY.md"],
    key=lambda page: page.as_posix(),
)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _names(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_generated_pages_are_what_would_be_generated_now() -> None:
    """After a change of a command, an error code or a finding: ``make docs``."""
    done = subprocess.run([sys.executable, DOCS / "build.py", "--check"], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_the_walk_over_the_sources_finds_every_way_in_which_a_code_is_written() -> None:
    sys.path.insert(0, str(DOCS))
    try:
        import build_cli
        import build_errors
    finally:
        sys.path.remove(str(DOCS))
    errors, cli = build_errors.build(), build_cli.build()
    # One of each kind: spelled out where it is raised, by a function that adds the format, by Fields, from a worker.
    for code in ("disk.full", "path.escapes", "onnx.wire.varint", "bundle.signatures", "policy.duplicate", "sandbox.model.run"):
        assert f"| `{code}` |" in errors
    assert "| `--allow-unsandboxed` |" in cli


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for target in _LINK.findall(text):
        if re.match(r"[a-z]+://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or not file.is_relative_to(ROOT):
            broken.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", _FENCE.sub("", file.read_text(encoding="utf-8")), re.MULTILINE)
            if anchor not in {_anchor(heading) for heading in headings}:
                broken.append(target)
    assert not broken


def _commands() -> list[tuple[str, str]]:
    """Every command line of mlsign that a page shows: indented or fenced, with or without a prompt."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for line in text.splitlines():
            match = re.match(r"^(?: {4}|\$ | {4}\$ )(mlsign [^|]*)$", line)
            if match:
                found.append((_names(page), match[1].split("  #")[0].strip()))
    return sorted(set(found))


@cache
def _help(verb: str) -> str:
    return subprocess.run([sys.executable, "-m", "mlsign", verb, "--help"], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(("page", "command"), _commands())
def test_every_command_shown_is_one_that_exists(page: str, command: str) -> None:
    """Options and arguments are parsed by the command line itself; nothing is run."""
    from typer.main import get_command

    from mlsign.cli.main import app

    words = shlex.split(command, comments=True)[1:]
    names = get_command(app).commands
    groups = {name: found.commands for name, found in names.items() if hasattr(found, "commands")}
    if words and words[0].startswith("-"):
        assert words[0] in {"--version", "--help"}, page
        return
    verb = words[:2] if words[0] in groups and len(words) > 1 else words[:1]
    if len(verb) == 2:
        assert verb[1] in groups[verb[0]], page
    else:
        assert verb[0] in names, page
    shown = subprocess.run([sys.executable, "-m", "mlsign", *verb, "--help"], capture_output=True, text=True, check=True).stdout
    for word in words[len(verb) :]:
        if word.startswith("-"):
            assert re.search(rf"(^|[\s,]){re.escape(word.partition('=')[0])}([\s,]|$)", shown, re.MULTILINE), (page, word)


@pytest.mark.parametrize("page", [DOCS / "index.md", ROOT / "README.md"], ids=_names)
def test_the_first_pages_lead_to_every_other(page: Path) -> None:
    if page.name == "README.md":
        wanted = {"docs/index.md", "docs/quickstart.md", "docs/threat-model.md", "SECURITY.md"}
        assert wanted <= set(_LINK.findall(page.read_text(encoding="utf-8")))
        return
    linked = {(DOCS / target.partition("#")[0]).resolve() for target in _LINK.findall(page.read_text(encoding="utf-8"))}
    own = {p for p in DOCS.rglob("*.md") if p.parent != DOCS / "findings" and p != page}
    assert own <= linked, sorted(_names(p) for p in own - linked)


@pytest.mark.parametrize("page", PAGES, ids=_names)
def test_pages_name_no_host_of_a_registry_and_no_path_of_a_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"pypi\.org|pythonhosted|ghcr\.io|docker\.io|quay\.io|/work/|/root/|/tmp/dev", text)
