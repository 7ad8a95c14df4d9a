"""A policy to start from, written for one package: YAML with comments, as ``policies/baseline.yaml`` has them.

Pure: facts in, text out. What it says must be read by a person before it is used; nothing in it was taken from a
signature that nobody checked.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mlsign.errors import shown
from mlsign.interface import OperatorId
from mlsign.limits import GIB, KIB, MIB
from mlsign.onnx.summary import ModelSummary, Unbounded
from mlsign.policy.decoding.run import MAX_COUNT
from mlsign.policy.model import STANDARD_DOMAINS, Mode, RunSettings
from mlsign.version import Version

ROOM: Final = 10
"""How many times what the model has the caps are: room for the next releases, and far below what hurts."""
_SETS: Final = ("inference-v1", "ml-v1")
_MOST_BYTES: Final = 1024 * 1024 * GIB
_LATER: Final = 3
"""Versions of an operator set beyond that of the model, for the next releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChoice:
    """Somebody signs with a key; ``path`` is relative to the policy."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessChoice:
    """Somebody signs keyless. A ``subject`` with a star is a pattern."""

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StarterFacts:
    """What a policy is written for. ``summary`` and ``version`` are None without a package; ``left_out`` are operators that do
    more than compute, which only a person may let in.
    """

    name: str
    signer: KeyChoice | KeylessChoice
    mode: Mode
    summary: ModelSummary | None = None
    version: Version | None = None
    left_out: tuple[OperatorId, ...] = ()


def render_starter(facts: StarterFacts) -> str:
    """The text of the policy."""
    parts = (
        _head(facts),
        _signers(facts.signer),
        _operators(facts),
        _model(facts),
        _versions(facts),
        _mode(facts),
        _sandbox(facts),
    )
    return "\n".join(parts)


def _quoted(text: str) -> str:
    """Text as YAML and JSON both read it."""
    return json.dumps(text, ensure_ascii=False)


def _comment(words: str, *, indent: str = "") -> str:
    return textwrap.fill(words, 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_long_words=False) + "\n"


def _head(facts: StarterFacts) -> str:
    about = "Written by mlsign policy init. Read it, change it, and let mlsign policy check look at it: whatever it does not allow is denied."
    return (
        f"{_comment(about)}\napiVersion: mlsign/v1\nkind: Policy\n\n"
        f"{_comment('Reports call the policy by this name and by the digest of this file.')}name: {_quoted(facts.name)}\n\n"
        f"{_comment('A package must say what it is.')}manifest: required\n"
    )


def _signers(signer: KeyChoice | KeylessChoice) -> str:
    lines = _comment("Who must have signed. Every group must be met, by as many distinct people of it as require says.")
    lines += "signers:\n  - name: release\n    require: 1\n    any:\n"
    if isinstance(signer, KeyChoice):
        told = "The PUBLIC key, relative to this file. List the next one here before you change over to it."
        return lines + _comment(told, indent="      ") + f"      - key: {_quoted(signer.path)}\n"
    told = "Whom the issuer vouches for by this name. Make sure, over another channel, that it is whom you mean."
    subject = f"{{pattern: {_quoted(signer.subject)}}}" if "*" in signer.subject else _quoted(signer.subject)
    lines += _comment(told, indent="      ")
    lines += f"      - keyless:\n          issuer: {_quoted(signer.issuer)}\n          subject: {subject}\n"
    log = _comment("Every signature must be in a transparency log, and have a trusted time.")
    return f"{lines}\n{log}transparency:\n  log: required\n  timestamp: either\n"


def _operators(facts: StarterFacts) -> str:
    if facts.summary is None:
        words = "Reviewed sets of operators. A model that needs more says so in its refusal (MLS301): name that operator here."
        allowed: Iterable[str] = _SETS
    else:
        words = (
            "Exactly the operators that the model has. The next release may need another one: its refusal says which (MLS301)."
        )
        used = sorted({use.operator for use in facts.summary.operators} - {*facts.left_out})
        allowed = [_quoted(str(operator)) for operator in used]
    lines = "operators:\n" + _comment(words, indent="  ") + "  allow:\n"
    lines += "".join(f"    - {name}\n" for name in allowed)
    if facts.summary is not None and any(use.operator.domain not in STANDARD_DOMAINS for use in facts.summary.operators):
        lines += _comment(
            "Operators of other domains are native code that the runtime brings along: look at it before you use this.",
            indent="    ",
        )
    if facts.left_out:
        names = ", ".join(map(shown, facts.left_out))
        lines += _comment(f"Left out, because they do more than compute, so the model is denied: {names}.", indent="    ")
    return f"{lines}  custom_domains: deny\n"


def _model(facts: StarterFacts) -> str:
    summary = facts.summary
    if summary is None:
        words = "Weights in files of their own are fine as long as they are in the package, listed and signed."
        return (
            "model:\n"
            + _comment("Caps on the model; policies/baseline.yaml explains each.", indent="  ")
            + (f"  max_nodes: 100000\n  max_parameter_bytes: 1GiB\n{_comment(words, indent='  ')}  external_data: packaged\n")
        )
    lines = "model:\n" + _opset(facts, summary)
    lines += _comment(f"About {ROOM} times what the model has.", indent="  ")
    lines += f"  max_nodes: {_rounded(summary.node_count * ROOM)}\n"
    lines += f"  max_parameter_bytes: {_spelled(_parameter_cap(summary))}\n"
    external = "The model has weights in files of their own." if summary.external else "All weights are in the model itself."
    lines += _comment(external, indent="  ") + f"  external_data: {'packaged' if summary.external else 'deny'}\n"
    return lines + _run(summary)


def _opset(facts: StarterFacts, summary: ModelSummary) -> str:
    domains = {use.operator.domain for use in summary.operators if use.operator not in facts.left_out}
    ranges = [(item.domain, item.version) for item in summary.opsets if item.domain in domains]
    if not ranges:
        return ""
    lines = _comment("The versions that the model is written for, and a few later ones. Try your runtime with each.", indent="  ")
    return f"{lines}  opset:\n" + "".join(
        f"    {_quoted(domain)}: {_quoted(f'>={version},<={version + _LATER}')}\n" for domain, version in ranges
    )


def _run(summary: ModelSummary) -> str:
    if summary.bounds is None:
        return ""
    bounds, kinds = summary.bounds, {item.kind for item in summary.bounds.unknown}
    sizes = "allow" if kinds & {Unbounded.SIZE, Unbounded.COMPLEXITY} else "deny"
    turns = "allow" if Unbounded.TURNS in kinds else "deny"
    lines = _comment("What one run takes, computed from the model before it runs.", indent="  ") + "  run:\n"
    lines += f"    max_bytes: {_spelled(_run_cap(summary))}\n"
    lines += f"    max_steps: {_rounded(bounds.steps * ROOM)}\n    max_operations: {_rounded(bounds.operations * ROOM)}\n"
    if "allow" in (sizes, turns):
        lines += _comment("Some of it only the run decides: the sandbox below is what stops it then.", indent="    ")
    return f"{lines}    unknown_sizes: {sizes}\n    unknown_turns: {turns}\n"


def _versions(facts: StarterFacts) -> str:
    if facts.version is None:
        return _comment("An old release stays signed: name the oldest that may run, as versions: {minimum: 1.0.0}.")
    words = "Nothing older than this release. Old ones stay signed for ever, with whatever was wrong with them."
    return f"{_comment(words)}versions:\n  minimum: {_quoted(facts.version.text)}\n"


def _mode(facts: StarterFacts) -> str:
    return (
        _comment("audit reports what it would have refused, and lets everything run; enforce refuses.")
        + f"mode: {facts.mode.value}\n"
    )


def _sandbox(facts: StarterFacts) -> str:
    summary = facts.summary
    need = 0 if summary is None else _parameter_cap(summary) + _run_cap(summary)
    unbounded = summary is not None and summary.bounds is not None and bool(summary.bounds.unknown)
    lines = _comment("What one scoring worker gets: address space, and time for one call.")
    lines += f"sandbox:\n  memory: {max(2, -(-need // GIB))}GiB\n  cpu: 10s\n  wall: 15s\n  threads: 2\n"
    if unbounded:
        lines += _comment("Every layer of the sandbox, because it alone stops a run without bounds.", indent="  ")
    return f"{lines}  isolation: {'full' if unbounded else 'available'}\n"


def _parameter_cap(summary: ModelSummary) -> int:
    return _up(max(summary.parameter_bytes * ROOM, KIB))


def _run_cap(summary: ModelSummary) -> int:
    bounds = summary.bounds
    return _up(max(bounds.peak_bytes * ROOM, MIB)) if bounds is not None else RunSettings().max_bytes


def _up(count: int) -> int:
    """Up to a whole number of the unit that it is spelled in."""
    unit = next((unit for unit in (GIB, MIB) if count >= 16 * unit), KIB)
    return min(-(-count // unit) * unit, _MOST_BYTES)


def _spelled(count: int) -> str:
    unit, name = next(((unit, name) for unit, name in ((GIB, "GiB"), (MIB, "MiB")) if count % unit == 0), (KIB, "KiB"))
    return f"{count // unit}{name}"


def _rounded(count: int) -> int:
    """Up to two digits and zeros, at least 100, at most what a policy may say."""
    unit = int("1" + "0" * max(0, len(str(count)) - 2))
    return min(max(100, -(-count // unit) * unit), MAX_COUNT)
