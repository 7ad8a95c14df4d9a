"""What each command imports, kept as a list: whoever adds an import sees which commands pay for it.

Modules of mlsign and packages of others are held to the lists in ``imports/`` exactly; of the standard library, which differs from
version to version, only the expensive ones are forbidden. ``pytest tests/cli/test_imports_of_commands.py --renew-golden`` writes
the lists again, once the new import was found to be worth it.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from making import make_key, write_model, write_policy
from running import CLEAN

LISTS = Path(__file__).with_name("imports")
EXPENSIVE = frozenset(
    {
        *("asyncio", "concurrent", "csv", "ctypes", "email", "ftplib", "html", "http", "importlib.metadata", "logging"),
        *("multiprocessing", "pickle", "pydoc", "secrets", "socket", "sqlite3", "ssl", "unittest", "xml", "zipfile"),
    }
)
"""Of the standard library; each takes milliseconds, and most bring others."""
OF_NUMPY = frozenset({"csv", "ctypes", "email", "importlib.metadata", "pickle", "socket", "zipfile"})
"""What numpy imports, for commands that look at values of weights."""
OF_VERSIONS = frozenset({"csv", "email", "importlib.metadata", "pickle", "socket", "zipfile"})
"""What the standard library imports to look up the version of an installed package."""
BROUGHT = {"version": OF_VERSIONS, "inspect_html": OF_NUMPY}
PROGRAM = """
import sys
before = set(sys.modules)
from mlsign.cli.main import main
sys.argv = ["mlsign", *sys.argv[2:]]
try:
    main()
finally:
    with open({place!r}, "w") as file:
        print(*sorted(set(sys.modules) - before), sep="\\n", file=file)
"""

COMMANDS = {
    "help": ["--help"],
    "version": ["--version"],
    "verify": ["verify", "signed-1.0.0", "--policy", "policy.yaml"],
    "verify_json": ["verify", "signed-1.0.0", "--policy", "policy.yaml", "--format", "json"],
    "inspect": ["inspect", "model.onnx"],
    "inspect_findings": ["inspect", "--findings", "model.onnx"],
    "inspect_text": ["inspect", "--text", "model.onnx"],
    "inspect_html": ["inspect", "--html", "page.html", "model.onnx"],
    "inspect_card": ["inspect", "--card", "small-1.0.0"],
    "log": ["log", "."],
    "diff": ["diff", "model.onnx", "model.onnx"],
    "diff_packages": ["diff", "small-1.0.0", "small-1.0.0", "--policy", "policy.yaml"],
    "pack": ["pack", "model.onnx", "-o", "other-1.0.0"],
    "replay_help": ["replay", "--help"],
    "sign": ["sign", "small-1.0.0", "--key", "release.key"],
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> dict[str, list[str]]:
    """The modules that each command imports, for a small model, packages of it, and a policy that names the key of the signer."""
    place, key = tmp_path_factory.mktemp("imports"), make_key()
    write_model(place / "model.onnx")
    (place / "release.key").write_bytes(key.private)
    (place / "release.key").chmod(0o600)
    write_policy(place, {"release": (1, [key.public])})
    for name in ("small-1.0.0", "signed-1.0.0"):
        mlsign(place, "pack", "model.onnx", "-o", name)
    mlsign(place, "sign", "signed-1.0.0", "--key", "release.key")
    return {name: mlsign(place, *words) for name, words in COMMANDS.items()}


def mlsign(folder: Path, *words: str) -> list[str]:
    """The names of all modules that a command imports in a fresh interpreter."""
    seen = folder / ".modules"
    argv = [sys.executable, "-c", PROGRAM.format(place=str(seen)), "mlsign", *words]
    done = subprocess.run(argv, cwd=folder, env=CLEAN, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return seen.read_text().split()


def listed(modules: list[str]) -> str:
    """Packages of others, then modules of mlsign, one a line."""
    tops = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"mlsign"}
    return "\n".join([*sorted(tops), *sorted(name for name in modules if name.partition(".")[0] == "mlsign"), ""])


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_what_its_list_says(name: str, imported: dict[str, list[str]], request: pytest.FixtureRequest) -> None:
    found, place = listed(imported[name]), LISTS / f"{name}.txt"
    if request.config.getoption("--renew-golden"):
        place.write_text(found)
    wanted, got = set(place.read_text().split()), set(found.split())
    words = " ".join(COMMANDS[name])
    assert not got - wanted, (
        f"mlsign {words} imports more than before: {', '.join(sorted(got - wanted))}. Import it where it is needed, inside the "
        f"function; if this command needs it every time, --renew-golden writes {place.name} again"
    )
    assert not wanted - got, (
        f"mlsign {words} no longer imports {', '.join(sorted(wanted - got))}: --renew-golden writes that down"
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_expensive_is_imported(name: str, imported: dict[str, list[str]]) -> None:
    assert not set(imported[name]) & (EXPENSIVE - BROUGHT.get(name, frozenset()))


def test_the_lists_are_those_of_the_commands() -> None:
    assert {place.stem for place in LISTS.iterdir()} == COMMANDS.keys()


def test_what_is_on_a_list_is_in_the_source() -> None:
    """A module that was renamed does not stay behind."""
    source = Path(__file__).resolve().parents[2] / "src"
    for name in {line for place in LISTS.iterdir() for line in place.read_text().split() if line.startswith("mlsign")}:
        path = source / name.replace(".", "/")
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name
