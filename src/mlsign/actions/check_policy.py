"""Check policies: everything that is wrong with their text and the files they name, and what is likely not meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlsign.actions.load_policy import bind_policy
from mlsign.actions.read_policy import load_hazards, load_operator_sets
from mlsign.digest import sha256
from mlsign.errors import InputError
from mlsign.interface import OperatorId
from mlsign.limits import DEFAULT, Limits
from mlsign.package.read import read_user_file
from mlsign.policy.decode import PolicyDocument, decode_policy_node
from mlsign.policy.decode_signers import GroupDocument, KeyReference
from mlsign.policy.lint.checks import in_order, lint
from mlsign.policy.lint.errors import find_errors, remark_of
from mlsign.policy.lint.remark import Draft, Remark, Severity
from mlsign.policy.yaml_source import Node, decode_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedPolicy:
    """What there is to say about one policy file, in the order of its text."""

    path: str
    remarks: tuple[Remark, ...]

    def count(self, severity: Severity) -> int:
        """How many remarks are of this severity."""
        return sum(remark.severity is severity for remark in self.remarks)


def check_policy(path: Path, *, limits: Limits = DEFAULT) -> CheckedPolicy:
    """What is wrong with the policy at ``path``, as remarks. Raises ``OutsideError`` where it cannot be read."""
    try:
        data, _ = read_user_file(path, max_bytes=limits.max_policy_bytes, what="policy")
        node = decode_yaml(data, source=path.name, limits=limits)
    except InputError as err:
        return CheckedPolicy(path=str(path), remarks=(remark_of(err, source=path.name),))
    sets = load_operator_sets()
    decode = partial(decode_policy_node, digest=sha256(data), operator_sets=sets, hazards=load_hazards(), limits=limits)
    errors = find_errors(node, source=path.name, decode=decode)
    if not errors:
        document = decode(node)
        errors = _file_errors(path, document, limits=limits) or _bind_errors(path, document, limits=limits)
        if not errors:
            remarks = _remarks(path, node, document, sets, limits=limits)
            return CheckedPolicy(path=str(path), remarks=remarks)
    return CheckedPolicy(path=str(path), remarks=in_order(errors))


def _remarks(
    path: Path,
    node: Node,
    document: PolicyDocument,
    sets: Mapping[str, frozenset[OperatorId]],
    *,
    limits: Limits,
) -> tuple[Remark, ...]:
    policy = bind_policy(path, document, limits=limits).policy
    return lint(Draft(node=node, policy=policy, operator_sets=sets))


def _file_errors(path: Path, document: PolicyDocument, *, limits: Limits) -> tuple[Remark, ...]:
    """An error for each file that a group names and that is missing or holds something else, at the line that names it."""
    found = (
        _file_error(path, document, group, index, limits=limits) for group in document.groups for index in range(len(group.any))
    )
    return tuple(remark for remark in found if remark is not None)


def _file_error(path: Path, document: PolicyDocument, group: GroupDocument, index: int, *, limits: Limits) -> Remark | None:
    """Binds a policy of this one requirement alone, so that one bad file does not hide the next."""
    wanted = group.any[index]
    alone = GroupDocument(name=group.name, require=1, any=(wanted,), place=group.place, path=group.path)
    try:
        bind_policy(path, PolicyDocument(unbound=document.unbound, groups=(alone,)), limits=limits)
    except InputError as err:
        place = getattr(wanted, "place", group.place)
        field = "key" if isinstance(wanted, KeyReference) else "certificate"
        return Remark(
            code=err.code,
            severity=Severity.ERROR,
            place=place,
            path=f"{group.path}.any[{index}].{field}",
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
