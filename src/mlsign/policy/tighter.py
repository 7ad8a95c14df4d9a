"""For everything that a policy says: when one policy is no looser in it than another.

The keys of ``LEAVES`` and ``OWN`` are the attributes of ``Policy``, down to the last. An attribute that is in neither has no
meaning for policies that extend others yet: a test fails for it, and ``extend`` refuses a child that differs from its parent in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from operator import attrgetter, le
from types import MappingProxyType
from typing import Any, Final

from mlsign.interface import OperatorId
from mlsign.policy.exemption import Exemption
from mlsign.policy.freshness import AgeProof, LogDemand, StaleTrust, TimeDemand
from mlsign.policy.hazards import WHOLE_DOMAIN
from mlsign.policy.model import (
    CustomDomains,
    ExternalData,
    Hashing,
    Isolation,
    ManifestMode,
    Mode,
    Policy,
    Presence,
    Rollback,
    Unbounded,
    VersionRange,
)
from mlsign.policy.patterns import TextPattern
from mlsign.policy.provenance import AttestedDemands, ClaimDemands

OWN: Final = frozenset({"name", "description", "digest", "lineage", "revision", "signers", "vsa", "rivals", "golden.run_by"})
"""What belongs to one policy alone. Whoever is named by a key in a file (signers, whose summaries are accepted, who runs) is compared
by ``extend``, before the files are read; rivals are other policies of one command line."""

OWN_FIELDS: Final = frozenset({"apiVersion", "kind", "name", "description", "revision"})
"""Fields of the text that are never taken from a parent."""
NEVER: Final = frozenset(
    {
        "apiVersion",
        "kind",
        "name",
        "description",
        "revision",
        "expires",
        "operators.deny",
        "revoked",
        "rules",
        "extends",
        "loosens",
    }
)
"""Fields that no reason loosens: what they say is added to the parent's, or is not compared at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One field as policies write it. ``within`` says whether the child, first, is no looser than the parent.

    ``beyond``, for lists of what is allowed, is what the child allows and the parent does not.
    """

    field: str
    within: Callable[[Policy, Policy], bool]
    spell: Callable[[Any], str]
    beyond: Callable[[Policy, Policy], frozenset[Any]] | None = None


def attributes(value: object, path: str = "") -> Iterator[str]:
    """The attributes of a policy, those of the values in it in place of the values."""
    for field in fields(value):  # type: ignore[arg-type]  # dataclasses only, and a policy is one
        inner = getattr(value, field.name)
        name = f"{path}{field.name}"
        if is_dataclass(inner) and name not in LEAVES and name not in OWN:
            yield from attributes(inner, f"{name}.")
        else:
            yield name


def _plain(value: Any) -> str:
    if value is None:
        return "no limit"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        minutes = value // timedelta(minutes=1)
        return f"{minutes // 1440}d" if minutes % 1440 == 0 else f"{minutes}m"
    if isinstance(value, Exemption):
        return f"{', '.join(sorted(value.codes))} of {value.digest} until {_plain(value.until)}"
    if isinstance(value, frozenset | tuple):
        return ", ".join(sorted(map(_plain, value))) or "nothing"
    if isinstance(value, float):
        return f"{value:g}s"
    return str(value)


def _leaf(field: str, path: str, compare: Callable[[Any, Any], bool], spell: Callable[[Any], str] = _plain) -> tuple[str, Leaf]:
    of = attrgetter(path)
    return path, Leaf(field=field, within=lambda child, parent: compare(of(child), of(parent)), spell=spell)


def _cap(field: str, path: str) -> tuple[str, Leaf]:
    """No limit at all is the loosest."""
    return _leaf(field, path, lambda child, parent: parent is None or (child is not None and child <= parent))


def _choice(field: str, path: str, *order: Enum) -> tuple[str, Leaf]:
    """``order`` starts with the strictest."""
    return _leaf(field, path, lambda child, parent: order.index(child) <= order.index(parent))


def _subset(field: str, path: str) -> tuple[str, Leaf]:
    of = attrgetter(path)
    return path, _list(field, lambda child, parent: frozenset(of(child)) - frozenset(of(parent)))


def _list(field: str, beyond: Callable[[Policy, Policy], frozenset[Any]]) -> Leaf:
    return Leaf(field=field, within=lambda child, parent: not beyond(child, parent), spell=_plain, beyond=beyond)


def _union(field: str, path: str) -> tuple[str, Leaf]:
    return _leaf(field, path, lambda child, parent: set(child) >= set(parent))


def _same(field: str, path: str) -> tuple[str, Leaf]:
    return _leaf(field, path, lambda child, parent: bool(child == parent))


def _operators_beyond(child: Policy, parent: Policy) -> frozenset[OperatorId]:
    """Operators that the parent allows neither by name nor, where they do nothing but compute, with their domain."""
    theirs = parent.operators

    def allowed(operator: OperatorId) -> bool:
        whole = OperatorId(operator.domain, WHOLE_DOMAIN)
        harmless = operator not in theirs.hazards and whole not in theirs.hazards
        by_domain = harmless and operator.domain in theirs.allowed_domains
        return operator in theirs.allow or by_domain

    return frozenset(operator for operator in child.operators.allow if not allowed(operator))


def _opset_within(child: MappingProxyType[str, VersionRange], parent: MappingProxyType[str, VersionRange]) -> bool:
    return all(
        domain in child and wide.minimum <= child[domain].minimum and child[domain].maximum <= wide.maximum
        for domain, wide in parent.items()
    )


def _spell_opset(value: MappingProxyType[str, VersionRange]) -> str:
    return ", ".join(f"{domain} {wide.text}" for domain, wide in sorted(value.items())) or "any version"


def _limits_within(child: MappingProxyType[str, int], parent: MappingProxyType[str, int]) -> bool:
    return all(name in child and child[name] <= value for name, value in parent.items())


def _spell_limits(value: MappingProxyType[str, int]) -> str:
    return ", ".join(f"{name.removeprefix('max_')} {number}" for name, number in sorted(value.items())) or "no limit"


def _spell_demands(demands: ClaimDemands | AttestedDemands | None) -> str:
    """What is asked, field by field; who may attest is compared by ``extend``."""
    if demands is None:
        return "nothing"
    told = ((field.name, getattr(demands, field.name)) for field in fields(demands) if field.name != "signed_by")
    return "; ".join(f"{name} {_plain(value)}" for name, value in told if value) or "nothing"


def _names_within(child: tuple[TextPattern, ...] | None, parent: tuple[TextPattern, ...] | None) -> bool:
    """Fewer names as they are written: whether one pattern is within another, nobody can say of all of them."""
    return parent is None or (child is not None and set(child) <= set(parent))


def _fewer(child: tuple[Any, ...], parent: tuple[Any, ...]) -> bool:
    """Whether one of fewer is asked for; nothing is anything."""
    return not parent or (bool(child) and set(child) <= set(parent))


def _more(child: bool, parent: bool) -> bool:
    """Whether what is asked for is still asked for."""
    return child or not parent


def _claims_within(child: ClaimDemands | None, parent: ClaimDemands | None) -> bool:
    if child is None or parent is None:
        return parent is None
    lists = (child.builders, parent.builders), (child.sources, parent.sources)
    flags = (child.commit, parent.commit), (child.time, parent.time), (child.training_data, parent.training_data)
    return all(_fewer(*pair) for pair in lists) and all(_more(*pair) for pair in flags)


def _attested_within(child: AttestedDemands | None, parent: AttestedDemands | None) -> bool:
    if child is None or parent is None:
        return parent is None
    lists = (
        (child.builders, parent.builders),
        (child.build_types, parent.build_types),
        (child.sources, parent.sources),
        (child.dependencies, parent.dependencies),
    )
    # Parameters are demands: the child keeps each one of the parent, and lets no others pass where the parent does not.
    others = not parent.parameters or parent.other_parameters or not child.other_parameters
    return all(_fewer(*pair) for pair in lists) and set(child.parameters) >= set(parent.parameters) and others


_RUN: Final = "model.run"
LEAVES: Final[MappingProxyType[str, Leaf]] = MappingProxyType(
    dict(
        (
            _choice("manifest", "manifest", ManifestMode.REQUIRED, ManifestMode.OPTIONAL),
            _choice("mode", "mode", Mode.ENFORCE, Mode.AUDIT),
            _subset("digests", "digests"),
            _subset("formats", "formats"),
            _subset("unsigned_files", "unsigned_files"),
            _union("revoked", "revoked"),
            _union("rules", "rules"),
            _subset("exceptions", "exceptions"),
            _leaf("match", "match.names", _names_within, lambda value: "every package" if value is None else _plain(value)),
            _leaf("provenance", "provenance.required", _more),
            _leaf("provenance.claimed", "provenance.claimed", _claims_within, _spell_demands),
            _leaf("provenance.attested", "provenance.attested", _attested_within, _spell_demands),
            _leaf("golden.required", "golden.required", _more),
            _leaf("golden.replay", "golden.replay", _more),
            _leaf("golden.max_rtol", "golden.max_rtol", le, "{:g}".format),
            _leaf("golden.max_atol", "golden.max_atol", le, "{:g}".format),
            _cap("golden.time", "golden.replay_seconds"),
            _union("golden.platforms", "golden.platforms"),
            _union("golden.runtimes", "golden.runtimes"),
            _cap("expires", "expires"),
            ("operators.allow", _list("operators.allow", _operators_beyond)),
            _subset("operators.allow", "operators.allowed_domains"),
            _union("operators.deny", "operators.deny"),
            _union("operators.deny", "operators.denied_domains"),
            _choice("operators.custom_domains", "operators.custom_domains", CustomDomains.DENY, CustomDomains.ALLOW),
            _same("operators", "operators.hazards"),
            _choice("model.presence", "model.presence", Presence.REQUIRED, Presence.OPTIONAL),
            _leaf("model.opset", "model.opset", _opset_within, _spell_opset),
            _cap("model.max_nodes", "model.max_nodes"),
            _cap("model.max_parameter_bytes", "model.max_parameter_bytes"),
            _choice("model.external_data", "model.external_data", ExternalData.DENY, ExternalData.PACKAGED),
            _leaf("model.limits", "model.limits", _limits_within, _spell_limits),
            _cap("model.run.max_bytes", f"{_RUN}.max_bytes"),
            _cap("model.run.max_steps", f"{_RUN}.max_steps"),
            _cap("model.run.max_operations", f"{_RUN}.max_operations"),
            # A larger one makes most sizes larger and some smaller, so neither is the tighter one.
            _same("model.run.open_dimension", f"{_RUN}.open_dimension"),
            _choice("model.run.unknown_sizes", f"{_RUN}.unknown_sizes", Unbounded.DENY, Unbounded.ALLOW),
            _choice("model.run.unknown_turns", f"{_RUN}.unknown_turns", Unbounded.DENY, Unbounded.ALLOW),
            _leaf(
                "versions.minimum",
                "minimum_version",
                lambda child, parent: parent is None or (child is not None and not child < parent),
                lambda value: "any version" if value is None else str(value),
            ),
            _choice("versions.rollback", "rollback", Rollback.DENY, Rollback.ALLOW),
            _cap("sandbox.memory", "sandbox.memory_bytes"),
            _cap("sandbox.cpu", "sandbox.cpu_seconds"),
            _cap("sandbox.wall", "sandbox.wall_seconds"),
            _cap("sandbox.threads", "sandbox.threads"),
            _choice("sandbox.isolation", "sandbox.isolation", Isolation.FULL, Isolation.AVAILABLE),
            _choice("transparency.log", "freshness.transparency.log", LogDemand.REQUIRED, LogDemand.OPTIONAL),
            _choice(
                "transparency.timestamp",
                "freshness.transparency.timestamp",
                TimeDemand.REQUIRED,
                TimeDemand.EITHER,
                TimeDemand.OPTIONAL,
            ),
            _cap("age.max", "freshness.max_age"),
            _choice("hashing", "hashing", Hashing.ALWAYS, Hashing.ONCE),
            _choice("age.proof", "freshness.age_proof", AgeProof.BOUNDED, AgeProof.STAMPED),
            # Another trust root is neither tighter nor looser: it trusts other people.
            _leaf("trust.root", "freshness.trust.file", lambda child, parent: bool(child == parent), lambda v: v or "none"),
            _same("trust.instance", "freshness.trust.instance"),
            _choice("trust.stale", "freshness.trust.stale", StaleTrust.DENY, StaleTrust.ALLOW),
            _cap("trust.max_age", "freshness.trust.max_age"),
        )
    )
)
"""What is compared, by attribute."""
