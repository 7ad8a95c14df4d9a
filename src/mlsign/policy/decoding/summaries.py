"""The field ``vsa`` of a policy: whose verification summaries are accepted, and how old they may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from mlsign.policy.decoding.fields import PolicyFields, read_choice, read_items, refusal
from mlsign.policy.decoding.freshness import read_age
from mlsign.policy.decoding.signers import Bindings, GroupDocument, bind_groups, decode_accepted
from mlsign.policy.decoding.yaml_source import Node
from mlsign.policy.summaries import Store, SummarySettings

FIELD: Final = "vsa"
MAX_SUMMARY_AGE: Final = timedelta(days=30)
"""What changes outside the policy, such as a certificate that is taken back, is not seen for as long as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryDocument:
    """The field as written; ``accept`` is a group of one."""

    accept: GroupDocument
    max_age: timedelta
    stores: frozenset[Store]

    def bind(self, bindings: Bindings) -> SummarySettings:
        """The settings with identities in place of paths. Raises ``InputError`` (``policy.signers.key``)."""
        accept = bind_groups((self.accept,), bindings)[0].any
        return SummarySettings(accept=accept, max_age=self.max_age, stores=self.stores)


def decode_summaries(node: Node, path: str) -> SummaryDocument:
    """What the field says. Raises ``InputError`` (``policy.…``)."""
    fields = PolicyFields(node, path=path, names=("accept", "max_age", "stores"))
    accept = decode_accepted(*fields.take("accept"), name=FIELD)
    age, where = fields.take("max_age")
    max_age = read_age(age, where)
    if max_age > MAX_SUMMARY_AGE:
        raise refusal(
            f"is {max_age.days} days, allowed are {MAX_SUMMARY_AGE.days}",
            age.place,
            where,
            code="range",
            expected=f"at most {MAX_SUMMARY_AGE.days}d",
            hint="a summary is made again by verifying again",
        )
    stores = fields.optional("stores", _read_stores) or frozenset()
    return SummaryDocument(accept=accept, max_age=max_age, stores=stores)


def _read_stores(node: Node, path: str) -> frozenset[Store]:
    items = read_items(node, path, minimum=1, maximum=len(Store))
    return frozenset(read_choice(item, where, Store) for item, where in items)
