"""The field ``exceptions`` of a policy: known faults of one package that are borne until a day."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from mlsign.digest import Algorithm, Digest, decode_digest
from mlsign.errors import InputError, shown
from mlsign.policy.decoding.fields import PolicyFields, nearest, read_items, read_text, refusal
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.exemption import EXEMPTIBLE, Exemption

MAX_EXCEPTIONS: Final = 256
_UNTIL: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


def decode_exceptions(node: Node, path: str) -> tuple[Exemption, ...]:
    """The exceptions; two never name the same finding of the same package, so that one end holds for it."""
    out: list[Exemption] = []
    taken: set[tuple[Digest, str]] = set()
    for item, where in read_items(node, path, minimum=0, maximum=MAX_EXCEPTIONS):
        exemption = _decode_exception(item, where)
        for code in sorted(exemption.codes):
            if (exemption.digest, code) in taken:
                raise refusal(
                    f"is a second exception from {code} for one package", item.place, where, code="exceptions", found=code
                )
            taken.add((exemption.digest, code))
        out.append(exemption)
    return tuple(out)


def _decode_exception(node: Node, path: str) -> Exemption:
    fields = PolicyFields(node, path=path, names=("digest", "findings", "reason", "until"))
    return Exemption(
        digest=_read_digest(*fields.take("digest")),
        codes=_read_codes(*fields.take("findings")),
        reason=read_text(*fields.take("reason")),
        until=_read_until(*fields.take("until")),
    )


def _read_digest(node: Node, path: str) -> Digest:
    text = read_text(node, path)
    try:
        digest = decode_digest(text)
    except InputError as err:
        raise refusal(err.message, node.place, path, code="exceptions", found=text) from err
    if digest.algorithm is not Algorithm.SHA256:
        message = "is not a sha256 digest, and packages are known by no other"
        raise refusal(message, node.place, path, code="exceptions", found=text)
    return digest


def _read_codes(node: Node, path: str) -> frozenset[str]:
    out: set[str] = set()
    for item, where in read_items(node, path, minimum=1, maximum=len(EXEMPTIBLE)):
        text = read_text(item, where)
        if text not in EXEMPTIBLE:
            raise refusal(
                f"{shown(text, limit=40)} cannot be excepted",
                item.place,
                where,
                code="exceptions",
                expected=", ".join(sorted(EXEMPTIBLE)),
                found=text,
                hint=f"only matters of policy can be: {', '.join(sorted(EXEMPTIBLE))}",
                near=nearest(text, EXEMPTIBLE) if not text.startswith("MLS") else "",
            )
        if text in out:
            raise refusal(f"names {text} twice", item.place, where, code="exceptions", found=text)
        out.add(text)
    return frozenset(out)


def _read_until(node: Node, path: str) -> datetime:
    text = read_text(node, path)
    wrong = refusal(
        "is no time in UTC as 2027-01-31T00:00:00Z",
        node.place,
        path,
        code="exceptions",
        expected="date and time in UTC, ending in Z",
        found=text,
    )
    if not _UNTIL.fullmatch(text):
        raise wrong
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as err:
        raise wrong from err
