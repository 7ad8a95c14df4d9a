"""What each field of a policy means, in sentences: one small function for each field, and tables that name them all.

A sentence says what is enforced, defaults included, and nothing else. Layout is ``policy_as_text``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from mlsign.errors import shown
from mlsign.limits import GIB, KIB, MIB
from mlsign.policy.model import (
    CustomDomains,
    Hashing,
    ManifestMode,
    Mode,
    Policy,
    RevokedFile,
    RevokedPackage,
    Rollback,
    SignerGroup,
)
from mlsign.policy.requirements import CertificateRequirement, KeylessRequirement, KeyRequirement, Requirement
from mlsign.report.operator_words import operators_by_domain

_LONG: Final = 1100
"""The longest pattern that a policy may hold is shorter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """What one field of a policy asks for. ``title`` is a noun, ``sentences`` are whole ones."""

    title: str
    sentences: tuple[str, ...]


Sentences = Iterable[str]


def text(value: object) -> str:
    """Foreign text as it may stand in a sentence, as long as a policy may make it."""
    return shown(value, limit=_LONG)


def either(words: Iterable[str]) -> str:
    """``a``, ``a or b``, ``a, b or c``."""
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last


def span(value: timedelta) -> str:
    """A span in the largest unit that says it exactly."""
    seconds = value.total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"


def exact_bytes(value: int) -> str:
    """Bytes in the largest unit of 1024 that says them exactly."""
    for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if value and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value} bytes"


def _manifest(policy: Policy) -> Sentences:
    if policy.manifest is ManifestMode.REQUIRED:
        return ("It has a readable manifest, mlsign.json.",)
    return ("It may lack a manifest, as folders signed by other tools do. A manifest that is there must be readable and true.",)


def _signers(policy: Policy) -> Sentences:
    if not policy.signers:
        return ("The policy names nobody who could sign, so no package is allowed.",)
    return map(_group, policy.signers)


def _group(group: SignerGroup) -> str:
    count = f"At least {group.require} distinct {'person' if group.require == 1 else 'people'}"
    over = (
        f"countersigned a signature that counts for the group {text(group.countersigns)}" if group.countersigns else "signed it"
    )
    people = "; ".join(map(person, group.any))
    alone = " Nobody can countersign a signature of their own." if group.countersigns else ""
    return f"{count} of the group {text(group.name)} {'has' if group.require == 1 else 'have'} {over}: {people}.{alone}"


def person(wanted: Requirement) -> str:
    """Whoever is meant."""
    if isinstance(wanted, KeyRequirement):
        return f"whoever holds the key {text(wanted.reference)} ({wanted.identity.kind}, {wanted.identity.spki})"
    if isinstance(wanted, KeylessRequirement):
        claims = "".join(f", with {name} {text(pattern)}" for name, pattern in wanted.claims)
        return f"whoever {text(wanted.issuer)} vouches for as {text(wanted.subject)}{claims}"
    return _certificate(wanted)


def _certificate(wanted: CertificateRequirement) -> str:
    parts = {"subject": wanted.subject, "name": wanted.name, "issuer": wanted.issuer, "fingerprint": wanted.fingerprint}
    asked = " and ".join(f"the {name} {text(value)}" for name, value in parts.items() if value is not None)
    roots = ", ".join(sorted(map(str, wanted.anchors)))
    return f"whoever holds a certificate with {asked or 'any name'}, under the roots in {text(wanted.reference)} ({roots})"


def _digests(policy: Policy) -> Sentences:
    return (f"A signature counts only if it knows the content by {either(sorted(a.value for a in policy.digests))}.",)


def _formats(policy: Policy) -> Sentences:
    return (f"A signature counts only if its statement is in the format {either(sorted(f.value for f in policy.formats))}.",)


def _operators(policy: Policy) -> Sentences:
    settings = policy.operators
    yield f"The model has no operators but these: {operators_by_domain(settings.allow) or 'none by name'}."
    if settings.allowed_domains:
        domains = either(sorted(map(text, settings.allowed_domains)))
        yield f"Operators of the domain {domains} pass whatever their name, unless they do more than compute."
    if settings.deny:
        yield f"It has none of these, whatever allows them: {operators_by_domain(settings.deny)}."
    if settings.denied_domains:
        yield f"It has no operator of the domain {either(sorted(map(text, settings.denied_domains)))}, whatever allows it."
    if settings.custom_domains is CustomDomains.DENY:
        yield "No custom domain is allowed as a whole: operators outside ai.onnx and ai.onnx.ml must be named one by one."
    else:
        yield "Custom domains may be allowed as a whole; only those named above are."
    if settings.hazards:
        by_kind = {
            kind: {operator for operator, kinds in settings.hazards.items() if kind in kinds}
            for kind in sorted({kind for kinds in settings.hazards.values() for kind in kinds}, key=lambda k: k.value)
        }
        told = "; ".join(f"{kind.value}: {operators_by_domain(found)}" for kind, found in by_kind.items())
        yield f"Operators that do more than compute pass only if they are allowed by their own name; they are {told}."


def _versions(policy: Policy) -> Sentences:
    if policy.minimum_version is None:
        yield "Any version will do."
    else:
        yield f"Its version is {policy.minimum_version} or newer."


def _rollback(policy: Policy) -> Sentences:
    if policy.rollback is Rollback.DENY:
        return (
            "It is not older than a release of the same name that was allowed here before, nor that version with other content.",
        )
    return ("It may be older than a release that was allowed before.",)


def _revoked(policy: Policy) -> Sentences:
    if not policy.revoked:
        return ("Nothing is revoked.",)
    out = []
    for item in policy.revoked:
        if isinstance(item, RevokedPackage):
            what = f"the package {item.digest}, nor a package with a file of that digest"
        elif isinstance(item, RevokedFile):
            what = f"a package with the file {either(map(str, item.digests))}"
        else:
            what = f"{text(item.name)} {item.version}" if item.version is not None else f"any release of {text(item.name)}"
        out.append(f"It is not {what} (revoked: {text(item.reason)}).")
    return out


def _mode(policy: Policy) -> Sentences:
    if policy.mode is Mode.ENFORCE:
        return ("The policy is enforced: whatever it denies is stopped, and what could not be checked is denied.",)
    return ("The policy only audits: what it would deny is reported, and nothing is stopped.",)


def _hashing(policy: Policy) -> Sentences:
    if policy.hashing is Hashing.ALWAYS:
        return ("Every file is read and hashed for each decision.",)
    return (
        "Files of a store that the caller names (--store) are not read again, as long as nobody has touched them since mlsign hashed them.",
    )


def _unsigned_files(policy: Policy) -> Sentences:
    if not policy.unsigned_files:
        return ("No file may lie in it unsigned.",)
    return (f"These files may lie in it unsigned, and are never loaded: {', '.join(map(text, policy.unsigned_files))}.",)


FIELDS: Final[MappingProxyType[str, tuple[str, Callable[[Policy], Sentences]]]] = MappingProxyType(
    {
        "manifest": ("Manifest", _manifest),
        "signers": ("Signers", _signers),
        "digests": ("Digests", _digests),
        "formats": ("Formats", _formats),
        "operators": ("Operators", _operators),
        "minimum_version": ("Version", _versions),
        "rollback": ("Rollback", _rollback),
        "revoked": ("Revoked", _revoked),
        "mode": ("Mode", _mode),
        "unsigned_files": ("Unsigned files", _unsigned_files),
        "hashing": ("Hashing", _hashing),
    }
)
"""The fields of a policy that need no table of their own, by their names in ``Policy``."""
