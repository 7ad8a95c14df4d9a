"""Findings about recorded evidence, MLS490."""

from __future__ import annotations

from typing import Final

from mlsign.evidence.catalogue.entry import CodeEntry

ENTRIES: Final[tuple[CodeEntry, ...]] = (
    CodeEntry(
        code="MLS490",
        title="The record does not show what the policy needs",
        meaning=(
            "A policy was tried on recorded evidence, and the evidence was gathered under a policy that asked for less: other "
            "formats of statements, looser limits, fewer hashes, another trust root. The real package might be denied, so the "
            "answer is unknown. Real packages never have this finding."
        ),
        abuse=(
            "A record that is older than the policy would prove that everything still passes, by not containing what would fail. "
            "Whoever edits a record can make it say anything, which is why only policy test reads records, and no gate does."
        ),
        action="Record the evidence again under the policy that is tested: mlsign verify PACKAGE --policy POLICY --record FILE.",
    ),
)
