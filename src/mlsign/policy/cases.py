"""The cases that a policy is tested by: YAML text to values, as strict as policies are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mlsign.errors import InputError
from mlsign.evidence.catalogue.pages import ENTRIES
from mlsign.limits import DEFAULT, Limits
from mlsign.policy.decoding.fields import PolicyFields, nearest, read_choice, read_items, read_text, refusal
from mlsign.policy.decoding.yaml_source import Node, Place, Scalar, decode_yaml
from mlsign.policy.model import Verdict

MAX_CASES: Final = 1000
MAX_CODES: Final = 256
_CODE: Final = re.compile(r"MLS[0-9]{3}", re.ASCII)
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A package, or recorded evidence, and what the policy should make of it.

    ``package`` and ``evidence`` are paths relative to the file of cases, one of them empty. ``now`` is None for the time of
    the record, or for the present. ``findings`` must be among those that failed or are unknown, ``not_findings`` must not.
    """

    name: str
    package: str
    evidence: str
    signatures: tuple[str, ...]
    now: datetime | None
    expect: Verdict
    findings: tuple[str, ...]
    not_findings: tuple[str, ...]
    place: Place


def decode_cases(data: bytes, *, source: str, limits: Limits = DEFAULT) -> tuple[Case, ...]:
    """The cases in ``data``: a list with at least one. Raises ``InputError`` (``policy.…``) with line and column."""
    if not data.strip():
        raise InputError("is empty, cases are a list", code="policy.cases.empty", where=source)
    node = decode_yaml(data, source=source, limits=limits)
    cases: list[Case] = []
    for item, where in read_items(node, "cases", minimum=1, maximum=MAX_CASES):
        case = _decode_case(item, where)
        if any(case.name == other.name for other in cases):
            raise refusal("has the name of another case", case.place, where, code="cases.name", found=case.name)
        cases.append(case)
    return tuple(cases)


def _decode_case(node: Node, path: str) -> Case:
    names = ("name", "package", "evidence", "signatures", "now", "expect", "findings", "not_findings")
    fields = PolicyFields(node, path=path, names=names)
    if fields.has("package") == fields.has("evidence"):
        raise fields.wrong("must have either package or evidence", code="cases.subject")
    if fields.has("evidence") and fields.has("signatures"):
        raise fields.wrong("are in the evidence already", code="cases.signatures", name="signatures")
    expect = read_choice(*fields.take("expect"), Verdict)
    findings = fields.optional("findings", _decode_codes) or ()
    not_findings = fields.optional("not_findings", _decode_codes) or ()
    if expect is Verdict.ALLOW and findings:
        raise fields.wrong("would deny, and the case expects allow", code="cases.findings", name="findings")
    if both := sorted({*findings} & {*not_findings}):
        raise fields.wrong(f"has {both[0]}, which findings has as well", code="cases.findings", name="not_findings")
    return Case(
        name=read_text(*fields.take("name"), maximum=256),
        package=fields.optional("package", read_text) or "",
        evidence=fields.optional("evidence", read_text) or "",
        signatures=fields.optional("signatures", _decode_signatures) or (),
        now=fields.optional("now", _decode_time),
        expect=expect,
        findings=findings,
        not_findings=not_findings,
        place=fields.place,
    )


def _decode_codes(node: Node, path: str) -> tuple[str, ...]:
    return tuple(_decode_code(item, where) for item, where in read_items(node, path, minimum=1, maximum=MAX_CODES))


def _decode_code(node: Node, path: str) -> str:
    text = read_text(node, path)
    if not _CODE.fullmatch(text):
        raise refusal("is not a finding code such as MLS301", node.place, path, code="cases.code", found=text)
    if text not in ENTRIES:
        # No decision ever has it, so a case that rules it out would always pass.
        raise refusal(
            "is no finding code that there is", node.place, path, code="cases.code", found=text, near=nearest(text, ENTRIES)
        )
    return text


def _decode_signatures(node: Node, path: str) -> tuple[str, ...]:
    return tuple(read_text(item, where) for item, where in read_items(node, path, minimum=1, maximum=256))


def _decode_time(node: Node, path: str) -> datetime:
    text = node.text if isinstance(node, Scalar) else ""
    try:
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        pass  # no such day or hour: the same refusal
    raise refusal("is not a time in UTC as 2026-01-31T12:00:00Z", node.place, path, code="cases.time", found=text)
