"""The ``signers`` of a policy: groups, what meets them, and the refusal of groups that nobody or anybody could meet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from mlsign.identity import KeyIdentity
from mlsign.policy.fields import PolicyFields, read_integer, read_items, read_text, refusal
from mlsign.policy.model import KeylessRequirement, KeyRequirement, Requirement, SignerGroup, SubjectKind
from mlsign.policy.yaml_source import Mapping as MapNode
from mlsign.policy.yaml_source import Node, Place

MAX_GROUPS: Final = 32
MAX_REQUIREMENTS: Final = 256

_URL_PREFIX: Final = re.compile(r"https://[^/*]+/[^/*]+/[^*]*")
_MAIL_PATTERN: Final = re.compile(r"[^@/]*@[^@*/]+")
_ISSUER: Final = re.compile(r"https://[^/\s*?#]+(?:/[^\s*?#]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReference:
    """A key by the path that the policy writes, relative to the policy; becomes a requirement when it is bound."""

    path: str
    place: Place


RequirementDocument: TypeAlias = KeyReference | KeylessRequirement


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDocument:
    """A group of signers as written."""

    name: str
    require: int
    any: tuple[RequirementDocument, ...]
    place: Place
    path: str


def decode_signers(node: Node, path: str) -> tuple[GroupDocument, ...]:
    """The groups. Raises ``InputError`` when there is none, or one that could never or accidentally be met."""
    groups: list[GroupDocument] = []
    for item, where in read_items(node, path, minimum=1, maximum=MAX_GROUPS):
        group = _decode_group(item, where)
        if any(group.name == other.name for other in groups):
            raise refusal(f"the group {group.name} stands twice", group.place, where, code="signers.name")
        groups.append(group)
    return tuple(groups)


def _decode_group(node: Node, path: str) -> GroupDocument:
    fields = PolicyFields(node, path=path, names=("name", "require", "any"))
    items = read_items(*fields.take("any"), minimum=1, maximum=MAX_REQUIREMENTS)
    group = GroupDocument(
        name=read_text(*fields.take("name"), maximum=64),
        require=read_integer(*fields.take("require"), minimum=1, maximum=MAX_REQUIREMENTS),
        any=tuple(_decode_requirement(item, where) for item, where in items),
        place=fields.take("require")[0].place,
        path=path,
    )
    distinct = {r.path if isinstance(r, KeyReference) else r for r in group.any}
    _check_reachable(group, len(distinct))
    return group


def _check_reachable(group: GroupDocument, distinct: int) -> None:
    """Refuses a group that asks for more people than it names; a pattern may stand for any number of them."""
    open_ended = any(isinstance(r, KeylessRequirement) and r.kind is SubjectKind.PATTERN for r in group.any)
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
    fields = PolicyFields(node, path=path, names=("key", "keyless"))
    if fields.has("key") == fields.has("keyless"):
        raise fields.wrong("must be either key or keyless, and not both", code="signers.method")
    if fields.has("key"):
        key, where = fields.take("key")
        return KeyReference(path=read_text(key, where), place=key.place)
    return _decode_keyless(*fields.take("keyless"))


def _decode_keyless(node: Node, path: str) -> KeylessRequirement:
    fields = PolicyFields(node, path=path, names=("issuer", "subject"))
    issuer_node, issuer_path = fields.take("issuer")
    issuer = read_text(issuer_node, issuer_path)
    if not _ISSUER.fullmatch(issuer):
        raise refusal(
            "is not an https address without * ? or #", issuer_node.place, issuer_path, code="signers.issuer", found=issuer
        )
    subject_node, subject_path = fields.take("subject")
    if not isinstance(subject_node, MapNode):
        subject = read_text(subject_node, subject_path)
        if "*" in subject:
            raise refusal(
                "has a * but is compared as it stands",
                subject_node.place,
                subject_path,
                code="signers.subject",
                hint="write subject: {pattern: …} for a pattern",
            )
        return KeylessRequirement(issuer=issuer, subject=subject, kind=SubjectKind.EXACT)
    pattern_node, where = PolicyFields(subject_node, path=subject_path, names=("pattern",)).take("pattern")
    pattern = read_text(pattern_node, where)
    # https://github.com/* is everybody with an account, and *@* is everybody with an address.
    if not (_URL_PREFIX.match(pattern) or _MAIL_PATTERN.fullmatch(pattern)):
        raise refusal(
            "matches too much: spell out the host and the first part of the path, or the mail domain, before any *",
            pattern_node.place,
            where,
            code="signers.subject",
            found=pattern,
            hint="for instance https://github.com/acme/* or *@acme.example",
        )
    return KeylessRequirement(issuer=issuer, subject=pattern, kind=SubjectKind.PATTERN)


def key_references(groups: tuple[GroupDocument, ...]) -> tuple[str, ...]:
    """Every key path of the groups, each once, in the order of the text."""
    return tuple(dict.fromkeys(r.path for group in groups for r in group.any if isinstance(r, KeyReference)))


def bind_groups(groups: tuple[GroupDocument, ...], keys: Mapping[str, KeyIdentity]) -> tuple[SignerGroup, ...]:
    """The groups with identities in place of paths.

    Raises ``InputError``: ``policy.signers.key`` for a path that ``keys`` does not have, and
    ``policy.signers.require`` where two paths turn out to be one key and too few people are left.
    """
    return tuple(_bind_group(group, keys) for group in groups)


def _bind_group(group: GroupDocument, keys: Mapping[str, KeyIdentity]) -> SignerGroup:
    bound: list[Requirement] = []
    for requirement in group.any:
        if isinstance(requirement, KeylessRequirement):
            bound.append(requirement)
        elif requirement.path in keys:
            bound.append(KeyRequirement(reference=requirement.path, identity=keys[requirement.path]))
        else:
            raise refusal(
                "names a key that was not given", requirement.place, group.path, code="signers.key", found=requirement.path
            )
    distinct = {r.identity.unique if isinstance(r, KeyRequirement) else r for r in bound}
    _check_reachable(group, len(distinct))
    return SignerGroup(name=group.name, require=group.require, any=tuple(bound))
