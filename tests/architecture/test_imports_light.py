"""What the light ways through the program leave unloaded: libraries that sign, fetch or score belong to those who ask for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {"sigstore", "tuf", "requests", "pydantic", "rfc3161_client", "re2", "pkcs11", "cel_expr_python", "onnxruntime", "numpy"}
)

RUN = """
import sys
try:
    {code}
except SystemExit as left:
    if left.code:
        raise
print(*sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
MAIN = "from mlsign.cli.main import main; main()"


def loaded(code: str, *argv: object) -> set[str]:
    """The names of all packages that are loaded in a fresh process once ``code`` has run."""
    done = subprocess.run(
        [sys.executable, "-c", RUN.format(code=code), *map(str, argv)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("argv", [("--help",), ("--version",), ("verify", "--help")], ids=" ".join)
def test_help_is_light(argv: tuple[str, ...]) -> None:
    found = loaded(MAIN, *argv)
    assert "mlsign" in found
    assert not found & (HEAVY | {"cryptography", "rich"})


def test_the_import_is_light() -> None:
    assert not loaded("import mlsign") & (HEAVY | {"cryptography", "typer", "rich", "onnx"})
    assert not loaded("from mlsign import Gate, InputError, sign, pack, load_key") & HEAVY


def test_verifying_by_key_is_light(good_package: Path, policy_file: Path) -> None:
    found = loaded(MAIN, "verify", good_package, "--policy", policy_file)
    assert "cryptography" in found
    assert not found & (HEAVY | {"rich"})


def test_a_gate_for_keys_is_light(good_package: Path, policy_file: Path) -> None:
    code = "from mlsign import Gate, Verdict; r = Gate.load(sys.argv[1]).verify(sys.argv[2])"
    found = loaded(f"{code}; assert r.decision.verdict is Verdict.ALLOW", policy_file, good_package)
    assert "cryptography" in found
    assert not found & (HEAVY | {"typer", "rich", "onnx"})
