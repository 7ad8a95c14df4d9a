"""A policy and the policies that it extends, made one that is nowhere looser than its parents but where it says so.

The texts are put together first: what the child leaves out is the parent's, and what both add up (groups of signers, denied
operators, revocations) is of both. What comes out is then held against the parent, field by field. Reading files is not done here.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as AbstractMapping
from dataclasses import replace
from operator import attrgetter
from typing import Final

from mlsign.digest import Digest
from mlsign.errors import InputError, shown
from mlsign.policy.decoding.extend_source import MAX_PARENTS, SHIPPED, Loosening, PolicySource
from mlsign.policy.decoding.fields import nearest, refusal
from mlsign.policy.decoding.policy import PolicyDocument
from mlsign.policy.decoding.summaries import FIELD as SUMMARIES
from mlsign.policy.decoding.yaml_source import Mapping, Node, Place, Scalar, Sequence
from mlsign.policy.lineage import Lineage, Link, Loosened, chain_digest
from mlsign.policy.model import Policy
from mlsign.policy.tighter import LEAVES, NEVER, OWN, OWN_FIELDS, Leaf, attributes

Decode = Callable[[Node, Digest], PolicyDocument]

_UNIONS: Final = frozenset({"revoked", "rules", "operators.deny"})
_GROUPS: Final = "signers"
_ATTESTERS: Final = (("provenance", "attested", "signed_by"), ("golden", "run_by"))
"""Lists of who may vouch for something beside the package."""
_MAX_SHOWN: Final = 160


def combine(sources: tuple[PolicySource, ...], decode: Decode) -> PolicyDocument:
    """The policy that ``sources`` are together, the child first and each one's parent next.

    Raises ``InputError``: those of ``decode``, ``policy.extends`` for what cannot be combined, ``policy.extends.looser`` for
    a value that is looser than the parent's, and ``policy.loosens`` for a word about loosening that is not true.
    """
    if not 1 <= len(sources) <= MAX_PARENTS + 1:
        raise InputError(f"extends {len(sources) - 1} policies, allowed are {MAX_PARENTS}", code="policy.extends.depth")
    *children, top = sources
    node = top.node
    document = decode(node, top.digest)
    links = [_link(top, document)]
    loosened: list[Loosened] = []
    if top.name.startswith(SHIPPED):
        # The groups of policies that travel with mlsign are examples: nobody has the keys that they name.
        node = _without(node, frozenset({_GROUPS}))
    for source in reversed(children):
        step = _Step(source, parent=document, where=links[-1].source)
        node = step.merged(node)
        document = decode(node, source.digest)
        step.check(document)
        loosened += step.loosened
        links.append(_link(source, document))
    chain = tuple(reversed(links))
    unbound = replace(
        document.unbound,
        digest=chain_digest(link.digest for link in chain),
        lineage=Lineage(chain=chain, loosened=tuple(loosened)),
    )
    return replace(document, unbound=unbound)


def _link(source: PolicySource, document: PolicyDocument) -> Link:
    return Link(name=document.unbound.name, source=source.name, digest=source.digest)


class _Step:
    """One child upon its parent, while the two are put together."""

    __slots__ = ("_open", "_parent", "_parent_node", "_where", "loosened", "source")

    def __init__(self, source: PolicySource, *, parent: PolicyDocument, where: str) -> None:
        self.source = source
        self.loosened: list[Loosened] = []
        self._parent = parent
        self._parent_node: Node = Mapping(entries=(), place=source.node.place)
        self._where = where
        self._open = {loosening.field: loosening for loosening in source.loosens}

    def merged(self, parent: Mapping) -> Mapping:
        """The text of the child, with what it leaves out as the parent has it. Raises for a group of signers that is in both."""
        self._parent_node = parent
        node = _merged_maps(self.source.node, _without(parent, OWN_FIELDS), "")
        ours, theirs = _field(self.source.node, _GROUPS), _field(parent, _GROUPS)
        if isinstance(ours, Sequence) and isinstance(theirs, Sequence):
            groups = Sequence(items=self._groups(ours, theirs), place=ours.place)
            entries = tuple((key, groups if key.text == _GROUPS else value) for key, value in node.entries)
            return Mapping(entries=entries, place=node.place)
        return node

    def _groups(self, ours: Sequence, theirs: Sequence) -> tuple[Node, ...]:
        """All groups of both; one of the child stands in the place of the parent's of that name, where the child says so."""
        child = {_name(group): group for group in ours.items}
        out: list[Node] = []
        for group in theirs.items:
            name = _name(group)
            mine = child.get(name) if name else None
            if mine is not None and _words(mine) != _words(group):
                self._loosen(f"{_GROUPS}.{name}", tight=_words(group), loose=_words(mine), place=mine.place)
            out.append(group if mine is None else mine)
        return (*out, *(group for group in ours.items if not any(group is other for other in out)))

    def check(self, child: PolicyDocument) -> None:
        """Returns when the child is looser than the parent in nothing but what it says. Raises ``InputError``."""
        for path in attributes(child.unbound):
            ours, theirs = (attrgetter(path)(document.unbound) for document in (child, self._parent))
            if path in OWN or ours == theirs:
                continue
            leaf = LEAVES.get(path)
            if leaf is None:
                # Nobody has said which of two values is the tighter one, so neither is taken.
                raise self._refused("differs from the parent in a field for which there is no way to combine two values", path)
            if not leaf.within(child.unbound, self._parent.unbound):
                self._looser(leaf, ours, theirs, child=child.unbound)
        self._check_summaries(child)
        self._check_attesters()
        self._check_claims(child)
        for loosening in self._open.values():
            raise _unused(loosening, self._where)

    def _check_summaries(self, child: PolicyDocument) -> None:
        """Summaries stand in for every signature: nobody's are accepted, nor longer, than the parent accepts them."""
        mine, other = (_field(node, SUMMARIES) for node in (self.source.node, self._parent_node))
        ours, theirs = child.vsa, self._parent.vsa
        if mine is None or ours is None:
            return
        named, known = (_each(None if node is None else _field(node, "accept")) for node in (mine, other))
        if theirs is not None and ours.max_age <= theirs.max_age and ours.stores <= theirs.stores and named <= known:
            return
        self._loosen(
            SUMMARIES,
            tight="no summaries" if other is None else _words(other),
            loose=_words(mine),
            place=_place(self.source.node, SUMMARIES),
        )

    def _check_attesters(self) -> None:
        """Nobody attests to a build or a run whom the parent does not name; where that asks for no statement, any demand is one more."""
        for path in _ATTESTERS:
            mine, other = (_at(node, path) for node in (self.source.node, self._parent_node))
            if mine is not None and other is not None and not _each(mine) <= _each(other):
                self._loosen(".".join(path), tight=_words(other), loose=_words(mine), place=mine.place)

    def _check_claims(self, child: PolicyDocument) -> None:
        """Asking for attested provenance takes nothing from a parent that asks for any claim, without saying which."""
        ours, theirs = (document.unbound.provenance for document in (child, self._parent))
        if theirs.claimed is None and theirs.wanted_claims is not None and ours.wanted_claims is None:
            place = _place(self.source.node, "provenance")
            self._loosen("provenance.claimed", tight="any claim", loose="none", place=place)

    def _looser(self, leaf: Leaf, ours: object, theirs: object, *, child: Policy) -> None:
        if leaf.field in NEVER:
            raise self._refused(
                f"is {leaf.spell(ours)}, {self._where} has {leaf.spell(theirs)}, and nothing loosens that", leaf.field
            )
        place = _place(self.source.node, leaf.field)
        loose = leaf.spell(ours)
        if leaf.beyond is not None:
            loose = f"wider by {leaf.spell(leaf.beyond(child, self._parent.unbound))}"
        self._loosen(leaf.field, tight=leaf.spell(theirs), loose=loose, place=place)

    def _loosen(self, field: str, *, tight: str, loose: str, place: Place) -> None:
        """Notes a field that is looser, when the child says so; the same field may be looser in two ways."""
        found = next((loosening for loosening in self.source.loosens if loosening.field == field), None)
        tight, loose = (shown(text, limit=_MAX_SHOWN) for text in (tight, loose))
        if found is None:
            raise refusal(
                f"is {loose}, which is looser than {tight} in {self._where}",
                place,
                field,
                code="extends.looser",
                expected=tight,
                found=loose,
                hint=f"make it as tight as the parent, leave it out, or say why: loosens: [{{field: {field}, reason: …}}]",
            )
        self._open.pop(field, None)
        names = {
            "parent": f"{self._parent.unbound.name} ({self._where})",
            "child": f"{_name(self.source.node)} ({self.source.name})",
        }
        self.loosened.append(Loosened(field=field, reason=found.reason, tight=tight, loose=loose, **names))

    def _refused(self, message: str, field: str) -> InputError:
        return refusal(message, _place(self.source.node, field), field, code="extends")


