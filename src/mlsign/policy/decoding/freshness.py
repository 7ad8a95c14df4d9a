"""The fields ``transparency``, ``age`` and ``trust`` of a policy."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from mlsign.policy.decoding.fields import PolicyFields, kind_of, read_choice, read_text, refusal
from mlsign.policy.decoding.yaml_source import Node, Scalar
from mlsign.policy.freshness import AgeProof, Freshness, LogDemand, StaleTrust, TimeDemand, Transparency, TrustSettings

FIELDS: Final = ("transparency", "age", "trust")
_AGE: Final = re.compile(r"([1-9][0-9]{0,5})(m|h|d)", re.ASCII)
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_INSTANCE: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}", re.ASCII)


def decode_freshness(fields: PolicyFields) -> Freshness:
    """What the three fields say; what is not there is not asked for. Raises ``InputError`` (``policy.…``)."""
    age = fields.optional("age", _decode_age) or (None, AgeProof.STAMPED)
    return Freshness(
        transparency=fields.optional("transparency", _decode_transparency) or Transparency(),
        max_age=age[0],
        age_proof=age[1],
        trust=fields.optional("trust", _decode_trust) or TrustSettings(),
    )


def _decode_transparency(node: Node, path: str) -> Transparency:
    fields = PolicyFields(node, path=path, names=("log", "timestamp"))
    log = fields.optional("log", lambda n, p: read_choice(n, p, LogDemand))
    timestamp = fields.optional("timestamp", lambda n, p: read_choice(n, p, TimeDemand))
    if log is None and timestamp is None:
        raise fields.wrong("asks for nothing", code="transparency", hint="add log: required, timestamp: either, or both")
    return Transparency(log=log or LogDemand.OPTIONAL, timestamp=timestamp or TimeDemand.OPTIONAL)


def _decode_age(node: Node, path: str) -> tuple[timedelta, AgeProof]:
    fields = PolicyFields(node, path=path, names=("max", "proof"))
    proof = fields.optional("proof", lambda n, p: read_choice(n, p, AgeProof))
    return read_age(*fields.take("max")), proof or AgeProof.STAMPED


def _decode_trust(node: Node, path: str) -> TrustSettings:
    fields = PolicyFields(node, path=path, names=("root", "instance", "stale", "max_age"))
    if fields.has("root") and fields.has("instance"):
        raise fields.wrong("has both root and instance, which name two trust roots", code="trust")
    return TrustSettings(
        file=fields.optional("root", read_text) or "",
        instance=fields.optional("instance", _read_instance) or "public-good",
        stale=fields.optional("stale", lambda n, p: read_choice(n, p, StaleTrust)) or StaleTrust.DENY,
        max_age=fields.optional("max_age", read_age),
    )


def _read_instance(node: Node, path: str) -> str:
    text = read_text(node, path, maximum=64)
    if not _INSTANCE.fullmatch(text):
        raise refusal("is not a name of lower-case letters, digits, dots and dashes", node.place, path, code="trust", found=text)
    return text


def read_age(node: Node, path: str) -> timedelta:
    """A span of days, hours or minutes: ``90d``, ``12h``, ``30m``."""
    match = _AGE.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        text = node.text if isinstance(node, Scalar) else kind_of(node)
        raise refusal("is not a span as 90d, 12h or 30m", node.place, path, code="unit", found=text)
    return int(match[1]) * _UNITS[match[2]]
