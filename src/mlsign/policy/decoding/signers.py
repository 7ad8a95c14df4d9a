"""The ``signers`` of a policy: groups, what meets them, and the refusal of groups that nobody or anybody could meet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from mlsign.digest import Digest
from mlsign.identity import KeyIdentity
from mlsign.policy.decoding.fields import PolicyFields, read_integer, read_items, read_text, refusal
from mlsign.policy.decoding.identities import CertificateReference, decode_certificate, decode_keyless
from mlsign.policy.decoding.yaml_source import Node, Place
from mlsign.policy.model import SignerGroup
from mlsign.policy.requirements import (
    CertificateRequirement,
    KeylessRequirement,
    KeyRequirement,
    Requirement,
    is_one_person,
)

MAX_GROUPS: Final = 32
MAX_REQUIREMENTS: Final = 256
METHODS: Final = ("key", "keyless", "certificate")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReference:
    """A key by the path that the policy writes, relative to the policy; becomes a requirement when it is bound."""

    path: str
    place: Place


RequirementDocument: TypeAlias = KeyReference | KeylessRequirement | CertificateReference


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDocument:
    """A group of signers as written."""

    name: str
    require: int
    any: tuple[RequirementDocument, ...]
    place: Place
    path: str
    countersigns: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bindings:
    """What the files that a policy names turned out to hold, by their paths: keys, and the roots in files of certificates."""

    keys: Mapping[str, KeyIdentity]
    anchors: Mapping[str, frozenset[Digest]] = field(default_factory=lambda: MappingProxyType({}))


def decode_signers(node: Node, path: str) -> tuple[GroupDocument, ...]:
    """The groups. Raises ``InputError`` when there is none, or one that could never or accidentally be met."""
    groups: list[GroupDocument] = []
    for item, where in read_items(node, path, minimum=1, maximum=MAX_GROUPS):
        group = _decode_group(item, where)
        if any(group.name == other.name for other in groups):
            raise refusal(f"the group {group.name} stands twice", group.place, where, code="signers.name")
        groups.append(group)
    for group in groups:
        _check_countersigned(group, groups)
    return tuple(groups)


def _check_countersigned(group: GroupDocument, groups: list[GroupDocument]) -> None:
    """A countersignature is over a signature of a group that is there, and not over another countersignature."""
    if not group.countersigns:
        return
    other = next((other for other in groups if other.name == group.countersigns), None)
    if other is None or other is group or other.countersigns:
        raise refusal(
            f"countersigns {group.countersigns}, which is no other group that signs the package itself",
            group.place,
            f"{group.path}.countersigns",
            code="signers.countersigns",
            expected=", ".join(o.name for o in groups if not o.countersigns and o is not group),
            found=group.countersigns,
        )


def _decode_group(node: Node, path: str) -> GroupDocument:
    fields = PolicyFields(node, path=path, names=("name", "require", "any", "countersigns"))
    items = read_items(*fields.take("any"), minimum=1, maximum=MAX_REQUIREMENTS)
    group = GroupDocument(
        name=read_text(*fields.take("name"), maximum=64),
        require=read_integer(*fields.take("require"), minimum=1, maximum=MAX_REQUIREMENTS),
        any=tuple(_decode_requirement(item, where) for item, where in items),
        place=fields.take("require")[0].place,
        path=path,
        countersigns=fields.optional("countersigns", lambda n, p: read_text(n, p, maximum=64)) or "",
    )
    distinct = {r.path if isinstance(r, KeyReference) else r for r in group.any}
    _check_reachable(group, len(distinct), open_ended=any(map(_is_open_ended, group.any)))
    return group


def _is_open_ended(requirement: RequirementDocument) -> bool:
    if isinstance(requirement, KeyReference):
        return False
    if isinstance(requirement, CertificateReference):
        return not is_one_person(requirement.bind(frozenset()))
    return not is_one_person(requirement)


def _check_reachable(group: GroupDocument, distinct: int, *, open_ended: bool) -> None:
    """Refuses a group that asks for more people than it names."""
    if group.require > distinct and not open_ended:
        raise refusal(
            f"requires {group.require} signers and names {distinct} distinct, so it can never be met",
            group.place,
            f"{group.path}.require",
            code="signers.require",
            expected=f"at most {distinct}",
            found=str(group.require),
        )


def _decode_requirement(node: Node, path: str) -> RequirementDocument:
    fields = PolicyFields(node, path=path, names=METHODS)
    if sum(map(fields.has, METHODS)) != 1:
        raise fields.wrong(f"must be exactly one of {', '.join(METHODS)}", code="signers.method")
    if fields.has("key"):
        key, where = fields.take("key")
        return KeyReference(path=read_text(key, where), place=key.place)
    if fields.has("certificate"):
        return decode_certificate(*fields.take("certificate"))
    return decode_keyless(*fields.take("keyless"))


def decode_accepted(node: Node, path: str, *, name: str) -> GroupDocument:
    """Anybody of a list as ``any`` of a group has it, as a group of its own that asks for one."""
    items = read_items(node, path, minimum=1, maximum=MAX_REQUIREMENTS)
    found = tuple(_decode_requirement(item, where) for item, where in items)
    return GroupDocument(name=name, require=1, any=found, place=node.place, path=path)


def key_references(groups: tuple[GroupDocument, ...]) -> tuple[str, ...]:
    """Every key path of the groups, each once, in the order of the text."""
    return tuple(dict.fromkeys(r.path for group in groups for r in group.any if isinstance(r, KeyReference)))


def certificate_references(groups: tuple[GroupDocument, ...]) -> tuple[CertificateReference, ...]:
    """Every certificate requirement of the groups, in the order of the text."""
    return tuple(r for group in groups for r in group.any if isinstance(r, CertificateReference))


def bind_groups(groups: tuple[GroupDocument, ...], bindings: Bindings) -> tuple[SignerGroup, ...]:
    """The groups with identities in place of paths.

    Raises ``InputError``: ``policy.signers.key`` for a path that ``bindings`` does not have, and
    ``policy.signers.require`` where two paths turn out to be one key and too few people are left.
    """
    return tuple(_bind_group(group, bindings) for group in groups)


def _bind_group(group: GroupDocument, bindings: Bindings) -> SignerGroup:
    bound = tuple(_bind(requirement, group, bindings) for requirement in group.any)
    distinct = {r.identity.unique if isinstance(r, KeyRequirement) else r for r in bound}
    _check_reachable(group, len(distinct), open_ended=not all(map(is_one_person, bound)))
    return SignerGroup(name=group.name, require=group.require, any=bound, countersigns=group.countersigns)


def _bind(requirement: RequirementDocument, group: GroupDocument, bindings: Bindings) -> Requirement:
    if isinstance(requirement, KeylessRequirement):
        return requirement
    if isinstance(requirement, KeyReference):
        if requirement.path in bindings.keys:
            return KeyRequirement(reference=requirement.path, identity=bindings.keys[requirement.path])
        raise _missing("a key", requirement.path, requirement.place, group)
    return _bind_certificate(requirement, group, bindings)


def _bind_certificate(reference: CertificateReference, group: GroupDocument, bindings: Bindings) -> CertificateRequirement:
    anchors: set[Digest] = set()
    for path in reference.roots:
        if not bindings.anchors.get(path):
            raise _missing("a root", path, reference.place, group)
        anchors |= bindings.anchors[path]
    return reference.bind(frozenset(anchors))


def _missing(what: str, path: str, place: Place, group: GroupDocument) -> Exception:
    return refusal(f"names {what} that was not given", place, group.path, code="signers.key", found=path)
