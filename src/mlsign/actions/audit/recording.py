"""Where decisions are written down, if anywhere: without an audit log nothing is imported that keeps one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlsign.actions.audit.append_audit import AuditLog
    from mlsign.actions.verification.verify import Report
    from mlsign.policy.model import Policy


def recording(
    package: Path, log: AuditLog | None, *, policy: Policy | None = None
) -> AbstractContextManager[Callable[[Report], None]]:
    """What ``recorded`` gives for a log, with all that it promises and raises; without one, nothing is recorded."""
    if log is None:
        return nullcontext(_nowhere)
    from mlsign.actions.audit.append_audit import recorded

    return recorded(package, log, policy=policy)


def _nowhere(_: Report) -> None:
    pass
