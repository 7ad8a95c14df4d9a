"""Patterns of identities that match more than they seem to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.patterns import PatternKind, TextPattern
from mlsign.policy.requirements import CertificateRequirement, KeylessRequirement

_OPEN: Final = re.compile(r"(?:(?<!\\)\.[*+]\??)")
_META: Final = re.compile(r"(?<!\\)[*+?\[(|]|\\[wWdDsS]")
_BARE_DOT: Final = re.compile(r"(?<![\\\])])\.(?![*+?{])")
_TAGS: Final = re.compile(r"@refs/tags/[^*]*\*{1,2}")
_CLASS: Final = re.compile(r"\[[^\]]*\]")
_EMPTY_BRANCH: Final = re.compile(r"(?<!\\)(?:\|\||\|\)|\((?:\?[a-zA-Z:]*)?\||\|$)|^\|")

Steps = tuple[str | int, ...]


def check_patterns(draft: Draft) -> Iterator[Remark]:
    """A remark for each way in which a pattern of a group is wider than it looks."""
    for i, group in enumerate(draft.policy.signers):
        for j, wanted in enumerate(group.any):
            above: Steps = ("signers", i, "any", j)
            if isinstance(wanted, KeylessRequirement):
                yield from _check_keyless(draft, wanted, (*above, "keyless"))
            elif isinstance(wanted, CertificateRequirement):
                yield from _check_certificate(draft, wanted, (*above, "certificate"))


def _check_keyless(draft: Draft, wanted: KeylessRequirement, path: Steps) -> Iterator[Remark]:
    yield from _check_pattern(draft, wanted.issuer, (*path, "issuer"))
    yield from _check_pattern(draft, wanted.subject, (*path, "subject"))
    yield from _check_reach(draft, wanted, (*path, "subject"))
    for name, pattern in wanted.claims:
        yield from _check_pattern(draft, pattern, (*path, "claims", name))


def _check_certificate(draft: Draft, wanted: CertificateRequirement, path: Steps) -> Iterator[Remark]:
    for name, pattern in (("subject", wanted.subject), ("name", wanted.name), ("issuer", wanted.issuer)):
        if pattern is not None:
            yield from _check_pattern(draft, pattern, (*path, name))
    if wanted.name is not None and wanted.name.text.startswith("dns:*."):
        yield draft.warning(
            "pattern.host", "every host of the domain would do", *path, "name", "pattern", hint="spell the host out"
        )


def _check_pattern(draft: Draft, pattern: TextPattern, path: Steps) -> Iterator[Remark]:
    if pattern.kind is not PatternKind.REGEX:
        return
    here = (*path, "regex")
    text = pattern.text.removeprefix("^").removesuffix("$")
    ends = [match.span() for match in _OPEN.finditer(text)]
    if any(start == 0 or end == len(text) for start, end in ends):
        yield draft.warning(
            "pattern.open",
            "the expression begins or ends with anything at all, although it is compared with whole names",
            *here,
            hint="write what the name begins and ends with, for instance v[0-9.]+ in place of .*",
        )
    if _EMPTY_BRANCH.search(_CLASS.sub("", text)):
        yield draft.warning(
            "pattern.empty-branch",
            "an alternative of the expression is empty, so leaving that part out matches as well",
            *here,
            hint="take the empty alternative out",
        )
    host = _host(text)
    if _BARE_DOT.search(_CLASS.sub("", host)):
        yield draft.warning(
            "pattern.dot",
            "a dot in the name of a host stands for any character: another host matches as well",
            *here,
            hint="write \\. for a dot",
        )
    if host and _META.search(host):
        yield draft.warning("pattern.host", "the host is not spelled out, so others may match", *here, hint="spell the host out")


def _host(text: str) -> str:
    """The part of an expression that stands for a host: after ``://`` up to the path, or after the at sign of an address."""
    if "://" in text:
        return text.partition("://")[2].partition("/")[0]
    return text.rpartition("@")[2] if "@" in text else ""


def _check_reach(draft: Draft, wanted: KeylessRequirement, path: Steps) -> Iterator[Remark]:
    """Subjects of workflows that any owner, any repository or any branch has."""
    pattern = wanted.subject
    if pattern.is_exact or "://" not in pattern.text:
        return
    here = (*path, pattern.kind.value)
    _, _, rest = pattern.text.partition("://")[2].partition("/")
    owner, _, rest = rest.partition("/")
    repository = rest.partition("/")[0]
    pinned = any(name.startswith(("source_repository", "source_owner")) for name, _ in wanted.claims)
    if pattern.kind is PatternKind.REGEX and _META.search(owner) and not pinned:
        yield draft.warning(
            "subject.any-owner",
            "a repository of somebody else may match: the first part of the path is not spelled out",
            *here,
            hint="spell the owner out, or pin claims.source_owner",
        )
    elif _is_open(repository, pattern.kind) and not pinned:
        yield draft.warning(
            "subject.any-repository",
            "every repository of the owner may sign, whoever can write to it",
            *here,
            hint="spell the repository out, or pin claims.source_repository",
        )
    named_ref = any(name == "source_ref" for name, _ in wanted.claims)
    if pattern.kind is PatternKind.GLOB and pattern.text.endswith("*") and not _TAGS.search(pattern.text) and not named_ref:
        yield draft.warning(
            "subject.any-ref",
            "the end is open, so every branch may sign, and whatever workflow somebody puts on one",
            *here,
            hint="end it with a workflow and a ref, as in release.yml@refs/tags/v*",
        )


def _is_open(part: str, kind: PatternKind) -> bool:
    return bool(_META.search(part)) if kind is PatternKind.REGEX else "*" in part
