"""How platforms are spelled: system and architecture as container images have them, in one spelling each."""

from __future__ import annotations

import re
from typing import Final

PLATFORM: Final = re.compile(r"[a-z0-9]{1,32}/[a-z0-9_]{1,32}(?:/v[0-9]{1,2})?", re.ASCII)
"""``linux/amd64``, ``linux/arm/v7``."""