def _unused(loosening: Loosening, parent: str) -> InputError:
    known = {*(leaf.field for leaf in LEAVES.values()), SUMMARIES, *map(".".join, _ATTESTERS)} - NEVER
    if loosening.field in NEVER:
        words = f"{loosening.field} is never loosened"
    elif loosening.field in known or loosening.field.startswith(f"{_GROUPS}."):
        words = f"{shown(loosening.field)} is no looser here than in {parent}"
    else:
        words = f"{shown(loosening.field)} is no field that can be loosened"
    return refusal(
        words,
        loosening.place,
        loosening.path,
        code="loosens",
        found=loosening.field,
        hint="leave it out of loosens",
        near="" if loosening.field in known | NEVER else nearest(loosening.field, known),
    )


def _merged(child: Node, parent: Node, path: str) -> Node:
    if isinstance(child, Sequence) and isinstance(parent, Sequence) and path in _UNIONS:
        seen = {_words(item) for item in parent.items}
        return Sequence(items=(*parent.items, *(i for i in child.items if _words(i) not in seen)), place=child.place)
    if isinstance(child, Mapping) and isinstance(parent, Mapping):
        return _merged_maps(child, parent, path)
    return child


def _merged_maps(child: Mapping, parent: Mapping, path: str) -> Mapping:
    ours = {key.text: value for key, value in child.entries}
    theirs = {key.text: (key, value) for key, value in parent.entries if key.text not in _superseded(path, ours)}
    entries = [
        (key, _merged(value, theirs[key.text][1], f"{path}.{key.text}".removeprefix(".")) if key.text in theirs else value)
        for key, value in child.entries
    ]
    entries += [entry for name, entry in theirs.items() if name not in ours]
    return Mapping(entries=tuple(entries), place=child.place)


