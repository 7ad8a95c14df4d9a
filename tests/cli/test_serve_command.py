"""``mlsign serve`` as a command: its help, its options, and what it says where it cannot run."""

import subprocess
import sys

import pytest
from running import CLEAN

WITHOUT = """
import sys
sys.modules[{missing!r}] = None
from mlsign.cli.main import main
main()
"""
LOADED = """
import sys
from mlsign.cli.main import main
try:
    main()
except SystemExit:
    pass
print(*sys.modules)
"""


def test_the_help_has_an_example(run):
    done = run("serve", "--help")
    assert (done.code, done.err) == (0, "")
    assert "Example" in done.out
    assert "mlsign serve fraud-1.2.0 --policy policy.yaml" in done.out
    assert "Dangerous" in done.out


@pytest.mark.parametrize(
    "argv", [("serve",), ("serve", "x"), ("serve", "x", "--policy"), ("serve", "x", "--policy", "p", "--tsl-cert", "c")]
)
def test_wrong_usage(run, argv):
    assert run(*argv).code == 2


@pytest.mark.parametrize("missing", ["uvicorn", "prometheus_client", "httptools"])
def test_what_is_not_installed_is_named(tmp_path, missing):
    (tmp_path / "policy.yaml").write_text("")
    argv = [sys.executable, "-c", WITHOUT.format(missing=missing), "serve", "x", "--policy", "policy.yaml"]
    done = subprocess.run(argv, capture_output=True, text=True, env=CLEAN, cwd=tmp_path)
    assert done.returncode == 4
    assert f"serving needs the package {missing}" in done.stderr
    assert "pip install 'mlsign[serve]'" in done.stderr


def test_other_commands_load_none_of_it(tmp_path):
    argv = [sys.executable, "-c", LOADED, "serve", "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, env=CLEAN, cwd=tmp_path, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "mlsign.cli.commands.serve" in loaded
    assert loaded.isdisjoint({"uvicorn", "prometheus_client", "numpy", "onnxruntime", "mlsign.serving.server"})
