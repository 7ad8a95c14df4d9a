"""Asks the JavaScript verifier of Sigstore about a bundle. Where Node or its packages are missing, the test is skipped.

``MLSIGN_JS_FOLDER`` names a folder in which ``npm ci`` ran with ``tests/interop/js/package.json`` and its lock.
"""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "js"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """How many of each a bundle must bring: entries in a log, signed times, timestamps of a certificate log."""

    tlog: int = 1
    timestamp: int = 1
    ctlog: int = 1


NO_LOG = Thresholds(tlog=0, timestamp=0, ctlog=0)


@dataclass(frozen=True, kw_only=True)
class JsAnswer:
    """``code`` and ``message`` say why a bundle was refused; ``identity`` and ``issuer`` whose it is."""

    accepted: bool
    code: str | None = None
    message: str | None = None
    identity: str | None = None
    issuer: str | None = None


def js_folder() -> Path:
    """The folder with ``node_modules``; skips the test where it, or Node, is missing."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    folder = Path(os.environ.get("MLSIGN_JS_FOLDER") or HERE)
    if not (folder / "node_modules" / "@sigstore" / "verify").is_dir():
        pytest.skip("MLSIGN_JS_FOLDER names no folder with the npm packages of tests/interop/js")
    return folder


def verify_with_js(
    bundle: bytes | str,
    *,
    trusted_root: Mapping[str, Any] | None = None,
    keys: Mapping[str, bytes] | None = None,
    artifact: bytes | None = None,
    identity: str | None = None,
    issuer: str | None = None,
    thresholds: Thresholds = Thresholds(),
) -> JsAnswer:
    """What ``@sigstore/verify`` says of a bundle. ``keys`` are PEM public keys by the hint that a bundle names them by."""
    question = {
        "bundle": json.loads(bundle),
        "trustedRoot": trusted_root,
        "keys": {hint: pem.decode() for hint, pem in (keys or {}).items()},
        "artifact": None if artifact is None else base64.b64encode(artifact).decode(),
        "identity": identity,
        "issuer": issuer,
        "thresholds": {"tlog": thresholds.tlog, "timestamp": thresholds.timestamp, "ctlog": thresholds.ctlog},
    }
    done = subprocess.run(
        ["node", str(HERE / "verify.mjs")],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "MLSIGN_JS_FOLDER": str(js_folder())},
    )
    if done.returncode != 0:
        raise RuntimeError(f"verify.mjs failed: {done.stderr}")
    return JsAnswer(**json.loads(done.stdout))
