"""Write down the evidence of a report, so that policies can be tried on it without the package."""

from __future__ import annotations

from pathlib import Path

from mlsign.actions.verification.verify import Report
from mlsign.package.write import write_new_files
from mlsign.policy.recorded import encode_recording, record


def write_record(report: Report, path: Path) -> None:
    """Writes the record to ``path``. Raises ``InputError`` (``output.exists``, ``json.canonical``) and ``OutsideError``."""
    data = encode_recording(record(report.policy, report.evidence, now=report.now))
    write_new_files([(path, data, 0o644)])
