"""All finding codes and their pages, the ones under ``docs/findings`` and those of ``mlsign explain``."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from mlsign.evidence.catalogue import identities, model, package, policy, policy_scope, recorded, sandbox, signatures
from mlsign.evidence.catalogue.entry import CodeEntry

_FAMILIES: Final = (
    package.ENTRIES,
    signatures.ENTRIES,
    identities.ENTRIES,
    model.ENTRIES,
    policy.ENTRIES,
    recorded.ENTRIES,
    policy_scope.ENTRIES,
    sandbox.ENTRIES,
)
ENTRIES: Final = MappingProxyType(
    {entry.code: entry for entry in sorted((e for family in _FAMILIES for e in family), key=lambda entry: entry.code)}
)
"""By code, in the order of codes: families share number ranges."""


def render_page(entry: CodeEntry) -> str:
    """One page in Markdown."""
    return (
        f"# {entry.code}: {entry.title}\n\n{entry.meaning}\n\n"
        f"## How it is abused\n\n{entry.abuse}\n\n## What to do\n\n{entry.action}\n"
    )
