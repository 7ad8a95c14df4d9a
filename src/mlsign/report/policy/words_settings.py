"""The settings of a policy that have fields of their own, in sentences: the model, one run of it, freshness, the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from mlsign.errors import shown
from mlsign.policy.decoding.run import LIMITS
from mlsign.policy.freshness import AgeProof, Freshness, LogDemand, StaleTrust, TimeDemand, Transparency, TrustSettings
from mlsign.policy.model import ExternalData, Isolation, ModelSettings, Presence, RunSettings, SandboxSettings, Unbounded
from mlsign.report.policy.words import Sentences, exact_bytes, span, text


def _presence(model: ModelSettings) -> Sentences:
    if model.presence is Presence.REQUIRED:
        return ("It has an ONNX model that can be read, without any problem that no honest exporter writes.",)
    return ("It may have no ONNX model at all; one that is there must be readable and free of problems.",)


def _opset(model: ModelSettings) -> Sentences:
    if not model.opset:
        return ("The model may be written for any version of its operator sets.",)
    return [
        f"The model imports {text(domain)} in a version {text(r.text)}, if at all." for domain, r in sorted(model.opset.items())
    ]


def _max_nodes(model: ModelSettings) -> Sentences:
    if model.max_nodes is None:
        return ("The policy sets no cap on nodes.",)
    return (f"The model has at most {model.max_nodes:,} nodes.",)


def _max_parameter_bytes(model: ModelSettings) -> Sentences:
    if model.max_parameter_bytes is None:
        return ("The policy sets no cap on parameters.",)
    return (f"The parameters of the model take at most {exact_bytes(model.max_parameter_bytes)}.",)


def _external_data(model: ModelSettings) -> Sentences:
    if model.external_data is ExternalData.PACKAGED:
        return ("Weights may lie in files beside the model, inside the package, and listed where there is a manifest.",)
    return ("All weights lie in the model itself.",)


def _run(model: ModelSettings) -> Sentences:
    return [sentence for words in RUN.values() for sentence in words(model.run)]


def _limits(model: ModelSettings) -> Sentences:
    if not model.limits:
        return ()
    names = {target: name for name, target in LIMITS.items()}
    told = ", ".join(_cap(names[target], value) for target, value in sorted(model.limits.items()))
    return (f"Reading the model stops, and the package is denied, beyond any of these: {told}.",)


def _cap(name: str, value: int) -> str:
    if name.endswith("_bytes"):
        return f"{exact_bytes(value)} of {name.removesuffix('_bytes')}"
    return f"{value:,} {name.replace('_', ' ')}"


MODEL: Final[MappingProxyType[str, Callable[[ModelSettings], Sentences]]] = MappingProxyType(
    {
        "presence": _presence,
        "opset": _opset,
        "max_nodes": _max_nodes,
        "max_parameter_bytes": _max_parameter_bytes,
        "external_data": _external_data,
        "run": _run,
        "limits": _limits,
    }
)


def _unknown(value: Unbounded, *, what: str) -> Sentences:
    if value is Unbounded.DENY:
        return (f"{what} must follow from the model before it runs.",)
    return (f"{what} may be decided by the run itself; the sandbox is what stops it then.",)


RUN: Final[MappingProxyType[str, Callable[[RunSettings], Sentences]]] = MappingProxyType(
    {
        "max_bytes": lambda r: (f"One run takes at most {exact_bytes(r.max_bytes)} for values, beyond inputs and weights.",),
        "max_steps": lambda r: (f"One run takes at most {r.max_steps:,} operators, turns of loops counted.",),
        "max_operations": lambda r: (f"One run takes at most {r.max_operations:,} steps of arithmetic.",),
        "open_dimension": lambda r: (f"Dimensions that the model leaves open are taken to be {r.open_dimension:,} for that.",),
        "unknown_sizes": lambda r: _unknown(r.unknown_sizes, what="The sizes of values"),
        "unknown_turns": lambda r: _unknown(r.unknown_turns, what="The turns of loops"),
    }
)


def _log(asked: Transparency) -> Sentences:
    if asked.log is LogDemand.REQUIRED:
        return ("A signature counts only with a proof that a transparency log has it.",)
    return ("A signature counts without a proof that a transparency log has it.",)


def _timestamp(asked: Transparency) -> Sentences:
    return {
        TimeDemand.REQUIRED: ("A signature counts only with a time by a timestamp authority.",),
        TimeDemand.EITHER: ("A signature counts only with a trusted time, by a timestamp authority or a log.",),
        TimeDemand.OPTIONAL: ("A signature by key counts without a trusted time.",),
    }[asked.timestamp]


TRANSPARENCY: Final[MappingProxyType[str, Callable[[Transparency], Sentences]]] = MappingProxyType(
    {"log": _log, "timestamp": _timestamp}
)


def _max_age(asked: Freshness) -> Sentences:
    if asked.max_age is None:
        return ("A signature may be of any age.",)
    return (f"A signature counts only if it is at most {span(asked.max_age)} old, by the earliest trusted time.",)


def _age_proof(asked: Freshness) -> Sentences:
    if asked.max_age is None:
        return ()  # there is no age to prove
    if asked.age_proof is AgeProof.BOUNDED:
        return ("Only keyless signatures have an age that counts, because only their certificates end after minutes.",)
    return ("A timestamp is enough to tell the age.",)


def _trust_place(asked: TrustSettings) -> Sentences:
    if asked.file:
        return (f"The Sigstore trust root, where one is needed, is the file {text(asked.file)} beside the policy.",)
    return (f"The Sigstore trust root, where one is needed, is the one kept for {text(asked.instance)}.",)


def _stale(asked: TrustSettings) -> Sentences:
    if asked.stale is StaleTrust.DENY:
        return ("A trust root past its expiry denies everything that rests on it.",)
    return ("A trust root past its expiry is reported and used.",)


def _trust_age(asked: TrustSettings) -> Sentences:
    if asked.max_age is None:
        return ()
    return (f"Its repository has confirmed the trust root within {span(asked.max_age)}.",)


TRUST: Final[MappingProxyType[str, Callable[[TrustSettings], Sentences]]] = MappingProxyType(
    # an instance means nothing where there is a file
    {"file": _trust_place, "instance": lambda _: (), "stale": _stale, "max_age": _trust_age}
)

FRESHNESS: Final[MappingProxyType[str, Callable[[Freshness], Sentences]]] = MappingProxyType(
    {
        "transparency": lambda f: [sentence for words in TRANSPARENCY.values() for sentence in words(f.transparency)],
        "max_age": _max_age,
        "age_proof": _age_proof,
        "trust": lambda f: [sentence for words in TRUST.values() for sentence in words(f.trust)],
    }
)


def _isolation(box: SandboxSettings) -> Sentences:
    if box.isolation is Isolation.FULL:
        return ("Every layer of the sandbox must be in force, or nothing is scored.",)
    return ("The layers that this system offers are put in force, and the report says which.",)


SANDBOX: Final[MappingProxyType[str, Callable[[SandboxSettings], Sentences]]] = MappingProxyType(
    {
        "memory_bytes": lambda b: (f"A scoring worker gets {exact_bytes(b.memory_bytes)} of address space.",),
        "cpu_seconds": lambda b: (f"A call gets {shown(f'{b.cpu_seconds:.10g}')} seconds of processor time.",),
        "wall_seconds": lambda b: (f"A call ends after {shown(f'{b.wall_seconds:.10g}')} seconds on the clock.",),
        "threads": lambda b: (f"A worker runs {b.threads} thread{'' if b.threads == 1 else 's'}.",),
        "isolation": _isolation,
    }
)
