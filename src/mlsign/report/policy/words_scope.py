"""In sentences: which packages a policy is for and until when, where a model is from, what is excepted, and what is added to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import MappingProxyType
from typing import Final

from mlsign.policy.model import Policy
from mlsign.policy.provenance import AttestedDemands, ClaimDemands
from mlsign.report.policy.words import Sentences, either, person, span, text

_DATA: Final = "golden test data"


def _match(policy: Policy) -> Sentences:
    if policy.match.names is None:
        return ("The policy is for packages of every name.",)
    return (f"The manifest calls it {either(text(name) for name in policy.match.names)}: the policy is for no other package.",)


def _rivals(policy: Policy) -> Sentences:
    if not policy.rivals:
        return ("No other policy was given with this one.",)
    told = (
        f"{text(rival.policy)} (for {'every name' if rival.match.names is None else either(map(text, rival.match.names))})"
        for rival in policy.rivals
    )
    return (f"No policy that was given with this one is for the package as well: {'; '.join(told)}.",)


def _expires(policy: Policy) -> Sentences:
    if policy.expires is None:
        return ("The policy has no end.",)
    return (f"It is not yet {_moment(policy.expires)}: from then on the policy allows nothing.",)


def _revision(policy: Policy) -> Sentences:
    if policy.revision is None:
        return ("The policy has no revision, so an older version of it is taken as well as a newer one.",)
    return (f"This is revision {policy.revision}: where policies must be signed, no lower one is taken after it.",)


def _lineage(policy: Policy) -> Sentences:
    lineage = policy.lineage
    if len(lineage.chain) > 1:
        chain = " extends ".join(f"{text(link.name)} ({text(link.source)}, {link.digest})" for link in lineage.chain)
        yield f"The policy stands on others, and what they ask for is part of it: {chain}."
    else:
        yield "The policy stands alone."
    for each in lineage.loosened:
        yield (
            f"LOOSENED: {text(each.child)} is looser than {text(each.parent)} in {text(each.field)}, "
            f"{text(each.loose)} in place of {text(each.tight)} (reason: {text(each.reason)})."
        )
    if lineage.signer is not None:
        yield f"The policy itself was signed by {text(lineage.signer.unique)}."


def _rules(policy: Policy) -> Sentences:
    if not policy.rules:
        return ("The policy has no conditions of its own.",)
    return [
        f"This is known to be false of it: {text(rule.when)} ({text(rule.id)}: {text(rule.message)})." for rule in policy.rules
    ]


def _exceptions(policy: Policy) -> Sentences:
    if not policy.exceptions:
        return ("Nothing is excepted.",)
    return [
        f"EXCEPTED until {_moment(item.until)}: failures with {', '.join(sorted(item.codes))} do not deny the package "
        f"{item.digest} (reason: {text(item.reason)})."
        for item in policy.exceptions
    ]


def _summaries(policy: Policy) -> Sentences:
    if policy.vsa is None:
        yield "No verification summary stands in for signatures."
        return
    people = "; ".join(map(person, policy.vsa.accept))
    yield (
        f"Where the caller asks for it, a verification summary of at most {span(policy.vsa.max_age)} stands in for all signatures: "
        f"by {people}."
    )
    if policy.vsa.stores:
        yield (
            "Of a model that this process admitted before, and keeps in sealed memory, a summary admits the bytes as they were hashed "
            "then, without hashing them again."
        )
    else:
        yield "Every byte is hashed again, whatever a summary says."
    if policy.vsa.chosen:
        yield f"The caller asks for summaries by {either(sorted(map(text, policy.vsa.chosen)))}."
    if policy.vsa.trusted is not None:
        yield f"A summary counts only if it was made with the same keys and certificates ({policy.vsa.trusted})."


def _provenance(policy: Policy) -> Sentences:
    asked = policy.provenance
    if not asked.required:
        yield "Its manifest need not say where the model is from."
    elif asked.claimed is None and asked.attested is None:
        yield "Its manifest says something about where the model is from, whatever that is."
    if asked.claimed is not None:
        yield from _claimed(asked.claimed)
    if asked.attested is not None:
        yield from _attested(asked.attested)


def _claimed(claimed: ClaimDemands) -> Sentences:
    whose = "as its packer claims, for whatever that is worth"
    if claimed.builders:
        yield f"It was built by {either(map(text, claimed.builders))}, {whose}."
    if claimed.sources:
        yield f"Its source is {either(map(text, claimed.sources))}, {whose}."
    if claimed.commit:
        yield "The manifest names the commit of the source."
    if claimed.time:
        yield "The manifest says when it was built."
    if claimed.training_data:
        yield "The manifest names the training data, each with a digest."


def _attested(asked: AttestedDemands) -> Sentences:
    yield f"A SLSA provenance statement about this package is signed by one of these: {'; '.join(map(person, asked.signed_by))}."
    yield f"The statement names the builder {either(map(text, asked.builders))}."
    if asked.build_types:
        yield f"The statement is about a build of the type {either(map(text, asked.build_types))}."
    if asked.sources:
        yield f"The statement names as the one source {either(map(text, asked.sources))}."
    for parameter in asked.parameters:
        yield f"The build was given {text('.'.join(parameter.path))} as {text(parameter.wanted)}."
    if asked.parameters:
        yield f"Other parameters of the build are {'let through' if asked.other_parameters else 'refused'}."
    elif asked.other_parameters:
        yield "Other parameters of the build are let through."
    if asked.dependencies:
        told = either(map(text, asked.dependencies))
        yield f"The build took in nothing but its source and {told}."


def _golden(policy: Policy) -> Sentences:
    golden = policy.golden
    yield f"It brings {_DATA} along." if golden.required else f"It need not bring {_DATA} along."
    if golden.replay:
        yield f"The model, run in the sandbox on all of its {_DATA}, gives the expected answers."
    else:
        yield "The model is not run before it is allowed."
    if golden.platforms:
        people = "; ".join(map(person, golden.run_by))
        where, runtimes = (" and ".join(map(text, each)) for each in (golden.platforms, golden.runtimes))
        yield f"Runs of this very package on all of its {_DATA} have passed on {where}, with {runtimes}."
        yield f"Each of these runs is signed by one of these: {people}."
    else:
        yield "Nobody else need have run it."
    yield f"Answers that are asked for come within a relative tolerance of {golden.max_rtol:g} and an absolute one of {golden.max_atol:g}."
    yield f"Running all of the {_DATA} takes at most {golden.replay_seconds:g} seconds."


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


SCOPE: Final[MappingProxyType[str, tuple[str, Callable[[Policy], Sentences]]]] = MappingProxyType(
    {
        "match": ("Packages", _match),
        "rivals": ("Other policies", _rivals),
        "expires": ("End", _expires),
        "revision": ("Revision", _revision),
        "lineage": ("Where the policy is from", _lineage),
        "rules": ("Conditions", _rules),
        "exceptions": ("Exceptions", _exceptions),
        "vsa": ("Verification summaries", _summaries),
        "provenance": ("Provenance", _provenance),
        "golden": ("Golden test data", _golden),
    }
)
"""By their names in ``Policy``."""
