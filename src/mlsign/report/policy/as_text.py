"""A policy in plain sentences, for whoever has to agree to it: text for a terminal, or Markdown.

Everything that is enforced is said, defaults included, in the order of the schema. The sentences are in tables of one
function for each field (``policy_words``), and ``sections`` refuses no policy.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from mlsign.policy.model import Mode, Policy
from mlsign.report.policy.words import FIELDS, Section, Sentences, text
from mlsign.report.policy.words_scope import SCOPE
from mlsign.report.policy.words_settings import FRESHNESS, MODEL, SANDBOX
from mlsign.report.workflow import inert

T = TypeVar("T")

_LABELS: Final = MappingProxyType({"name": "title", "description": "title", "digest": "title"})
"""Fields that name the policy and enforce nothing: they stand above the sentences."""
_LEAD: Final = "A package is allowed when all of this holds:"
_ALWAYS: Final = (
    "Every file is there, unchanged, and none is added, against what was signed.",
    "The manifest, where there is one, agrees with the files and with the model.",
    "The model has no operator beyond those that its own manifest allows, where there is one.",
    "Nothing that had to be checked was left unknown.",
)
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>#|&~])")
_REFERENCE: Final = re.compile(r"((?<!\w)@|#)(?=\w)")
"""What calls a person or names an issue where Markdown is shown; nothing else than a comment in between keeps it from that."""


def _all(table: Mapping[str, Callable[[T], Sentences]], settings: T) -> Sentences:
    return [sentence for words in table.values() for sentence in words(settings)]


ORDER: Final[tuple[str, ...]] = (
    *("manifest", "signers", "digests", "formats", "operators", "model", "minimum_version", "rollback", "revoked"),
    *("mode", "sandbox", "unsigned_files", "freshness", "provenance", "golden", "hashing"),
    *("rules", "exceptions", "vsa", "match", "rivals", "expires", "revision", "lineage"),
)
"""Fields of ``Policy`` in the order of the schema; a test holds that each is here or a label."""

_SETTINGS: Final[MappingProxyType[str, tuple[str, Callable[[Policy], Sentences]]]] = MappingProxyType(
    {
        "model": ("Model", lambda policy: _all(MODEL, policy.model)),
        "sandbox": ("When the model is scored", lambda policy: _all(SANDBOX, policy.sandbox)),
        "freshness": ("Times, logs and the trust root", lambda policy: _all(FRESHNESS, policy.freshness)),
    }
)
_TABLE: Final = MappingProxyType({**FIELDS, **SCOPE, **_SETTINGS})


def sections(policy: Policy) -> tuple[Section, ...]:
    """What the policy asks for, field by field, after what is asked whatever a policy says."""
    told = (_TABLE[name] for name in ORDER)
    return (
        Section(title="Whatever the policy", sentences=_ALWAYS),
        *(Section(title=title, sentences=tuple(words(policy))) for title, words in told),
    )


def render_policy(policy: Policy, *, width: int) -> str:
    """The policy as text of at most ``width`` columns, as far as words allow."""
    columns = max(40, min(width, 100))
    lines = [f"Policy {text(policy.name)}", f"digest {policy.digest}"]
    lines += textwrap.wrap(_description(policy), columns)
    if policy.mode is Mode.AUDIT:
        lines += ["", "AUDIT: this policy stops nothing, it only reports."]
    lines += ["", _LEAD]
    for section in sections(policy):
        lines += ["", section.title]
        for sentence in section.sentences:
            lines += textwrap.wrap(
                sentence,
                columns,
                initial_indent="  - ",
                subsequent_indent="    ",
                break_long_words=False,
                break_on_hyphens=False,
            )
    return inert("\n".join(lines) + "\n")


def render_policy_as_markdown(policy: Policy) -> str:
    """The policy as Markdown, to go into a review or a wiki; foreign text cannot become markup."""
    lines = [f"# Policy {_plain(text(policy.name))}", "", f"Digest: `{policy.digest}`"]
    if policy.description:
        lines += ["", _plain(_description(policy))]
    if policy.mode is Mode.AUDIT:
        lines += ["", "**Audit: this policy stops nothing, it only reports.**"]
    lines += ["", _LEAD]
    for section in sections(policy):
        lines += ["", f"## {section.title}", ""]
        lines += [f"- {_plain(sentence)}" for sentence in section.sentences]
    return inert("\n".join(lines) + "\n")


def _description(policy: Policy) -> str:
    return " ".join(text(line) for line in policy.description.split("\n") if line)


def _plain(words: str) -> str:
    return _REFERENCE.sub(r"\1<!-- -->", _MARKDOWN.sub(r"\\\1", words))
