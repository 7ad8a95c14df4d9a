"""The zygote of the reference evaluator, run as a process of its own."""

from __future__ import annotations

from mlsign.sandbox import zygote
from mlsign.sandbox.reference.engine import Reference

if __name__ == "__main__":
    zygote.main(Reference())