def _superseded(path: str, ours: AbstractMapping[str, Node]) -> frozenset[str]:
    """Fields of the parent that say something about another field which the child has written anew."""
    if path == "operators" and "allow" in ours:
        return frozenset({"custom_domains"})
    replay = ours.get("replay")
    if path == "golden" and isinstance(replay, Scalar) and replay.text == "false":
        return frozenset({"time"})
    return frozenset({"root", "instance"}) if path == "trust" and ours.keys() & {"root", "instance"} else frozenset()


def _without(node: Mapping, names: frozenset[str]) -> Mapping:
    return Mapping(entries=tuple(entry for entry in node.entries if entry[0].text not in names), place=node.place)


def _field(node: Node, name: str) -> Node | None:
    if not isinstance(node, Mapping):
        return None
    return next((value for key, value in node.entries if key.text == name), None)


def _place(node: Node, field: str) -> Place:
    """Where a field stands, or the nearest that it is in."""
    for name in field.split("."):
        inner = _field(node, name)
        if inner is None:
            break
        node = inner
    return node.place


def _name(named: Node) -> str:
    name = _field(named, "name")
    return name.text if isinstance(name, Scalar) else ""


def _at(node: Node, path: tuple[str, ...]) -> Node | None:
    found: Node | None = node
    for name in path:
        found = None if found is None else _field(found, name)
    return found


def _each(node: Node | None) -> frozenset[str]:
    """The items of a list, as they are spelled."""
    return frozenset(map(_words, node.items)) if isinstance(node, Sequence) else frozenset()


def _words(node: Node) -> str:
    """A node in one line, without its places: equal for equal values."""
    if isinstance(node, Scalar):
        return repr(node.text) if " " in node.text or not node.plain else node.text
    if isinstance(node, Sequence):
        return f"[{', '.join(map(_words, node.items))}]"
    return "{" + ", ".join(f"{key.text}: {_words(value)}" for key, value in sorted(node.entries, key=lambda e: e[0].text)) + "}"
