"""Rules about models that can never fire, and caps that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mlsign.errors import shown
from mlsign.interface import OperatorId
from mlsign.policy.decoding.yaml_source import Scalar
from mlsign.policy.lint.remark import Draft, Remark
from mlsign.policy.model import Isolation, ManifestMode, Presence, Unbounded

_TIGHT_SECONDS = 60.0
_Named = tuple[frozenset[OperatorId], str]


def _named(draft: Draft, entry: Scalar) -> _Named:
    """The operators that an entry names, and the domain where it names a whole one."""
    domain, colon, name = entry.text.rpartition(":")
    if not colon:
        return draft.operator_sets.get(entry.text, frozenset()), ""
    return (frozenset(), domain) if name == "*" else (frozenset({OperatorId(domain, name)}), "")


def _entries(draft: Draft, field: str) -> Sequence[tuple[int, Scalar]]:
    items = draft.items("operators", field)
    return [(index, item) for index, item in enumerate(items) if isinstance(item, Scalar)]


def check_operators(draft: Draft) -> Iterator[Remark]:
    """Entries of ``operators`` that do nothing."""
    settings = draft.policy.operators
    for index, entry in _entries(draft, "deny"):
        operators, domain = _named(draft, entry)
        domains = {operator.domain for operator in settings.allow} | settings.allowed_domains
        within = {operator for operator in operators if operator in settings.allow or operator.domain in settings.allowed_domains}
        if not within and domain not in domains:
            yield draft.information(
                "operators.deny-idle",
                f"{shown(entry.text)} is denied, and nothing in operators.allow has it: the entry changes nothing today",
                *("operators", "deny", index),
            )
    for index, entry in _entries(draft, "allow"):
        operators, domain = _named(draft, entry)
        left = {
            operator for operator in operators if operator not in settings.deny and operator.domain not in settings.denied_domains
        }
        if not left and (not domain or domain in settings.denied_domains):
            yield draft.warning(
                "operators.allow-idle",
                f"{shown(entry.text)} is allowed, and operators.deny takes all of it away",
                *("operators", "allow", index),
                hint="take one of the two out",
            )
    domains = {operator.domain for operator in settings.allow} | settings.allowed_domains
    for domain in sorted(draft.policy.model.opset.keys() - domains):
        yield draft.warning(
            "opset.idle",
            f"no operator of {shown(domain)} is allowed, so this range decides only about models that import it in vain",
            *("model", "opset", domain),
            hint="take the range out, or allow operators of the domain",
        )


def check_model(draft: Draft) -> Iterator[Remark]:
    """Caps that cannot be reached, or that the sandbox cannot hold."""
    model, memory = draft.policy.model, draft.policy.sandbox.memory_bytes
    nodes = model.limits.get("max_nodes")
    if model.max_nodes is not None and nodes is not None and nodes < model.max_nodes:
        yield draft.warning(
            "model.nodes-idle",
            f"reading stops at {nodes} nodes (model.limits.nodes), so this cap is never reached",
            *("model", "max_nodes"),
            hint="make model.limits.nodes the larger one",
        )
    if model.max_parameter_bytes is not None and model.max_parameter_bytes > memory:
        yield draft.warning(
            "model.beyond-sandbox",
            "models with more parameters than sandbox.memory would be allowed, and could not be scored",
            *("model", "max_parameter_bytes"),
            hint="lower it, or raise sandbox.memory",
        )
    if model.run.max_bytes > memory:
        yield draft.warning(
            "model.beyond-sandbox",
            "runs that take more than sandbox.memory would be allowed, and would fail",
            *("model", "run", "max_bytes"),
            hint="lower it, or raise sandbox.memory",
        )
    if model.presence is Presence.OPTIONAL and draft.policy.manifest is ManifestMode.REQUIRED:
        yield draft.warning(
            "model.presence-idle",
            "a package with a manifest always has a model, and manifest is required: this changes nothing",
            *("model", "presence"),
            hint="set manifest: optional, or take it out",
        )
    yield from _check_unbounded(draft)


def _check_unbounded(draft: Draft) -> Iterator[Remark]:
    run, box = draft.policy.model.run, draft.policy.sandbox
    tight = box.isolation is Isolation.FULL and max(box.cpu_seconds, box.wall_seconds) <= _TIGHT_SECONDS
    for name, value in (("unknown_sizes", run.unknown_sizes), ("unknown_turns", run.unknown_turns)):
        if value is Unbounded.ALLOW and not tight:
            yield draft.warning(
                "run.unbounded",
                "what a run takes is left to the sandbox, and the sandbox is not tight",
                *("model", "run", name),
                hint="set sandbox.isolation: full, and at most a minute for sandbox.cpu and sandbox.wall",
            )


def check_sandbox(draft: Draft) -> Iterator[Remark]:
    """A limit on processor time that the clock always comes before."""
    box = draft.policy.sandbox
    if box.cpu_seconds > box.wall_seconds * box.threads:
        yield draft.warning(
            "sandbox.cpu-idle",
            f"{box.threads} threads cannot use so much processor time before sandbox.wall ends the call",
            *("sandbox", "cpu"),
            hint="lower it to sandbox.wall times sandbox.threads",
        )
