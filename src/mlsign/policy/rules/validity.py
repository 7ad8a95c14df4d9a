"""Until when a policy holds: one that is past its end allows nothing, however long it has been loaded."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mlsign.evidence.findings import Finding, Outcome

CODE: Final = "MLS431"


def check(settings: datetime | None, *, now: datetime) -> tuple[Finding, ...]:
    """A finding when the policy has an end."""
    if settings is None:
        return ()
    end, moment = f"{settings:%Y-%m-%dT%H:%M:%SZ}", f"{now:%Y-%m-%dT%H:%M:%S%z}"
    over = now >= settings
    return (
        Finding(
            code=CODE,
            outcome=Outcome.FAIL if over else Outcome.PASS,
            message=f"the policy {'expired at' if over else 'holds until'} {end}",
            where="expires",
            expected=f"before {end}",
            found=moment,
            hint="get the policy that took its place from whoever looks after it" if over else "",
        ),
    )
