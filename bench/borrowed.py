"""Keys, packages and policies as the tests make them, and their Sigstore, which ``local_sigstore`` has from here on."""

from __future__ import annotations

import sys

from contenders import ROOT

sys.path.insert(0, str(ROOT / "tests" / "fakes"))
sys.path.insert(0, str(ROOT / "tests"))

from making import make_key, make_package, resign, write_model, write_policy

__all__ = ["make_key", "make_package", "resign", "write_model", "write_policy"]
