"""Remarks on policies as text, as JSON, and as annotations that GitHub shows beside the lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import PurePath

from mlsign.actions.policies.check_policy import CheckedPolicy
from mlsign.errors import shown
from mlsign.policy.decoding.extend_source import SHIPPED
from mlsign.policy.lint.remark import Remark, Severity
from mlsign.report.findings_as_json import dump
from mlsign.report.workflow import LEGACY, inert
from mlsign.words import counted

SCHEMA = "mlsign/policy-check/v1"
_LONG = 1000
_ANNOTATIONS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFORMATION: "notice"}


def render_checked(checked: Iterable[CheckedPolicy], *, width: int) -> str:
    """A line for each remark, as compilers print them, and one that counts."""
    lines: list[str] = []
    for policy in checked:
        for remark in policy.remarks:
            lines += _lines(policy, remark, width=max(60, min(width, 120)))
        lines.append(f"{shown(policy.path)}: {_summary(policy)}")
    return inert("\n".join(lines) + "\n")


def _lines(policy: CheckedPolicy, remark: Remark, *, width: int) -> list[str]:
    place = f"{shown(_file(policy, remark))}:{remark.place.line}:{remark.place.column}"
    path = f"{shown(remark.path)}: " if remark.path else ""
    head = f"{place}: {remark.severity.value}: {path}{shown(remark.message, limit=_LONG)} [{remark.code}]"
    out = textwrap.wrap(head, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
    if remark.hint:
        hint = f"do: {shown(remark.hint, limit=_LONG)}"
        out += textwrap.wrap(
            hint, width, initial_indent="    ", subsequent_indent="      ", break_long_words=False, break_on_hyphens=False
        )
    return out


def _file(policy: CheckedPolicy, remark: Remark) -> str:
    """The file that a remark is about: the policy, or a parent of it, found from where the policy lies."""
    source, path = remark.place.source, PurePath(policy.path)
    return policy.path if source == path.name else source if source.startswith(SHIPPED) else str(path.parent / source)


def _summary(policy: CheckedPolicy) -> str:
    errors, warnings = policy.count(Severity.ERROR), policy.count(Severity.WARNING)
    if not errors and not warnings:
        return "in order"
    return ", ".join(counted(count, word) for count, word in ((errors, "error"), (warnings, "warning")) if count)


def render_checked_as_json(checked: Iterable[CheckedPolicy]) -> str:
    """All remarks of all files, after ``schemas/policy-check.v1.schema.json``."""
    return dump(
        {
            "schema": SCHEMA,
            "policies": [
                {"path": policy.path, "remarks": [_object(policy, remark) for remark in policy.remarks]} for policy in checked
            ],
        }
    )


def _object(policy: CheckedPolicy, remark: Remark) -> dict[str, object]:
    return {
        "code": remark.code,
        "severity": remark.severity.value,
        "file": _file(policy, remark),
        "line": remark.place.line,
        "column": remark.place.column,
        "path": remark.path,
        "message": remark.message,
        "hint": remark.hint,
    }


def render_checked_for_github(checked: Iterable[CheckedPolicy]) -> str:
    """A workflow command for each remark; text of the policy can neither end one nor start another."""
    lines = [
        f"::{_ANNOTATIONS[remark.severity]} {_place(policy, remark)},title={_property(remark.code)}::{_data(_told(remark))}"
        for policy in checked
        for remark in policy.remarks
    ]
    return "\n".join(lines) + "\n" if lines else ""


def _place(policy: CheckedPolicy, remark: Remark) -> str:
    """A policy that travels with mlsign is no file of the repository: then the line is that of nothing, and the file its child."""
    if remark.place.source.startswith(SHIPPED):
        return f"file={_property(policy.path)},line=1,col=1"
    return f"file={_property(_file(policy, remark))},line={remark.place.line},col={remark.place.column}"


def _told(remark: Remark) -> str:
    path = f"{remark.path}: " if remark.path else ""
    return shown(f"{path}{remark.message}" + (f" ({remark.hint})" if remark.hint else ""), limit=2 * _LONG)


def _data(text: str) -> str:
    return text.replace(LEGACY, r"##\u{5b}").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
