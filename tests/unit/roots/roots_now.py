"""The moment at which tests of trust roots happen; a real one, because the repositories that they meet live now."""

from datetime import UTC, datetime

NOW = datetime.now(UTC).replace(microsecond=0)
