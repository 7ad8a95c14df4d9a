"""Where the published vectors of OpenSSF Model Signing are, for those who have them."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder with ``oms-signed``, ``oms-spec`` and ``oms-schemas``; see ``MLSIGN_VECTORS``."""
    folder = os.environ.get("MLSIGN_VECTORS")
    if not folder:
        pytest.skip("MLSIGN_VECTORS names no folder with the published vectors")
    return Path(folder)
