"""A policy and its parents as they were read, for whoever looks through their text: all errors of each, and what they come to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mlsign.actions.policies.files import PolicyFiles
from mlsign.actions.policies.read_policy import decoder_of, read_chain
from mlsign.digest import Digest
from mlsign.limits import Limits
from mlsign.policy.decoding.extend_source import PolicySource
from mlsign.policy.decoding.policy import PolicyDocument
from mlsign.policy.decoding.yaml_source import Mapping, Node
from mlsign.policy.extend import combine
from mlsign.policy.lint.errors import find_errors
from mlsign.policy.lint.remark import Remark


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChain:
    """The texts, the policy itself first and each one's parent next, and how one of them is decoded."""

    sources: tuple[PolicySource, ...]
    decode: Callable[[Node, Digest], PolicyDocument]

    def errors(self) -> tuple[Remark, ...]:
        """The errors of the highest policy that has any: what is said of those below it would rest on what is wrong."""
        for index in range(len(self.sources) - 1, -1, -1):
            child, parents = self.sources[index], self.sources[index + 1 :]

            def decode(node: Node, child: PolicySource = child, parents: tuple[PolicySource, ...] = parents) -> PolicyDocument:
                mapping = node if isinstance(node, Mapping) else replace(child.node, entries=())
                return combine((replace(child, node=mapping), *parents), self.decode)

            if found := find_errors(child.node, source=child.name, decode=decode):
                return found
        return ()

    def combined(self) -> tuple[Node, PolicyDocument]:
        """The text that all of them come to, and what it says. Raises ``InputError`` where there are errors."""
        last: list[Node] = []

        def decode(node: Node, digest: Digest) -> PolicyDocument:
            last.append(node)
            return self.decode(node, digest)

        document = combine(self.sources, decode)
        return last[-1], document


def open_chain(path: Path, *, limits: Limits) -> PolicyChain:
    """The chain of the policy at ``path``. Raises ``InputError`` (``policy.…``) for a text that cannot be read, and ``OutsideError``."""
    return PolicyChain(sources=read_chain(PolicyFiles(path), limits=limits), decode=decoder_of(limits))
