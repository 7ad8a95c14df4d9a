"""docs/policy.md is what its generator writes now."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_has_not_drifted() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "docs" / "build_policy.py"), "--check"], check=False)
    assert done.returncode == 0, "run python docs/build_policy.py"


def test_the_page_names_every_field() -> None:
    page = (ROOT / "docs" / "policy.md").read_text()
    for field in ("`signers[].any[].keyless.subject.pattern`", "`model.max_parameter_bytes`", "`revoked[].file`", "`extends`"):
        assert field in page
