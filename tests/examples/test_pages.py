"""What the first pages show is what really comes out."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from mlsign.actions.packing.pack import PackRequest, pack
from mlsign.actions.policies.load_policy import load_policy
from mlsign.actions.signing.keygen import KeygenRequest, keygen
from mlsign.signers.key_types import KeyType

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_SHOWN = ("README.md", "docs/quickstart.md")


def _blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_readme_shows_what_the_demo_prints(demo: Any) -> None:
    part = README[README.index("What `make demo` prints") : README.index("## What it is")]
    shown = [line[4:] for line in part.splitlines() if line.startswith("    ") and line.strip() != "..."]
    printed = demo.stdout.splitlines()
    assert len(shown) > 20
    assert [line for line in shown if line not in printed and line != "$ head -3 scores.csv"] == []


@pytest.mark.linux
def test_the_program_in_the_readme_runs_and_prints_what_is_shown(demo: Any) -> None:
    (program,) = _blocks("README.md", "python")
    done = subprocess.run([sys.executable, "-c", program], cwd=demo.folder, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.startswith("{'label': array(['setosa'], dtype=object), 'probabilities': array([[9.99")
    denied = subprocess.run(
        [sys.executable, "-c", program.replace("iris-1.0.0", "helpful-1.0.0")], cwd=demo.folder, capture_output=True, text=True
    )
    assert denied.stdout == "[('MLS382', 'a run takes up to 2000000006 operators, with open dimensions of 8')]\n"


@pytest.mark.parametrize("page", _SHOWN)
def test_the_policies_shown_are_policies(page: str, tmp_path: Path) -> None:
    policies = [block for block in _blocks(page, "yaml") if block.startswith("apiVersion")]
    assert policies
    for text in policies:
        for key in set(re.findall(r"keys/([\w-]+)\.pub", text)):
            if not (tmp_path / "keys" / f"{key}.pub").exists():
                keygen(tmp_path / "keys" / key, KeygenRequest(kind=KeyType.P256, password=None))
        (tmp_path / "policy.yaml").write_text(text, encoding="utf-8")
        assert load_policy(tmp_path / "policy.yaml").policy.signers


def test_the_manifest_of_the_format_page_is_the_one_that_pack_writes(tmp_path: Path) -> None:
    pack(PackRequest(model=ROOT / "examples" / "iris" / "model.onnx", output=tmp_path / "iris-1.0.0"))
    (shown,) = _blocks("docs/formats/manifest.md", "json")
    assert rfc8785.dumps(json.loads(shown)) == (tmp_path / "iris-1.0.0" / "mlsign.json").read_bytes()


def test_the_statement_of_the_format_page_is_the_one_that_is_signed(tmp_path: Path) -> None:
    from base64 import b64decode

    from mlsign.actions.signing.sign import load_key, sign

    pack(PackRequest(model=ROOT / "examples" / "iris" / "model.onnx", output=tmp_path / "iris-1.0.0"))
    pair = keygen(tmp_path / "key", KeygenRequest(kind=KeyType.P256, password=None))
    signed = sign(tmp_path / "iris-1.0.0", load_key(pair.private_path, ask_password=bytes))
    bundle = json.loads((tmp_path / "iris-1.0.0" / signed.bundle).read_bytes())
    (shown,) = _blocks("docs/formats/statement.md", "json")
    assert rfc8785.dumps(json.loads(shown)) == b64decode(bundle["dsseEnvelope"]["payload"])
