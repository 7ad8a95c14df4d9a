"""Check policies: everything that is wrong with their text and the files they name, and what is likely not meant."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mlsign.actions.policies.chain import open_chain
from mlsign.actions.policies.load_policies import policy_files
from mlsign.actions.policies.load_policy import bind_policy
from mlsign.actions.policies.read_policy import load_operator_sets
from mlsign.actions.policies.verify_policy import SUFFIX
from mlsign.errors import InputError
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.decoding.policy import PolicyDocument
from mlsign.policy.decoding.signers import GroupDocument, KeyReference
from mlsign.policy.decoding.yaml_source import Mapping, Node, decode_yaml
from mlsign.policy.lint.checks import in_order, lint
from mlsign.policy.lint.errors import remark_of
from mlsign.policy.lint.remark import Draft, Remark, Severity
from mlsign.policy.lint.scope import check_overlaps


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPolicy:
    """What there is to say about one policy file, in the order of its text, and after it what is about its parents.

    ``draft`` is what was looked through, None for a policy with errors.
    """

    path: str
    remarks: tuple[Remark, ...]
    draft: Draft | None = None

    def count(self, severity: Severity) -> int:
        """How many remarks are of this severity."""
        return sum(remark.severity is severity for remark in self.remarks)


def check_policies(paths: Iterable[Path], *, now: datetime | None = None, limits: Limits = DEFAULT) -> tuple[CheckedPolicy, ...]:
    """What is wrong with each of several policies, and which of them are for the same packages; a folder stands for those in it.

    Raises as ``check_policy``, and ``InputError`` (``policy.folder``) for a folder without policies.
    """
    checked = [check_policy(file, now=now, limits=limits) for path in paths for file in policy_files(path)]
    sound = [(index, policy.draft) for index, policy in enumerate(checked) if policy.draft is not None]
    for (index, _), overlaps in zip(sound, check_overlaps([draft for _, draft in sound]), strict=True):
        checked[index] = _checked(Path(checked[index].path), (*checked[index].remarks, *overlaps), checked[index].draft)
    return tuple(checked)


def check_policy(path: Path, *, now: datetime | None = None, limits: Limits = DEFAULT) -> CheckedPolicy:
    """What is wrong with the policy at ``path``, as remarks. Raises ``OutsideError`` where it cannot be read."""
    try:
        data, _ = read_user_file(path, max_bytes=limits.max_policy_bytes, what="policy")
        written = decode_yaml(data, source=path.name, limits=limits)
        chain = open_chain(path, limits=limits)
    except InputError as err:
        return _checked(path, (remark_of(err, source=path.name),))
    if errors := chain.errors():
        return _checked(path, errors)
    node, document = chain.combined()
    if errors := _file_errors(path, document, limits=limits) or _bind_errors(path, document, limits=limits):
        return _checked(path, errors)
    draft = Draft(
        node=_with_lineage(node, written),
        policy=bind_policy(path, document, limits=limits).policy,
        operator_sets=load_operator_sets(),
        now=now or datetime.now(UTC),
        is_signed=os.path.exists(f"{path}{SUFFIX}"),  # noqa: PTH110 - no error for a name that is too long to be one
    )
    return _checked(path, lint(draft), draft)


def _checked(path: Path, remarks: Iterable[Remark], draft: Draft | None = None) -> CheckedPolicy:
    own_first = sorted(in_order(remarks), key=lambda remark: remark.place.source != path.name)
    return CheckedPolicy(path=str(path), remarks=tuple(own_first), draft=draft)


def _with_lineage(node: Node, written: Node) -> Node:
    """What a chain comes to, and which parent the policy itself names and what it loosens, which is no part of that."""
    if not isinstance(node, Mapping) or not isinstance(written, Mapping):
        return node
    return replace(node, entries=(*node.entries, *(e for e in written.entries if e[0].text in {"extends", "loosens"})))


def _file_errors(path: Path, document: PolicyDocument, *, limits: Limits) -> tuple[Remark, ...]:
    """An error for each file that somebody is named by and that is missing or holds something else, at the line that names it."""
    summarizers = () if document.vsa is None else (document.vsa.accept,)
    signers = (
        _file_error(path, document, group, index, ".any", limits=limits) for group in document.groups for index in _each(group)
    )
    others = (
        _file_error(path, document, group, index, "", limits=limits)
        for group in (*document.attesters, *document.runners, *summarizers)
        for index in _each(group)
    )
    return tuple(remark for remark in (*signers, *others) if remark is not None)


def _each(group: GroupDocument) -> range:
    return range(len(group.any))


def _file_error(
    path: Path, document: PolicyDocument, group: GroupDocument, index: int, field: str, *, limits: Limits
) -> Remark | None:
    """Binds a policy of this one requirement alone, so that one bad file does not hide the next."""
    wanted = group.any[index]
    alone = GroupDocument(name=group.name, require=1, any=(wanted,), place=group.place, path=group.path)
    try:
        bind_policy(path, PolicyDocument(unbound=document.unbound, groups=(alone,)), limits=limits)
    except InputError as err:
        place = getattr(wanted, "place", group.place)
        kind = "key" if isinstance(wanted, KeyReference) else "certificate"
        return Remark(
            code=err.code,
            severity=Severity.ERROR,
            place=place,
            path=f"{group.path}{field}[{index}].{kind}",
            message=err.message,
            hint=err.hint,
        )
    return None


def _bind_errors(path: Path, document: PolicyDocument, *, limits: Limits) -> tuple[Remark, ...]:
    """What only shows once all keys are there: two paths that are one key, and too few people left."""
    try:
        bind_policy(path, document, limits=limits)
    except InputError as err:
        return (remark_of(err, source=path.name),)
    return ()
