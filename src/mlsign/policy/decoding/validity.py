"""The fields ``expires`` and ``revision`` of a policy: how long it holds, and which of its versions it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from mlsign.policy.decoding.fields import kind_of, read_integer, refusal
from mlsign.policy.decoding.yaml_source import Node, Scalar

FIELDS: Final = ("expires", "revision")
MAX_REVISION: Final = 2**53 - 1
_MOMENT: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def read_expiry(node: Node, path: str) -> datetime:
    """A moment in UTC to the second, ``2027-01-01T00:00:00Z``: no other spelling, so nobody has to guess a time zone."""
    text = node.text if isinstance(node, Scalar) else kind_of(node)
    if isinstance(node, Scalar) and _MOMENT.fullmatch(text):
        try:
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass  # the thirtieth of February and the like
    raise refusal("is no moment in UTC as 2027-01-01T00:00:00Z", node.place, path, code="expires", found=text)


def read_revision(node: Node, path: str) -> int:
    """A number that rises with every version of the policy."""
    return read_integer(node, path, minimum=1, maximum=MAX_REVISION)
